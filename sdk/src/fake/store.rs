//! What a fake host remembers.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::{documents::DocumentStore, host::Failure};
use crate::{
    blobs::BlobInfo,
    documents::Date,
    outbound::{OutboundError, OutboundRequest, OutboundResponse},
    sockets::{Message, Target},
};

/// An event that was sent to sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emission {
    /// To whom.
    pub target: Target,
    /// What.
    pub message: Message,
    /// In which order.
    pub sequence: Option<u64>,
    /// Whom to spare.
    pub except: Option<String>,
}

impl Emission {
    /// The arguments, parsed.
    #[must_use]
    pub fn arguments(&self) -> serde_json::Value {
        serde_json::from_str(&self.message.arguments).unwrap_or_default()
    }
}

/// What was done to sockets, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketCall {
    /// An event was sent.
    Emit(Emission),
    /// Sockets joined a room, with or without a hold.
    Join(Target, String, bool),
    /// A hold ended.
    Release(Target, String, u64),
    /// Sockets left a room.
    Leave(Target, String),
    /// Sockets were disconnected, but those in the room.
    Disconnect(Target, Option<String>),
}

pub(super) struct Cached {
    pub(super) value: Bytes,
    pub(super) expires: Date,
}

type Race = Box<dyn FnOnce(&super::Host)>;

pub(super) struct Store {
    pub(super) now: Date,
    pub(super) random: u64,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) documents: DocumentStore,
    pub(super) cache: BTreeMap<String, Cached>,
    pub(super) blobs: BTreeMap<(String, String), (BlobInfo, Bytes)>,
    pub(super) sockets: Vec<SocketCall>,
    pub(super) requests: Vec<OutboundRequest>,
    pub(super) responses: VecDeque<Result<OutboundResponse, OutboundError>>,
    pub(super) failures: VecDeque<Failure>,
    pub(super) outages: Vec<Failure>,
    pub(super) before_commit: VecDeque<Race>,
    pub(super) before_socket_call: VecDeque<Race>,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            // 2026-01-02T03:04:05.678Z
            now: Date::from_millis(1_767_323_045_678),
            random: 0,
            variables: BTreeMap::from([("jwt_secret".to_owned(), "a secret for tests".to_owned())]),
            documents: DocumentStore::default(),
            cache: BTreeMap::new(),
            blobs: BTreeMap::new(),
            sockets: Vec::new(),
            requests: Vec::new(),
            responses: VecDeque::new(),
            failures: VecDeque::new(),
            outages: Vec::new(),
            before_commit: VecDeque::new(),
            before_socket_call: VecDeque::new(),
        }
    }

    /// Distinct bytes that are the same in every run.
    pub(super) fn random(&mut self, length: usize) -> Vec<u8> {
        self.random += 1;
        // SplitMix64 by Steele, Lea and Flood: enough to look random.
        let mut state = self.random.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}
