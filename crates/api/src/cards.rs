//! Adding cards to collections and removing them.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::use_cases::{
    AddCardToCollections, AssociationsUpdated, CardCollected, CardRemoved, RemoveCardFromCollections,
    UpdateUrlCardAssociations,
};
use cardwire_domain::{CardId, CollectionId};
use cardwire_http::body::JsonBody;
use cardwire_http::caller::Caller;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::idempotency::idempotency;
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::library::CardAnswer;
use crate::dto::{IdempotencyHeader, VisibilityBody, sent};
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(collect, associate, remove))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/cards/collections").post(collect).register(config);
    Endpoint::at("/api/cards/url/associations").put(associate).register(config);
    Endpoint::at("/api/cards/{id}/collections").delete(remove).register(config);
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CollectCard {
    card_id: String,
    /// 1 to 100.
    collection_ids: Vec<String>,
}

/// Adds your card to collections.
#[utoipa::path(
    operation_id = "addCardToCollections",
    post, path = "/api/cards/collections", tag = "cards", security(("bearer" = [])), request_body = CollectCard,
    params(IdempotencyHeader),
    responses((status = 200, body = CardAnswer))
)]
pub async fn collect(
    state: Data<AppState>,
    request: HttpRequest,
    caller: Caller,
    _: NoParams,
    body: JsonBody<CollectCard>,
) -> Result<HttpResponse, Problem> {
    let idempotency = idempotency(&request, body.fingerprint)?;
    let CollectCard { card_id, collection_ids } = body.value;
    let command = AddCardToCollections { card_id, collection_ids };
    let CardCollected { card_id } = state.execute(&request, &caller, idempotency, &command).await?;
    Ok(HttpResponse::Ok().json(CardAnswer { card_id }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Associate {
    card_id: String,
    /// Your own title, instead of the page's: 1 to 500 characters, without control characters. If left out, it stays;
    /// if null or empty, it is removed.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>)]
    title: Option<Option<String>>,
    /// If left out, the note stays; if empty, it is removed.
    #[serde(default)]
    note: Option<String>,
    /// If left out, it stays.
    #[serde(default)]
    visibility: Option<VisibilityBody>,
    #[serde(default)]
    add_to_collections: Option<Vec<String>>,
    #[serde(default)]
    remove_from_collections: Option<Vec<String>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Associated {
    #[schema(value_type = String)]
    card_id: CardId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    note_card_id: Option<CardId>,
    /// The collections that the card is in now.
    #[schema(value_type = Vec<String>)]
    collection_ids: Vec<CollectionId>,
}

/// Changes the title, the note, the collections and the visibility of your card in one step. A card that is made public
/// looks just saved to others; one that is made private is gone for them as soon as this is answered. You can remove
/// your card from any collection it is in, even one you can no longer see.
#[utoipa::path(
    operation_id = "updateCardAssociations",
    put, path = "/api/cards/url/associations", tag = "cards", security(("bearer" = [])), request_body = Associate,
    responses((status = 200, body = Associated))
)]
pub async fn associate(
    state: Data<AppState>,
    request: HttpRequest,
    caller: Caller,
    _: NoParams,
    body: JsonBody<Associate>,
) -> Result<HttpResponse, Problem> {
    let Associate { card_id, title, note, visibility, add_to_collections, remove_from_collections } = body.value;
    let command = UpdateUrlCardAssociations {
        card_id,
        title: title.map(Option::unwrap_or_default),
        note,
        visibility: visibility.map(Into::into),
        add_to_collections: add_to_collections.unwrap_or_default(),
        remove_from_collections: remove_from_collections.unwrap_or_default(),
    };
    let AssociationsUpdated { card_id, note_card_id, collection_ids } =
        state.execute(&request, &caller, None, &command).await?;
    Ok(HttpResponse::Ok().json(Associated { card_id, note_card_id, collection_ids }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Uncollect {
    /// 1 to 100.
    collection_ids: Vec<String>,
}

/// Removes a card from collections: your own card from any it is in, even one you can no longer see, or anybody's card from your own
/// collection.
#[utoipa::path(
    operation_id = "removeCardFromCollections",
    delete, path = "/api/cards/{id}/collections", tag = "cards", security(("bearer" = [])),
    params(("id" = String, Path)), request_body = Uncollect, responses((status = 200, body = CardAnswer))
)]
pub async fn remove(
    state: Data<AppState>,
    request: HttpRequest,
    caller: Caller,
    _: NoParams,
    id: Path<String>,
    body: JsonBody<Uncollect>,
) -> Result<HttpResponse, Problem> {
    let command = RemoveCardFromCollections { card_id: id.into_inner(), collection_ids: body.value.collection_ids };
    let CardRemoved { card_id } = state.execute(&request, &caller, None, &command).await?;
    Ok(HttpResponse::Ok().json(CardAnswer { card_id }))
}
