//! The OpenAPI document, gathered from the handlers.

use cardwire_http::problem::{KINDS, ProblemBody};
use cardwire_http::session::Jar;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, RefOr, ResponseBuilder};

use crate::resource::Resource;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Cardwire",
        description = "Save links to a library and to collections, and see who collected what. Errors are RFC 9457 \
                       problems; lists are read with `limit` and an opaque `cursor`.",
    ),
    components(schemas(ProblemBody))
)]
struct Head;

/// The document as JSON, with the operations of these resources.
pub fn document(resources: &[Resource]) -> Result<String, serde_json::Error> {
    let mut document = Head::openapi();
    for resource in resources {
        document.merge((resource.document)());
    }
    Credentials.modify(&mut document);
    Problems.modify(&mut document);
    document.to_json()
}

const BEARER: &str = "bearer";
const SESSION: &str = "session";

/// A bearer token, or the cookie that the pages set: whatever takes the one takes the other.
struct Credentials;

impl Credentials {
    fn modify(&self, document: &mut Document) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let about = "Set by signing in on the pages. Whatever changes something with it must come with an `Origin` that names this \
                     site. On localhost its name is `session`.";
        let cookie = ApiKeyValue::with_description(Jar::Session.name(false), about);
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
        components.add_security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        for operation in document.paths.paths.values_mut().flat_map(operations) {
            if let Some(ways) = operation.security.as_mut().filter(|ways| !ways.is_empty()) {
                ways.push(SecurityRequirement::new::<_, _, &str>(SESSION, []));
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.delete].into_iter().flatten()
}

/// Every operation may answer with a problem.
struct Problems;

impl Problems {
    fn modify(&self, document: &mut Document) {
        let kinds: String =
            KINDS.iter().map(|kind| format!("- `{}` ({}): {}\n", kind.uri(), kind.status, kind.about)).collect();
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new()
            .description(format!("A problem. Its `type` is one of:\n{kinds}"))
            .content("application/problem+json", content)
            .build();
        document.components.get_or_insert_default().responses.insert("Problem".into(), RefOr::T(response));
        for operation in document.paths.paths.values_mut().flat_map(operations) {
            operation.responses.responses.insert("default".into(), RefOr::Ref(Ref::from_response_name("Problem")));
        }
    }
}
