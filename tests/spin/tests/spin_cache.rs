//! The cache contract, met with the adapter for Spin.
#![allow(clippy::unwrap_used)]

use pingtalk_spin_tests::SpinCache;

pingtalk_contract::cache!(async { (SpinCache::new(), ()) });
