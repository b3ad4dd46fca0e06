//! Where you are signed in.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig};
use cardwire_domain::SessionId;
use cardwire_domain::sessions::Session;
use cardwire_http::caller::InPerson;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::dto::PageBody;
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(list, end, end_others))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/users/me/sessions").get(list).delete(end_others).register(config);
    Endpoint::at("/api/users/me/sessions/{id}").delete(end).register(config);
}

/// A browser or program that is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub struct SessionBody {
    #[schema(value_type = String, example = "01JD4A3W5T8Q2V9X7Y6Z1B0C3G")]
    id: SessionId,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Accurate to five minutes.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
    /// How the browser or program identified itself when it signed in. May be empty.
    #[schema(example = "Firefox on Linux")]
    client: String,
    /// Whether this request belongs to it.
    current: bool,
}

impl SessionBody {
    pub(super) fn of(session: Session, current: Option<SessionId>) -> Self {
        let Session { id, created_at, last_seen_at, client } = session;
        Self { id, created_at, last_seen_at, client, current: current == Some(id) }
    }
}

/// Your sessions, most recently used first. Not with an API token.
#[utoipa::path(
    operation_id = "listMySessions",
    get, path = "/api/users/me/sessions", tag = "users", security(("bearer" = [])),
    responses((status = 200, body = PageBody<SessionBody>))
)]
pub async fn list(state: Data<AppState>, caller: InPerson, _: NoParams) -> Result<HttpResponse, Problem> {
    let current = caller.session();
    let sessions = state.accounts.sessions(caller.id()).await?;
    let items = sessions.into_iter().map(|session| SessionBody::of(session, current)).collect();
    Ok(HttpResponse::Ok().json(PageBody::<SessionBody> { items, next_cursor: None }))
}

/// Ends one of your sessions: its tokens stop working at once. Not with an API token.
#[utoipa::path(
    operation_id = "endSession",
    delete, path = "/api/users/me/sessions/{id}", tag = "users", security(("bearer" = [])),
    params(("id" = String, Path)), responses((status = 204, description = "Ended"))
)]
pub async fn end(
    state: Data<AppState>,
    caller: InPerson,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    state.writes.admit(caller.id())?;
    let id = id.parse()?;
    state.accounts.end_session(caller.id(), id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends all your sessions except the current one. API tokens stay. Not with an API token.
#[utoipa::path(
    operation_id = "endOtherSessions",
    delete, path = "/api/users/me/sessions", tag = "users", security(("bearer" = [])),
    responses((status = 204, description = "Ended"))
)]
pub async fn end_others(state: Data<AppState>, caller: InPerson, _: NoParams) -> Result<HttpResponse, Problem> {
    state.writes.admit(caller.id())?;
    state.accounts.end_other_sessions(&caller).await?;
    Ok(HttpResponse::NoContent().finish())
}
