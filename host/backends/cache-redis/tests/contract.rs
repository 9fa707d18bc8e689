//! The cache contract, met by Redis.

#![allow(clippy::unwrap_used)]

use pingtalk_cache_redis::{Config, RedisCache};
use pingtalk_redis_connection::Redis;

fn redis() -> Redis {
    let address = pingtalk_contract::servers::redis();
    Redis::new(pingtalk_redis_connection::Config::new(&address).unwrap())
}

pingtalk_contract::cache!(async { (RedisCache::new(redis(), Config::default()), ()) });
