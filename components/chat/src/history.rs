//! Reading a chat's messages back, in order and within bounds.
//!
//! The order is that of the sequence numbers, which is the order of the commits. Messages that
//! the original wrote have none; they come first, by the time they were written. So a history is
//! made of two kinds that are read one after the other, each along its own index.
//!
//! A page is bounded three ways: messages, bytes kept in memory, and bytes sent (with the files,
//! which are read only when they are sent). It always holds at least one message.

use pingtalk_sdk::{Platform, documents::Direction, prelude::*};

use crate::{
    conversation::Conversation,
    message::{FILE_DATA, MESSAGES, Message},
};

/// Messages that one query reads.
const BATCH: usize = 100;
/// The most that one query may read (the store's bound).
const MOST_AT_ONCE: usize = 1_000;
/// An answer of fewer bytes was not cut short: the store's bound is 32 MiB.
const SURELY_WHOLE: usize = 16 * 1024 * 1024;

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
    let mut crowded = false;
    while let Some(filter) = kind.filter(chat, span) {
        // One more than fits tells whether there is more; another one may be the cursor's own.
        let wanted = if crowded { MOST_AT_ONCE } else { (filling.room() + 2).min(BATCH) };
        let query = kind.sorted(filter, from).limit(u32::try_from(wanted).unwrap_or(1));
        let batch = platform.documents().find(&MESSAGES, query.exclude([FILE_DATA])).await?;
        let was_last = batch.len() < wanted && !may_be_cut(&batch);
        let mut new = false;
        for message in kind.within(batch, span, from) {
            let position = Some(Position::of(&message));
            if !filling.take(message) {
                return Ok(false);
            }
            new = true;
            match from {
                Direction::Ascending => span.after = position,
                Direction::Descending => span.before = position,
            }
        }
        if was_last {
            break;
        }
        if !new {
            // Only messages of the cursor's own millisecond, which the filter includes.
            if crowded {
                break;
            }
            crowded = true;
        }
    }
    Ok(true)
}

/// True when the store may have left matches out for their size.
fn may_be_cut(batch: &[Message]) -> bool {
    batch.iter().map(kept_bytes).sum::<usize>() > SURELY_WHOLE
}

impl Kind {
    /// What of this kind lies in a span; none if that can't be anything. For messages without a
    /// number it takes in the ends' milliseconds, which [`Kind::within`] sorts out: one range of
    /// times is what the index on them serves.
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
                if let Some(Position::Unnumbered(date, _)) = span.after {
                    filter = filter.and(gte("createdAt", date));
                }
                if let Some(Position::Unnumbered(date, _)) = span.before {
                    filter = filter.and(lte("createdAt", date));
                }
            }
        }
        Some(filter)
    }

    fn sorted(self, filter: Filter, from: Direction) -> Query {
        match self {
            Self::Numbered => filter.sort("seq", from),
            // Equal times come in the store's order, which does not change.
            Self::Unnumbered => filter.sort("createdAt", from),
        }
    }

    /// Of a batch what lies strictly between the span's ends.
    fn within(self, batch: Vec<Message>, span: Span, from: Direction) -> Vec<Message> {
        let (start, end) = match from {
            Direction::Ascending => (span.after, span.before),
            Direction::Descending => (span.before, span.after),
        };
        let at = |position: Option<Position>| {
            batch.iter().position(|message| position == Some(Position::of(message)))
        };
        let starts_at_cursor = |position: Option<Position>| match (position, batch.first()) {
            (Some(Position::Unnumbered(date, _)), Some(first)) => first.created_at == date,
            _ => false,
        };
        let first = match at(start) {
            Some(at) => at + 1,
            // A batch that does not reach the cursor is all of its millisecond.
            None if self == Self::Unnumbered && starts_at_cursor(start) => batch.len(),
            None => 0,
        };
        let end = at(end).unwrap_or(batch.len());
        batch.into_iter().take(end).skip(first).collect()
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
