//! One span and one log line for each request, and its W3C trace context.
//!
//! Bodies, tokens and query strings are never logged.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage, HttpRequest};
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
    /// Continues the caller's trace, or begins one.
    pub fn continued_from(traceparent: Option<&str>) -> Self {
        let span_id = format!("{:016x}", random() as u64);
        match traceparent.and_then(parse) {
            Some((trace_id, flags)) => Self { trace_id, span_id, flags },
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

/// Random in its low 80 bits, and never zero.
fn random() -> u128 {
    u128::from(Ulid::generate())
}

/// `00-<trace id>-<span id>-<flags>`; the ids must not be all zero.
fn parse(header: &str) -> Option<(String, String)> {
    let mut parts = header.split('-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, len| text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let not_zero = |text: &str| text.bytes().any(|b| b != b'0');
    let valid = parts.next().is_none()
        && version == "00"
        && hex(trace_id, 32)
        && not_zero(trace_id)
        && hex(span_id, 16)
        && not_zero(span_id)
        && hex(flags, 2);
    valid.then(|| (trace_id.to_owned(), flags.to_owned()))
}

#[derive(Clone, Copy)]
struct Started(Instant);

/// Opens the span of a request and writes its line in the log.
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let header = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
        let context = TraceContext::continued_from(header);
        let span = tracing::info_span!(
            "request",
            method = %request.method(),
            route = request.match_pattern().as_deref().unwrap_or("unmatched"),
            trace_id = %context.trace_id,
            status = tracing::field::Empty,
        );
        request.extensions_mut().insert(context);
        request.extensions_mut().insert(Started(Instant::now()));
        span
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let (status, elapsed) = match outcome {
            Ok(response) => {
                let started = response.request().extensions().get::<Started>().copied();
                (response.status(), started.map(|Started(at)| at.elapsed()))
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
            assert!(parse(&context.traceparent()).is_some(), "{bad:?}");
        }
    }
}
