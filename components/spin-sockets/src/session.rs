//! Engine.IO sessions and the sockets in them, as rows.

use pingtalk_documents::{Error, Param, Sql};

use crate::{
    outbox, rooms,
    settings::{MAX_SESSIONS, MAX_SOCKETS_PER_USER, Settings},
};

/// Why a socket is gone; the words are those of `pingtalk:sockets/types`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    Client,
    Server,
    Transport,
    Overflow,
}

impl Gone {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Transport => "transport",
            Self::Overflow => "overflow",
        }
    }
}

/// What a session was opened with.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) cookie: String,
    pub(crate) query: String,
    pub(crate) address: String,
}

/// A socket as its component knows it.
#[derive(Debug, Clone)]
pub(crate) struct Socket {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) user: String,
    pub(crate) attachment: Vec<u8>,
}

/// Opens a session; false when there is no room for another.
pub(crate) fn open(
    sql: &dyn Sql,
    id: &str,
    opened: &Opened,
    settings: &Settings,
    now: i64,
) -> Result<bool, Error> {
    if count(sql, "SELECT count(*) FROM socket_sessions", &[])? >= MAX_SESSIONS {
        return Ok(false);
    }
    sql.execute(
        "INSERT INTO socket_sessions (id, cookie, query, address, alive_until, connect_until, \
         ping_at, poll_until, post_until, packets, bytes, closing, partial) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, 0, 0, 0, '')",
        &[
            Param::Text(id),
            Param::Text(&opened.cookie),
            Param::Text(&opened.query),
            Param::Text(&opened.address),
            Param::Integer(now + settings.ping_interval + settings.ping_timeout),
            Param::Integer(now + settings.connect_timeout),
            Param::Integer(now + settings.ping_interval),
        ],
    )?;
    Ok(true)
}

/// What came of a packet whose attachments are still to come.
pub(crate) fn partial(sql: &dyn Sql, id: &str) -> Result<String, Error> {
    let mut partial = String::new();
    let statement = "SELECT partial FROM socket_sessions WHERE id = ?1";
    sql.query(statement, &[Param::Text(id)], &mut |row| {
        row.text(0)?.clone_into(&mut partial);
        Ok(false)
    })?;
    Ok(partial)
}

/// Keeps that for the next post.
pub(crate) fn keep_partial(sql: &dyn Sql, id: &str, partial: &str) -> Result<(), Error> {
    sql.execute(
        "UPDATE socket_sessions SET partial = ?2 WHERE id = ?1",
        &[Param::Text(id), Param::Text(partial)],
    )
}

/// What a session was opened with; none if it is unknown or over.
pub(crate) fn find(sql: &dyn Sql, id: &str, now: i64) -> Result<Option<Opened>, Error> {
    let mut found = None;
    sql.query(
        "SELECT cookie, query, address FROM socket_sessions WHERE id = ?1 AND alive_until > ?2",
        &[Param::Text(id), Param::Integer(now)],
        &mut |row| {
            found = Some(Opened {
                cookie: row.text(0)?.to_owned(),
                query: row.text(1)?.to_owned(),
                address: row.text(2)?.to_owned(),
            });
            Ok(false)
        },
    )?;
    Ok(found)
}

/// The client was heard of.
pub(crate) fn heard(sql: &dyn Sql, id: &str, settings: &Settings, now: i64) -> Result<(), Error> {
    sql.execute(
        "UPDATE socket_sessions SET alive_until = ?2 WHERE id = ?1 AND closing = 0",
        &[Param::Text(id), Param::Integer(now + settings.ping_interval + settings.ping_timeout)],
    )
}

/// Claims the session's one poll or post until a time; false when another holds it.
pub(crate) fn claim(
    sql: &dyn Sql,
    id: &str,
    column: Column,
    until: i64,
    now: i64,
) -> Result<bool, Error> {
    let (free, claim) = match column {
        Column::Poll => (
            "SELECT 1 FROM socket_sessions WHERE id = ?1 AND poll_until <= ?2",
            "UPDATE socket_sessions SET poll_until = ?2 WHERE id = ?1",
        ),
        Column::Post => (
            "SELECT 1 FROM socket_sessions WHERE id = ?1 AND post_until <= ?2",
            "UPDATE socket_sessions SET post_until = ?2 WHERE id = ?1",
        ),
    };
    let mut claimed = false;
    sql.query(free, &[Param::Text(id), Param::Integer(now)], &mut |_| {
        claimed = true;
        Ok(false)
    })?;
    if claimed {
        sql.execute(claim, &[Param::Text(id), Param::Integer(until)])?;
    }
    Ok(claimed)
}

/// Which of a session's two requests.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    Poll,
    Post,
}

/// Gives a claim back.
pub(crate) fn unclaim(sql: &dyn Sql, id: &str, column: Column) -> Result<(), Error> {
    let statement = match column {
        Column::Poll => "UPDATE socket_sessions SET poll_until = 0 WHERE id = ?1",
        Column::Post => "UPDATE socket_sessions SET post_until = 0 WHERE id = ?1",
    };
    sql.execute(statement, &[Param::Text(id)])
}

/// True when there is something for a session's poll to do. False is never wrong for longer than until
/// the next commit or the next second.
pub(crate) fn has_news(sql: &dyn Sql, id: &str, now: i64) -> Result<bool, Error> {
    let quiet = "SELECT count(*) FROM socket_sessions WHERE id = ?1 AND alive_until > ?2 \
                 AND ping_at > ?2 AND packets = 0 AND closing = 0";
    Ok(count(sql, quiet, &[Param::Text(id), Param::Integer(now)])? == 0)
}

/// Queues a heartbeat if it is time for one.
pub(crate) fn ping(sql: &dyn Sql, id: &str, settings: &Settings, now: i64) -> Result<(), Error> {
    let of_session = [Param::Text(id), Param::Integer(now)];
    let due = "SELECT count(*) FROM socket_sessions WHERE id = ?1 AND ping_at <= ?2";
    if count(sql, due, &of_session)? > 0 {
        outbox::push(sql, id, &["2".to_owned()])?;
        sql.execute(
            "UPDATE socket_sessions SET ping_at = ?2 WHERE id = ?1",
            &[Param::Text(id), Param::Integer(now + settings.ping_interval)],
        )?;
    }
    Ok(())
}

/// The session's socket of a namespace, by the client's spelling.
pub(crate) fn socket(
    sql: &dyn Sql,
    session: &str,
    spelling: &str,
) -> Result<Option<Socket>, Error> {
    let mut found = None;
    sql.query(
        "SELECT id, namespace, user, attachment FROM sockets \
         WHERE session = ?1 AND spelling = ?2 AND gone = ''",
        &[Param::Text(session), Param::Text(spelling)],
        &mut |row| {
            found = Some(Socket {
                id: row.text(0)?.to_owned(),
                namespace: row.text(1)?.to_owned(),
                user: row.text(2)?.to_owned(),
                attachment: row.blob(3)?.to_vec(),
            });
            Ok(false)
        },
    )?;
    Ok(found)
}

/// Adds a socket that its component has admitted; false when its user has too many, or its session
/// ended meanwhile.
pub(crate) fn admit(
    sql: &dyn Sql,
    session: &str,
    spelling: &str,
    socket: &Socket,
) -> Result<bool, Error> {
    let lives = "SELECT count(*) FROM socket_sessions WHERE id = ?1 AND closing = 0";
    if count(sql, lives, &[Param::Text(session)])? == 0 {
        return Ok(false);
    }
    let of_user = "SELECT count(*) FROM sockets WHERE user = ?1 AND gone = ''";
    if count(sql, of_user, &[Param::Text(&socket.user)])? >= MAX_SOCKETS_PER_USER {
        return Ok(false);
    }
    sql.execute(
        "INSERT INTO sockets (id, session, namespace, spelling, user, attachment, gone) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, '')",
        &[
            Param::Text(&socket.id),
            Param::Text(session),
            Param::Text(&socket.namespace),
            Param::Text(spelling),
            Param::Text(&socket.user),
            Param::Blob(&socket.attachment),
        ],
    )?;
    sql.execute(
        "UPDATE socket_sessions SET connect_until = 0 WHERE id = ?1",
        &[Param::Text(session)],
    )?;
    Ok(true)
}

/// Marks a socket as gone; its component is told later.
pub(crate) fn detach(sql: &dyn Sql, socket: &str, why: Gone) -> Result<(), Error> {
    rooms::leave_all(sql, socket)?;
    sql.execute(
        "UPDATE sockets SET gone = ?2 WHERE id = ?1 AND gone = ''",
        &[Param::Text(socket), Param::Text(why.word())],
    )
}

/// Takes a socket out by the server's will: the client is told, and its session ends with its last
/// socket.
pub(crate) fn disconnect(
    sql: &dyn Sql,
    socket: &str,
    session: &str,
    spelling: &str,
) -> Result<(), Error> {
    let packet = pingtalk_packets::disconnect(spelling);
    outbox::push(sql, session, &[format!("4{}", packet.text)])?;
    detach(sql, socket, Gone::Server)?;
    let left = "SELECT count(*) FROM sockets WHERE session = ?1 AND gone = ''";
    if count(sql, left, &[Param::Text(session)])? == 0 {
        end(sql, session, Gone::Server)?;
    }
    Ok(())
}

/// Ends a session: its sockets go now, and so does the client once it has fetched what waits.
pub(crate) fn end(sql: &dyn Sql, session: &str, why: Gone) -> Result<(), Error> {
    let mut sockets = Vec::new();
    sql.query(
        "SELECT id FROM sockets WHERE session = ?1 AND gone = ''",
        &[Param::Text(session)],
        &mut |row| {
            sockets.push(row.text(0)?.to_owned());
            Ok(true)
        },
    )?;
    sockets.iter().try_for_each(|socket| detach(sql, socket, why))?;
    if why == Gone::Server {
        outbox::push(sql, session, &[outbox::CLOSE.to_owned()])?;
        return sql.execute(
            "UPDATE socket_sessions SET closing = 1 WHERE id = ?1",
            &[Param::Text(session)],
        );
    }
    forget(sql, session)
}

/// Removes a session with what waits for it.
pub(crate) fn forget(sql: &dyn Sql, session: &str) -> Result<(), Error> {
    let id = [Param::Text(session)];
    sql.execute("DELETE FROM socket_packets WHERE session = ?1", &id)?;
    sql.execute("DELETE FROM socket_sessions WHERE id = ?1", &id)
}

/// True when nothing but its end was left of a session.
pub(crate) fn is_closing(sql: &dyn Sql, session: &str) -> Result<bool, Error> {
    let closing =
        "SELECT count(*) FROM socket_sessions WHERE id = ?1 AND closing = 1 AND packets = 0";
    Ok(count(sql, closing, &[Param::Text(session)])? > 0)
}

fn count(sql: &dyn Sql, statement: &str, params: &[Param<'_>]) -> Result<i64, Error> {
    let mut count = 0;
    sql.query(statement, params, &mut |row| {
        count = row.integer(0)?;
        Ok(false)
    })?;
    Ok(count)
}
