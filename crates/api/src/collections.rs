//! Collections of cards.

use actix_web::http::header;
use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::collection::{CollectedCard, CollectionView, Description, Name};
use cardwire_domain::use_cases::{CollectionChanged, CreateCollection, DeleteCollection, UpdateCollection};
use cardwire_domain::{CardId, CollectionId};
use cardwire_http::body::JsonBody;
use cardwire_http::caller::{Caller, Reader};
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::idempotency::idempotency;
use cardwire_http::problem::Problem;
use cardwire_http::query::{NoParams, Params};
use cardwire_http::state::AppState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::dto::{Access, CoverBody, IconBody, IdempotencyHeader, PageBody, UserBody, VisibilityBody};
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(create, mine, show, update, delete))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/collections").get(mine).post(create).register(config);
    Endpoint::at("/api/collections/{id}").get(show).put(update).delete(delete).register(config);
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WriteCollection {
    /// 1 to 100 characters.
    #[schema(example = "Reading")]
    name: String,
    /// At most 500 characters.
    #[serde(default)]
    description: Option<String>,
    /// CLOSED by default.
    #[serde(default)]
    access_type: Option<Access>,
    /// Left out, a new collection is PUBLIC and an existing one stays as it is.
    #[serde(default)]
    visibility: Option<VisibilityBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectionCreated {
    #[schema(value_type = String)]
    id: CollectionId,
    name: String,
    description: String,
    access_type: Access,
    visibility: VisibilityBody,
    author: UserBody,
}

/// A collection without its cards.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Collection)]
pub struct CollectionBody {
    #[schema(value_type = String)]
    id: CollectionId,
    name: String,
    description: String,
    access_type: Access,
    visibility: VisibilityBody,
    author: UserBody,
    /// People who have accepted their invitations.
    collaborators: Vec<UserBody>,
    /// Invited, but not answered yet. Only the author gets this field.
    #[serde(skip_serializing_if = "Option::is_none")]
    invited: Option<Vec<UserBody>>,
    /// How many of its cards you can see.
    card_count: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<CollectionView> for CollectionBody {
    fn from(view: CollectionView) -> Self {
        Self {
            id: view.id,
            name: view.name,
            description: view.description,
            access_type: view.access.into(),
            visibility: view.visibility.into(),
            author: view.author.into(),
            collaborators: view.collaborators.into_iter().map(Into::into).collect(),
            invited: view.invited.map(|people| people.into_iter().map(Into::into).collect()),
            card_count: view.card_count,
            created_at: view.created_at,
            updated_at: view.updated_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CollectedCard)]
pub struct CollectedCardBody {
    #[schema(value_type = String)]
    id: CardId,
    url: String,
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
    added_by: UserBody,
    #[schema(value_type = String, format = DateTime)]
    added_at: Timestamp,
}

impl From<CollectedCard> for CollectedCardBody {
    fn from(collected: CollectedCard) -> Self {
        Self {
            id: collected.card.id,
            url: collected.card.url,
            title: collected.card.title,
            visibility: collected.card.visibility.into(),
            hidden: collected.card.is_hidden,
            cover: CoverBody::of(collected.card.pictures),
            icon: IconBody::of(collected.card.pictures),
            added_by: collected.added_by.into(),
            added_at: collected.added_at,
        }
    }
}

/// A collection with a page of its cards, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CollectionWithCards)]
pub struct CollectionWithCardsBody {
    #[serde(flatten)]
    collection: CollectionBody,
    cards: PageBody<CollectedCardBody>,
}

/// Creates a collection of your own.
#[utoipa::path(
    operation_id = "createCollection",
    post, path = "/api/collections", tag = "collections", security(("bearer" = [])), request_body = WriteCollection,
    params(IdempotencyHeader),
    responses((status = 201, body = CollectionCreated))
)]
pub async fn create(
    state: Data<AppState>,
    request: HttpRequest,
    caller: Caller,
    _: NoParams,
    body: JsonBody<WriteCollection>,
) -> Result<HttpResponse, Problem> {
    let idempotency = idempotency(&request, body.fingerprint)?;
    let WriteCollection { name, description, access_type, visibility } = body.value;
    // The answer repeats only the request, so it is the same for every repetition.
    let stored_name = Name::parse(&name)?.as_str().to_owned();
    let stored_description = Description::parse(description.as_deref().unwrap_or_default())?.as_str().to_owned();
    let access_type = access_type.unwrap_or_default();
    let visibility = visibility.unwrap_or(VisibilityBody::Public);
    let command = CreateCollection { name, description, access: access_type.into(), visibility: visibility.into() };
    let CollectionChanged { id } = state.execute(&request, &caller, idempotency, &command).await?;
    let created = CollectionCreated {
        id,
        name: stored_name,
        description: stored_description,
        access_type,
        visibility,
        author: caller.0.user.into(),
    };
    Ok(HttpResponse::Created().insert_header((header::LOCATION, format!("/api/collections/{id}"))).json(created))
}

/// Your own collections, then those you collaborate on, each newest first.
#[utoipa::path(
    operation_id = "listMyCollections",
    get, path = "/api/collections", tag = "collections", security(("bearer" = [])),
    params(("limit" = Option<u8>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = PageBody<CollectionBody>))
)]
pub async fn mine(state: Data<AppState>, caller: Caller, params: Params) -> Result<HttpResponse, Problem> {
    let list = List::by_rank(&["collections", caller.id().as_str()]);
    let page = params.page(&list)?;
    let page = state.collections.collections_of(caller.id(), &page).await?;
    Ok(HttpResponse::Ok().json(PageBody::<CollectionBody>::of(page, &list)))
}

/// A collection with the cards in it that you can see. 404 for a private one, unless you are its author or a
/// collaborator.
#[utoipa::path(
    operation_id = "getCollection",
    get, path = "/api/collections/{id}", tag = "collections", security((), ("bearer" = [])),
    params(
        ("id" = String, Path),
        ("limit" = Option<u8>, Query), ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = CollectionWithCardsBody))
)]
pub async fn show(
    state: Data<AppState>,
    reader: Reader,
    id: Path<String>,
    params: Params,
) -> Result<HttpResponse, Problem> {
    let id: CollectionId = id.parse()?;
    let list = List::by_time(&["collection", &id.to_string()]);
    let page = params.page(&list)?;
    let collection = state.collections.collection(id, reader.id()).await?.into();
    let cards = PageBody::of(state.collections.cards_in(id, reader.id(), &page).await?, &list);
    Ok(HttpResponse::Ok().json(CollectionWithCardsBody { collection, cards }))
}

/// Replaces name, description and access, and the visibility if it is given. Author only.
#[utoipa::path(
    operation_id = "updateCollection",
    put, path = "/api/collections/{id}", tag = "collections", security(("bearer" = [])),
    params(("id" = String, Path)), request_body = WriteCollection, responses((status = 200, body = CollectionBody))
)]
pub async fn update(
    state: Data<AppState>,
    request: HttpRequest,
    caller: Caller,
    _: NoParams,
    id: Path<String>,
    body: JsonBody<WriteCollection>,
) -> Result<HttpResponse, Problem> {
    let WriteCollection { name, description, access_type, visibility } = body.value;
    let access = access_type.unwrap_or_default().into();
    let visibility = visibility.map(Into::into);
    let command = UpdateCollection { id: id.into_inner(), name, description, access, visibility };
    let CollectionChanged { id } = state.execute(&request, &caller, None, &command).await?;
    changed(&state, &caller, id).await
}

/// Deletes a collection; its cards stay in their libraries. Author only.
#[utoipa::path(
    operation_id = "deleteCollection",
    delete, path = "/api/collections/{id}", tag = "collections", security(("bearer" = [])),
    params(("id" = String, Path)), responses((status = 204, description = "Deleted"))
)]
pub async fn delete(
    state: Data<AppState>,
    request: HttpRequest,
    caller: Caller,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    state.execute(&request, &caller, None, &DeleteCollection { id: id.into_inner() }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The collection as it is now.
pub(crate) async fn changed(state: &AppState, caller: &Caller, id: CollectionId) -> Result<HttpResponse, Problem> {
    let collection = state.collections.collection(id, Some(caller.id())).await?;
    Ok(HttpResponse::Ok().json(CollectionBody::from(collection)))
}
