//! What a handler knows of the request it answers, and the way to the host's capabilities.

use std::{cell::RefCell, ops::Deref};

use bytes::Bytes;

use crate::{
    Body, Error, Fields, Head, Platform, Result,
    documents::Id,
    multipart::{self, Multipart},
    query_string::Parameter,
    session::{self, Session},
};

/// Largest JSON body, in bytes, unless a route says otherwise (the contract's 100 KB).
pub const MAX_JSON_BYTES: usize = 100 * 1024;

/// One request. Derefs to [`Platform`], so `cx.documents()` and `cx.now()` work.
pub struct Context {
    platform: Platform,
    head: Head,
    parameters: Vec<(&'static str, String)>,
    body: RefCell<Body>,
}

impl Context {
    /// A request that has not been routed yet.
    #[must_use]
    pub fn new(platform: Platform, head: Head, body: Body) -> Self {
        Self { platform, head, parameters: Vec::new(), body: RefCell::new(body) }
    }

    pub(crate) fn with_parameters(mut self, parameters: Vec<(&'static str, String)>) -> Self {
        self.parameters = parameters;
        self
    }

    /// The host's capabilities, for code that serves requests, events and sockets alike.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Method, path, headers, client address.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// A path parameter (`:name` in the route), decoded.
    ///
    /// # Errors
    /// 500: the route has no such parameter.
    pub fn param(&self, name: &str) -> Result<&str> {
        let found = self.parameters.iter().find(|(key, _)| *key == name);
        found
            .map(|(_, value)| value.as_str())
            .ok_or_else(|| Error::internal(format!("the route has no parameter `{name}`")))
    }

    /// A path parameter that is an id.
    ///
    /// # Errors
    /// 400 when it is no id of 24 hex digits.
    pub fn id_param(&self, name: &str) -> Result<Id> {
        let text = self.param(name)?;
        Id::parse(text).ok_or_else(|| Error::bad_request(format!("{name} must be a valid id")))
    }

    /// A query parameter.
    ///
    /// # Errors
    /// 400 when it is given more than once, or as a list or an object (`name[]=`).
    pub fn query(&self, name: &str) -> Result<Option<&str>> {
        match self.head.query().get(name) {
            Parameter::Absent => Ok(None),
            Parameter::Once(value) => Ok(Some(value)),
            Parameter::Repeated => {
                Err(Error::bad_request(format!("{name} must be given only once")))
            }
        }
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The client's address.
    #[must_use]
    pub fn client(&self) -> &str {
        self.head.client()
    }

    /// True when the client came over TLS: cookies must be `Secure`.
    #[must_use]
    pub fn secure(&self) -> bool {
        self.head.secure()
    }

    /// The body as a JSON object of at most 100 KB. A body of another type counts as none.
    ///
    /// # Errors
    /// 413 when it is larger, 400 when it is no JSON object.
    pub async fn json(&self) -> Result<Fields> {
        self.json_within(MAX_JSON_BYTES).await
    }

    /// As [`Context::json`] with another bound, in bytes.
    ///
    /// # Errors
    /// As [`Context::json`].
    pub async fn json_within(&self, limit: usize) -> Result<Fields> {
        if self.head.media_type().as_deref() != Some("application/json") {
            return Ok(Fields::default());
        }
        let bytes = self.bytes(limit).await?;
        if bytes.is_empty() { Ok(Fields::default()) } else { Fields::parse(&bytes) }
    }

    /// The body's bytes.
    ///
    /// # Errors
    /// 413 when there are more than `limit`, 400 when it was cut short.
    pub async fn bytes(&self, limit: usize) -> Result<Bytes> {
        let declared = self.header("content-length").and_then(|text| text.parse::<usize>().ok());
        if declared.is_some_and(|length| length > limit) {
            return Err(crate::BodyError::TooLarge { limit }.into());
        }
        Ok(self.take_body().collect(limit).await?)
    }

    /// The body as `multipart/form-data`; none when it is of another type.
    ///
    /// # Errors
    /// 413 over a bound, 400 when it is broken.
    pub async fn multipart(&self, bounds: multipart::Bounds) -> Result<Option<Multipart>> {
        if self.head.media_type().as_deref() != Some("multipart/form-data") {
            return Ok(None);
        }
        let content_type = self.header("content-type").unwrap_or_default().to_owned();
        let bytes = self.bytes(bounds.total()).await?;
        Multipart::parse(&content_type, bytes, &bounds).await.map(Some)
    }

    /// The body as it arrives. What was read before is gone.
    #[must_use]
    pub fn take_body(&self) -> Body {
        self.body.replace(Body::empty())
    }

    /// The logged-in user.
    ///
    /// # Errors
    /// The contract's 401s; 503 when the session can't be checked.
    pub async fn session(&self) -> Result<Session> {
        self.session_or("Token Expired, please login again").await
    }

    /// As [`Context::session`] with other words for a missing cookie.
    ///
    /// # Errors
    /// As [`Context::session`].
    pub async fn session_or(&self, missing: &'static str) -> Result<Session> {
        let token = self.head.cookie(session::COOKIE).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| Error::unauthorized(missing))?;
        session::check(&self.platform, &token).await
    }
}

impl Deref for Context {
    type Target = Platform;

    fn deref(&self) -> &Platform {
        &self.platform
    }
}
