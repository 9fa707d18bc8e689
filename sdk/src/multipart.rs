//! `multipart/form-data` (RFC 7578), read whole within bounds.

use bytes::Bytes;
use multer::{Constraints, SizeLimit};

use crate::{Error, Result};

/// What the boundaries and part headers may add to the parts' sizes, in bytes.
const OVERHEAD: usize = 16 * 1024;

/// How much a form may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Parts.
    pub max_parts: usize,
    /// Bytes of each file.
    pub max_file: usize,
    /// Bytes of each text field.
    pub max_text: usize,
}

impl Bounds {
    /// Bytes of the whole body: one file of the greatest size, and the text fields.
    #[must_use]
    pub fn total(&self) -> usize {
        let texts = self.max_text.saturating_mul(self.max_parts.saturating_sub(1));
        self.max_file.saturating_add(texts).saturating_add(OVERHEAD)
    }
}

/// A file from a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The client's name for it, without path and control characters; `file` if nothing is left.
    pub name: String,
    /// What the client says it is. Don't trust it.
    pub claimed_type: Option<String>,
    /// Its bytes; a view into the body, not a copy.
    pub bytes: Bytes,
}

/// A form's parts.
#[derive(Debug, Default)]
pub struct Multipart {
    texts: Vec<(String, String)>,
    files: Vec<(String, File)>,
}

impl Multipart {
    /// Parses a body.
    ///
    /// # Errors
    /// 413 over a bound, 400 when it is broken or a text is not UTF-8.
    pub async fn parse(content_type: &str, body: Bytes, bounds: &Bounds) -> Result<Self> {
        let boundary = multer::parse_boundary(content_type).map_err(broken)?;
        let largest = bounds.max_file.max(bounds.max_text);
        let limit = SizeLimit::new().per_field(u64::try_from(largest).unwrap_or(u64::MAX));
        let whole = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(body)]);
        let mut form = multer::Multipart::with_constraints(
            whole,
            boundary,
            Constraints::new().size_limit(limit),
        );
        let mut parsed = Self::default();
        let mut parts = 0;
        while let Some(part) = form.next_field().await.map_err(broken)? {
            parts += 1;
            if parts > bounds.max_parts {
                return Err(Error::bad_request("Too many form fields"));
            }
            let name = part.name().unwrap_or_default().to_owned();
            let file = part.file_name().map(plain_name);
            let claimed_type = part.content_type().map(ToString::to_string);
            let bytes = part.bytes().await.map_err(broken)?;
            let limit = if file.is_some() { bounds.max_file } else { bounds.max_text };
            if bytes.len() > limit {
                return Err(Error::too_large(format!("{name} is over the limit of {limit} bytes")));
            }
            if let Some(file) = file {
                parsed.files.push((name, File { name: file, claimed_type, bytes }));
            } else {
                let text = String::from_utf8(bytes.into())
                    .map_err(|_| Error::bad_request(format!("{name} is not UTF-8 text")))?;
                parsed.texts.push((name, text));
            }
        }
        Ok(parsed)
    }

    /// A text field.
    ///
    /// # Errors
    /// 400 when it is given more than once.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        Ok(once(name, &self.texts)?.map(String::as_str))
    }

    /// All text fields, in their order.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// A file.
    ///
    /// # Errors
    /// 400 when it is given more than once.
    pub fn file(&self, name: &str) -> Result<Option<&File>> {
        once(name, &self.files)
    }

    /// All files, in their order.
    pub fn files(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files.iter().map(|(name, file)| (name.as_str(), file))
    }
}

fn once<'a, T>(name: &str, parts: &'a [(String, T)]) -> Result<Option<&'a T>> {
    let mut found = parts.iter().filter(|(key, _)| key == name).map(|(_, part)| part);
    let first = found.next();
    match found.next() {
        None => Ok(first),
        Some(_) => Err(Error::bad_request(format!("{name} must be given only once"))),
    }
}

fn broken(error: multer::Error) -> Error {
    match error {
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => {
            Error::too_large("Form field is too large")
        }
        other => Error::bad_request("Form data is not valid").detail(other.to_string()),
    }
}

/// Longest file name, in bytes: what common file systems take.
const MAX_NAME_BYTES: usize = 255;

fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let mut plain = String::new();
    for c in last.chars().filter(|c| !c.is_control()) {
        if plain.len() + c.len_utf8() > MAX_NAME_BYTES {
            break;
        }
        plain.push(c);
    }
    let plain = plain.trim();
    if matches!(plain, "" | "." | "..") { "file".to_owned() } else { plain.to_owned() }
}
