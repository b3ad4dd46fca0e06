//! Search over everybody's cards, people, and public collections.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::metadata::PageKind;
use cardwire_domain::search::{CollectionFound, Found, PersonFound, SearchHit, SearchRequest};
use cardwire_domain::{CardId, CollectionId, UserId};
use cardwire_http::caller::Reader;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::{Problem, UNAUTHENTICATED};
use cardwire_http::query::{Params, words};
use cardwire_http::state::AppState;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::dto::{CoverBody, IconBody, UserBody, VisibilityBody};
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(search, people, collections))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/search").get(search).register(config);
    Endpoint::at("/api/search/people").get(people).register(config);
    Endpoint::at("/api/search/collections").get(collections).register(config);
}

/// One URL, with the cards that hold it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SearchHit)]
pub struct SearchHitBody {
    url: String,
    /// Your own title; otherwise the title by which it was found, if a card's owner gave it one; otherwise the page's.
    title: Option<String>,
    description: Option<String>,
    /// What the page is: article, audio, book, document, image, profile, video or website. Null: not known.
    #[schema(value_type = Option<String>, example = "article")]
    r#type: Option<&'static str>,
    /// The page's preview picture; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    cover: Option<CoverBody>,
    /// The site's icon; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<IconBody>,
    /// The oldest cards that you can see.
    #[schema(value_type = Vec<String>)]
    card_ids: Vec<CardId>,
    /// PRIVATE: only you can see your card of this URL.
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
            cover: CoverBody::of(hit.pictures),
            icon: IconBody::of(hit.pictures),
            card_ids: hit.card_ids,
            visibility: hit.visibility.into(),
            rank: hit.rank,
        }
    }
}

/// A page of hits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SearchHits)]
pub struct SearchHitsBody {
    items: Vec<SearchHitBody>,
    /// Opaque: send it as `cursor` to get the next page. Null on the last page.
    next_cursor: Option<String>,
    /// On the first page, if nothing matched what you typed: the corrected query whose results are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "memory safety")]
    corrected: Option<String>,
}

/// URLs whose page contains every word, best first. It searches title, description, site, author and URL, and the
/// titles that owners gave to cards you can see. Only their owner finds notes and private cards. Case and accents do
/// not matter, but words spelled as you typed them come first; parts of longer words come last. `"words in a row"` and
/// `-word` work, and a URL finds its page. A word that occurs nowhere is replaced by similar ones.
#[utoipa::path(
    operation_id = "search",
    get, path = "/api/search", tag = "search", security((), ("bearer" = [])),
    params(
        ("q" = String, Query, description = "1 to 200 characters; a URL may be longer", example = "rust"),
        ("type" = Option<String>, Query, description = "Only pages of this type", example = "article"),
        ("mine" = Option<bool>, Query, description = "Only URLs in your own library"),
        ("limit" = Option<u8>, Query), ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = SearchHitsBody))
)]
pub async fn search(
    state: Data<AppState>,
    request: HttpRequest,
    reader: Reader,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let text = looked_for(&mut params)?;
    let kind: Option<PageKind> = params.text("type").map(|kind| kind.parse()).transpose()?;
    let mine = params.flag("mine")?;
    if mine && reader.id().is_none() {
        return Err(Problem::new(&UNAUTHENTICATED, "Sign in first.").field("mine"));
    }
    // The results depend on the reader.
    let scope = reader.id().map_or("", |id| id.as_str());
    let whose = if mine { "mine" } else { "all" };
    let list = List::by_rank(&["search", scope, &text, kind.map_or("", PageKind::name), whose]);
    let page = params.page(&list)?;
    let asked = SearchRequest { text, reader: reader.id().cloned(), kind, mine };
    let Found { items, next, corrected } = state.find(&request, &asked, &page).await?;
    let next_cursor = next.map(|place| list.encode(&place));
    let items = items.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(SearchHitsBody { items, next_cursor, corrected }))
}

/// The required text.
fn looked_for(params: &mut Params) -> Result<String, Problem> {
    let text = params.text("q").ok_or_else(|| Problem::parameter("q", "This is required."))?;
    match words(&text)? {
        text if text.is_empty() => Err(Problem::invalid("q", "This cannot be empty.")),
        text => Ok(text),
    }
}

/// All results.
#[derive(Debug, Serialize, ToSchema)]
pub struct NamesFound<T> {
    /// At most 10.
    items: Vec<T>,
}

impl<T> NamesFound<T> {
    fn of<U: Into<T>>(found: Vec<U>) -> Self {
        Self { items: found.into_iter().map(Into::into).collect() }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PersonFound)]
pub struct PersonFoundBody {
    #[schema(value_type = String, example = "did:plc:alice")]
    id: UserId,
    #[schema(example = "alice")]
    handle: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Alice")]
    display_name: Option<String>,
}

impl From<PersonFound> for PersonFoundBody {
    fn from(found: PersonFound) -> Self {
        Self { id: found.user.id, handle: found.user.handle, display_name: found.display_name }
    }
}

/// The ten best matches among people whose handle or display name contains every word, without suspended accounts.
#[utoipa::path(
    operation_id = "searchPeople",
    get, path = "/api/search/people", tag = "search", security((), ("bearer" = [])),
    params(("q" = String, Query, description = "1 to 200 characters", example = "alice")),
    responses((status = 200, body = NamesFound<PersonFoundBody>))
)]
pub async fn people(
    state: Data<AppState>,
    request: HttpRequest,
    reader: Reader,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let text = looked_for(&mut params)?;
    params.finish()?;
    let found = state.find_people(&request, reader.id(), &text).await?;
    Ok(HttpResponse::Ok().json(NamesFound::<PersonFoundBody>::of(found)))
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CollectionFound)]
pub struct CollectionFoundBody {
    #[schema(value_type = String, example = "01JD4A3W5T8Q2V9X7Y6Z1B0C3E")]
    id: CollectionId,
    #[schema(example = "Reading")]
    name: String,
    description: String,
    author: UserBody,
    /// How many of its cards everybody can see.
    card_count: u64,
}

impl From<CollectionFound> for CollectionFoundBody {
    fn from(found: CollectionFound) -> Self {
        let CollectionFound { id, name, description, author, card_count } = found;
        Self { id, name, description, author: author.into(), card_count }
    }
}

/// The ten best matches among public collections whose name or description contains every word, without those of
/// suspended authors.
#[utoipa::path(
    operation_id = "searchCollections",
    get, path = "/api/search/collections", tag = "search", security((), ("bearer" = [])),
    params(("q" = String, Query, description = "1 to 200 characters", example = "reading")),
    responses((status = 200, body = NamesFound<CollectionFoundBody>))
)]
pub async fn collections(
    state: Data<AppState>,
    request: HttpRequest,
    reader: Reader,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let text = looked_for(&mut params)?;
    params.finish()?;
    let found = state.find_collections(&request, reader.id(), &text).await?;
    Ok(HttpResponse::Ok().json(NamesFound::<CollectionFoundBody>::of(found)))
}
