//! What a store's error means to a caller.
//!
//! Nothing of the error's own text is passed on: it holds paths, and S3's may quote the request. Of
//! an S3 error its code is kept, which says what an operator has to do and nothing else.

use std::error::Error as _;

use object_store::{
    Error,
    client::{HttpError, HttpErrorKind},
};
use pingtalk_capabilities::blobs::BlobError;

/// What S3 names its error. Longer ones are none.
const MAX_CODE_BYTES: usize = 64;

/// The error of a call that reads or removes.
pub(crate) fn classify(error: Error) -> BlobError {
    let code = code(&error.to_string());
    match (&error, code.as_deref()) {
        (_, Some("NoSuchBucket")) => {
            BlobError::Unavailable("the bucket does not exist (NoSuchBucket)".to_owned())
        }
        // Other things can be missing than the blob: the key's owner, an upload.
        (Error::NotFound { .. }, None | Some("NoSuchKey" | "NotFound")) => BlobError::NotFound,
        // MinIO's codes for a full disk and a full bucket, and what others say.
        (_, Some(code)) if code.contains("QuotaExceeded") || code.ends_with("StorageFull") => {
            BlobError::QuotaExceeded
        }
        (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, code) => {
            let code = code.unwrap_or("no reason given");
            BlobError::Unavailable(format!("the blob store refuses the host's key ({code})"))
        }
        (_, Some(code)) => BlobError::Unavailable(format!("the blob store failed ({code})")),
        (_, None) => BlobError::Unavailable(
            match transport(&error) {
                Some(HttpErrorKind::Connect) => "the blob store can't be reached",
                Some(HttpErrorKind::Timeout) => "the blob store does not answer in time",
                Some(_) => "the connection to the blob store broke",
                None => "the blob store failed",
            }
            .to_owned(),
        ),
    }
}

/// What went wrong on the way to a service, if anything did.
fn transport(error: &Error) -> Option<HttpErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

/// The error of a call that writes, where "not found" can't mean the blob.
pub(crate) fn classify_write(error: BlobError) -> BlobError {
    match error {
        BlobError::NotFound => {
            BlobError::Unavailable("the blob store has no such place".to_owned())
        }
        error => error,
    }
}

/// The code in an S3 error's XML.
fn code(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let plain = code.len() <= MAX_CODE_BYTES && code.bytes().all(|c| c.is_ascii_alphanumeric());
    plain.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> Error {
        Error::Generic { store: "S3", source: text.to_owned().into() }
    }

    fn denied(text: &str) -> Error {
        Error::PermissionDenied { path: "secret/path".to_owned(), source: text.to_owned().into() }
    }

    fn absent(text: &str) -> Error {
        Error::NotFound { path: "secret/path".to_owned(), source: text.to_owned().into() }
    }

    #[test]
    fn errors_have_their_class() {
        let unavailable = |text: &str| BlobError::Unavailable(text.to_owned());
        for (error, expected) in [
            (absent("<Code>NoSuchKey</Code>"), BlobError::NotFound),
            (absent(""), BlobError::NotFound),
            (
                absent("<Code>NoSuchBucket</Code>"),
                unavailable("the bucket does not exist (NoSuchBucket)"),
            ),
            (
                absent("<Code>NoSuchUpload</Code>"),
                unavailable("the blob store failed (NoSuchUpload)"),
            ),
            (
                denied("<Code>SignatureDoesNotMatch</Code>"),
                unavailable("the blob store refuses the host's key (SignatureDoesNotMatch)"),
            ),
            (
                denied("gone"),
                unavailable("the blob store refuses the host's key (no reason given)"),
            ),
            (generic("<Code>SlowDown</Code>"), unavailable("the blob store failed (SlowDown)")),
            (generic("<Code>a b\n</Code>"), unavailable("the blob store failed")),
            (generic("http://10.0.0.1/secret"), unavailable("the blob store failed")),
            (generic("<Code>XMinioStorageFull</Code>"), BlobError::QuotaExceeded),
            (generic("<Code>XMinioAdminBucketQuotaExceeded</Code>"), BlobError::QuotaExceeded),
        ] {
            assert_eq!(classify(error), expected);
        }
        assert!(matches!(classify_write(BlobError::NotFound), BlobError::Unavailable(_)));
    }
}
