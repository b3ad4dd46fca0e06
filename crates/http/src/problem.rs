//! What a refused or failed request is answered with: RFC 9457 `application/problem+json`.

use std::fmt;

use actix_web::http::header::HeaderName;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use cardwire_domain::Error;
use serde::Serialize;
use utoipa::ToSchema;

/// A kind of problem: its `type` on the wire is `/problems/<slug>` and never changes.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    pub slug: &'static str,
    pub title: &'static str,
    pub status: u16,
    pub about: &'static str,
}

macro_rules! kinds {
    ($($name:ident: $status:literal $slug:literal $title:literal $about:literal;)+) => {
        $(pub static $name: Kind = Kind { slug: $slug, title: $title, status: $status, about: $about };)+
        /// Every kind there is.
        pub static KINDS: &[&Kind] = &[$(&$name),+];
    };
}

kinds! {
    MALFORMED_REQUEST: 400 "malformed-request" "Malformed request" "The server could not read this request.";
    MALFORMED_JSON: 400 "malformed-json" "Malformed JSON" "The body is not JSON: bad syntax, bad UTF-8, or more than 127 levels deep.";
    INVALID_PARAMETER: 400 "invalid-parameter" "Invalid query parameter" "A query parameter is unknown, repeated, missing or out of range.";
    INVALID_CURSOR: 400 "invalid-cursor" "Invalid cursor" "The cursor does not belong to this list. Start again without one.";
    INVALID_IDEMPOTENCY_KEY: 400 "invalid-idempotency-key" "Invalid Idempotency-Key" "Send the header once, with 1 to 255 visible ASCII characters.";
    UNAUTHENTICATED: 401 "unauthenticated" "Not signed in" "This needs a valid `Authorization: Bearer` token.";
    FORBIDDEN: 403 "forbidden" "Not allowed" "It exists, but you are not allowed to do this.";
    NOT_FOUND: 404 "not-found" "Not found" "There is nothing at this address.";
    METHOD_NOT_ALLOWED: 405 "method-not-allowed" "Method not allowed" "The Allow header lists the methods that work here.";
    NOT_ACCEPTABLE: 406 "not-acceptable" "Not acceptable" "No available format matches the Accept headers.";
    REQUEST_TIMEOUT: 408 "request-timeout" "Request timed out" "The body did not arrive in time.";
    CONFLICT: 409 "conflict" "Conflict" "It conflicts with the current state.";
    BODY_TOO_LARGE: 413 "body-too-large" "Body too large" "A body can be at most 256 KiB, a file to import at most 100 MiB.";
    UNSUPPORTED_MEDIA_TYPE: 415 "unsupported-media-type" "Unsupported media type" "Send the body as application/json, without a content encoding.";
    MISDIRECTED: 421 "misdirected" "Unknown host" "The Host header names a site that this server does not serve.";
    INVALID_VALUE: 422 "invalid-value" "Invalid value" "The JSON is valid, but the value of `field` is not. `detail` says what it must be.";
    IDEMPOTENCY_KEY_REUSED: 422 "idempotency-key-reused" "Idempotency-Key already used" "The key was used for another request within the last 24 hours.";
    TOO_MANY_REQUESTS: 429 "too-many-requests" "Too many requests" "Wait as long as Retry-After says.";
    OVER_QUOTA: 429 "over-quota" "Daily limit reached" "You have added as much as one person can within 24 hours. `detail` names the limit, and Retry-After says when you can add one more.";
    INTERNAL: 500 "internal" "Something went wrong" "An error in this server. Report the traceId.";
    UNAVAILABLE: 503 "unavailable" "Temporarily unavailable" "Something this needs cannot be reached. Try again after Retry-After. With an Idempotency-Key that is safe.";
    TOO_MANY_STREAMS: 503 "too-many-streams" "Too many live connections" "All live-feed connections are in use, or all that your address can have. Try again after Retry-After.";
}

impl Kind {
    pub fn uri(&self) -> String {
        format!("/problems/{}", self.slug)
    }
}

/// Text on the wire is cut behind this many characters: it may quote the client.
const DETAIL_MAX_CHARS: usize = 300;

/// A problem, before it is known to which request it belongs.
#[derive(Debug)]
pub struct Problem {
    kind: &'static Kind,
    detail: String,
    field: Option<String>,
    allow: Option<String>,
    retry_after_s: Option<u32>,
    /// For the log only.
    cause: Option<String>,
}

/// Draws a problem as a page, with the trace's id; `None` for a program, which gets JSON. Among the application's data where it has pages.
#[derive(Clone, Copy)]
pub struct Page(pub fn(&HttpRequest, &Problem, &str) -> Option<HttpResponse>);

/// A problem on the wire.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Stable; names the kind of problem.
    #[schema(example = "/problems/invalid-value")]
    pub r#type: String,
    #[schema(example = "Invalid value")]
    pub title: &'static str,
    #[schema(example = 422)]
    pub status: u16,
    #[schema(example = "Links start with http:// or https://.")]
    pub detail: String,
    /// Path of the value in the body, name of the query parameter, or name of the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "url")]
    pub field: Option<String>,
    /// The request's trace, by which the log knows it.
    #[schema(example = "0af7651916cd43dd8448eb211c80319c")]
    pub trace_id: String,
}

impl Problem {
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { kind, detail, field: None, allow: None, retry_after_s: None, cause: None }
    }

    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// `field` breaks `rule`, which is a whole sentence.
    pub fn invalid(field: impl Into<String>, rule: impl fmt::Display) -> Self {
        Self::new(&INVALID_VALUE, rule.to_string()).field(field)
    }

    /// The query parameter `name` breaks `rule`, which is a whole sentence. It may be told on a page without a field for it, so it is named.
    pub fn parameter(name: impl Into<String>, rule: impl fmt::Display) -> Self {
        let name = name.into();
        Self::new(&INVALID_PARAMETER, format!("{name}: {rule}")).field(name)
    }

    pub fn method_not_allowed(allow: String) -> Self {
        let mut problem = Self::new(&METHOD_NOT_ALLOWED, format!("This address answers {allow}."));
        problem.allow = Some(allow);
        problem
    }

    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    pub fn unavailable(cause: impl Into<String>) -> Self {
        let mut problem =
            Self::new(&UNAVAILABLE, "Your data cannot be reached at the moment. Try again.").retry_after(1);
        problem.cause = Some(cause.into());
        problem
    }

    pub fn internal(cause: impl Into<String>) -> Self {
        let mut problem = Self::new(&INTERNAL, "Something went wrong on our side. The traceId finds it in the log.");
        problem.cause = Some(cause.into());
        problem
    }

    /// For answers that something else than our handlers gave.
    pub fn of_status(status: StatusCode) -> Self {
        let kind = KINDS.iter().find(|kind| kind.status == status.as_u16());
        match kind {
            Some(kind) => Self::new(kind, kind.about),
            None if status.is_client_error() => Self::new(&MALFORMED_REQUEST, MALFORMED_REQUEST.about),
            None => Self::internal(format!("answered {status}")),
        }
    }

    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// In words for whoever asked.
    pub fn detail(&self) -> String {
        cut(&self.detail)
    }

    /// The field that breaks a rule, and the rule.
    pub fn broken_rule(&self) -> Option<(&str, String)> {
        let field = self.field.as_deref()?;
        let rule = self.detail.strip_prefix(field).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&self.detail);
        Some((field, cut(rule)))
    }

    /// How long to wait, where that is known.
    pub fn retry_after_s(&self) -> Option<u32> {
        self.retry_after_s
    }

    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// What goes with it in whatever form it is told.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, String)> {
        let allow = self.allow.clone().map(|allow| (header::ALLOW, allow));
        let retry_after = self.retry_after_s.map(|seconds| (header::RETRY_AFTER, seconds.to_string()));
        allow.into_iter().chain(retry_after)
    }

    pub fn render(&self, trace_id: String) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status_code());
        response.content_type("application/problem+json");
        if self.status_code() == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        for header in self.headers() {
            response.insert_header(header);
        }
        let body = ProblemBody {
            r#type: self.kind.uri(),
            title: self.kind.title,
            status: self.kind.status,
            detail: cut(&self.detail),
            field: self.field.as_deref().map(cut),
            trace_id,
        };
        match serde_json::to_string(&body) {
            Ok(body) => response.body(body),
            Err(_) => response.finish(),
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(DETAIL_MAX_CHARS).collect()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.title)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Without a trace id; the outermost layer renders it again with the request's.
    fn error_response(&self) -> HttpResponse {
        self.render(String::new())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid { field, rule } if field == "Idempotency-Key" => {
                Self::new(&IDEMPOTENCY_KEY_REUSED, rule).field(field)
            }
            Error::Invalid { field, rule } if field == "cursor" => Self::new(&INVALID_CURSOR, rule).field(field),
            Error::Invalid { field, rule } => Self::invalid(field, rule),
            Error::NotFound { .. } => Self::new(&NOT_FOUND, error.to_string()),
            Error::Forbidden(why) => Self::new(&FORBIDDEN, why),
            Error::Conflict(why) => Self::new(&CONFLICT, why),
            Error::OverQuota { free_in, .. } => {
                let seconds = free_in.as_millis().div_ceil(1_000).max(1);
                Self::new(&OVER_QUOTA, error.to_string()).retry_after(u32::try_from(seconds).unwrap_or(u32::MAX))
            }
            Error::Stale | Error::Unavailable(_) => Self::unavailable(error.to_string()),
            Error::Corrupt(_) => Self::internal(error.to_string()),
        }
    }
}

impl From<cardwire_events::Error> for Problem {
    fn from(error: cardwire_events::Error) -> Self {
        match error {
            cardwire_events::Error::Unavailable(..) => Self::unavailable(error.to_string()),
            _ => Self::internal(error.to_string()),
        }
    }
}

impl From<cardwire_saga::Error> for Problem {
    fn from(error: cardwire_saga::Error) -> Self {
        match error {
            cardwire_saga::Error::Unavailable(_) => Self::unavailable(error.to_string()),
            _ => Self::internal(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use cardwire_domain::quotas::Quota;

    use super::*;

    #[test]
    fn slugs_are_unique_and_statuses_exist() {
        for (index, kind) in KINDS.iter().enumerate() {
            assert!(StatusCode::from_u16(kind.status).is_ok());
            assert!(KINDS[..index].iter().all(|other| other.slug != kind.slug), "{}", kind.slug);
        }
    }

    #[test]
    fn domain_errors_become_the_status_of_the_contract() {
        let check = |error: Error, status: u16| assert_eq!(Problem::from(error).status_code().as_u16(), status);
        check(Error::invalid("url", "x"), 422);
        check(Error::invalid("Idempotency-Key", "x"), 422);
        check(Error::not_found("card", "x"), 404);
        check(Error::Forbidden("x".into()), 403);
        check(Error::Conflict("x".into()), 409);
        check(Error::OverQuota { quota: Quota::Cards, most: NonZeroU32::MIN, free_in: Duration::ZERO }, 429);
        check(Error::Stale, 503);
        check(Error::Unavailable("x".into()), 503);
        check(Error::Corrupt("x".into()), 500);
    }

    #[test]
    fn causes_stay_in_the_log() {
        let secret = "host db.internal";
        for problem in [Problem::from(Error::Unavailable(secret.into())), Problem::from(Error::Corrupt(secret.into()))]
        {
            assert!(problem.cause().is_some_and(|cause| cause.contains(secret)));
            assert!(!problem.detail.contains(secret));
        }
    }
}
