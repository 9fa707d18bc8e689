//! Traces: which spans one request caused, from the gateway through components to capabilities.
//!
//! A [`Trace`] is handed along with the call it belongs to, never through a thread's state: a call
//! moves between threads. Where no tracer is installed it is empty, and everything here is a look
//! at an option.
//!
//! Attributes and span names follow OpenTelemetry's semantic conventions
//! (<https://opentelemetry.io/docs/specs/semconv/>), the headers W3C Trace Context
//! (<https://www.w3.org/TR/trace-context/>).

use std::{borrow::Cow, sync::OnceLock};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context, KeyValue, Value,
    global::BoxedTracer,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{
        SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
        TraceState, Tracer as _,
    },
};

/// What makes and finds spans in this process.
struct Installed {
    tracer: BoxedTracer,
    propagator: Box<dyn TextMapPropagator + Send + Sync>,
    share: f64,
}

static INSTALLED: OnceLock<Installed> = OnceLock::new();

/// Starts tracing in this process. Only the first call counts.
///
/// `share` (0 to 1) is the part of all traces that is kept where nobody whom we trust has decided;
/// the tracer's own sampler must use the same.
pub fn install(
    tracer: BoxedTracer,
    propagator: Box<dyn TextMapPropagator + Send + Sync>,
    share: f64,
) {
    let _ = INSTALLED.set(Installed { tracer, propagator, share });
}

/// What a span is about, seen from this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody else's request.
    Server,
    /// A request of ours to somebody else.
    Client,
    /// Something within.
    Internal,
    /// A delivery from a queue.
    Consumer,
}

impl From<Kind> for SpanKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Server => Self::Server,
            Kind::Client => Self::Client,
            Kind::Internal => Self::Internal,
            Kind::Consumer => Self::Consumer,
        }
    }
}

/// A span in the making or done, under which others can begin. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Trace(Option<Context>);

impl Trace {
    /// A trace of its own.
    #[must_use]
    pub fn root(kind: Kind, name: impl FnOnce() -> Cow<'static, str>) -> Span {
        INSTALLED.get().map_or_else(Span::default, |here| here.begin(&Context::new(), kind, name()))
    }

    /// Continues the trace that a request's `traceparent` names, or begins one.
    ///
    /// Whoever sends a request may say which trace it is part of. Whether that is kept is decided
    /// here, unless the sender is `trusted`: else a stranger could have everything recorded.
    #[must_use]
    pub fn request(
        headers: &HeaderMap,
        trusted: bool,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Span {
        let Some(here) = INSTALLED.get() else { return Span::default() };
        let mut parent = here.propagator.extract_with_context(&Context::new(), &Incoming(headers));
        if !trusted && parent.span().span_context().is_valid() {
            parent = here.decided(parent.span().span_context());
        }
        here.begin(&parent, Kind::Server, name())
    }

    /// Begins a span under this one. Its name is made only if it is kept.
    #[must_use]
    pub fn child(&self, kind: Kind, name: impl FnOnce() -> Cow<'static, str>) -> Span {
        let (Some(here), Some(context)) = (INSTALLED.get(), &self.0) else {
            return Span::default();
        };
        if !context.span().span_context().is_sampled() {
            // Nothing under what is not kept is kept either, but it still names the trace.
            return Span { trace: self.clone(), own: false };
        }
        here.begin(context, kind, name())
    }

    /// True when the span is kept: what costs something to find out is worth finding out.
    #[must_use]
    pub fn recording(&self) -> bool {
        self.0.as_ref().is_some_and(|context| context.span().is_recording())
    }

    /// Says something about the span.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0
            && context.span().is_recording()
        {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// Gives the span another name.
    pub fn rename(&self, name: impl Into<Cow<'static, str>>) {
        if let Some(context) = &self.0 {
            context.span().update_name(name);
        }
    }

    /// Marks the span as failed.
    pub fn fail(&self, reason: impl Into<Cow<'static, str>>) {
        if let Some(context) = &self.0 {
            context.span().set_status(Status::error(reason));
        }
    }

    /// Tells whoever gets these headers which trace they are part of.
    pub fn inject(&self, headers: &mut HeaderMap) {
        if let (Some(here), Some(context)) = (INSTALLED.get(), &self.0) {
            here.propagator.inject_context(context, &mut Outgoing(headers));
        }
    }

    /// Runs `work`, whose log lines then belong to the span.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let _attached = self.0.clone().map(Context::attach);
        work()
    }
}

/// A span that ends when it is dropped.
#[derive(Debug, Default)]
pub struct Span {
    trace: Trace,
    /// Ours to end.
    own: bool,
}

impl Span {
    /// For those who go on beneath it.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }
}

impl std::ops::Deref for Span {
    type Target = Trace;

    fn deref(&self) -> &Trace {
        &self.trace
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let (true, Some(context)) = (self.own, &self.trace.0) {
            context.span().end();
        }
    }
}

impl Installed {
    fn begin(&self, parent: &Context, kind: Kind, name: Cow<'static, str>) -> Span {
        let builder = SpanBuilder::from_name(name).with_kind(kind.into());
        let span = self.tracer.build_with_context(builder, parent);
        Span { trace: Trace(Some(parent.with_span(span))), own: true }
    }

    /// The same parent with our own decision about keeping the trace.
    fn decided(&self, parent: &SpanContext) -> Context {
        let flags = TraceFlags::default().with_sampled(keeps(self.share, parent.trace_id()));
        let (trace, span) = (parent.trace_id(), parent.span_id());
        let parent = SpanContext::new(trace, span, flags, true, TraceState::default());
        Context::new().with_remote_span_context(parent)
    }
}

/// Whether a trace belongs to the share that is kept: by its id, so that all hosts agree, and by the
/// same bits as OpenTelemetry's `TraceIdRatioBased`.
fn keeps(share: f64, trace: TraceId) -> bool {
    if share >= 1.0 {
        return true;
    }
    let [.., a, b, c, d, e, f, g, h] = trace.to_bytes();
    let drawn = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
    // Both are below 2^63; that a float is coarser than that does not matter here.
    #[allow(clippy::cast_precision_loss)]
    let drawn = drawn as f64;
    drawn < share * 2f64.powi(63)
}

struct Incoming<'a>(&'a HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Outgoing<'a>(&'a mut HeaderMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_tracer_nothing_is_made() {
        let root = Trace::root(Kind::Server, || unreachable!("nobody asks for its name"));
        let child = root.child(Kind::Internal, || unreachable!("nobody asks for its name"));
        child.set("key", "value");
        let mut headers = HeaderMap::new();
        child.inject(&mut headers);
        assert!(headers.is_empty());
        assert!(!child.recording());
    }

    #[test]
    fn a_share_of_all_traces_is_kept() {
        let kept = |share| {
            let ids =
                (0..10_000u128).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
            ids.filter(|id| keeps(share, TraceId::from_bytes(id.to_be_bytes()))).count()
        };
        assert_eq!(kept(1.0), 10_000);
        assert_eq!(kept(0.0), 0);
        assert!((2_000..3_000).contains(&kept(0.25)), "{}", kept(0.25));
    }
}
