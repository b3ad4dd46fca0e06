//! Styles and scripts, in the binary. A file's path holds a digest of it, so that browsers may keep it for good.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Path, ServiceConfig};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::{NOT_FOUND, Problem};
use sha2::{Digest, Sha256};

struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    path: String,
}

macro_rules! assets {
    ($($name:literal $content_type:literal),+ $(,)?) => {
        /// Worked out once: the files are constants of the program.
        static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| vec![
            $(Asset::new($name, $content_type, include_bytes!(concat!("../static/", $name)))),+
        ]);
    };
}

assets! {
    "app.css" "text/css; charset=utf-8",
    "pictures.css" "text/css; charset=utf-8",
    "app.js" "text/javascript; charset=utf-8",
    "close.js" "text/javascript; charset=utf-8",
    "console.css" "text/css; charset=utf-8",
    "console.js" "text/javascript; charset=utf-8",
    "feed.js" "text/javascript; charset=utf-8",
    "keys.js" "text/javascript; charset=utf-8",
    "htmx.min.js" "text/javascript; charset=utf-8",
    "icon.svg" "image/svg+xml",
    "icon-192.png" "image/png",
    "icon-512.png" "image/png",
    "icon-maskable-512.png" "image/png",
    "welcome.svg" "image/svg+xml",
}

impl Asset {
    fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let digest: String = Sha256::digest(bytes).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { name, content_type, bytes, path: format!("/static/{digest}/{name}") }
    }
}

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/static/{file:.*}").get(file).register(config);
    Endpoint::at("/favicon.ico").get(icon).register(config);
}

/// Where a file is found. Templates name files that are in the list, which drawing any page in a test shows.
pub fn path(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("/static/missing", |asset| &asset.path)
}

async fn file(file: Path<String>) -> Result<HttpResponse, Problem> {
    let asset = ASSETS.iter().find(|asset| asset.path.strip_prefix("/static/") == Some(&**file));
    let asset = asset.ok_or_else(|| Problem::new(&NOT_FOUND, "There is no such file."))?;
    Ok(HttpResponse::Ok()
        .content_type(asset.content_type)
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(asset.bytes))
}

async fn icon() -> HttpResponse {
    HttpResponse::Found().insert_header((header::LOCATION, path("icon.svg"))).finish()
}
