//! Search over everybody's cards.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::CardId;
use cardwire_domain::metadata::PageKind;
use cardwire_domain::search::{SearchHit, SearchRequest};
use cardwire_http::caller::Reader;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::{Problem, UNAUTHENTICATED};
use cardwire_http::query::{Params, words};
use cardwire_http::state::AppState;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::dto::{PageBody, VisibilityBody};
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(search))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/search").get(search).register(config);
}

/// One URL, with the cards that hold it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SearchHit)]
pub struct SearchHitBody {
    url: String,
    /// What you call it; else, if it was found by what the owner of a card calls it, that; else the page's title.
    title: Option<String>,
    description: Option<String>,
    /// What the page is: article, audio, book, document, image, profile, video or website. Null: not known.
    #[schema(value_type = Option<String>, example = "article")]
    r#type: Option<&'static str>,
    /// The oldest that you can see.
    #[schema(value_type = Vec<String>)]
    card_ids: Vec<CardId>,
    /// PRIVATE: you keep this URL, for yourself only.
    visibility: VisibilityBody,
    /// Higher is better.
    rank: f32,
}

impl From<SearchHit> for SearchHitBody {
    fn from(hit: SearchHit) -> Self {
        Self {
            url: hit.url,
            title: hit.title,
            description: hit.description,
            r#type: hit.kind.map(PageKind::name),
            card_ids: hit.card_ids,
            visibility: hit.visibility.into(),
            rank: hit.rank,
        }
    }
}

/// URLs in whose page every word occurs, best first: title, description, site, author and URL; also with what the owner of a card that you can
/// see calls it. Notes and private cards are found by their owner only. `"words in a row"` and `-word` are understood; a word that occurs
/// nowhere is taken for similar ones.
#[utoipa::path(
    operation_id = "search",
    get, path = "/api/search", tag = "search", security((), ("bearer" = [])),
    params(
        ("q" = String, Query, description = "1 to 200 characters", example = "rust"),
        ("type" = Option<String>, Query, description = "Only pages of this type", example = "article"),
        ("mine" = Option<bool>, Query, description = "Only URLs in your own library"),
        ("limit" = Option<u8>, Query), ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = PageBody<SearchHitBody>))
)]
pub async fn search(
    state: Data<AppState>,
    request: HttpRequest,
    reader: Reader,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let text = params.text("q").ok_or_else(|| Problem::parameter("q", "is required"))?;
    let text = words(&text)?;
    if text.is_empty() {
        return Err(Problem::invalid("q", "must not be empty"));
    }
    let kind: Option<PageKind> = params.text("type").map(|kind| kind.parse()).transpose()?;
    let mine = params.flag("mine")?;
    if mine && reader.id().is_none() {
        return Err(Problem::new(&UNAUTHENTICATED, "mine: sign in first").field("mine"));
    }
    // What a reader finds depends on who they are.
    let scope = reader.id().map_or("", |id| id.as_str());
    let whose = if mine { "mine" } else { "all" };
    let list = List::by_rank(&["search", scope, &text, kind.map_or("", PageKind::name), whose]);
    let page = params.page(&list)?;
    let asked = SearchRequest { text, reader: reader.id().cloned(), kind, mine };
    let page = state.find(&request, &asked, &page).await?;
    Ok(HttpResponse::Ok().json(PageBody::<SearchHitBody>::of(page, &list)))
}
