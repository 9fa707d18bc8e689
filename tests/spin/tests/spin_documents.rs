//! The documents contract, met with the adapter for Spin.
#![allow(clippy::unwrap_used)]

use pingtalk_spin_tests::SpinDocuments;

pingtalk_contract::documents!(async { (SpinDocuments::new(), ()) }, stand_in: async { false }, uncounted);
