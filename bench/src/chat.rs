//! Users and chats to measure with, made through the public API as any client would.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::call;

/// The gateway lets 10 sign-ups a second through for one address.
const PAUSE: Duration = Duration::from_millis(110);

/// A signed-up user.
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) cookie: String,
}

/// Signs up user `number` and waits for the profile that the event makes. The address is new each
/// time: several servers may share one database.
pub(crate) async fn sign_up(address: SocketAddr, number: usize) -> Result<User> {
    let email = format!("user{number}-{:08x}@example.com", rand::random::<u32>());
    let body = json!({"firstName": "User", "lastName": format!("Number{number}"), "emailId": email, "password": "Str0ng!pass"});
    let (status, headers, answer) =
        call(address, Method::POST, "/auth/signup", None, &body).await?;
    ensure!(status == StatusCode::CREATED, "sign-up: {status} {answer}");
    let cookie = headers.get(header::SET_COOKIE).context("no cookie")?.to_str()?;
    let cookie = cookie.split(';').next().context("empty cookie")?.to_owned();
    let id = text(&answer, "/data/_id")?;
    for _ in 0..50 {
        tokio::time::sleep(PAUSE).await;
        let (status, _, _) =
            call(address, Method::GET, "/profile/getProfile", Some(&cookie), &Value::Null).await?;
        if status == StatusCode::OK {
            return Ok(User { id, email, cookie });
        }
    }
    anyhow::bail!("the profile did not appear")
}

/// Connects two users and opens their direct chat; returns its id.
pub(crate) async fn direct_chat(address: SocketAddr, from: &User, to: &User) -> Result<String> {
    let (status, _, answer) = call(
        address,
        Method::POST,
        "/request/invite/send",
        Some(&from.cookie),
        &json!({"toEmail": to.email}),
    )
    .await?;
    ensure!(status == StatusCode::CREATED, "invite: {status} {answer}");
    let request = text(&answer, "/data/_id")?;
    let path = format!("/request/respond/{request}");
    let accept = json!({"status": "accepted"});
    let (status, _, answer) =
        call(address, Method::PATCH, &path, Some(&to.cookie), &accept).await?;
    ensure!(status == StatusCode::OK, "accept: {status} {answer}");
    for _ in 0..50 {
        let body = json!({"receiverId": to.id});
        let (status, _, answer) =
            call(address, Method::POST, "/chat/create-direct", Some(&from.cookie), &body).await?;
        if status.is_success() {
            return text(&answer, "/_id");
        }
        tokio::time::sleep(PAUSE).await;
    }
    anyhow::bail!("the connection did not appear")
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    Ok(found.with_context(|| format!("no {pointer} in {value}"))?.to_owned())
}
