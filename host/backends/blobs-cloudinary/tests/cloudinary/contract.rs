//! The blobs contract, met with an account.

use pingtalk_blobs_cloudinary::CloudinaryBlobs;

use crate::server::CloudinaryServer;

pingtalk_contract::blobs!(async {
    let server = CloudinaryServer::start().await;
    (CloudinaryBlobs::new(server.config()).unwrap(), server)
});
