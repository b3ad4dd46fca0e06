//! One trace from a request to all of its effects.
//!
//! An event carries the context of its request (`traceparent`), so all work on it continues the request's trace. There
//! is a span for each event and one for the batch that it was in; the two are linked. An event whose trace is not
//! sampled gets none.
//!
//! All spans here share one target. A process that exports no traces switches it off, and then each call only checks a
//! flag.

use cardwire_domain::EventId;
use opentelemetry::Context;
pub use opentelemetry::trace::SpanContext;
use opentelemetry::trace::{SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::{Span, field, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::queue::Queue;

/// The target of every span that is exported, and of nothing else.
pub const TARGET: &str = "cardwire_trace";

/// What is done with a batch of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Publish,
    Process,
    /// Windows are written into the feed.
    Flush,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Process => "process",
            Self::Flush => "flush",
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Publish => "producer",
            Self::Process => "consumer",
            Self::Flush => "internal",
        }
    }
}

/// The span of a request, which continues the caller's trace if there is one. `None` if no traces are collected.
pub fn request(method: &str, route: &str, caller: Option<&str>) -> Span {
    let span = info_span!(
        target: TARGET,
        parent: None,
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
    );
    if !span.is_disabled()
        && let Some(caller) = caller.and_then(parse)
    {
        continue_trace(&span, caller);
    }
    span
}

/// Records the request's response. Only server errors count as errors of its span.
pub fn answered(request: &Span, status: u16) {
    request.record("http.response.status_code", status);
    if status >= 500 {
        request.record("otel.status_code", "ERROR");
    }
}

/// The context that events carry to continue the trace of this span; `None` if no traces are collected.
pub fn traceparent(span: &Span) -> Option<String> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| write(&context))
}

/// A batch of events, and the span of each event in its own trace. All spans end when it is dropped.
#[derive(Debug)]
pub struct Batch {
    operation: Operation,
    queue: Queue,
    span: Span,
    /// Without an id: for all events of one request.
    events: Vec<(Option<EventId>, Span)>,
}

impl Batch {
    /// A separate trace, since its events come from many.
    pub fn begin(operation: Operation, queue: Queue, size: usize) -> Self {
        let span = info_span!(
            target: TARGET,
            parent: None,
            "batch",
            otel.name = %format_args!("{} batch of {queue}", operation.name()),
            otel.kind = "internal",
            messaging.destination.name = queue.name(),
            messaging.batch.message_count = size,
        );
        Self { operation, queue, span, events: Vec::new() }
    }

    /// Whether it is worth recording which events are in it.
    pub fn is_traced(&self) -> bool {
        !self.span.is_disabled()
    }

    /// An event of the batch, if its trace is sampled.
    pub fn event(&mut self, id: EventId, traceparent: Option<&str>) {
        if let Some(span) = self.follow(traceparent) {
            span.record("messaging.message.id", field::display(id));
            self.events.push((Some(id), span));
        }
    }

    /// Like [`Self::event`], for all events of one request.
    pub fn request(&mut self, traceparent: &str) {
        if let Some(span) = self.follow(Some(traceparent)) {
            self.events.push((None, span));
        }
    }

    pub fn failed(&self, id: EventId) {
        for (_, span) in self.events.iter().filter(|(event, _)| *event == Some(id)) {
            span.record("otel.status_code", "ERROR");
        }
    }

    /// None of its events had its effect.
    pub fn all_failed(&self) {
        for (_, span) in &self.events {
            span.record("otel.status_code", "ERROR");
        }
    }

    fn follow(&self, traceparent: Option<&str>) -> Option<Span> {
        if self.span.is_disabled() {
            return None;
        }
        let request = parse(traceparent?).filter(SpanContext::is_sampled)?;
        let (operation, queue) = (self.operation.name(), self.queue.name());
        let span = info_span!(
            target: TARGET,
            parent: None,
            "event",
            otel.name = %format_args!("{operation} {queue}"),
            otel.kind = self.operation.kind(),
            otel.status_code = field::Empty,
            messaging.operation.name = operation,
            messaging.destination.name = queue,
            messaging.message.id = field::Empty,
        );
        continue_trace(&span, request);
        span.add_link(self.span.context().span().span_context().clone());
        Some(span)
    }
}

fn continue_trace(span: &Span, remote: SpanContext) {
    if let Err(error) = span.set_parent(Context::new().with_remote_span_context(remote)) {
        // Something other than an exporter listens to these spans.
        tracing::debug!(%error, "a trace cannot be continued");
    }
}

/// W3C trace context: `00-<trace id>-<span id>-<flags>`, lower-case hex; the ids must not be all zero.
pub fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, len| text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if parts.next().is_some() || version != "00" || !hex(trace_id, 32) || !hex(span_id, 16) || !hex(flags, 2) {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace_id).ok()?,
        SpanId::from_hex(span_id).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

/// As [`parse`] reads it.
pub fn write(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_read_as_they_are_written() {
        for text in [
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000001-0000000000000001-00",
        ] {
            assert_eq!(write(&parse(text).unwrap()), text);
        }
        for bad in [
            "",
            "x",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        ] {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn without_anybody_who_collects_there_are_no_spans() {
        let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let span = request("POST", "/api/cards/library/urls", Some(sampled));
        assert!(span.is_disabled());
        assert_eq!(traceparent(&span), None);
        let mut batch = Batch::begin(Operation::Process, Queue::Feeds, 1);
        batch.event(EventId::generate(), Some(sampled));
        batch.request(sampled);
        assert!(!batch.is_traced() && batch.events.is_empty());
    }
}
