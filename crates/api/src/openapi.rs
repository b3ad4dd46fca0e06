//! The OpenAPI document, gathered from the handlers.
//!
//! A handler's `#[utoipa::path]` describes what is specific to it: the operation's name, parameters, body and
//! successful answers. What follows from those is added here: credentials, refusals, limits, and a description for
//! every answer.

use actix_web::http::StatusCode;
use cardwire_http::problem::{KINDS, ProblemBody};
use cardwire_http::session::Jar;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::LicenseBuilder;

use crate::limits;
use crate::resource::Resource;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Cardwire",
        description = "Save links to a library and to collections, and see who collected what. Errors are RFC 9457 \
                       problems; lists are read with `limit` and an opaque `cursor`.",
    ),
    servers((url = "/", description = "The server of this document")),
    tags(
        (name = "library", description = "Saved links"), (name = "cards", description = "Cards and their collections"),
        (name = "collections", description = "Collections of cards"), (name = "feed", description = "Who collected what"),
        (name = "search", description = "Searching everybody's cards"), (name = "analytics", description = "Trends"),
        (name = "users", description = "Accounts and sessions"), (name = "admin", description = "For administrators"),
        (name = "health", description = "Health of the process"), (name = "docs", description = "This document"),
    ),
    components(schemas(ProblemBody))
)]
struct Head;

/// The document as JSON, with the operations of these resources.
pub fn document(resources: &[Resource]) -> Result<String, serde_json::Error> {
    let mut document = Head::openapi();
    document.info.license = Some(LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build());
    for resource in resources {
        document.merge((resource.document)());
    }
    let mut document = serde_json::to_value(document)?;
    document["components"]["securitySchemes"] = security_schemes();
    document["components"]["responses"] = problems();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, operations) in paths.into_iter().flatten() {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            complete(path, method, operation);
        }
    }
    let lost = limits::write(&mut document);
    if !lost.is_empty() {
        return Err(serde::ser::Error::custom(format!("limits of what is not in the document: {}", lost.join(", "))));
    }
    drop_unused(&mut document);
    serde_json::to_string(&document)
}

/// The derive macros add schemas that only wrap others, and not every status is used by an operation.
fn drop_unused(document: &mut Value) {
    let text = document.to_string();
    for kind in ["schemas", "responses"] {
        if let Some(components) = document["components"][kind].as_object_mut() {
            components.retain(|name, _| text.contains(&format!("\"#/components/{kind}/{name}\"")));
        }
    }
}

/// A bearer token or the cookie that the pages set. Every operation that accepts one accepts the other.
fn security_schemes() -> Value {
    let about = "Set by signing in on the pages. Requests that use it to change something need an `Origin` header that \
                 names this site. On localhost the cookie is called `session`.";
    let cookie = json!({ "type": "apiKey", "in": "cookie", "name": Jar::Session.name(false), "description": about });
    json!({ "bearer": { "type": "http", "scheme": "bearer" }, "session": cookie })
}

/// One response for each status that refuses, and one for all of them.
fn problems() -> Value {
    let answer = |kinds: &mut dyn Iterator<Item = &&cardwire_http::problem::Kind>| {
        let list: String =
            kinds.map(|kind| format!("- `{}` ({}): {}\n", kind.uri(), kind.status, kind.about)).collect();
        json!({
            "description": format!("A problem. Its `type` is one of:\n{list}"),
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        })
    };
    let mut problems = Map::new();
    problems.insert("Problem".to_owned(), answer(&mut KINDS.iter()));
    for kind in KINDS {
        let status = kind.status;
        problems
            .entry(format!("Problem{status}"))
            .or_insert_with(|| answer(&mut KINDS.iter().filter(|other| other.status == status)));
    }
    problems.into()
}

fn complete(path: &str, method: &str, operation: &mut Value) {
    let refusals = refusals(path, method, operation);
    match operation.get_mut("security").and_then(Value::as_array_mut) {
        Some(ways) => ways.push(json!({ "session": [] })),
        None => operation["security"] = json!([]),
    }
    let Some(answers) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (status, answer) in answers.iter_mut() {
        if answer["description"].as_str().is_none_or(str::is_empty) {
            let status = status.parse().ok().and_then(|status: u16| StatusCode::from_u16(status).ok());
            answer["description"] = json!(status.and_then(|status| status.canonical_reason()).unwrap_or_default());
        }
    }
    let problem = |name: String| json!({ "$ref": format!("#/components/responses/{name}") });
    for status in refusals {
        answers.entry(status.to_string()).or_insert_with(|| problem(format!("Problem{status}")));
    }
    // Defects, and errors of the connection rather than the operation: 405, 406, 408, 421, 500.
    answers.insert("default".to_owned(), problem("Problem".to_owned()));
}

/// The statuses that an operation may refuse with, which follow from its input. `crates/apptest` checks every answer
/// that a test gets against them.
fn refusals(path: &str, method: &str, operation: &Value) -> Vec<u16> {
    let changes = method != "get";
    let tagged = |tag: &str| operation["tags"][0] == tag;
    let guarded = operation.get("security").is_some();
    let has_body = operation.get("requestBody").is_some();
    let parameters = || operation["parameters"].as_array().into_iter().flatten();
    let any_in = |place: &str| parameters().any(|parameter| parameter["in"] == place);
    // Numbers and flags are refused with 400, text that breaks a rule with 422.
    let has_text = parameters().any(|parameter| {
        matches!(parameter["name"].as_str(), Some("q" | "url" | "type" | "actorId" | "Idempotency-Key"))
    });
    let is_door = matches!(path, "/api/users" | "/api/users/login");
    let is_in_person = ["/api/users/me/sessions", "/api/users/me/tokens"].iter().any(|list| path.starts_with(list));
    // The token limit, invites while registration is closed, and one replay of a queue at a time.
    let can_be_full =
        method == "post" && matches!(path, "/api/users/me/tokens" | "/api/admin/invites" | "/api/admin/replays");
    let stores = !tagged("docs") && path != "/healthz";
    let can_occur = [
        // Unknown query parameters are refused, too.
        (400, !tagged("docs") && !tagged("health")),
        (401, guarded || matches!(path, "/api/users/login" | "/api/users/oauth/refresh")),
        // Administrators only, somebody else's, a page of another site, no API tokens, or registration is closed.
        (403, tagged("admin") || (guarded && changes) || is_in_person || is_door),
        (
            404,
            path == "/api/users/me/atproto" || any_in("path") || (has_body && (tagged("library") || tagged("cards"))),
        ),
        (
            409,
            matches!((path, method), ("/api/users", _) | ("/api/users/me/atproto", "post"))
                || can_be_full
                || (guarded && changes && !tagged("users") && !tagged("admin")),
        ),
        (413, has_body),
        (415, has_body),
        (422, has_body || has_text),
        // Too many changes by one person, or too many reads from an address without signing in.
        (429, stores && !tagged("health") && !matches!(path, "/api/users/logout" | "/api/users/oauth/refresh")),
        (503, stores),
    ];
    can_occur.into_iter().filter(|(_, can)| *can).map(|(status, _)| status).collect()
}
