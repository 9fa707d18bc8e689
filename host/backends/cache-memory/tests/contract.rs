//! The cache contract, met in memory.

use pingtalk_cache_memory::{Config, MemoryCache};

pingtalk_contract::cache!(async { (MemoryCache::new(Config::default()), ()) });
