//! Engine.IO over HTTP long polling (protocol revision 4): opening a session, waiting for its packets,
//! delivering the client's. Answers are in the words of the reference server (engine.io 6).

use std::time::Duration;

use pingtalk_sdk::{
    Context, Error, Response, Result, Router,
    bytes::Bytes,
    http::{HeaderValue, StatusCode, header},
    internal,
};
use pingtalk_spin_platform::now_millis;

use crate::{
    client::Client,
    outbox, payload, session,
    session::{Column, Gone, Opened},
    settings::{self, MAX_PAYLOAD, Settings},
    sweep, tables,
    watch::Watch,
};

/// How often a waiting poll looks whether anything was written.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How long one poll waits at most, in milliseconds. A claim outlives it a little.
const LONGEST_POLL: i64 = 20_000;
const POLL_CLAIM: i64 = LONGEST_POLL + 5_000;
/// How long a post may take.
const POST_CLAIM: i64 = 60_000;

pub(crate) fn routes() -> Router {
    // The gateway has taken the mount point off the path.
    Router::new().get("/", get).post("/", post)
}

/// Why a request is refused; the code is Engine.IO's.
fn refuse(status: u16, code: u8, message: &str) -> Result<Response> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = format!(r#"{{"code":{code},"message":"{message}"}}"#);
    Ok(plain(Response::bytes(status, "application/json", Bytes::from(body))))
}

fn unknown_session() -> Result<Response> {
    refuse(400, 1, "Session ID unknown")
}

fn bad_request() -> Result<Response> {
    refuse(400, 3, "Bad request")
}

fn text(body: String) -> Response {
    plain(Response::bytes(StatusCode::OK, "text/plain; charset=UTF-8", Bytes::from(body)))
}

/// Polls must not be cached.
fn plain(mut response: Response) -> Response {
    response.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn settings() -> Result<Settings> {
    settings::settings().map_err(Error::internal)
}

fn failed(error: pingtalk_documents::Error) -> Error {
    Error::internal(format!("the sockets' tables: {error:?}"))
}

async fn get(cx: Context) -> Result<Response> {
    if cx.query("transport")? != Some("polling") {
        return refuse(400, 0, "Transport unknown");
    }
    let settings = settings()?;
    match cx.query("sid")? {
        None => open(&cx, &settings),
        Some(id) => poll(id, &settings).await,
    }
}

fn open(cx: &Context, settings: &Settings) -> Result<Response> {
    if cx.query("EIO")? != Some("4") {
        return refuse(400, 5, "Unsupported protocol version");
    }
    // CORS does not keep a foreign page from opening a session with its visitor's cookie.
    if cx.header("origin").is_some_and(|origin| {
        !settings.origins.iter().any(|allowed| allowed == "*" || allowed == origin)
    }) {
        return refuse(403, 4, "Forbidden");
    }
    // The secret that stands for the session.
    let id = cx.platform().random_hex(16);
    let opened = Opened {
        cookie: cx.header("cookie").unwrap_or_default().to_owned(),
        query: cx.head().raw_query().to_owned(),
        address: cx.client().to_owned(),
    };
    let now = now_millis();
    let room = tables::write(|sql| session::open(sql, &id, &opened, settings, now));
    if !room.map_err(failed)? {
        return refuse(503, 3, "Unavailable, try again later");
    }
    // No upgrade is offered: the client stays with polling.
    Ok(text(format!(
        r#"0{{"sid":"{id}","upgrades":[],"pingInterval":{},"pingTimeout":{},"maxPayload":{MAX_PAYLOAD}}}"#,
        settings.ping_interval, settings.ping_timeout,
    )))
}

async fn poll(id: &str, settings: &Settings) -> Result<Response> {
    let began = now_millis();
    let claimed = tables::write(|sql| {
        if session::find(sql, id, began)?.is_none() {
            return Ok(None);
        }
        if !session::claim(sql, id, Column::Poll, began + POLL_CLAIM, began)? {
            // Two polls at once: one of them would get what the other waits for.
            session::end(sql, id, Gone::Transport)?;
            return Ok(Some(false));
        }
        Ok(Some(true))
    });
    match claimed.map_err(failed)? {
        None => return unknown_session(),
        Some(false) => return bad_request(),
        Some(true) => {}
    }
    let mut watch = Watch::default();
    loop {
        let now = now_millis();
        let late = now - began >= LONGEST_POLL;
        let changed = watch.calls(now).map_err(failed)?;
        let look = late
            || changed && {
                // Nearly always what was written is not for this session: only reading tells, and keeps
                // nobody from writing.
                tables::read(|sql| session::has_news(sql, id, now)).map_err(failed)?
            };
        if look {
            let body = tables::write(|sql| {
                session::ping(sql, id, settings, now)?;
                let mut body = outbox::take(sql, id)?;
                if body.is_empty() && late {
                    // A client waits for something; this means nothing to it.
                    body.push('6');
                }
                let closing = session::is_closing(sql, id)?;
                if !body.is_empty() {
                    session::unclaim(sql, id, Column::Poll)?;
                    if closing {
                        session::forget(sql, id)?;
                    }
                }
                let known = session::find(sql, id, now)?.is_some() || closing;
                Ok((!body.is_empty()).then_some(body).or((!known).then(String::new)))
            });
            match body.map_err(failed)? {
                Some(body) if body.is_empty() => return unknown_session(),
                Some(body) => return Ok(text(body)),
                None => {}
            }
        }
        sweep::now_and_then(settings).await;
        internal::pause(LOOK_EVERY).await;
    }
}

async fn post(cx: Context) -> Result<Response> {
    if cx.query("transport")? != Some("polling") {
        return refuse(400, 0, "Transport unknown");
    }
    let Some(id) = cx.query("sid")?.map(str::to_owned) else {
        return refuse(400, 2, "Bad handshake method");
    };
    let settings = settings()?;
    let body = match cx.bytes(MAX_PAYLOAD).await {
        Ok(body) => body,
        Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return refuse(413, 3, "Payload too large");
        }
        Err(error) => return Err(error),
    };
    let now = now_millis();
    let opened = tables::write(|sql| {
        let Some(opened) = session::find(sql, &id, now)? else { return Ok(None) };
        if !session::claim(sql, &id, Column::Post, now + POST_CLAIM, now)? {
            // Two posts at once: their order would be lost.
            session::end(sql, &id, Gone::Transport)?;
            return Ok(Some(None));
        }
        session::heard(sql, &id, &settings, now)?;
        Ok(Some(Some(opened)))
    });
    let opened = match opened.map_err(failed)? {
        None => return unknown_session(),
        Some(None) => return bad_request(),
        Some(Some(opened)) => opened,
    };
    let mut partial = tables::read(|sql| session::partial(sql, &id)).map_err(failed)?;
    let had_partial = !partial.is_empty();
    let packets = std::str::from_utf8(&body).ok().and_then(|body| {
        payload::add(&mut partial, body);
        payload::read(&partial)
    });
    let Some(packets) = packets else {
        tables::write(|sql| session::end(sql, &id, Gone::Transport)).map_err(failed)?;
        sweep::tell_of_the_gone(&settings).await;
        return bad_request();
    };
    let done = Client::new(&id, &opened, &settings).take(packets).await;
    // However it ended: the client's next post must not meet this one's claim.
    let left = done.as_deref().unwrap_or_default();
    let released = tables::write(|sql| {
        if had_partial || !left.is_empty() {
            session::keep_partial(sql, &id, left)?;
        }
        session::unclaim(sql, &id, Column::Post)
    });
    done.and(released).map_err(failed)?;
    sweep::tell_of_the_gone(&settings).await;
    Ok(text("ok".to_owned()))
}
