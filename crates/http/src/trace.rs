//! One span and one log line for each request, and its W3C trace context.
//!
//! Bodies, tokens and query strings are never logged.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage, HttpRequest};
use cardwire_events::trace::{self, SpanContext};
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;
use ulid::Ulid;

/// Where this request stands in its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// 32 lower-case hex digits.
    pub trace_id: String,
    /// This request's own span: 16 lower-case hex digits.
    span_id: String,
    flags: String,
}

impl TraceContext {
    /// Where the span of the request stands, which is in the caller's trace already. `None` where nobody collects traces.
    fn of_span(span: &Span) -> Option<Self> {
        trace::traceparent(span).as_deref().and_then(trace::parse).map(Self::from)
    }

    /// Continues the caller's trace, or begins one.
    pub fn continued_from(traceparent: Option<&str>) -> Self {
        let span_id = format!("{:016x}", random() as u64);
        match traceparent.and_then(trace::parse).map(Self::from) {
            Some(caller) => Self { span_id, ..caller },
            None => Self { trace_id: format!("{:032x}", random()), span_id, flags: "00".into() },
        }
    }

    /// What the events of this request carry along.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{}", self.trace_id, self.span_id, self.flags)
    }

    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }
}

impl From<SpanContext> for TraceContext {
    fn from(context: SpanContext) -> Self {
        Self {
            trace_id: context.trace_id().to_string(),
            span_id: context.span_id().to_string(),
            flags: format!("{:02x}", context.trace_flags().to_u8()),
        }
    }
}

/// Random in its low 80 bits, and never zero.
fn random() -> u128 {
    u128::from(Ulid::generate())
}

/// When a request came, and its span in the exported trace.
#[derive(Clone)]
struct Started(Instant, Span);

/// Opens the span of a request and writes its line in the log.
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let header = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
        let route = request.match_pattern();
        let route = route.as_deref().unwrap_or("unmatched");
        let exported = trace::request(request.method().as_str(), route, header);
        let context = TraceContext::of_span(&exported).unwrap_or_else(|| TraceContext::continued_from(header));
        // As a child it keeps the exported one open.
        let span = tracing::info_span!(
            parent: &exported,
            "request",
            method = %request.method(),
            route,
            trace_id = %context.trace_id,
            status = tracing::field::Empty,
        );
        request.extensions_mut().insert(context);
        request.extensions_mut().insert(Started(Instant::now(), exported));
        span
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let (status, elapsed) = match outcome {
            Ok(response) => {
                let started = response.request().extensions().get::<Started>().cloned();
                if let Some(Started(_, exported)) = &started {
                    trace::answered(exported, response.status().as_u16());
                }
                (response.status(), started.map(|Started(at, _)| at.elapsed()))
            }
            Err(error) => (error.as_response_error().status_code(), None),
        };
        span.record("status", status.as_u16());
        let elapsed_ms = elapsed.map(|elapsed| elapsed.as_secs_f64() * 1_000.0);
        tracing::info!(parent: &span, status = status.as_u16(), elapsed_ms, "answered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_traceparent_is_continued_and_any_other_replaced() {
        let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = TraceContext::continued_from(Some(given));
        assert_eq!(context.trace_id, "0af7651916cd43dd8448eb211c80319c");
        assert!(context.traceparent().ends_with("-01"));
        assert_ne!(context.traceparent(), given, "this request is a span of its own");
        for bad in [
            "",
            "x",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            let context = TraceContext::continued_from(Some(bad));
            assert_ne!(context.trace_id, "0af7651916cd43dd8448eb211c80319c", "{bad:?}");
            assert!(trace::parse(&context.traceparent()).is_some(), "{bad:?}");
        }
    }
}
