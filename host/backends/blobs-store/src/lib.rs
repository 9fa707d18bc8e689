//! Blobs in an object store: a folder of files, which is the embedded default, or a bucket of an
//! S3-compatible service.
//!
//! A blob appears whole or not at all: a file is written beside its place, synced, then renamed; an
//! object is put in one request, or in parts that become an object when the last has arrived. Its
//! content type is found by looking at its first bytes, each time, and never taken from a client.
//!
//! Both keep the same layout, so that a folder copied into a bucket is found there. Every call ends
//! within the bounds of [`S3Config`], with `Unavailable` when the store is away; what an upload that
//! failed left in the bucket is aborted in the background. A crash can leave parts that nobody sees
//! and the bucket's owner pays for: give the bucket a lifecycle rule that aborts incomplete
//! multipart uploads after a day.

mod backend;
mod config;
mod content_type;
mod error;
mod examine;
mod leftovers;
mod limits;
mod s3;
mod tenant;
mod upload;

pub use backend::FileBlobs;
pub use config::{Config, S3Config};
pub use examine::{examine_files, examine_s3};
pub use s3::{S3Blobs, S3Error};
