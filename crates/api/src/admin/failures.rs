//! What failed, by kind of error, and queue entries that are not events.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig};
use cardwire_domain::EventId;
use cardwire_events::Queue;
use cardwire_events::operations::{FailureGroup, RejectedEntry};
use cardwire_http::caller::Observer;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::operations::queue_named;
use cardwire_http::problem::Problem;
use cardwire_http::query::{NoParams, Params};
use cardwire_http::state::AppState;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::dto::PageBody;
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(failures, rejected))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/queues/{queue}/failures").get(failures).register(config);
    Endpoint::at("/api/admin/queues/{queue}/rejected").get(rejected).register(config);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Failures {
    /// At most 100, the largest first.
    groups: Vec<GroupBody>,
}

/// Events that failed with the same kind of error.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FailureGroup)]
pub struct GroupBody {
    /// The error without ids, numbers, addresses and quoted values. Use it to retry or discard the group.
    #[schema(example = "card # cannot be indexed")]
    group: String,
    /// Dead letters.
    dead: u64,
    /// Events that will be retried automatically.
    retrying: u64,
    #[schema(value_type = String, format = DateTime)]
    first_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_at: Timestamp,
    example: ExampleBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FailureExample)]
pub struct ExampleBody {
    /// The newest event of the group.
    #[schema(value_type = String)]
    id: EventId,
    error: String,
    dead: bool,
}

impl From<FailureGroup> for GroupBody {
    fn from(group: FailureGroup) -> Self {
        let FailureGroup { shape, dead, retrying, first_at, last_at, example, error, example_is_dead } = group;
        let example = ExampleBody { id: example, error, dead: example_is_dead };
        Self { group: shape, dead, retrying, first_at, last_at, example }
    }
}

/// Dead letters and events that are being retried, by the kind of error.
#[utoipa::path(
    operation_id = "listFailures",
    get, path = "/api/admin/queues/{queue}/failures", tag = "admin", security(("bearer" = [])),
    params(("queue" = String, Path, example = "feeds")), responses((status = 200, body = Failures))
)]
pub async fn failures(
    state: Data<AppState>,
    _: Observer,
    _: NoParams,
    queue: Path<String>,
) -> Result<HttpResponse, Problem> {
    let groups = state.operations.failures(queue_named(&queue)?).await?;
    Ok(HttpResponse::Ok().json(Failures { groups: groups.into_iter().map(Into::into).collect() }))
}

/// A queue entry that is not an event. The log owes nothing for it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RejectedEntry)]
pub struct RejectedBody {
    id: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[schema(value_type = String, example = "feeds")]
    queue: Queue,
    reason: String,
    /// Its first 4,096 characters.
    raw: String,
}

impl From<RejectedEntry> for RejectedBody {
    fn from(entry: RejectedEntry) -> Self {
        let RejectedEntry { id, at, queue, raw, reason } = entry;
        Self { id: id.0.to_string(), at, queue, reason, raw }
    }
}

/// Entries of a queue that are not events, newest first.
#[utoipa::path(
    operation_id = "listRejectedEntries",
    get, path = "/api/admin/queues/{queue}/rejected", tag = "admin", security(("bearer" = [])),
    params(("queue" = String, Path, example = "feeds"), ("limit" = Option<u8>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = PageBody<RejectedBody>))
)]
pub async fn rejected(
    state: Data<AppState>,
    _: Observer,
    queue: Path<String>,
    params: Params,
) -> Result<HttpResponse, Problem> {
    let queue = queue_named(&queue)?;
    let list = List::by_rank(&["rejected", queue.name()]);
    let request = params.page(&list)?;
    let page = state.operations.rejected(Some(queue), &request).await?;
    Ok(HttpResponse::Ok().json(PageBody::<RejectedBody>::of(page, &list)))
}
