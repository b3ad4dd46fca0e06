//! Indexing every card again.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::UserId;
use cardwire_events::operations::Rebuild;
use cardwire_http::caller::{Admin, Observer};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::idempotency::{bodiless, idempotency};
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::dto::IdempotencyHeader;
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(request, latest))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/search/rebuild").get(latest).post(request).register(config);
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SearchRebuild)]
pub struct RebuildBody {
    id: String,
    state: RebuildState,
    #[schema(value_type = String, example = "did:plc:alice")]
    requested_by: UserId,
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// The first card that could not be indexed, and why; the others were. Or why the rebuild was given up.
    error: Option<String>,
    /// Cards looked at so far.
    done: u64,
    /// Cards that existed when it began. `done` may end higher, since cards are added meanwhile.
    total: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RebuildState {
    /// A search-worker will start it within seconds.
    Waiting,
    Running,
    Done,
    Failed,
}

impl From<Rebuild> for RebuildBody {
    fn from(rebuild: Rebuild) -> Self {
        let state = match &rebuild {
            Rebuild { finished_at: Some(_), error: Some(_), .. } => RebuildState::Failed,
            Rebuild { finished_at: Some(_), .. } => RebuildState::Done,
            Rebuild { started_at: Some(_), .. } => RebuildState::Running,
            _ => RebuildState::Waiting,
        };
        let Rebuild { id, requested_by, requested_at, started_at, finished_at, error, after: _, done, total } = rebuild;
        Self { id: id.to_string(), state, requested_by, requested_at, started_at, finished_at, error, done, total }
    }
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RebuildAsked {
    rebuild: RebuildBody,
    /// False: an earlier rebuild is still unfinished, and this is it.
    new: bool,
}

/// Asks a search-worker to index every card again. Searching and indexing go on meanwhile. One rebuild runs at a time.
#[utoipa::path(
    operation_id = "requestSearchRebuild",
    post, path = "/api/admin/search/rebuild", tag = "admin", security(("bearer" = [])),
    params(IdempotencyHeader),
    responses((status = 202, description = "A search-worker will do it", body = RebuildAsked))
)]
pub async fn request(
    state: Data<AppState>,
    request: HttpRequest,
    admin: Admin,
    _: NoParams,
) -> Result<HttpResponse, Problem> {
    let asked = idempotency(&request, bodiless(&request))?;
    let rebuild = state.once(admin.id(), asked, async || {
        let (rebuild, new) = state.operations.rebuild(admin.id()).await?;
        Ok(RebuildAsked { rebuild: rebuild.into(), new })
    });
    Ok(HttpResponse::Accepted().json(rebuild.await?))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LatestRebuild {
    /// Null: nobody has ever asked for one.
    rebuild: Option<RebuildBody>,
}

/// Progress of the latest rebuild.
#[utoipa::path(
    operation_id = "getSearchRebuild",
    get, path = "/api/admin/search/rebuild", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = LatestRebuild))
)]
pub async fn latest(state: Data<AppState>, _: Observer, _: NoParams) -> Result<HttpResponse, Problem> {
    let rebuild = state.operations.rebuilds.latest().await?;
    Ok(HttpResponse::Ok().json(LatestRebuild { rebuild: rebuild.map(Into::into) }))
}
