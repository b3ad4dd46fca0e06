//! JSON bodies, read in three steps so that each failure gets its own status: bytes (413, 415), JSON (400), shape (422).

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::problem::{
    BODY_TOO_LARGE, MALFORMED_JSON, MALFORMED_REQUEST, Problem, REQUEST_TIMEOUT, UNSUPPORTED_MEDIA_TYPE,
};

/// A note of 10,000 characters may take twelve bytes for each: in a form, and in JSON that escapes what is not ASCII.
pub const MAX_BYTES: usize = 256 * 1024;
/// A body that is too large is still read this far, so that its sender hears why instead of a reset.
const DRAIN_BYTES: usize = 1024 * 1024;
/// How long a whole body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);

/// A body of the given shape, with a digest of method, path and bytes.
#[derive(Debug)]
pub struct JsonBody<T> {
    pub value: T,
    pub fingerprint: String,
}

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let bytes = receive(payload, MAX_BYTES).await?;
            expect_json(&request)?;
            let mut digest = Sha256::new();
            for part in [request.method().as_str().as_bytes(), b"\n", request.path().as_bytes(), b"\n", &bytes] {
                digest.update(part);
            }
            let fingerprint = BASE64_URL_SAFE_NO_PAD.encode(digest.finalize());
            Ok(Self { value: parse(&bytes)?, fingerprint })
        })
    }
}

/// A whole body of at most `max` bytes, of any type.
pub async fn receive(payload: Payload, max: usize) -> Result<Vec<u8>, Problem> {
    tokio::time::timeout(ARRIVAL, read(payload, max))
        .await
        .map_err(|_| Problem::new(&REQUEST_TIMEOUT, "The body must arrive within 10 seconds."))?
}

async fn read(mut payload: Payload, max: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let mut received = 0;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::new(&MALFORMED_REQUEST, "The body ended too early."))?;
        received += chunk.len();
        if received <= max {
            bytes.extend_from_slice(&chunk);
        } else if received > max.max(DRAIN_BYTES) {
            break;
        }
    }
    if received > max {
        return Err(Problem::new(&BODY_TOO_LARGE, format!("A body can be at most {} KiB.", max / 1024)));
    }
    Ok(bytes)
}

fn expect_json(request: &HttpRequest) -> Result<(), Problem> {
    let json = request.content_type().eq_ignore_ascii_case("application/json");
    if !json || !is_plain(request) {
        return Err(Problem::new(&UNSUPPORTED_MEDIA_TYPE, UNSUPPORTED_MEDIA_TYPE.about));
    }
    Ok(())
}

/// Without a content encoding.
pub fn is_plain(request: &HttpRequest) -> bool {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    encoding.is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value: Value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| unreadable(&error.path().to_string(), error.inner()))?;
    deserializer.end().map_err(|error| unreadable(".", &error))?;
    if let Some(path) = find_nul(&value) {
        return Err(Problem::invalid(path, "Remove the NUL character."));
    }
    // Serde would take the elements of an array for the fields, in the order of their declaration.
    if !value.is_object() {
        return Err(Problem::invalid("body", "The body must be an object."));
    }
    serde_path_to_error::deserialize(value).map_err(|error| misfit(&error.path().to_string(), error.inner()))
}

/// JSON may write half of a surrogate pair as an escape: its grammar allows that, but no text contains it.
fn unreadable(path: &str, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    let lone_surrogate = ["lone leading surrogate in hex escape", "unexpected end of hex escape"];
    if lone_surrogate.iter().any(|known| message.starts_with(known)) {
        return Problem::invalid(named(path), "Remove the half of a surrogate pair.");
    }
    Problem::new(&MALFORMED_JSON, format!("The body is not JSON: {message}."))
}

/// Says what was expected, never what was given: that may be a secret.
fn misfit(path: &str, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    if let Some(rest) = message.strip_prefix("missing field `") {
        let name = rest.split('`').next().unwrap_or(rest);
        let path = if path == "." { name.to_owned() } else { format!("{path}.{name}") };
        let why = format!("`{path}` is required.");
        return Problem::invalid(path, why);
    }
    let expected = message.rsplit_once("expected ").map(|(_, expected)| match expected {
        "a sequence" => "an array",
        "a map" => "an object",
        "string or map" => "a string",
        "u32" => "a whole number, and not negative",
        other => other,
    });
    if message.starts_with("unknown field") {
        let known = expected.map_or_else(String::new, |expected| format!(": expected {expected}"));
        let path = named(path);
        let why = format!("This request has no field `{path}`{known}.");
        return Problem::invalid(path, why);
    }
    let path = named(path);
    let why = match expected {
        Some(expected) => format!("`{path}` must be {expected}."),
        None => format!("`{path}` has the wrong type."),
    };
    Problem::invalid(path, why)
}

fn named(path: &str) -> &str {
    if path == "." { "body" } else { path }
}

/// Where the first NUL is, by value; keys are checked by whoever knows them. At most as deep as the JSON parser allows.
fn find_nul(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| find_nul(item).map(|rest| format!("[{index}]{}", joined(&rest)))),
        Value::Object(fields) => {
            fields.iter().find_map(|(name, field)| find_nul(field).map(|rest| format!("{name}{}", joined(&rest))))
        }
        _ => None,
    }
}

fn joined(rest: &str) -> String {
    if rest.is_empty() || rest.starts_with('[') { rest.to_owned() } else { format!(".{rest}") }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Shape {
        #[allow(dead_code)]
        url: String,
        #[serde(default)]
        #[allow(dead_code)]
        collection_ids: Vec<String>,
        #[serde(default)]
        #[allow(dead_code)]
        access: cardwire_domain::AccessType,
    }

    fn refusal(body: &[u8]) -> (u16, String) {
        let problem = parse::<Shape>(body).unwrap_err();
        (problem.status_code().as_u16(), format!("{problem:?}"))
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
        let deep_text = format!("{{\"url\":{deep}}}");
        for bad in [
            &b""[..],
            b"{",
            b"{\"url\":}",
            b"{} {}",
            b"\xff",
            b"{\"url\":\"\xff\"}",
            b"{'url':1}",
            deep_text.as_bytes(),
        ] {
            assert_eq!(refusal(bad).0, 400, "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn what_breaks_a_rule_names_the_field_and_the_rule() {
        let check = |body: &str, field: &str, rule: &str| {
            let (status, text) = refusal(body.as_bytes());
            assert_eq!(status, 422, "{body}");
            assert!(text.contains(&format!("field: Some({field:?})")), "{body}: {text}");
            assert!(text.contains(rule), "{body}: {text}");
        };
        check("[]", "body", "must be");
        check(r#"["x"]"#, "body", "must be");
        check("\"x\"", "body", "must be");
        check("null", "body", "must be");
        check("{}", "url", "`url` is required.");
        check(r#"{"url":1}"#, "url", "must be a string");
        check(r#"{"url":null}"#, "url", "must be a string");
        check(r#"{"url":"x","collectionIds":"a"}"#, "collectionIds", "must be an array");
        check(r#"{"url":"x","access":5}"#, "access", "must be a string");
        check(r#"{"url":"x","nope":1}"#, "nope", "This request has no field `nope`");
        check(r#"{"url":"x","collectionIds":["a",5]}"#, "collectionIds[1]", "must be a string");
        check(r#"{"url":"x","access":"secret"}"#, "access", "`OPEN`");
        check("{\"url\":\"x\",\"collectionIds\":[\"a\\u0000\"]}", "collectionIds[0]", "NUL");
        for lone in [r"\ud800", r"\udc00", r"\ud800x", r"\ud800\n", r"\ud800\u0041", r"\udc00\ud800"] {
            check(&format!(r#"{{"url":"{lone}"}}"#), "url", "surrogate");
        }
    }

    #[test]
    fn what_was_given_is_not_told_again() {
        let (_, text) = refusal(br#"{"url":"x","access":"hunter2"}"#);
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn whole_surrogate_pairs_are_text() {
        assert!(parse::<Shape>(br#"{"url":"\ud83d\ude00"}"#).is_ok());
    }
}
