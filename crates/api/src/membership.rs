//! Collaborators of a collection, and blocking invitations from a person.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::membership::{Block, Invitation};
use cardwire_domain::use_cases::{
    AcceptInvitation, BlockPerson, CollectionChanged, LeaveCollection, SetCollaborators, UnblockPerson,
};
use cardwire_http::body::JsonBody;
use cardwire_http::caller::Caller;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::people;
use cardwire_http::problem::Problem;
use cardwire_http::query::{NoParams, Params};
use cardwire_http::state::AppState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::collections::{CollectionBody, changed};
use crate::dto::{CollectionNameBody, PageBody, UserBody};
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(set_collaborators, accept, leave, invitations, blocks, block, unblock))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/collections/{id}/collaborators").put(set_collaborators).register(config);
    Endpoint::at("/api/collections/{id}/membership").post(accept).delete(leave).register(config);
    Endpoint::at("/api/users/me/invitations").get(invitations).register(config);
    Endpoint::at("/api/users/me/blocks").get(blocks).register(config);
    Endpoint::at("/api/users/me/blocks/{userId}").put(block).delete(unblock).register(config);
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Collaborators {
    /// DIDs, at most 100.
    #[schema(example = json!(["did:plc:bob"]))]
    user_ids: Vec<String>,
}

/// Replaces the list of people who share the collection. Each must have an account here. People who have accepted stay.
/// New ones are invited, and collaborate once they accept. People left out lose their place or invitation. A person can
/// have at most 10 open invitations from one author, 100 in all, and none from somebody they blocked. Author only.
#[utoipa::path(
    operation_id = "setCollaborators",
    put, path = "/api/collections/{id}/collaborators", tag = "collections", security(("bearer" = [])),
    params(("id" = String, Path)), request_body = Collaborators, responses((status = 200, body = CollectionBody))
)]
pub async fn set_collaborators(
    state: Data<AppState>,
    request: HttpRequest,
    caller: Caller,
    _: NoParams,
    id: Path<String>,
    body: JsonBody<Collaborators>,
) -> Result<HttpResponse, Problem> {
    let command = SetCollaborators { id: id.into_inner(), user_ids: body.value.user_ids };
    people::require(&state, "userIds", &command.people()?).await?;
    let CollectionChanged { id } = state.execute(&request, &caller, None, &command).await?;
    changed(&state, &caller, id).await
}

/// Accepts the invitation to a collection; accepting again changes nothing. 404 if you are not invited, 409 if you
/// already collaborate on 1,000 collections.
#[utoipa::path(
    operation_id = "acceptInvitation",
    post, path = "/api/collections/{id}/membership", tag = "collections", security(("bearer" = [])),
    params(("id" = String, Path)), responses((status = 200, body = CollectionBody))
)]
pub async fn accept(
    state: Data<AppState>,
    request: HttpRequest,
    caller: Caller,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let command = AcceptInvitation { id: id.into_inner() };
    let CollectionChanged { id } = state.execute(&request, &caller, None, &command).await?;
    changed(&state, &caller, id).await
}

/// Leaves a collection, or declines the invitation to it. The cards you added stay in it. The author cannot leave; they can delete the collection.
#[utoipa::path(
    operation_id = "leaveCollection",
    delete, path = "/api/collections/{id}/membership", tag = "collections", security(("bearer" = [])),
    params(("id" = String, Path)), responses((status = 204, description = "Left or declined, even if there was nothing to leave"))
)]
pub async fn leave(
    state: Data<AppState>,
    request: HttpRequest,
    caller: Caller,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    state.execute(&request, &caller, None, &LeaveCollection { id: id.into_inner() }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// An invitation that is not answered yet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Invitation)]
pub struct InvitationBody {
    collection: CollectionNameBody,
    author: UserBody,
    #[schema(value_type = String, format = DateTime)]
    invited_at: Timestamp,
}

impl From<Invitation> for InvitationBody {
    fn from(invitation: Invitation) -> Self {
        let Invitation { collection, author, invited_at } = invitation;
        Self { collection: collection.into(), author: author.into(), invited_at }
    }
}

/// Your open invitations, newest first.
#[utoipa::path(
    operation_id = "listMyInvitations",
    get, path = "/api/users/me/invitations", tag = "users", security(("bearer" = [])),
    params(("limit" = Option<u8>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = PageBody<InvitationBody>))
)]
pub async fn invitations(state: Data<AppState>, caller: Caller, params: Params) -> Result<HttpResponse, Problem> {
    let list = List::by_time(&["invitations", caller.id().as_str()]);
    let page = params.page(&list)?;
    let page = state.collections.invitations_of(caller.id(), &page).await?;
    Ok(HttpResponse::Ok().json(PageBody::<InvitationBody>::of(page, &list)))
}

/// A person you have blocked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BlockedUser)]
pub struct BlockedBody {
    #[serde(flatten)]
    person: UserBody,
    #[schema(value_type = String, format = DateTime)]
    blocked_at: Timestamp,
}

impl From<Block> for BlockedBody {
    fn from(block: Block) -> Self {
        Self { person: block.person.into(), blocked_at: block.blocked_at }
    }
}

/// The people you have blocked, newest first.
#[utoipa::path(
    operation_id = "listBlockedPeople",
    get, path = "/api/users/me/blocks", tag = "users", security(("bearer" = [])),
    params(("limit" = Option<u8>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = PageBody<BlockedBody>))
)]
pub async fn blocks(state: Data<AppState>, caller: Caller, params: Params) -> Result<HttpResponse, Problem> {
    // DIDs break ties.
    let list = List::by_rank(&["blocks", caller.id().as_str()]);
    let page = params.page(&list)?;
    let page = state.collections.blocked_by(caller.id(), &page).await?;
    Ok(HttpResponse::Ok().json(PageBody::<BlockedBody>::of(page, &list)))
}

/// Blocks a person: their open invitations are withdrawn and they can no longer invite you. Collections you both work on stay as they are.
/// Blocking again changes nothing. 403 if it is yourself.
#[utoipa::path(
    operation_id = "blockPerson",
    put, path = "/api/users/me/blocks/{userId}", tag = "users", security(("bearer" = [])),
    params(("userId" = String, Path)), responses((status = 204, description = "Blocked"))
)]
pub async fn block(
    state: Data<AppState>,
    request: HttpRequest,
    caller: Caller,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let person = people::find(&state, &id).await?;
    state.execute(&request, &caller, None, &BlockPerson { person }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lets a person invite you again.
#[utoipa::path(
    operation_id = "unblockPerson",
    delete, path = "/api/users/me/blocks/{userId}", tag = "users", security(("bearer" = [])),
    params(("userId" = String, Path)), responses((status = 204, description = "No longer blocked"))
)]
pub async fn unblock(
    state: Data<AppState>,
    request: HttpRequest,
    caller: Caller,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let person = people::named(&id)?;
    state.execute(&request, &caller, None, &UnblockPerson { person }).await?;
    Ok(HttpResponse::NoContent().finish())
}
