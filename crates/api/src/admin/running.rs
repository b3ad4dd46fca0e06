//! Pausing and resuming a queue, and publishing again what is owed to it.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::changes::Idempotency;
use cardwire_domain::text::reason;
use cardwire_events::Action;
use cardwire_http::body::JsonBody;
use cardwire_http::caller::Admin;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::idempotency::{bodiless, idempotency};
use cardwire_http::operations::queue_named;
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::dto::IdempotencyHeader;
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(pause, resume, redeliver))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/queues/{queue}/pause").post(pause).register(config);
    Endpoint::at("/api/admin/queues/{queue}/resume").post(resume).register(config);
    Endpoint::at("/api/admin/queues/{queue}/redeliver").post(redeliver).register(config);
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseQueue {
    /// For the other administrators: 1 to 500 characters after trimming.
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Running {
    /// Whether the queue is paused now.
    paused: bool,
    /// Whether that is a change.
    changed: bool,
}

/// Pauses a queue: within two seconds no worker claims from it and no process publishes to it. Events are still
/// accepted and wait in the log. Claimed events are finished, and open windows are still written. Pausing again changes
/// nothing.
#[utoipa::path(
    operation_id = "pauseQueue",
    post, path = "/api/admin/queues/{queue}/pause", tag = "admin", security(("bearer" = [])),
    params(("queue" = String, Path, example = "feeds"), IdempotencyHeader),
    request_body = PauseQueue, responses((status = 200, body = Running))
)]
pub async fn pause(
    state: Data<AppState>,
    request: HttpRequest,
    admin: Admin,
    _: NoParams,
    queue: Path<String>,
    body: JsonBody<PauseQueue>,
) -> Result<HttpResponse, Problem> {
    let asked = idempotency(&request, body.fingerprint)?;
    let queue = queue_named(&queue)?;
    let reason = body.value.reason.as_deref().map(reason).transpose()?.map(str::to_owned);
    let action = Action::Pause { queue, reason };
    set(&state, &admin, asked, &action, true).await
}

/// Resumes a queue.
#[utoipa::path(
    operation_id = "resumeQueue",
    post, path = "/api/admin/queues/{queue}/resume", tag = "admin", security(("bearer" = [])),
    params(("queue" = String, Path, example = "feeds"), IdempotencyHeader),
    responses((status = 200, body = Running))
)]
pub async fn resume(
    state: Data<AppState>,
    request: HttpRequest,
    admin: Admin,
    _: NoParams,
    queue: Path<String>,
) -> Result<HttpResponse, Problem> {
    let asked = idempotency(&request, bodiless(&request))?;
    let action = Action::Resume { queue: queue_named(&queue)? };
    set(&state, &admin, asked, &action, false).await
}

async fn set(
    state: &AppState,
    admin: &Admin,
    asked: Option<Idempotency>,
    action: &Action,
    paused: bool,
) -> Result<HttpResponse, Problem> {
    let running = state.once(admin.id(), asked, async || {
        let changed = state.operations.act(admin.id(), action).await? == 1;
        Ok(Running { paused, changed })
    });
    Ok(HttpResponse::Ok().json(running.await?))
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Redelivered {
    /// Events that will be published again. If one is in the queue already, the copy has no effect.
    redelivered: u64,
}

/// Publishes everything owed to the queue again, without waiting for due times or backoffs. Dead letters stay dead.
#[utoipa::path(
    operation_id = "redeliverQueue",
    post, path = "/api/admin/queues/{queue}/redeliver", tag = "admin", security(("bearer" = [])),
    params(("queue" = String, Path, example = "feeds"), IdempotencyHeader),
    responses((status = 202, description = "They will be published again", body = Redelivered))
)]
pub async fn redeliver(
    state: Data<AppState>,
    request: HttpRequest,
    admin: Admin,
    _: NoParams,
    queue: Path<String>,
) -> Result<HttpResponse, Problem> {
    let asked = idempotency(&request, bodiless(&request))?;
    let action = Action::Redeliver { queue: queue_named(&queue)? };
    let redelivered = state.once(admin.id(), asked, async || {
        Ok(Redelivered { redelivered: state.operations.act(admin.id(), &action).await? })
    });
    Ok(HttpResponse::Accepted().json(redelivered.await?))
}
