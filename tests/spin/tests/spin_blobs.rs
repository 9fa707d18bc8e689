//! The blobs contract, met with the adapter for Spin.
#![allow(clippy::unwrap_used)]

use pingtalk_spin_tests::SpinBlobs;

pingtalk_contract::blobs!(async { (SpinBlobs::new(), ()) });
