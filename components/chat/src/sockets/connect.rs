//! A socket connects: with the session of its handshake's cookie, or not at all.
//!
//! It joins the session's room at once, by which a logout or a password change finds it.

use pingtalk_sdk::{
    Platform, session,
    sockets::{Admission, Handshake, Refusal},
};

pub(super) async fn connect(cx: &Platform, handshake: &Handshake) -> Result<Admission, Refusal> {
    let session = session::of_handshake(cx, handshake).await?;
    Ok(Admission {
        user: session.user.to_string(),
        rooms: vec![session.room()],
        attachment: session.token_id.into_bytes(),
    })
}
