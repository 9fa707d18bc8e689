//! `GET /messages/:chatId`: a chat's history, oldest first, for its participants.
//!
//! The whole of it, as long as it fits a page: [`MAX_MESSAGES`] messages, [`MAX_KEPT_BYTES`] of
//! text and [`MAX_SENT_BYTES`] in all. Beyond, it is the newest page, with a `Link` header
//! (RFC 8288) to the one before it. `?limit=` makes pages smaller; `?before=` and `?after=` (a
//! sequence number or a message's id) say where a page ends or begins, and a page that begins at
//! `after` links to the next. `?inline=false` leaves `file.data` out and gives `file.url`.

mod json;

use pingtalk_sdk::{documents::Direction, prelude::*};

use crate::{
    PREFIX,
    conversation::{self, Conversation},
    history::{self, Bounds, Page, Position, Span},
    message::{FILE_DATA, MESSAGES, Message, file_url},
    refusals,
};

/// Most messages in a page.
const MAX_MESSAGES: u32 = 1_000;
/// Most bytes of texts in a page: they are all in memory at once.
const MAX_KEPT_BYTES: usize = 4 * 1024 * 1024;
/// Most bytes of a page with its files, which pass one at a time.
const MAX_SENT_BYTES: usize = 32 * 1024 * 1024;

pub(crate) async fn messages(cx: Context) -> Result<Response> {
    let me = cx.session().await?.user;
    let chat = cx.id_param("chatId")?;
    let limit = limit(&cx)?;
    let inline = inline(&cx)?;
    let conversation = conversation::of_participant(&cx, chat, me).await?;
    let span = Span {
        after: cursor(&cx, chat, "after").await?,
        before: cursor(&cx, chat, "before").await?,
    };
    let from = match span.after {
        Some(_) => Direction::Ascending,
        None => Direction::Descending,
    };
    let bounds = Bounds {
        messages: usize::try_from(limit.unwrap_or(MAX_MESSAGES)).unwrap_or(1),
        kept_bytes: MAX_KEPT_BYTES,
        sent_bytes: MAX_SENT_BYTES,
        inline,
    };
    let page = history::read(&cx, &conversation, span, from, bounds).await?;
    let link = link(&conversation, &page, from, limit, inline);
    let response = if inline {
        json::with_files(cx.platform(), page.messages)
    } else {
        json::with_urls(page.messages)
    };
    Ok(match link {
        Some(Link { relation, path, parameters }) => {
            let parameters: Vec<(&str, &str)> =
                parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
            response.link(relation, &path, &parameters)
        }
        None => response,
    })
}

fn limit(cx: &Context) -> Result<Option<u32>> {
    let Some(text) = cx.query("limit")? else { return Ok(None) };
    let limit = text.parse().ok().filter(|limit| (1..=MAX_MESSAGES).contains(limit));
    limit.map(Some).ok_or_else(|| refusals::bad_limit(MAX_MESSAGES))
}

fn inline(cx: &Context) -> Result<bool> {
    match cx.query("inline")? {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(refusals::bad_inline()),
    }
}

/// The position that a parameter names.
async fn cursor(cx: &Context, chat: Id, name: &'static str) -> Result<Option<Position>> {
    let Some(text) = cx.query(name)? else { return Ok(None) };
    let refused = || refusals::bad_cursor(name);
    // An id first: all of its 24 digits may be decimal, a number has 19 at most.
    let Some(id) = Id::parse(text) else {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let seq = text.parse().ok().filter(|_| is_number);
        return seq.map(|seq| Some(Position::Numbered(seq))).ok_or_else(refused);
    };
    let query = all([eq("_id", id), eq("chatId", chat)]).exclude([FILE_DATA]);
    let message = cx.documents().find_one(&MESSAGES, query).await?;
    message.map(|message| Some(Position::of(&message))).ok_or_else(refused)
}

struct Link {
    relation: &'static str,
    path: String,
    parameters: Vec<(&'static str, String)>,
}

/// The link to the page that follows in the direction of reading.
fn link(
    conversation: &Conversation,
    page: &Page,
    from: Direction,
    limit: Option<u32>,
    inline: bool,
) -> Option<Link> {
    if !page.more {
        return None;
    }
    let (relation, parameter, edge) = match from {
        Direction::Ascending => ("next", "after", page.messages.last()?),
        Direction::Descending => ("prev", "before", page.messages.first()?),
    };
    let cursor = edge.seq.map_or_else(|| edge.id.to_string(), |seq| seq.to_string());
    let mut parameters = vec![(parameter, cursor)];
    parameters.extend(limit.map(|limit| ("limit", limit.to_string())));
    if !inline {
        parameters.push(("inline", "false".to_owned()));
    }
    Some(Link { relation, path: format!("{PREFIX}/messages/{}", conversation.id), parameters })
}

/// Replaces a file's data by its URL.
fn referred(mut message: Message) -> Message {
    if let Some(file) = &mut message.file {
        file.data = None;
        file.url = Some(file_url(message.id));
    }
    message
}

#[cfg(test)]
mod tests;
