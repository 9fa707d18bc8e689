//! What hosts tell each other about sockets, as bytes on the cluster's bus.
//!
//! The head says what is done to whom, so that a host without such a socket needs nothing more.
//! Only an emit has a body: the message, its texts and attachments as they are. All numbers are
//! big-endian; a text is its length in two bytes (four in a body) and its UTF-8.
//!
//! Reading fails on anything malformed, which only a host of another version sends.

use bytes::{BufMut, Bytes, BytesMut};
use pingtalk_capabilities::{
    cluster,
    sockets::{MAX_ROOM_BYTES, Message, Target},
};

use crate::broadcast::Broadcast;

/// The version of this format.
const VERSION: u8 = 1;
/// Longest name of a socket, user or room that exists anywhere.
const MAX_NAME_BYTES: usize = MAX_ROOM_BYTES;

const EMIT: u8 = 1;
const JOIN: u8 = 2;
const RELEASE: u8 = 3;
const LEAVE: u8 = 4;
const DISCONNECT: u8 = 5;

const SOCKET: u8 = 1;
const USER: u8 = 2;
const ROOM: u8 = 3;

/// What is done to a target's sockets, but for an emitted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) target: Target,
    pub(crate) deed: Deed,
}

/// As in [`pingtalk_capabilities::sockets::Sockets`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// The message is the body.
    Emit {
        sequence: Option<u64>,
        except: Option<String>,
    },
    Join {
        room: String,
        hold: bool,
    },
    Release {
        room: String,
        after: u64,
    },
    Leave {
        room: String,
    },
    Disconnect {
        except: Option<String>,
    },
}

impl Head {
    /// The notice; None when a name in it is too long to be anybody's.
    pub(crate) fn encode(&self, message: Option<&Broadcast>) -> Option<cluster::Notice> {
        let mut out = BytesMut::with_capacity(64);
        out.put_u8(VERSION);
        let (kind, name) = match &self.target {
            Target::Socket(id) => (SOCKET, id),
            Target::User(user) => (USER, user),
            Target::Room(room) => (ROOM, room),
        };
        out.put_u8(kind);
        put_name(&mut out, name)?;
        match &self.deed {
            Deed::Emit { sequence, except } => {
                out.put_u8(EMIT);
                out.put_u8(u8::from(sequence.is_some()));
                out.put_u64(sequence.unwrap_or(0));
                put_optional(&mut out, except.as_deref())?;
            }
            Deed::Join { room, hold } => {
                out.put_u8(JOIN);
                put_name(&mut out, room)?;
                out.put_u8(u8::from(*hold));
            }
            Deed::Release { room, after } => {
                out.put_u8(RELEASE);
                put_name(&mut out, room)?;
                out.put_u64(*after);
            }
            Deed::Leave { room } => {
                out.put_u8(LEAVE);
                put_name(&mut out, room)?;
            }
            Deed::Disconnect { except } => {
                out.put_u8(DISCONNECT);
                put_optional(&mut out, except.as_deref())?;
            }
        }
        let body = match message {
            Some(message) => encode_message(message)?,
            None => Bytes::new(),
        };
        Some(cluster::Notice { head: out.freeze(), body })
    }

    /// Reads a head.
    pub(crate) fn decode(head: Bytes) -> Option<Self> {
        let mut rest = Rest(head);
        if rest.u8()? != VERSION {
            return None;
        }
        let kind = rest.u8()?;
        let name = rest.name()?;
        let target = match kind {
            SOCKET => Target::Socket(name),
            USER => Target::User(name),
            ROOM => Target::Room(name),
            _ => return None,
        };
        let deed = match rest.u8()? {
            EMIT => {
                let numbered = rest.u8()? != 0;
                let number = rest.u64()?;
                Deed::Emit { sequence: numbered.then_some(number), except: rest.optional()? }
            }
            JOIN => Deed::Join { room: rest.name()?, hold: rest.u8()? != 0 },
            RELEASE => Deed::Release { room: rest.name()?, after: rest.u64()? },
            LEAVE => Deed::Leave { room: rest.name()? },
            DISCONNECT => Deed::Disconnect { except: rest.optional()? },
            _ => return None,
        };
        rest.0.is_empty().then_some(Self { target, deed })
    }
}

fn put_name(out: &mut BytesMut, name: &str) -> Option<()> {
    if name.len() > MAX_NAME_BYTES {
        return None;
    }
    out.put_u16(u16::try_from(name.len()).ok()?);
    out.put_slice(name.as_bytes());
    Some(())
}

/// None is no name at all; an empty one can't be meant.
fn put_optional(out: &mut BytesMut, name: Option<&str>) -> Option<()> {
    put_name(out, name.unwrap_or_default())
}

fn encode_message(message: &Broadcast) -> Option<Bytes> {
    let (texts, attachments) = message.parts();
    let sizes: usize = attachments.iter().map(|bytes| bytes.len() + 4).sum();
    let room_for = texts.name.len() + texts.arguments.len() + 16 + sizes;
    let mut out = BytesMut::with_capacity(room_for);
    put_bytes(&mut out, texts.name.as_bytes())?;
    put_bytes(&mut out, texts.arguments.as_bytes())?;
    for attachment in attachments {
        put_bytes(&mut out, attachment)?;
    }
    Some(out.freeze())
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) -> Option<()> {
    out.put_u32(u32::try_from(bytes.len()).ok()?);
    out.put_slice(bytes);
    Some(())
}

/// Reads an emitted message. Its attachments stay parts of the body.
pub(crate) fn decode_message(body: Bytes) -> Option<Message> {
    let mut rest = Rest(body);
    let name = rest.text()?;
    let arguments = rest.text()?;
    let mut attachments = Vec::new();
    while !rest.0.is_empty() {
        attachments.push(rest.bytes()?);
    }
    Some(Message { name, arguments, attachments })
}

/// What is still to be read.
struct Rest(Bytes);

impl Rest {
    fn take(&mut self, count: usize) -> Option<Bytes> {
        (count <= self.0.len()).then(|| self.0.split_to(count))
    }

    fn number<const WIDTH: usize>(&mut self) -> Option<[u8; WIDTH]> {
        self.take(WIDTH)?.as_ref().try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.number().map(u8::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.number().map(u64::from_be_bytes)
    }

    fn name(&mut self) -> Option<String> {
        let length = self.number().map(u16::from_be_bytes)?;
        text(self.take(usize::from(length))?)
    }

    fn optional(&mut self) -> Option<Option<String>> {
        Some(Some(self.name()?).filter(|name| !name.is_empty()))
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let length = self.number().map(u32::from_be_bytes)?;
        self.take(usize::try_from(length).ok()?)
    }

    fn text(&mut self) -> Option<String> {
        text(self.bytes()?)
    }
}

fn text(bytes: Bytes) -> Option<String> {
    String::from_utf8(bytes.into()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use super::*;
    use crate::spellings::Spellings;

    fn heads() -> Vec<Head> {
        let (room, user) = (Target::Room("chat:ä".into()), Target::User("u".into()));
        let socket = Target::Socket("s".into());
        let head = |target: &Target, deed| Head { target: target.clone(), deed };
        vec![
            head(&room, Deed::Emit { sequence: Some(0), except: Some("e".into()) }),
            head(&user, Deed::Emit { sequence: None, except: None }),
            head(&socket, Deed::Join { room: "r".into(), hold: true }),
            head(&room, Deed::Join { room: "r".into(), hold: false }),
            head(&user, Deed::Release { room: "r".into(), after: u64::MAX }),
            head(&user, Deed::Leave { room: "r".into() }),
            head(&room, Deed::Disconnect { except: None }),
            head(&user, Deed::Disconnect { except: Some("session".into()) }),
        ]
    }

    #[test]
    fn heads_come_back_as_they_were() {
        for head in heads() {
            let notice = head.encode(None).unwrap();
            assert!(notice.head.len() <= cluster::MAX_HEAD_BYTES && notice.body.is_empty());
            assert_eq!(Head::decode(notice.head), Some(head));
        }
    }

    #[test]
    fn messages_come_back_as_they_were() {
        let message = Message {
            name: "receiveMessage".into(),
            arguments: r#"["ä",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#
                .into(),
            attachments: vec![Bytes::new(), Bytes::from(vec![7; 100_000])],
        };
        let namespaces = crate::Config::default().namespaces;
        let broadcast = Broadcast::new(message.clone(), &Spellings::new(&namespaces)).unwrap();
        let notice = heads()[0].encode(Some(&broadcast)).unwrap();
        assert_eq!(decode_message(notice.body), Some(message));
    }

    #[test]
    fn cut_or_foreign_bytes_are_refused() {
        for head in heads() {
            let whole = head.encode(None).unwrap().head;
            for length in 0..whole.len() {
                assert_eq!(Head::decode(whole.slice(..length)), None);
            }
            let longer = [&whole[..], &[0]].concat();
            assert_eq!(Head::decode(Bytes::from(longer)), None);
            for at in [0, 1] {
                let mut other = whole.to_vec();
                other[at] = 99;
                assert_eq!(Head::decode(Bytes::from(other)), None);
            }
        }
        assert_eq!(decode_message(Bytes::from_static(&[0, 0, 0, 9, 1])), None);
        assert_eq!(decode_message(Bytes::from_static(&[255, 255, 255, 255])), None);
    }

    #[test]
    fn names_that_nobody_has_are_not_sent() {
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        let head = Head { target: Target::Room(long), deed: Deed::Disconnect { except: None } };
        assert_eq!(head.encode(None), None);
    }
}
