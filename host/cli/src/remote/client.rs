//! The admin API's client.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use pingtalk_tenancy::control::Digest;
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;

use crate::config::Secret;

const CONNECT_TIME: Duration = Duration::from_secs(10);
/// A component that is compiled for the first time takes a while.
const ANSWER_TIME: Duration = Duration::from_secs(600);

/// Speaks to one host.
pub(super) struct AdminClient {
    http: Client,
    base: Url,
    token: Secret,
}

impl AdminClient {
    pub(super) fn new(base: &str, token: Secret) -> Result<Self> {
        let base: Url = base.parse().with_context(|| format!("the admin API's URL `{base}`"))?;
        if base.scheme() == "http" && !is_loopback(&base) {
            eprintln!("warning: the token goes to {base} unencrypted: use https, or a tunnel");
        }
        crate::crypto::choose();
        let http = Client::builder()
            .connect_timeout(CONNECT_TIME)
            .timeout(ANSWER_TIME)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { http, base, token })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Sends JSON and returns JSON; null for an answer without content.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value> {
        let mut request = self.request(method, path)?;
        if let Some(body) = body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        self.answer(request).await
    }

    /// Whether the host has a component.
    pub(super) async fn has_artifact(&self, digest: &Digest) -> Result<bool> {
        let request = self.request(Method::HEAD, &format!("/v1/artifacts/{digest}"))?;
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        match response.status() {
            StatusCode::NO_CONTENT => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            // An answer to HEAD says nothing more.
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                bail!("the token is not known there, or its scope is below `deploy` ({status})")
            }
            status => bail!("{} answers {status}", self.base),
        }
    }

    /// Uploads a component.
    pub(super) async fn put_artifact(&self, digest: &Digest, bytes: Bytes) -> Result<()> {
        let request = self.request(Method::PUT, &format!("/v1/artifacts/{digest}"))?;
        let request = request.header(reqwest::header::CONTENT_TYPE, "application/wasm");
        self.answer(request.body(bytes)).await?;
        Ok(())
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder> {
        let url = self.base.join(path).context("the admin API's URL")?;
        Ok(self.http.request(method, url).bearer_auth(self.token.expose()))
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Value> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            if body.is_empty() {
                return Ok(Value::Null);
            }
            return serde_json::from_slice(&body)
                .with_context(|| format!("{} is no admin API: it answers no JSON", self.base));
        }
        bail!(refusal(status, &body))
    }

    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        // Its text repeats the URL and adds nothing for people; its source says why.
        let why = std::error::Error::source(error).map(|source| format!(" ({source})"));
        let why = why.unwrap_or_default();
        if error.is_timeout() {
            return anyhow::anyhow!("the host at {} did not answer in time{why}", self.base);
        }
        anyhow::anyhow!(
            "no host answers at {}{why}: is it running (pingtalk up)? Another one is named with \
             --admin or PINGTALK_ADMIN_URL",
            self.base
        )
    }
}

/// What the host said, and which field it is about.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = answer.get("error");
    let text = |name: &str| error.and_then(|error| error.get(name)).and_then(Value::as_str);
    match (text("message"), text("field")) {
        (Some(message), Some(field)) if !message.contains(&format!("`{field}`")) => {
            format!("{message} (`{field}`)")
        }
        (Some(message), _) => message.to_owned(),
        (None, _) => format!("the host answers {status}"),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_sentence_with_its_field() {
        let said = |body: &str| refusal(StatusCode::CONFLICT, body.as_bytes());
        assert_eq!(said(r#"{"error":{"code":"x","message":"taken"}}"#), "taken");
        assert_eq!(
            said(r#"{"error":{"code":"x","message":"taken","field":"hosts"}}"#),
            "taken (`hosts`)"
        );
        assert_eq!(
            said(r#"{"error":{"code":"x","message":"`hosts` is long","field":"hosts"}}"#),
            "`hosts` is long"
        );
        assert_eq!(said("<html>"), "the host answers 409 Conflict");
    }

    #[test]
    fn only_this_machine_may_be_spoken_to_in_the_clear() {
        for (url, loopback) in [
            ("http://127.0.0.1:3900", true),
            ("http://127.3.2.1", true),
            ("http://[::1]:1", true),
            ("http://localhost:1", true),
            ("http://10.0.0.1", false),
            ("http://127.0.0.1.example.org", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), loopback, "{url}");
        }
    }
}
