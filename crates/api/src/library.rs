//! What people keep: saving a URL, their own cards, and whether a URL is among them.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::CardId;
use cardwire_domain::library::{LibraryCard, LibraryFilter};
use cardwire_domain::url::CardUrl;
use cardwire_domain::use_cases::{AddUrlToLibrary, CardRemoved, RemoveCardFromLibrary, UrlAdded};
use cardwire_http::body::JsonBody;
use cardwire_http::caller::{Caller, Reader};
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::idempotency::idempotency;
use cardwire_http::problem::Problem;
use cardwire_http::query::{NoParams, Params, words};
use cardwire_http::state::AppState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::dto::{
    CollectionNameBody, CoverBody, IconBody, IdempotencyHeader, MetadataBody, NoteBody, PageBody, UserBody,
    VisibilityBody, sent,
};
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(save, my_cards, card, status, remove))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/cards/library/urls").post(save).register(config);
    Endpoint::at("/api/cards/library/status").get(status).register(config);
    Endpoint::at("/api/cards/my").get(my_cards).register(config);
    Endpoint::at("/api/cards/{id}/library").delete(remove).register(config);
    Endpoint::at("/api/cards/{id}").get(card).register(config);
}

/// A URL to keep.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SaveUrl {
    /// Pasted text is repaired if it is unambiguous. http or https, at most 2,048 bytes, without credentials.
    #[schema(example = "https://example.com/page")]
    url: String,
    /// Your own title, instead of the page's: 1 to 500 characters, without control characters. If left out, an existing
    /// one stays; if null or empty, it is removed.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>, example = "The page about pages")]
    title: Option<Option<String>>,
    /// At most 10,000 characters. If left out, an existing note stays; if empty, it is removed.
    #[serde(default)]
    #[schema(example = "Read this again.")]
    note: Option<String>,
    /// At most 100.
    #[serde(default)]
    collection_ids: Option<Vec<String>>,
    /// The card where you found this URL.
    #[serde(default)]
    via_card_id: Option<String>,
    /// If left out, a new card gets your account's default, and a card in your library keeps its own.
    #[serde(default)]
    visibility: Option<VisibilityBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UrlSaved {
    #[schema(value_type = String)]
    url_card_id: CardId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    note_card_id: Option<CardId>,
    /// False: the URL was in the library already.
    created: bool,
}

/// Saves a URL. Saving it again returns the same card.
#[utoipa::path(
    operation_id = "saveUrl",
    post, path = "/api/cards/library/urls", tag = "library", security(("bearer" = [])),
    request_body = SaveUrl, params(IdempotencyHeader),
    responses((status = 201, description = "Saved", body = UrlSaved), (status = 200, description = "It was saved before", body = UrlSaved))
)]
pub async fn save(
    state: Data<AppState>,
    request: HttpRequest,
    caller: Caller,
    _: NoParams,
    body: JsonBody<SaveUrl>,
) -> Result<HttpResponse, Problem> {
    let idempotency = idempotency(&request, body.fingerprint)?;
    let SaveUrl { url, title, note, collection_ids, via_card_id, visibility } = body.value;
    let command = AddUrlToLibrary {
        url,
        title: title.map(Option::unwrap_or_default),
        note,
        collection_ids: collection_ids.unwrap_or_default(),
        via_card_id,
        visibility: visibility.map(Into::into),
        default_visibility: caller.0.default_visibility,
    };
    let UrlAdded { url_card_id, note_card_id, created } =
        state.execute(&request, &caller, idempotency, &command).await?;
    let mut response = if created { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(UrlSaved { url_card_id, note_card_id, created }))
}

/// A card in somebody's library.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LibraryCard)]
pub struct LibraryCardBody {
    #[schema(value_type = String)]
    id: CardId,
    #[schema(example = "https://example.com/page")]
    url: String,
    /// The owner's title for it, otherwise the page's (`metadata.title`).
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    visibility: VisibilityBody,
    /// An administrator has hidden it from everyone but you, its owner.
    hidden: bool,
    /// The page's preview picture; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    cover: Option<CoverBody>,
    /// The site's icon; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<IconBody>,
    metadata: MetadataBody,
    owner: UserBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<NoteBody>,
    /// The collections it is in that you can see.
    collections: Vec<CollectionNameBody>,
    #[schema(value_type = String, format = DateTime)]
    added_at: Timestamp,
}

impl From<LibraryCard> for LibraryCardBody {
    fn from(kept: LibraryCard) -> Self {
        Self {
            id: kept.card.id,
            url: kept.card.url,
            title: kept.card.title,
            visibility: kept.card.visibility.into(),
            hidden: kept.card.is_hidden,
            cover: CoverBody::of(kept.card.pictures),
            icon: IconBody::of(kept.card.pictures),
            metadata: kept.page.into(),
            owner: kept.owner.into(),
            note: kept.note.map(Into::into),
            collections: kept.collections.into_iter().map(Into::into).collect(),
            added_at: kept.added_at,
        }
    }
}

/// Your cards, newest first.
#[utoipa::path(
    operation_id = "listMyCards",
    get, path = "/api/cards/my", tag = "library", security(("bearer" = [])),
    params(
        ("q" = Option<String>, Query, description = "Words that all occur in the card's title, in the page's title, site, author or description, in the URL or in the note; same syntax as /api/search"),
        ("uncollected" = Option<bool>, Query, description = "Only cards in no collection"),
        ("limit" = Option<u8>, Query), ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = PageBody<LibraryCardBody>))
)]
pub async fn my_cards(
    state: Data<AppState>,
    request: HttpRequest,
    caller: Caller,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let text = params.text("q").map(|text| words(&text)).transpose()?.filter(|text| !text.is_empty());
    let uncollected = params.flag("uncollected")?;
    let kind = if uncollected { "uncollected" } else { "all" };
    let list = List::by_time(&["library", caller.id().as_str(), text.as_deref().unwrap_or_default(), kind]);
    let page = params.page(&list)?;
    let page = state
        .find_kept(&request, caller.id(), &LibraryFilter { text, uncollected, ..LibraryFilter::default() }, &page)
        .await?;
    Ok(HttpResponse::Ok().json(PageBody::<LibraryCardBody>::of(page, &list)))
}

/// One card. Only its owner gets the note. 404 for somebody else's card that is private or hidden by an administrator.
#[utoipa::path(
    operation_id = "getCard",
    get, path = "/api/cards/{id}", tag = "library", params(("id" = String, Path)), security((), ("bearer" = [])),
    responses((status = 200, body = LibraryCardBody))
)]
pub async fn card(
    state: Data<AppState>,
    reader: Reader,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let card = state.library.library_card(id.parse()?, reader.id()).await?;
    Ok(HttpResponse::Ok().json(LibraryCardBody::from(card)))
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UrlStatus {
    in_library: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    card_id: Option<CardId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    note_card_id: Option<CardId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility: Option<VisibilityBody>,
    /// The collections that the card is in and that you can see.
    collections: Vec<CollectionNameBody>,
}

/// Whether a URL is in your library.
#[utoipa::path(
    operation_id = "getUrlStatus",
    get, path = "/api/cards/library/status", tag = "library", security(("bearer" = [])),
    params(("url" = String, Query)), responses((status = 200, body = UrlStatus))
)]
pub async fn status(state: Data<AppState>, caller: Caller, mut params: Params) -> Result<HttpResponse, Problem> {
    let url = params.text("url").ok_or_else(|| Problem::parameter("url", "This is required."))?;
    params.finish()?;
    let url = CardUrl::parse(&url)?;
    let kept = state.library.library_card_by_url(caller.id(), &url).await?;
    let status = match kept {
        Some(kept) => UrlStatus {
            in_library: true,
            card_id: Some(kept.card.id),
            note_card_id: kept.note.map(|note| note.id),
            visibility: Some(kept.card.visibility.into()),
            collections: kept.collections.into_iter().map(Into::into).collect(),
        },
        None => UrlStatus {
            in_library: false,
            card_id: None,
            note_card_id: None,
            visibility: None,
            collections: Vec::new(),
        },
    };
    Ok(HttpResponse::Ok().json(status))
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CardAnswer {
    #[schema(value_type = String)]
    pub card_id: CardId,
}

/// Removes your card from the library and from every collection.
#[utoipa::path(
    operation_id = "removeCardFromLibrary",
    delete, path = "/api/cards/{id}/library", tag = "library", security(("bearer" = [])),
    params(("id" = String, Path)), responses((status = 200, body = CardAnswer))
)]
pub async fn remove(
    state: Data<AppState>,
    request: HttpRequest,
    caller: Caller,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let command = RemoveCardFromLibrary { card_id: id.into_inner() };
    let CardRemoved { card_id } = state.execute(&request, &caller, None, &command).await?;
    Ok(HttpResponse::Ok().json(CardAnswer { card_id }))
}
