//! `POST /logout`: ends the session, on the server as well as in the browser.
//!
//! It answers 200 with any cookie or none. Only when a valid session could not be ended it says
//! so, and leaves the cookie for another try.

use pingtalk_sdk::{
    Context, Response, Result,
    session::{self, COOKIE},
    sockets::room,
};

pub(crate) async fn logout(cx: Context) -> Result<Response> {
    if let Some(token) = cx.head().cookie(COOKIE).filter(|token| !token.is_empty()) {
        match cx.session().await {
            Ok(session) => session::revoke(&cx, &session).await?,
            Err(error) if error.is_refusal() => {}
            Err(error) => return Err(error),
        }
        // For an ended token too: the first try may have come no further than the line above.
        cx.sockets().disconnect(room(session::room(&session::token_id(&token)))).await?;
    }
    let response = Response::message("Logout Successful");
    Ok(response.cookie(&session::clear_cookie(cx.secure())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixtures::{PASSWORD, ask, host, log_in, sign_up};
    use pingtalk_sdk::{
        documents::DocumentError,
        fake::{Failure, Host, SocketCall, get, post},
        serde_json::json,
        sockets::SocketError,
    };

    fn counts(host: &Host, token: &str) -> bool {
        let request = get("/getUserByEmail?emailId=ann@example.com").token(token);
        let answer = ask(host, request);
        if answer.status == 401 {
            assert_eq!(answer.json(), json!({ "error": "Invalid or expired token" }));
        }
        answer.status == 200
    }

    fn room_of(token: &str) -> SocketCall {
        let name = format!("session:{}", session::token_id(token));
        SocketCall::Disconnect(room(name), None)
    }

    #[test]
    fn ends_this_session_alone() {
        let host = host();
        let (_, first) = sign_up(&host);
        let second = log_in(&host, PASSWORD);
        assert!(counts(&host, &first) && counts(&host, &second));

        let answer = ask(&host, post("/logout").token(&first));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), json!({ "message": "Logout Successful" }));
        assert_eq!(answer.cookie("token").unwrap(), "");
        assert!(answer.header("set-cookie").contains("Path=/"));
        assert!(!counts(&host, &first) && counts(&host, &second));
        assert_eq!(host.socket_calls(), [room_of(&first)]);
    }

    #[test]
    fn needs_no_session() {
        let host = host();
        let (_, token) = sign_up(&host);
        assert_eq!(ask(&host, post("/logout").token(&token)).status, 200);
        for request in [post("/logout"), post("/logout").token("x"), post("/logout").token(&token)]
        {
            let answer = ask(&host, request);
            assert_eq!(answer.status, 200);
            assert_eq!(answer.message(), "Logout Successful");
            assert_eq!(answer.cookie("token").unwrap(), "");
        }
    }

    #[test]
    fn says_so_when_the_session_goes_on() {
        let host = host();
        let (_, token) = sign_up(&host);
        host.fail_next(Failure::Commit(DocumentError::Unavailable("away".to_owned())));
        let answer = ask(&host, post("/logout").token(&token));
        assert_eq!(answer.status, 503);
        assert!(answer.cookie("token").is_none() && counts(&host, &token));

        // The token is ended, its sockets are not: another try ends them.
        host.fail_next(Failure::Sockets(SocketError::Unavailable("away".to_owned())));
        assert_eq!(ask(&host, post("/logout").token(&token)).status, 503);
        assert!(!counts(&host, &token) && host.socket_calls().is_empty());
        assert_eq!(ask(&host, post("/logout").token(&token)).status, 200);
        assert_eq!(host.socket_calls(), [room_of(&token)]);
    }
}
