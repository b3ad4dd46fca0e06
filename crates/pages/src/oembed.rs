//! What a link to a public card or collection is called, for sites that show it (oEmbed 1.0). The same for everybody, whoever asks.

use actix_web::http::header;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::Error;
use cardwire_domain::feed::CardView;
use cardwire_domain::user::User;
use cardwire_http::caller::Reader;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::origin;
use cardwire_http::problem::{NOT_FOUND, Problem};
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use serde::Serialize;

use crate::links::person;
use crate::shown::without_scheme;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/oembed").get(oembed).register(config);
}

/// Names are those of oEmbed. The type is `link`: there is nothing to put into another page.
#[derive(Debug, Serialize)]
struct OEmbed {
    r#type: &'static str,
    version: &'static str,
    title: String,
    author_name: String,
    author_url: String,
    provider_name: &'static str,
    provider_url: String,
    cache_age: u32,
}

/// How long other sites may show the answer, in seconds.
const CACHE_AGE: u32 = 300;

/// Takes `url`, and `format`, which must be `json`. How wide and how high it may be does not matter.
async fn oembed(
    state: Data<AppState>,
    request: HttpRequest,
    _: Reader,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let url = params
        .text("url")
        .ok_or_else(|| Problem::parameter("url", "Give the address of a public link or collection."))?;
    if params.text("format").is_some_and(|format| format != "json") {
        return Err(Problem::parameter("format", "Only json is supported."));
    }
    let base = origin::base(&request).unwrap_or_default();
    let (title, author) = find(&state, &base, &url).await?;
    let answer = OEmbed {
        r#type: "link",
        version: "1.0",
        title,
        author_url: format!("{base}{}", person(&author.handle)),
        author_name: author.handle,
        provider_name: "Cardwire",
        provider_url: base,
        cache_age: CACHE_AGE,
    };
    // Not from a cache on the way: it must not answer once this is private.
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-cache")).json(answer))
}

/// What everybody sees at this address, or at this path.
async fn find(state: &AppState, base: &str, url: &str) -> Result<(String, User), Problem> {
    let missing = || Problem::new(&NOT_FOUND, "This is not the address of a public link or collection.").field("url");
    let path = url.strip_prefix(base).unwrap_or(url);
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let found = match path.strip_prefix('/').and_then(|path| path.split_once('/')) {
        Some(("collections", id)) => {
            let id = id.parse().map_err(|_| missing())?;
            state.collections.collection(id, None).await.map(|one| (one.name, one.author))
        }
        Some(("cards", id)) => {
            let id = id.parse().map_err(|_| missing())?;
            let card = state.library.library_card(id, None).await;
            card.map(|kept| {
                let CardView { url, title, .. } = kept.card;
                (title.unwrap_or_else(|| without_scheme(&url).to_owned()), kept.owner)
            })
        }
        _ => return Err(missing()),
    };
    found.map_err(|error| match error {
        Error::NotFound { .. } => missing(),
        error => error.into(),
    })
}
