//! The component that consumes events, as Spin's local routing would reach it.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use wasmtime_wasi_http::{Error, WasiBody};

/// What it answers.
#[derive(Debug, Clone)]
pub enum Answer {
    /// 200 with this JSON.
    Json(&'static str),
    /// Another status.
    Status(u16),
}

/// A call that reached it.
#[derive(Debug, Clone)]
pub struct Called {
    /// Host and path.
    pub target: String,
    /// The header that signs the call.
    pub signature: Option<String>,
    /// The body.
    pub body: String,
}

/// A consumer with its answers prepared. Without one it can't be reached.
#[derive(Debug, Default)]
pub struct Consumer {
    answers: Mutex<VecDeque<Answer>>,
    calls: Mutex<Vec<Called>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Consumer {
    /// Answers the next call like this.
    pub fn answers(&self, answer: Answer) {
        lock(&self.answers).push_back(answer);
    }

    /// The calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Called> {
        lock(&self.calls).clone()
    }

    pub(crate) async fn call(
        &self,
        request: http::Request<WasiBody>,
    ) -> Result<http::Response<WasiBody>, Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        lock(&self.calls).push(Called {
            target: parts.uri.to_string(),
            signature: parts
                .headers
                .get("pingtalk-signature")
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            body: String::from_utf8_lossy(&body).into_owned(),
        });
        let answer = lock(&self.answers).pop_front();
        let (status, body) = match answer {
            Some(Answer::Json(body)) => (200, body),
            Some(Answer::Status(status)) => (status, ""),
            None => return Err(Error::HttpRequestDenied),
        };
        let body = Full::new(Bytes::from_static(body.as_bytes()));
        let body = body.map_err(|never| match never {}).boxed_unsync();
        let mut response = http::Response::new(body);
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        Ok(response)
    }
}
