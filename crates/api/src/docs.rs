//! The API's description, for programs and for people. Everything it needs is in the binary.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::{Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::{KINDS, NOT_FOUND, Problem};
use serde::Serialize;
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

use crate::resource::Resource;

const OPENAPI: &str = "/api/openapi.json";
/// Swagger UI sets styles on its elements; scripts come from files only.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                   connect-src 'self'; font-src 'self'; base-uri 'self'; frame-ancestors 'none'";

/// The OpenAPI document, among the application's data.
#[derive(Clone, Copy)]
pub struct ApiDocument(pub fn() -> &'static Result<String, serde_json::Error>);

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(openapi, page))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at(OPENAPI).get(openapi).register(config);
    Endpoint::at("/api/docs").get(page).register(config);
    Endpoint::at("/api/docs/{file:.*}").get(file).register(config);
    Endpoint::at("/problems/{slug}").get(problem).register(config);
}

/// The OpenAPI document.
#[utoipa::path(
    operation_id = "getOpenApiDocument",
    get, path = "/api/openapi.json", tag = "docs", responses((status = 200, content_type = "application/json"))
)]
pub async fn openapi(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let ApiDocument(document) =
        request.app_data().ok_or_else(|| Problem::internal("no OpenAPI document in the app"))?;
    match document() {
        Ok(document) => Ok(HttpResponse::Ok().content_type("application/json").body(document.as_str())),
        Err(error) => Err(Problem::internal(error.to_string())),
    }
}

/// The same document, to read and to try out.
#[utoipa::path(
    operation_id = "getApiDocs",
    get, path = "/api/docs", tag = "docs", responses((status = 200, content_type = "text/html"))
)]
pub async fn page() -> Result<HttpResponse, Problem> {
    let (_, bytes) = asset("index.html")?;
    // The page names its files relative to a folder.
    let html = String::from_utf8_lossy(&bytes).replacen("<head>", "<head><base href=\"/api/docs/\">", 1);
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, CSP))
        .body(html))
}

async fn file(name: Path<String>) -> Result<HttpResponse, Problem> {
    let (content_type, bytes) = asset(&name)?;
    Ok(HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::CONTENT_SECURITY_POLICY, CSP))
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .body(bytes))
}

fn asset(name: &str) -> Result<(String, Vec<u8>), Problem> {
    let config = Arc::new(Config::from(OPENAPI));
    match utoipa_swagger_ui::serve(name, config) {
        Ok(Some(file)) => Ok((file.content_type, file.bytes.into_owned())),
        Ok(None) => Err(Problem::new(&NOT_FOUND, "The documentation has no such file.")),
        Err(error) => Err(Problem::internal(error.to_string())),
    }
}

#[derive(Debug, Serialize)]
struct KindBody {
    r#type: String,
    title: &'static str,
    status: u16,
    about: &'static str,
}

/// What the `type` of a problem leads to.
async fn problem(slug: Path<String>) -> Result<HttpResponse, Problem> {
    let kind = KINDS.iter().find(|kind| kind.slug == *slug);
    let kind = kind.ok_or_else(|| Problem::new(&NOT_FOUND, "There is no such kind of problem."))?;
    let body = KindBody { r#type: kind.uri(), title: kind.title, status: kind.status, about: kind.about };
    Ok(HttpResponse::Ok().json(body))
}
