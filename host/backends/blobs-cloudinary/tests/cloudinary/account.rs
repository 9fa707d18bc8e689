//! An account as Cloudinary documents it: who may call, what is stored, what is delivered.
//!
//! Signatures are verified by the published rule, written down here a second time and computed by
//! other crates than the backend's. The content network in front keeps what it delivered, "not found"
//! included, by URL, and never invalidates: a test sees what a client may see at worst.

use std::{
    collections::{BTreeMap, HashMap},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::StatusCode;
use sha1::Digest;

pub(crate) const CLOUD: &str = "demo-cloud";
pub(crate) const API_KEY: &str = "123456789012345";
pub(crate) const API_SECRET: &str = "the-api-secret";

/// An hour, as documented.
const MAX_AGE_SECONDS: u64 = 3_600;
/// Neither is signed, by the published rule; the signature itself can't be.
const UNSIGNED: [&str; 5] = ["file", "cloud_name", "resource_type", "api_key", "signature"];

/// A status and its message.
pub(crate) type Refusal = (StatusCode, String);

/// The fields of a call. A file is not among them.
pub(crate) type Fields = BTreeMap<String, String>;

#[derive(Default)]
pub(crate) struct Account {
    /// By type and public ID.
    assets: HashMap<(String, String), Bytes>,
    /// What the content network remembers, by path.
    cached: HashMap<String, Option<Bytes>>,
    /// The plan's bound.
    pub(crate) max_bytes: usize,
    /// Only SHA-256 is taken.
    pub(crate) sha256_only: bool,
    /// How far the account's clock is ahead.
    pub(crate) seconds_ahead: u64,
    /// Cuts off the last byte of what is uploaded.
    pub(crate) incoming_transformation: bool,
    /// The next calls to the API are over the limit.
    pub(crate) rate_limited: bool,
    /// Calls to the API that were carried out, such as `image/upload`.
    pub(crate) calls: Vec<String>,
}

impl Account {
    pub(crate) fn new() -> Self {
        Self { max_bytes: 100 * 1024 * 1024, ..Self::default() }
    }

    pub(crate) fn upload(
        &mut self,
        kind: &str,
        fields: &Fields,
        file: Option<Bytes>,
    ) -> Result<serde_json::Value, Refusal> {
        self.authorize(fields)?;
        let bad = |message: &str| (StatusCode::BAD_REQUEST, message.to_owned());
        let unknown = fields.keys().find(|name| {
            !["public_id", "timestamp", "overwrite", "invalidate", "api_key", "signature"]
                .contains(&name.as_str())
        });
        if let Some(name) = unknown {
            return Err(bad(&format!("Unexpected parameter {name}")));
        }
        let mut file = file.ok_or_else(|| bad("Missing required parameter - file"))?;
        if file.is_empty() {
            return Err(bad("Empty file"));
        }
        if file.len() > self.max_bytes {
            let (got, most) = (file.len(), self.max_bytes);
            return Err(bad(&format!("File size too large. Got {got}. Maximum is {most}.")));
        }
        let format = format(&file);
        if kind == "image" && format.is_none() {
            return Err(bad("Invalid image file"));
        }
        if self.incoming_transformation {
            file.truncate(file.len() - 1);
        }
        let public_id = sanitised(&fields["public_id"]).ok_or_else(|| bad("Invalid public_id"))?;
        let bytes = file.len();
        assert_eq!(fields["overwrite"], "true", "an older asset would stay");
        assert_eq!(fields["invalidate"], "true", "caches would not be told");
        self.assets.insert((kind.to_owned(), public_id.clone()), file);
        self.calls.push(format!("{kind}/upload"));
        let ending = if kind == "image" { format.map(|f| format!(".{f}")) } else { None };
        let ending = ending.unwrap_or_default();
        Ok(serde_json::json!({
            "public_id": public_id, "version": self.now(), "resource_type": kind, "type": "upload",
            "bytes": bytes, "etag": "", "signature": "", "tags": [],
            "secure_url": format!(
                "https://res.cloudinary.com/{CLOUD}/{kind}/upload/v{}/{public_id}{ending}",
                self.now()
            ),
        }))
    }

    pub(crate) fn destroy(
        &mut self,
        kind: &str,
        fields: &Fields,
    ) -> Result<serde_json::Value, Refusal> {
        self.authorize(fields)?;
        assert_eq!(fields["invalidate"], "true", "caches would not be told");
        self.calls.push(format!("{kind}/destroy"));
        let removed = self.assets.remove(&(kind.to_owned(), fields["public_id"].clone()));
        Ok(serde_json::json!({ "result": if removed.is_some() { "ok" } else { "not found" } }))
    }

    /// What the content network delivers at `<kind>/upload/v<digits>/<public ID>`, with an ending
    /// where it is a picture.
    pub(crate) fn deliver(&mut self, path: &str) -> Option<Bytes> {
        if let Some(cached) = self.cached.get(path) {
            return cached.clone();
        }
        let (kind, rest) = path.split_once("/upload/v")?;
        let (version, place) = rest.split_once('/')?;
        assert!(version.bytes().all(|c| c.is_ascii_digit()), "no version in {path}");
        let asset = if kind == "image" {
            let (public_id, ending) = place.rsplit_once('.').expect("an ending");
            let asset = self.assets.get(&(kind.to_owned(), public_id.to_owned())).cloned();
            if let Some(asset) = &asset {
                assert_eq!(format(asset), Some(ending), "would be converted");
            }
            asset
        } else {
            self.assets.get(&(kind.to_owned(), place.to_owned())).cloned()
        };
        self.cached.insert(path.to_owned(), asset.clone());
        asset
    }

    /// Public IDs of one type.
    pub(crate) fn public_ids(&self, kind: &str) -> Vec<String> {
        let of_kind = self.assets.keys().filter(|(other, _)| other == kind);
        of_kind.map(|(_, public_id)| public_id.clone()).collect()
    }

    /// The published rule.
    fn authorize(&self, fields: &Fields) -> Result<(), Refusal> {
        let no = |message: String| Err((StatusCode::UNAUTHORIZED, message));
        if self.rate_limited {
            return Err((StatusCode::from_u16(420).unwrap(), "Rate Limit Exceeded".to_owned()));
        }
        if fields.get("api_key").map(String::as_str) != Some(API_KEY) {
            return no("Invalid api_key".to_owned());
        }
        let timestamp: u64 = fields["timestamp"].parse().expect("seconds");
        if timestamp + MAX_AGE_SECONDS < self.now() {
            return no(format!(
                "Stale request - reported time is {timestamp} which is more than 1 hour ago"
            ));
        }
        // A BTreeMap's order is the alphabetical one.
        let signed: Vec<String> = fields
            .iter()
            .filter(|(name, _)| !UNSIGNED.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let signed = signed.join("&");
        let text = format!("{signed}{API_SECRET}");
        let given = fields.get("signature").map_or("", String::as_str);
        let sha1 = hex(&sha1::Sha1::digest(text.as_bytes()));
        let sha256 = hex(&<sha2::Sha256 as sha2::Digest>::digest(text.as_bytes()));
        if given == sha256 || (given == sha1 && !self.sha256_only) {
            Ok(())
        } else {
            no(format!("Invalid Signature {given}. String to sign - '{signed}'."))
        }
    }

    fn now(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + self.seconds_ahead
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The format of a picture that is whole, as far as its first and last bytes tell.
fn format(file: &[u8]) -> Option<&'static str> {
    if file.starts_with(b"\x89PNG\r\n\x1a\n") && file.ends_with(b"IEND\xaeB\x60\x82") {
        Some("png")
    } else if file.starts_with(b"\xff\xd8\xff") && file.ends_with(b"\xff\xd9") {
        Some("jpg")
    } else if file.starts_with(b"GIF89a") && file.ends_with(b";") {
        Some("gif")
    } else {
        None
    }
}

/// The documented rules: forbidden characters, the length, and what becomes an underscore.
fn sanitised(public_id: &str) -> Option<String> {
    let forbidden = public_id.contains(['?', '&', '#', '\\', '%', '<', '>', '+']);
    let ends = public_id.starts_with('/') || public_id.ends_with('/');
    if forbidden || ends || public_id.is_empty() || public_id.chars().count() > 255 {
        return None;
    }
    let letter = |c: char| if c.is_alphanumeric() || "._-/".contains(c) { c } else { '_' };
    Some(public_id.chars().map(letter).collect())
}
