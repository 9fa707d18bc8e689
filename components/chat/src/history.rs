//! Reading a chat's messages back, in order and within bounds.
//!
//! The order is that of the sequence numbers, which is the order of the commits. Messages that
//! the original wrote have none; they come first, by the time they were written. So a history is
//! made of two kinds that are read one after the other, each along its own index.
//!
//! A page is bounded three ways: messages, bytes kept in memory, and bytes sent (with the files,
//! which are read only when they are sent). It always holds at least one message.

use pingtalk_sdk::{
    Platform,
    documents::{Direction, DocumentError},
    prelude::*,
};

use crate::{
    conversation::Conversation,
    message::{FILE_DATA, MESSAGES, Message},
};

/// Messages that one query reads.
const BATCH: usize = 100;

/// A place between two messages of a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// At a message without a number.
    Unnumbered(Date, Id),
    /// At a number.
    Numbered(i64),
}

impl Position {
    /// Where a message stands.
    pub(crate) fn of(message: &Message) -> Self {
        match message.seq {
            Some(seq) => Self::Numbered(seq),
            None => Self::Unnumbered(message.created_at, message.id),
        }
    }
}

/// The part of a history between two positions, both exclusive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) after: Option<Position>,
    pub(crate) before: Option<Position>,
}

/// How large a page may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
    /// Bytes of texts, names and the like, which are all in memory at once.
    pub(crate) kept_bytes: usize,
    /// Bytes of everything, files included.
    pub(crate) sent_bytes: usize,
    /// Whether files are sent along.
    pub(crate) inline: bool,
}

/// Messages from the oldest to the newest, without their files' data.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) messages: Vec<Message>,
    /// The span holds more than fits.
    pub(crate) more: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unnumbered,
    Numbered,
}

/// Reads a span from its start ([`Direction::Ascending`]) or from its end, as far as it fits.
///
/// # Errors
/// Those of the store.
pub(crate) async fn read(
    platform: &Platform,
    conversation: &Conversation,
    span: Span,
    from: Direction,
    bounds: Bounds,
) -> Result<Page> {
    let kinds = match from {
        Direction::Ascending => [Kind::Unnumbered, Kind::Numbered],
        Direction::Descending => [Kind::Numbered, Kind::Unnumbered],
    };
    let mut filling = Filling { page: Page::default(), bounds, kept: 0, sent: 0 };
    for kind in kinds {
        if kind == Kind::Unnumbered && conversation.is_numbered() {
            continue;
        }
        if !read_kind(platform, conversation.id, kind, span, from, &mut filling).await? {
            filling.page.more = true;
            break;
        }
    }
    let mut page = filling.page;
    if from == Direction::Descending {
        page.messages.reverse();
    }
    Ok(page)
}

/// Reads one kind into the page. False when not all of it fitted.
async fn read_kind(
    platform: &Platform,
    chat: Id,
    kind: Kind,
    mut span: Span,
    from: Direction,
    filling: &mut Filling,
) -> Result<bool> {
    let mut at_once = BATCH;
    while let Some(filter) = kind.filter(chat, span) {
        // One more than fits tells whether there is more.
        let wanted = filling.room().saturating_add(1).min(at_once);
        let query = kind.sorted(filter, from).limit(u32::try_from(wanted).unwrap_or(1));
        let query = query.exclude([FILE_DATA]);
        let batch = match platform.documents().find(&MESSAGES, query).await {
            // More bytes than one answer may have: long texts of the original's.
            Err(DocumentError::Invalid(_)) if at_once > 1 => {
                at_once = (wanted / 8).max(1);
                continue;
            }
            batch => batch?,
        };
        let was_last = batch.len() < wanted;
        for message in batch {
            let position = Some(Position::of(&message));
            if !filling.take(message) {
                return Ok(false);
            }
            match from {
                Direction::Ascending => span.after = position,
                Direction::Descending => span.before = position,
            }
        }
        if was_last {
            break;
        }
    }
    Ok(true)
}

impl Kind {
    /// What of this kind lies in a span; none if that can't be anything.
    fn filter(self, chat: Id, span: Span) -> Option<Filter> {
        let mut filter = eq("chatId", chat);
        match self {
            Self::Numbered => {
                if matches!(span.before, Some(Position::Unnumbered(..))) {
                    return None;
                }
                filter = filter.and(match span.after {
                    Some(Position::Numbered(seq)) => gt("seq", seq),
                    // As a range, so that the index on numbers serves.
                    _ => gte("seq", 0_i64),
                });
                if let Some(Position::Numbered(seq)) = span.before {
                    filter = filter.and(lt("seq", seq));
                }
            }
            Self::Unnumbered => {
                if matches!(span.after, Some(Position::Numbered(_))) {
                    return None;
                }
                filter = filter.and(present("seq", false));
                if let Some(Position::Unnumbered(date, id)) = span.after {
                    let later = all([eq("createdAt", date), gt("_id", id)]);
                    filter = filter.and(any([gt("createdAt", date), later]));
                }
                if let Some(Position::Unnumbered(date, id)) = span.before {
                    let earlier = all([eq("createdAt", date), lt("_id", id)]);
                    filter = filter.and(any([lt("createdAt", date), earlier]));
                }
            }
        }
        Some(filter)
    }

    fn sorted(self, filter: Filter, from: Direction) -> Query {
        match self {
            Self::Numbered => filter.sort("seq", from),
            Self::Unnumbered => filter.sort("createdAt", from).sort("_id", from),
        }
    }
}

/// A page being filled.
struct Filling {
    page: Page,
    bounds: Bounds,
    kept: usize,
    sent: usize,
}

impl Filling {
    /// How many more messages may fit.
    fn room(&self) -> usize {
        self.bounds.messages.saturating_sub(self.page.messages.len())
    }

    /// Takes a message if it fits.
    fn take(&mut self, message: Message) -> bool {
        let kept = kept_bytes(&message);
        let file = message.file.as_ref().filter(|_| self.bounds.inline);
        let sent = kept + file.map_or(0, crate::message::File::encoded_bytes);
        let (kept, sent) = (self.kept + kept, self.sent + sent);
        let fits =
            self.room() > 0 && kept <= self.bounds.kept_bytes && sent <= self.bounds.sent_bytes;
        if !fits && !self.page.messages.is_empty() {
            return false;
        }
        (self.kept, self.sent) = (kept, sent);
        self.page.messages.push(message);
        true
    }
}

/// About what a message takes without its file's data.
fn kept_bytes(message: &Message) -> usize {
    /// The fields of fixed size, as JSON.
    const FIXED: usize = 300;
    /// An id as JSON, with its comma.
    const ID: usize = 27;
    let text = message.text.as_ref().map_or(0, String::len);
    let name = message.file.as_ref().map_or(0, |file| file.name.len() + file.mime_type.len());
    FIXED + text + name + message.read_by.len() * ID
}

/// The number of the newest message; 0 if none has one.
///
/// # Errors
/// Those of the store.
pub(crate) async fn last_sequence(platform: &Platform, chat: Id) -> Result<i64> {
    #[derive(Deserialize)]
    struct Last {
        seq: i64,
    }
    let newest = all([eq("chatId", chat), gte("seq", 0_i64)])
        .sort("seq", Direction::Descending)
        .include(["seq"]);
    let last = platform.documents().find_one(&MESSAGES.view::<Last>(), newest).await?;
    Ok(last.map_or(0, |last| last.seq))
}
