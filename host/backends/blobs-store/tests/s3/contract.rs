//! The blobs contract, met with a bucket.

use pingtalk_blobs_store::S3Blobs;

use crate::server::S3Server;

pingtalk_contract::blobs!(async {
    let server = S3Server::start().await;
    (S3Blobs::new(server.config()).unwrap(), server)
});
