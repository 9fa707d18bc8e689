//! One entry of the stream: who says it, as its how manieth, and what.
//!
//! An entry has a field `h`, the header and the notice's head in one, and a field `b`, the body,
//! which is absent when there is none or when it lies beside. Reading fails on what no host of this
//! version wrote.

use bytes::{BufMut, Bytes, BytesMut};
use pingtalk_capabilities::TenantId;

const VERSION: u8 = 1;
/// Version, kind, origin, count.
const HEADER_BYTES: usize = 1 + 1 + 16 + 8;

/// The field with header and head.
pub(crate) const HEADER: &[u8] = b"h";
/// The field with the body.
pub(crate) const BODY: &[u8] = b"b";

/// A host since it started: random, so that one that starts again is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Origin(pub(crate) u128);

impl Origin {
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Marks where a host begins to read. It has no count.
    Mark,
    /// A host is there and has said so much.
    Beat,
    /// A host's last entry.
    Farewell,
    /// A host dropped notices that it could not get rid of.
    Dropped,
    /// A notice with its body.
    Notice,
    /// A notice whose body lies beside.
    Beside,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Mark, Self::Beat, Self::Farewell, Self::Notice, Self::Beside, Self::Dropped];

    fn code(self) -> u8 {
        match self {
            Self::Mark => 0,
            Self::Beat => 1,
            Self::Farewell => 2,
            Self::Notice => 3,
            Self::Beside => 4,
            Self::Dropped => 5,
        }
    }
}

/// An entry but for its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) origin: Origin,
    /// 1 for what an origin says first; each further entry has one more.
    pub(crate) count: u64,
    pub(crate) head: Bytes,
}

impl Entry {
    /// The field [`HEADER`].
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER_BYTES + self.head.len());
        out.put_u8(VERSION);
        out.put_u8(self.kind.code());
        out.put_u128(self.origin.0);
        out.put_u64(self.count);
        out.put_slice(&self.head);
        out.freeze()
    }

    pub(crate) fn decode(mut bytes: Bytes) -> Option<Self> {
        if bytes.len() < HEADER_BYTES {
            return None;
        }
        let head = bytes.split_off(HEADER_BYTES);
        let (version, rest) = bytes.split_first()?;
        let (code, rest) = rest.split_first()?;
        let (origin, count) = rest.split_first_chunk::<16>()?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.code() == *code)?;
        (*version == VERSION).then_some(())?;
        Some(Self {
            kind,
            origin: Origin(u128::from_be_bytes(*origin)),
            count: u64::from_be_bytes(count.try_into().ok()?),
            head,
        })
    }
}

/// A tenant's keys. The original PingTalk's and the cache's begin otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) stream: String,
}

impl Keys {
    pub(crate) fn new(tenant: &TenantId) -> Self {
        Self { stream: format!("pingtalk:cluster:{tenant}") }
    }

    /// Where a body lies.
    pub(crate) fn body(&self, origin: Origin, count: u64) -> String {
        format!("{}:body:{:032x}:{count}", self.stream, origin.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use super::*;

    #[test]
    fn entries_come_back_as_they_were() {
        for kind in Kind::ALL {
            let entry = Entry {
                kind,
                origin: Origin::random(),
                count: u64::MAX,
                head: Bytes::from_static(b"head"),
            };
            let bytes = entry.encode();
            assert_eq!(Entry::decode(bytes.clone()), Some(entry));
            assert_eq!(Entry::decode(bytes.slice(..HEADER_BYTES - 1)), None);
            for at in [0, 1] {
                let mut other = bytes.to_vec();
                other[at] = 200;
                assert_eq!(Entry::decode(Bytes::from(other)), None);
            }
        }
    }
}
