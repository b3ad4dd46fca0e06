//! Whether a queue runs, and putting what is owed to it on its way again.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::UserId;
use cardwire_events::Action;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Admin, bodiless, log_failed, queue_named};
use crate::body::JsonBody;
use crate::endpoint::Endpoint;
use crate::idempotency::idempotency;
use crate::problem::Problem;
use crate::query::NoParams;
use crate::state::AppState;

const MAX_REASON_CHARS: usize = 500;

pub fn configure(config: &mut ServiceConfig) {
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

/// Trimmed.
pub(crate) fn reason(text: &str) -> Result<String, Problem> {
    let reason = text.trim();
    match (1..=MAX_REASON_CHARS).contains(&reason.chars().count()) && !reason.contains('\0') {
        true => Ok(reason.to_owned()),
        false => Err(Problem::invalid("reason", "must be 1 to 500 characters, none of them NUL")),
    }
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Running {
    /// Whether the queue is paused now.
    paused: bool,
    /// Whether it was not before.
    changed: bool,
}

/// Lets a queue rest: within two seconds no worker claims from it and no process publishes to it. Events go on being accepted, and wait
/// in the log; what was claimed is finished, and windows that are open are still written. A queue that is paused stays as it is.
#[utoipa::path(
    post, path = "/api/admin/queues/{queue}/pause", tag = "admin", security(("bearer" = [])),
    params(
        ("queue" = String, Path, example = "feeds"),
        ("Idempotency-Key" = Option<String>, Header, description = "Under the same key, the same answer"),
    ),
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
    let action = Action::Pause { queue, reason: body.value.reason.as_deref().map(reason).transpose()? };
    let running = state.once(admin.id(), asked, async || {
        let changed = act(&state, admin.id(), &action).await? == 1;
        Ok(Running { paused: true, changed })
    });
    Ok(HttpResponse::Ok().json(running.await?))
}

/// Lets a queue go on.
#[utoipa::path(
    post, path = "/api/admin/queues/{queue}/resume", tag = "admin", security(("bearer" = [])),
    params(
        ("queue" = String, Path, example = "feeds"),
        ("Idempotency-Key" = Option<String>, Header, description = "Under the same key, the same answer"),
    ),
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
    let running = state.once(admin.id(), asked, async || {
        let changed = act(&state, admin.id(), &action).await? == 1;
        Ok(Running { paused: false, changed })
    });
    Ok(HttpResponse::Ok().json(running.await?))
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Redelivered {
    /// Events that will be published again. One that is in the queue already gets a copy, which changes nothing.
    redelivered: u64,
}

/// Publishes what is owed to the queue again, without waiting for the sweeper or a backoff. Dead letters stay dead.
#[utoipa::path(
    post, path = "/api/admin/queues/{queue}/redeliver", tag = "admin", security(("bearer" = [])),
    params(
        ("queue" = String, Path, example = "feeds"),
        ("Idempotency-Key" = Option<String>, Header, description = "Under the same key, the same answer"),
    ),
    responses((status = 202, description = "The relays will publish them", body = Redelivered))
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
    let redelivered = state
        .once(admin.id(), asked, async || Ok(Redelivered { redelivered: act(&state, admin.id(), &action).await? }));
    Ok(HttpResponse::Accepted().json(redelivered.await?))
}

pub(crate) async fn act(state: &AppState, by: &UserId, action: &Action) -> Result<u64, Problem> {
    let affected = state.operations.operator.act(by, action).await.map_err(log_failed)?;
    tracing::info!(%by, ?action, affected, "an administrator acted");
    Ok(affected)
}
