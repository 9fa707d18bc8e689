//! Document ids: ObjectIds in BSON, 24 hex digits in JSON.

use std::{fmt, str::FromStr};

use bson::oid::ObjectId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A MongoDB ObjectId.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(ObjectId);

impl Id {
    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(ObjectId::from_bytes(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; 12] {
        self.0.bytes()
    }

    /// From 24 hex digits; anything else is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 24).then(|| ObjectId::parse_str(text).ok().map(Self)).flatten()
    }

    pub(crate) const fn object_id(self) -> ObjectId {
        self.0
    }
}

/// Text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id is 24 hex digits")]
pub struct NotAnId;

impl FromStr for Id {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        Self::parse(text).ok_or(NotAnId)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
            Self::parse(&text).ok_or_else(|| de::Error::custom(NotAnId))
        } else {
            ObjectId::deserialize(deserializer).map(Self)
        }
    }
}
