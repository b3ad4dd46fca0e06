//! What lets browsers treat the site as an application: the web manifest, with which phones install it and share links to it, and the OpenSearch
//! description, with which browsers search it.

use actix_web::http::header;
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::origin;
use cardwire_http::problem::{MALFORMED_REQUEST, Problem};
use serde_json::json;

use crate::assets;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/manifest.webmanifest").get(manifest).register(config);
    Endpoint::at("/opensearch.xml").get(search_description).register(config);
}

/// Both name files whose paths change with the program.
const CACHED: (header::HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=3600");

async fn manifest() -> HttpResponse {
    let icon = |name: &str, sizes: &str, purpose: &str| json!({ "src": assets::path(name), "sizes": sizes, "type": "image/png", "purpose": purpose });
    let manifest = json!({
        "id": "/",
        "name": "Cardwire",
        "short_name": "Cardwire",
        "description": "Save links, collect them, and see what others save",
        "lang": "en",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#ffffff",
        "theme_color": "#2b5f8a",
        "icons": [
            icon("icon-192.png", "192x192", "any"),
            icon("icon-512.png", "512x512", "any"),
            icon("icon-maskable-512.png", "512x512", "maskable"),
        ],
        "shortcuts": [
            { "name": "Save a link", "url": "/save" },
            { "name": "Library", "url": "/library" },
        ],
        // Phones put the address of a page into the text as often as into the address.
        "share_target": { "action": "/save", "method": "GET", "enctype": "application/x-www-form-urlencoded", "params": { "title": "title", "text": "text", "url": "url" } },
    });
    HttpResponse::Ok().content_type("application/manifest+json").insert_header(CACHED).body(manifest.to_string())
}

#[derive(Template)]
#[template(path = "opensearch.xml")]
struct SearchDescription {
    base: String,
}

async fn search_description(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let base = origin::base(&request).ok_or_else(|| Problem::new(&MALFORMED_REQUEST, "The request names no host."))?;
    let body = SearchDescription { base }.render();
    let body = body.map_err(|error| Problem::internal(format!("drawing the search description: {error}")))?;
    Ok(HttpResponse::Ok().content_type("application/opensearchdescription+xml").insert_header(CACHED).body(body))
}
