//! The table of routes: which handler answers which method and path.
//!
//! As the original's Express did: static segments match in any letter case, one trailing slash
//! is ignored, `HEAD` is answered as `GET`. An unknown path and a wrong method are both 404.

use std::{future::Future, pin::Pin};

use http::Method;

use crate::{Context, Error, Response, Result, percent};

/// Longest path parameter, in bytes after decoding.
const MAX_PARAMETER_BYTES: usize = 256;
/// Longest path that is matched at all, in bytes.
const MAX_PATH_BYTES: usize = 4096;

type Answer = Pin<Box<dyn Future<Output = Result<Response>>>>;
type Handler = Box<dyn Fn(Context) -> Answer>;

enum Segment {
    /// Compared without regard to case.
    Static(&'static str),
    /// Anything that is not empty.
    Parameter(&'static str),
}

struct Route {
    method: Method,
    segments: Vec<Segment>,
    handler: Handler,
}

/// Routes in the order they were added; the first match answers.
#[derive(Default)]
pub struct Router {
    routes: Vec<Route>,
}

impl Router {
    /// No routes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a route. Segments that start with `:` are parameters.
    #[must_use]
    pub fn route<H, F>(mut self, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Fn(Context) -> F + 'static,
        F: Future<Output = Result<Response>> + 'static,
    {
        let segments = segments(path).map(|segment| match segment.strip_prefix(':') {
            Some(name) => Segment::Parameter(name),
            None => Segment::Static(segment),
        });
        let handler: Handler = Box::new(move |cx| Box::pin(handler(cx)));
        self.routes.push(Route { method, segments: segments.collect(), handler });
        self
    }

    /// Adds a `GET` (and `HEAD`) route.
    #[must_use]
    pub fn get<H, F>(self, path: &'static str, handler: H) -> Self
    where
        H: Fn(Context) -> F + 'static,
        F: Future<Output = Result<Response>> + 'static,
    {
        self.route(Method::GET, path, handler)
    }

    /// Adds a `POST` route.
    #[must_use]
    pub fn post<H, F>(self, path: &'static str, handler: H) -> Self
    where
        H: Fn(Context) -> F + 'static,
        F: Future<Output = Result<Response>> + 'static,
    {
        self.route(Method::POST, path, handler)
    }

    /// Adds a `PUT` route.
    #[must_use]
    pub fn put<H, F>(self, path: &'static str, handler: H) -> Self
    where
        H: Fn(Context) -> F + 'static,
        F: Future<Output = Result<Response>> + 'static,
    {
        self.route(Method::PUT, path, handler)
    }

    /// Adds a `PATCH` route.
    #[must_use]
    pub fn patch<H, F>(self, path: &'static str, handler: H) -> Self
    where
        H: Fn(Context) -> F + 'static,
        F: Future<Output = Result<Response>> + 'static,
    {
        self.route(Method::PATCH, path, handler)
    }

    /// Adds a `DELETE` route.
    #[must_use]
    pub fn delete<H, F>(self, path: &'static str, handler: H) -> Self
    where
        H: Fn(Context) -> F + 'static,
        F: Future<Output = Result<Response>> + 'static,
    {
        self.route(Method::DELETE, path, handler)
    }

    /// Answers a request; every error becomes its response here.
    pub async fn handle(&self, cx: Context) -> Response {
        match self.answer(cx).await {
            Ok(response) => response,
            Err(error) => error.into_response(),
        }
    }

    async fn answer(&self, cx: Context) -> Result<Response> {
        let path = cx.head().path();
        if path.len() > MAX_PATH_BYTES {
            return Err(not_found());
        }
        let method =
            if cx.head().method() == Method::HEAD { &Method::GET } else { cx.head().method() };
        let found = self
            .routes
            .iter()
            .filter(|route| route.method == *method)
            .find_map(|route| Some((route, matched(&route.segments, path)?)));
        let (route, encoded) = found.ok_or_else(not_found)?;
        let mut parameters = Vec::with_capacity(encoded.len());
        for (name, value) in encoded {
            let value = percent::decode(value).filter(|value| value.len() <= MAX_PARAMETER_BYTES);
            let value = value.ok_or_else(|| Error::bad_request(format!("{name} is not valid")))?;
            parameters.push((name, value.into_owned()));
        }
        (route.handler)(cx.with_parameters(parameters)).await
    }
}

fn not_found() -> Error {
    Error::not_found("Route not found")
}

/// A path's segments without the leading slash and one trailing slash.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/')
}

/// The parameters' values, still encoded, if the path fits.
fn matched<'p>(route: &[Segment], path: &'p str) -> Option<Vec<(&'static str, &'p str)>> {
    let mut found = Vec::new();
    let mut actual = segments(path);
    for expected in route {
        let actual = actual.next()?;
        match expected {
            Segment::Static(text) if text.eq_ignore_ascii_case(actual) => {}
            Segment::Parameter(name) if !actual.is_empty() => found.push((*name, actual)),
            _ => return None,
        }
    }
    actual.next().is_none().then_some(found)
}
