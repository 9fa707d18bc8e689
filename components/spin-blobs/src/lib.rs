//! Meets `pingtalk:blobs/store` with Spin's SQLite, and serves what is public.
//!
//! Composed into a component it stores; mounted as a component of its own it answers `GET` of
//! `/CONTAINER/NAME`, for the containers that the manifest makes public. A blob is kept in pieces, so
//! that reading one never takes all of it into memory.
#![cfg(target_family = "wasm")]

mod bindings;
mod pieces;
mod public;

use bindings::{
    exports::pingtalk::blobs::store::{Bounds, Error, Guest, Info},
    wit_future, wit_stream,
};
use pingtalk_spin_platform::Served;
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

/// Largest blob, in bytes.
const MAX_BLOB_BYTES: u64 = 32 * 1024 * 1024;
/// Longest name, in bytes.
const MAX_NAME_BYTES: usize = 200;
/// How much of a stream is read at a time, in bytes.
const READ: usize = 64 * 1024;
/// What can't be told from the bytes. Browsers download it rather than show or run it.
const UNKNOWN: &str = "application/octet-stream";

/// What is exported.
pub(crate) struct Blobs;

impl Guest for Blobs {
    async fn put(
        container: String,
        name: String,
        content: StreamReader<u8>,
        bounds: Bounds,
    ) -> Result<Info, Error> {
        check(&container, &name)?;
        if bounds.max_size > MAX_BLOB_BYTES {
            return Err(Error::Invalid("max-size is at most 32 MiB".to_owned()));
        }
        let bytes = read(content, bounds.max_size).await?;
        let content_type = infer::get(&bytes).map_or(UNKNOWN, |kind| kind.mime_type());
        if !bounds.accept.is_empty() && !bounds.accept.iter().any(|it| it == content_type) {
            return Err(Error::Unacceptable(content_type.to_owned()));
        }
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        pieces::store(&container, &name, content_type, &bytes).map_err(unavailable)?;
        Ok(info(&container, &name, size, content_type.to_owned()))
    }

    async fn get(
        container: String,
        name: String,
    ) -> Result<(Info, StreamReader<u8>, FutureReader<Result<(), Error>>), Error> {
        let info = Self::head(container.clone(), name.clone()).await?;
        let (mut writer, reader) = wit_stream::new::<u8>();
        let cut_short = || Err(Error::Unavailable("the reader went away".to_owned()));
        let (end, ended) = wit_future::new::<Result<(), Error>>(cut_short);
        wit_bindgen::spawn_local(async move {
            let mut index = 0;
            let result = loop {
                match pieces::read(&container, &name, index) {
                    Ok(Some(piece)) => {
                        if !writer.write_all(piece).await.is_empty() {
                            return;
                        }
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(unavailable(error)),
                }
                index += 1;
            };
            drop(writer);
            // Who does not ask how it ended need not be told.
            let _ = end.write(result).await;
        });
        Ok((info, reader, ended))
    }

    async fn head(container: String, name: String) -> Result<Info, Error> {
        check(&container, &name)?;
        let found = pieces::find(&container, &name).map_err(unavailable)?;
        let (size, content_type) = found.ok_or(Error::NotFound)?;
        Ok(info(&container, &name, size, content_type))
    }

    async fn delete(container: String, name: String) -> Result<(), Error> {
        check(&container, &name)?;
        pieces::delete(&container, &name).map_err(unavailable)
    }
}

/// Reads a stream to its end, up to a bound.
async fn read(mut content: StreamReader<u8>, max_size: u64) -> Result<Vec<u8>, Error> {
    let max_size = usize::try_from(max_size).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    loop {
        let (status, piece) = content.read(Vec::with_capacity(READ)).await;
        if piece.len() > max_size.saturating_sub(bytes.len()) {
            return Err(Error::TooLarge);
        }
        let ended = piece.is_empty() && status != StreamResult::Complete(0);
        bytes.extend_from_slice(&piece);
        if ended {
            return Ok(bytes);
        }
    }
}

fn info(container: &str, name: &str, size: u64, content_type: String) -> Info {
    let url = format!("{}/blobs/default/{container}/{name}", public_url());
    Info { size, content_type, url }
}

/// Where clients find the application; empty: where they are.
fn public_url() -> String {
    let url = pingtalk_sdk::internal::variable("public_url").unwrap_or_default();
    url.trim_end_matches('/').to_owned()
}

fn check(container: &str, name: &str) -> Result<(), Error> {
    check_name(name)?;
    check_name(container)?;
    let granted = Served::with(|served| {
        served.component().is_some_and(|it| it.host.blobs.iter().any(|own| own == container))
    });
    match granted {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Denied(format!("container {container}"))),
        Err(why) => Err(Error::Unavailable(why)),
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let letters = |c: u8| c.is_ascii_alphanumeric() || b"-_./".contains(&c);
    let ok = (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(letters)
        && name.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    if ok {
        return Ok(());
    }
    Err(Error::Invalid(
        "a name is 1 to 200 of letters, digits, -, _, . and /, without empty or dot segments"
            .to_owned(),
    ))
}

fn unavailable(error: pingtalk_documents::Error) -> Error {
    match error {
        pingtalk_documents::Error::Full => Error::QuotaExceeded,
        other => Error::Unavailable(format!("{other:?}")),
    }
}

pingtalk_sdk::service! { http: public::routes }
