//! Blobs at Cloudinary, whose content network hands them to clients.
//!
//! Uploads and removals are signed as Cloudinary's upload API documents it; contents are read back
//! from delivery URLs. Pictures whose name ends in their format (`me.jpg`) become assets of type
//! `image`, so that Cloudinary can transform them by URL; everything else is `raw`. The ending is the
//! URL's last part either way, so a blob's URL ends in its container and name.
//!
//! What differs from the other stores, because Cloudinary is as it is:
//! - Whoever has a URL can fetch a blob, whatever the manifest says of its container.
//! - An empty blob, a folder named `v` and a number, and names too long for a public ID (255
//!   characters in all) are refused as invalid.
//! - An account's plan bounds sizes (10 MB on the free one): more is too large, and nothing is stored.
//! - A blob is uploaded in one request and is held in memory until it is; a few uploads run at a time.
//! - The host sees a replaced or removed blob at once. Clients may get the old one from the content
//!   network until the invalidation, which every change asks for, has gone round: seconds to minutes.
//!   Give new content a new name where that matters.
//! - An account must not transform what is uploaded (an incoming transformation, a named preset as
//!   its default): such an upload fails, as what would come back is not what was put.

mod api;
mod backend;
mod config;
mod content_type;
mod delivery;
mod error;
mod examine;
mod form;
mod place;
mod signature;

pub use backend::CloudinaryBlobs;
pub use config::{Config, ConfigError, SignatureAlgorithm};
pub use examine::examine;
