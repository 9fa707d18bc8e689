//! Where a blob lies: its public ID and its delivery URL.
//!
//! A picture's public ID has no ending; the URL's ending names the format it is delivered in, and the
//! format it was uploaded in is delivered untouched. So that `a.jpg` and `a.png` stay two blobs, the
//! ending becomes a folder of the public ID. Raw assets keep their ending.

use pingtalk_capabilities::{
    TenantId,
    blobs::{BlobError, check_name},
};

use crate::config::Config;

/// Cloudinary's bound on a public ID.
const MAX_PUBLIC_ID_BYTES: usize = 255;

/// The formats that are pictures to Cloudinary and to browsers: a name's ending and its type.
const PICTURES: [(&str, &str); 4] =
    [("jpg", "image/jpeg"), ("png", "image/png"), ("gif", "image/gif"), ("webp", "image/webp")];

/// Cloudinary's types of assets, as far as we use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Image,
    Raw,
}

impl Kind {
    /// As in URLs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Raw => "raw",
        }
    }
}

/// One asset. Kind and public ID identify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asset {
    pub(crate) kind: Kind,
    pub(crate) public_id: String,
    /// What a delivery URL appends, its dot included.
    ending: String,
}

/// The places of a blob: an asset that is always possible, and one that is if it is a picture.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) raw: Asset,
    pub(crate) picture: Option<Picture>,
}

/// A place for a picture.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) asset: Asset,
    /// What the bytes must be.
    pub(crate) content_type: &'static str,
}

impl Places {
    /// Where a blob of this name lies or would lie.
    pub(crate) fn of(
        folder: &str,
        tenant: &TenantId,
        container: &str,
        name: &str,
    ) -> Result<Self, BlobError> {
        check_name(container)?;
        check_name(name)?;
        let invalid = |rule: &str| Err(BlobError::Invalid(rule.to_owned()));
        if container.contains('/') {
            return invalid("a container's name has no /");
        }
        let raw = Asset {
            kind: Kind::Raw,
            public_id: format!("{folder}/{tenant}/{container}/{name}"),
            ending: String::new(),
        };
        if raw.public_id.rsplit('/').skip(1).any(is_version) {
            return invalid("Cloudinary takes a folder named v and a number for a version");
        }
        let picture = PICTURES.iter().find_map(|(ending, content_type)| {
            let stem = name.strip_suffix(ending)?.strip_suffix('.')?;
            // What would be an empty last segment, or get another ending, stays raw.
            if stem.is_empty() || stem.ends_with(['/', '.']) {
                return None;
            }
            let asset = Asset {
                kind: Kind::Image,
                public_id: format!("{folder}/{tenant}/{ending}/{container}/{stem}"),
                ending: format!(".{ending}"),
            };
            Some(Picture { asset, content_type })
        });
        let longest = picture.as_ref().map_or(0, |picture| picture.asset.public_id.len());
        if longest.max(raw.public_id.len()) > MAX_PUBLIC_ID_BYTES {
            return invalid("folder, tenant, container and name are over 255 characters in all");
        }
        Ok(Self { raw, picture })
    }
}

/// `v1`, `v20`: a version, wherever it stands as a folder.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

impl Asset {
    /// Where clients fetch it. The version keeps Cloudinary from reading the first folders as a
    /// transformation; any is good, and a constant one makes a URL that is known without asking.
    pub(crate) fn url(&self, config: &Config) -> String {
        self.versioned_url(config, 1)
    }

    /// A URL that no cache knows yet, if the version is new.
    pub(crate) fn versioned_url(&self, config: &Config, version: u64) -> String {
        let Asset { kind, public_id, ending } = self;
        let (start, cloud) = (config.delivery_url.trim_end_matches('/'), &config.cloud_name);
        format!("{start}/{cloud}/{}/upload/v{version}/{public_id}{ending}", kind.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn places(container: &str, name: &str) -> Result<Places, BlobError> {
        Places::of("pingtalk", &TenantId::new("t").unwrap(), container, name)
    }

    #[test]
    fn urls_end_in_container_and_name() {
        let config = Config::new("demo", "key", "secret");
        let of = places("c", "dir/me.jpg").unwrap();
        let start = "https://res.cloudinary.com/demo";
        assert_eq!(of.raw.url(&config), format!("{start}/raw/upload/v1/pingtalk/t/c/dir/me.jpg"));
        let picture = of.picture.unwrap();
        assert_eq!(picture.content_type, "image/jpeg");
        assert_eq!(picture.asset.public_id, "pingtalk/t/jpg/c/dir/me");
        assert_eq!(
            picture.asset.url(&config),
            format!("{start}/image/upload/v1/pingtalk/t/jpg/c/dir/me.jpg")
        );
    }

    #[test]
    fn only_endings_of_pictures_make_pictures() {
        for name in ["a.png", "a.b.gif", "dir.x/a.webp", "a.jpg"] {
            assert!(places("c", name).unwrap().picture.is_some(), "{name}");
        }
        for name in ["a", "jpg", ".jpg", "dir/.jpg", "a..jpg", "a.jpeg", "a.JPG", "a.svg", "ajpg"] {
            assert!(places("c", name).unwrap().picture.is_none(), "{name}");
        }
    }

    #[test]
    fn refuses_what_cloudinary_would_change() {
        for (container, name) in
            [("v1", "a"), ("c", "v20/a"), ("c", "a/v3/b.jpg"), ("c/d", "a"), ("c", "../a")]
        {
            assert!(matches!(places(container, name), Err(BlobError::Invalid(_))), "{name}");
        }
        for name in ["v", "v1", "vx/a", "1v/a", "v1.jpg"] {
            places("c", name).unwrap();
        }
        assert!(places(&"c".repeat(50), &"n".repeat(200)).is_err());
        assert!(places(&"c".repeat(40), &"n".repeat(200)).is_ok());
        assert!(places(&"c".repeat(40), &format!("{}.jpg", "n".repeat(196))).is_ok());
    }
}
