//! `pingtalk:documents/store`.

use crate::bindings::pingtalk::documents::store as wit;

pingtalk_documents::conversions!(wit);
