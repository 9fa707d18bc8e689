//! A socket connects: with the session of its handshake's cookie, or not at all.
//!
//! It joins the session's room at once, by which a logout or a password change finds it. One
//! that comes between this check and the joining would miss the socket; so the session goes
//! along as the socket's attachment, and is looked at again before a chat is joined.

use pingtalk_sdk::{
    Error, Platform, Result, serde_json, session,
    sockets::{Admission, Handshake, Refusal, Socket},
};

pub(super) async fn connect(cx: &Platform, handshake: &Handshake) -> Result<Admission, Refusal> {
    let session = session::of_handshake(cx, handshake).await?;
    let attachment = serde_json::to_vec(&session)
        .map_err(|error| Error::internal(format!("session is not JSON: {error}")))?;
    Ok(Admission { user: session.user.to_string(), rooms: vec![session.room()], attachment })
}

/// Refuses a socket whose session was ended, and disconnects it.
///
/// # Errors
/// 401, or 503 when that can't be told.
pub(super) async fn check_again(cx: &Platform, socket: &Socket) -> Result<()> {
    let attached = serde_json::from_slice(&socket.attachment);
    let checked = match attached {
        Ok(session) => session::still_counts(cx, &session).await,
        Err(_) => Err(Error::invalid_token()),
    };
    match checked {
        Err(error) if error.is_refusal() => {
            cx.sockets().disconnect(socket.target()).await?;
            Err(crate::refusals::session_ended())
        }
        checked => checked,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use pingtalk_sdk::{fake::block_on, sockets::SocketService};

    use super::*;
    use crate::{sockets::Chat, testing::World};

    fn with_cookie(world: &World, cookie: Option<&str>) -> Result<Admission, Refusal> {
        let handshake = Handshake { cookie: cookie.map(str::to_owned), ..Handshake::default() };
        block_on(Chat::connect(world.host.platform(), handshake))
    }

    #[test]
    fn the_session_decides() {
        let world = World::new();
        let cookie = format!("a=b; token={}", world.anna.token);
        let admission = with_cookie(&world, Some(&cookie)).unwrap();
        assert_eq!(admission.user, world.anna.id.to_string());
        let token_id = session::token_id(&world.anna.token);
        assert_eq!(admission.rooms, [format!("session:{token_id}")]);
        assert_eq!(admission.attachment, world.anna.socket().attachment);
        assert!(!String::from_utf8(admission.attachment).unwrap().contains(&world.anna.token));
    }

    #[test]
    fn refusals_in_the_contracts_words() {
        let world = World::new();
        for (cookie, message) in [
            (None, "Unauthorized - No cookies"),
            (Some(""), "Unauthorized - No cookies"),
            (Some("a=b"), "Unauthorized - No token"),
            (Some("token="), "Unauthorized - No token"),
            (Some("token=x.y.z"), "Unauthorized - Invalid or expired token"),
        ] {
            assert_eq!(with_cookie(&world, cookie), Err(Refusal::new(message)), "{cookie:?}");
        }
        let cookie = format!("token={}", world.anna.token);
        world.host.advance(std::time::Duration::from_secs(24 * 60 * 60));
        assert_eq!(
            with_cookie(&world, Some(&cookie)),
            Err(Refusal::new("Unauthorized - Invalid or expired token"))
        );
    }
}
