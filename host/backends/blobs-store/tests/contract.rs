//! The blobs contract, met with files.
#![allow(clippy::unwrap_used)]

use pingtalk_blobs_store::{Config, FileBlobs};

pingtalk_contract::blobs!(async {
    let folder = tempfile::tempdir().unwrap();
    (FileBlobs::new(Config::new(folder.path(), "http://localhost:3000/")), folder)
});
