//! Profile pictures: from wherever a client has one to a file others can fetch.
//!
//! A picture comes in the request (as a `data:` URL or a form's file) or as an address to fetch
//! it from. It is brought into one form ([`normalise`]) and stored under a name of its own, never
//! under the name of an earlier one: clients and caches on the way may keep a picture for ever.
//!
//! The refusals name Cloudinary, where the original kept its pictures, since clients show them.

mod data_url;
mod jpeg;
mod location;
mod normalise;
mod remote;

use pingtalk_sdk::{
    Error, Platform, Result, blobs::Bounds, bytes::Bytes, documents::Id, http::Uri, log,
    serde_json::Value,
};

use crate::update::Update;
use normalise::{Refusal, normalise};

/// Largest picture in a form, in bytes: with the other fields it fills a body of 10 MiB. A
/// `data:` URL gets to three quarters of that.
pub(crate) const MAX_UPLOAD_BYTES: usize = 9_728 * 1024;
/// The blob container.
const CONTAINER: &str = "pictures";
/// More than a picture of this size can take, in bytes.
const MAX_STORED_BYTES: u64 = 1024 * 1024;
/// Random bytes in a picture's name.
const NAME_BYTES: usize = 16;

const WRONG_TYPE: &str =
    "Cloudinary upload failed: Invalid image format. Only JPEG, JPG, and PNG are allowed";
const WRONG_URL: &str = "Cloudinary upload from URL failed: Invalid image URL. Only JPEG, JPG, and PNG URLs are allowed";

/// Where a new picture comes from.
pub(crate) enum Source {
    /// In the request.
    Bytes(Bytes),
    /// On another server.
    Remote(Uri),
}

impl Source {
    /// The new picture of an update, if it has one. The file wins over the field; a field that
    /// repeats the stored URL changes nothing.
    ///
    /// # Errors
    /// The contract's 400s. What is in the request was bounded when it was read.
    pub(crate) fn of(update: Update, stored: Option<&str>) -> Result<Option<Self>> {
        if let Some(file) = update.file {
            return Ok(Some(Self::Bytes(file)));
        }
        let Some(value) = update.profile_pic() else { return Ok(None) };
        let Value::String(text) = value else {
            return Err(Error::bad_request("Invalid profile picture format"));
        };
        if stored == Some(text) {
            return Ok(None);
        }
        if data_url::is_data_url(text) {
            let bytes = data_url::decode(text).ok_or_else(|| Error::bad_request(WRONG_TYPE))?;
            return Ok(Some(Self::Bytes(bytes.into())));
        }
        if !location::is_web(text) {
            return Err(Error::bad_request("Invalid profile picture format"));
        }
        let uri = location::parse(text).filter(location::names_a_picture);
        uri.map(|uri| Some(Self::Remote(uri))).ok_or_else(|| Error::bad_request(WRONG_URL))
    }
}

/// A picture that is stored, whether a profile points to it yet or not.
pub(crate) struct Stored {
    /// Where clients fetch it.
    pub(crate) url: String,
}

/// Fetches, checks, converts and stores a new picture.
///
/// # Errors
/// 400 when it is no picture or can't be fetched, 413 when it is too large, 503 and 507 from the
/// blob store.
pub(crate) async fn take_in(platform: &Platform, user: Id, source: Source) -> Result<Stored> {
    let upload = match source {
        Source::Bytes(bytes) => bytes,
        Source::Remote(uri) => remote::fetch(platform, uri).await?,
    };
    let jpeg = normalise(&upload).map_err(|refusal| match refusal {
        Refusal::NotAPicture => Error::bad_request(WRONG_TYPE),
        Refusal::TooManyPixels => Error::bad_request("profilePic has too many pixels"),
    })?;
    drop(upload);
    let name = format!("{user}/{}.jpg", platform.random_hex(NAME_BYTES));
    let bounds = Bounds::up_to(MAX_STORED_BYTES).accept("image/jpeg");
    let info = platform.blobs().put(CONTAINER, &name, jpeg, bounds).await?;
    Ok(Stored { url: info.url })
}

/// Removes a picture that no profile points to any more. A failure leaves it behind, and goes to
/// the log.
pub(crate) async fn discard(platform: &Platform, user: Id, url: &str) {
    let Some(name) = own_name(user, url) else { return };
    if let Err(error) = platform.blobs().delete(CONTAINER, name).await {
        log::warn("picture not removed", &[("picture", &name), ("error", &error)]);
    }
}

/// The name under which [`take_in`] stored the picture with this URL; none for URLs of other
/// origin, such as the original's.
fn own_name(user: Id, url: &str) -> Option<&str> {
    let length = user.to_string().len() + 1 + 2 * NAME_BYTES + ".jpg".len();
    let name = url.get(url.len().checked_sub(length)?..)?;
    let random = name.strip_prefix(&format!("{user}/"))?.strip_suffix(".jpg")?;
    random.bytes().all(|c| c.is_ascii_hexdigit()).then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::fixtures::{ask, only, picture, with_ann};
    use base64::{Engine, prelude::BASE64_STANDARD};
    use image::ImageFormat;
    use pingtalk_sdk::{
        fake::{Answer, Host, put},
        serde_json::json,
    };

    fn send(host: &Host, token: &str, picture: &Value) -> Answer {
        ask(host, put("/patchProfile").json(&json!({ "profilePic": picture })).token(token))
    }

    fn data_url(media_type: &str, bytes: &[u8]) -> Value {
        json!(format!("data:{media_type};base64,{}", BASE64_STANDARD.encode(bytes)))
    }

    #[test]
    fn stores_what_is_in_the_request() {
        let (jpeg, png) = (picture(ImageFormat::Jpeg), picture(ImageFormat::Png));
        for (media_type, bytes) in [
            ("image/jpeg", &jpeg),
            ("image/jpg", &jpeg),
            ("image/png", &png),
            // The bytes decide.
            ("image/jpeg", &png),
        ] {
            let (host, token) = with_ann();
            let answer = send(&host, &token, &data_url(media_type, bytes));
            assert_eq!(answer.status, 200, "{}", answer.message());
            let names = host.blob_names(CONTAINER);
            let kept = image::load_from_memory(&host.blob(CONTAINER, &names[0]).unwrap()).unwrap();
            assert_eq!((kept.width(), kept.height()), (413, 531));
            assert!(only(&host).profile_pic.unwrap().ends_with(&names[0]));
        }
    }

    #[test]
    fn a_file_wins_over_the_field() {
        let (host, token) = with_ann();
        let png = picture(ImageFormat::Png);
        let texts = [("profilePic", "http://example.com/x.png"), ("about", "Me")];
        let form = put("/patchProfile").form(&texts, Some(("profilePic", "ü.png", &png)));
        let answer = ask(&host, form.token(&token));
        assert_eq!(answer.status, 200, "{}", answer.message());
        assert!(host.requests().is_empty());
        assert_eq!(only(&host).about.as_deref(), Some("Me"));
    }

    #[test]
    fn refuses_with_the_contract_s_words() {
        let (host, token) = with_ann();
        let format = "Invalid profile picture format";
        let png = picture(ImageFormat::Png);
        for (value, message) in [
            (json!("me.png"), format),
            (json!("ftp://example.com/me.png"), format),
            (json!("//example.com/me.png"), format),
            (json!({ "$ne": "" }), format),
            (json!(["http://example.com/me.png"]), format),
            (json!(1), format),
            (data_url("image/gif", &png), WRONG_TYPE),
            (data_url("text/html", &png), WRONG_TYPE),
            (data_url("image/svg+xml", b"<svg/>"), WRONG_TYPE),
            (data_url("image/png", b"no picture"), WRONG_TYPE),
            (data_url("image/png", b""), WRONG_TYPE),
            (json!("data:image/png;base64,%%"), WRONG_TYPE),
            (json!("http://example.com/me.gif"), WRONG_URL),
            (json!("http://example.com/"), WRONG_URL),
            (json!("https://user@example.com/me.png"), WRONG_URL),
            (json!("http://"), WRONG_URL),
        ] {
            let answer = send(&host, &token, &value);
            assert_eq!(answer.status, 400, "{value}");
            assert_eq!(answer.json(), json!({ "message": message }), "{value}");
        }
        let form = put("/patchProfile").form(&[], Some(("profilePic", "me.png", b"GIF89a")));
        let answer = ask(&host, form.token(&token));
        assert_eq!((answer.status.as_u16(), answer.message().as_str()), (400, WRONG_TYPE));
        assert!(host.blob_names(CONTAINER).is_empty() && host.requests().is_empty());
    }

    #[test]
    fn bounds_what_is_in_the_request() {
        let (host, token) = with_ann();
        let large = vec![0; MAX_UPLOAD_BYTES + 1];
        let form = |bytes| put("/patchProfile").form(&[], Some(("profilePic", "me.png", bytes)));
        assert_eq!(ask(&host, form(&large).token(&token)).status, 413);
        assert_eq!(send(&host, &token, &data_url("image/png", &large)).status, 413);
        // A picture of the greatest size is looked at.
        assert_eq!(ask(&host, form(&large[1..]).token(&token)).message(), WRONG_TYPE);
        let most = data_url("image/png", &large[..large.len() / 4 * 3]);
        assert_eq!(send(&host, &token, &most).message(), WRONG_TYPE);
    }

    #[test]
    fn finds_only_own_names_in_urls() {
        let user = Id::from_bytes([7; 12]);
        let name = format!("{user}/{}.jpg", "0a".repeat(NAME_BYTES));
        for start in ["https://cdn.example/pictures/", "/blobs/pictures/", ""] {
            assert_eq!(own_name(user, &format!("{start}{name}")).unwrap(), name);
        }
        let other = Id::from_bytes([8; 12]);
        for url in [
            "",
            "https://res.cloudinary.com/demo/image/upload/v1/sample.jpg",
            &format!("/blobs/pictures/{name}?x"),
            &format!("/blobs/pictures/{user}/{}.jpg", "zz".repeat(NAME_BYTES)),
            &format!("/blobs/pictures/{other}/{}.jpg", "0a".repeat(NAME_BYTES)),
            &"ü".repeat(100),
        ] {
            assert_eq!(own_name(user, url), None, "{url}");
        }
    }
}
