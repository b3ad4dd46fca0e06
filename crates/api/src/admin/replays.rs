//! Sending events of the log to a queue again.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::{CardId, UserId};
use cardwire_events::Queue;
use cardwire_events::operations::{Replay, ReplayOf};
use cardwire_http::body::JsonBody;
use cardwire_http::caller::{Admin, Observer};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::idempotency::{bodiless, idempotency};
use cardwire_http::operations::replays;
use cardwire_http::problem::Problem;
use cardwire_http::query::{NoParams, Params};
use cardwire_http::state::AppState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::dto::IdempotencyHeader;
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(list, count, start, cancel))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/replays/count").get(count).register(config);
    Endpoint::at("/api/admin/replays/{id}/cancel").post(cancel).register(config);
    Endpoint::at("/api/admin/replays").get(list).post(start).register(config);
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Replay)]
pub struct ReplayBody {
    id: String,
    state: ReplayState,
    #[schema(value_type = String, example = "search")]
    queue: Queue,
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    r#type: Option<String>,
    #[schema(value_type = Option<String>)]
    card_id: Option<CardId>,
    #[schema(value_type = Option<String>)]
    actor_id: Option<UserId>,
    #[schema(value_type = String, example = "did:plc:alice")]
    requested_by: UserId,
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    error: Option<String>,
    /// Events so far; for analytics, days.
    done: u64,
    /// How many there were when it was requested. Events are not counted beyond 1,000,000.
    total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReplayState {
    /// A process will start it within seconds.
    Waiting,
    Running,
    /// All events are owed to the queue again. For analytics, all days have been counted again.
    Done,
    Cancelled,
    Failed,
}

impl From<Replay> for ReplayBody {
    fn from(replay: Replay) -> Self {
        let state = match &replay {
            Replay { is_cancelled: true, .. } => ReplayState::Cancelled,
            Replay { finished_at: Some(_), error: Some(_), .. } => ReplayState::Failed,
            Replay { finished_at: Some(_), .. } => ReplayState::Done,
            Replay { started_at: Some(_), .. } => ReplayState::Running,
            _ => ReplayState::Waiting,
        };
        let ReplayOf { queue, from, until, kind, card_id, person } = replay.of;
        Self {
            id: replay.id.to_string(),
            state,
            queue,
            from,
            until,
            r#type: kind,
            card_id,
            actor_id: person,
            requested_by: replay.requested_by,
            requested_at: replay.requested_at,
            started_at: replay.started_at,
            finished_at: replay.finished_at,
            error: replay.error,
            done: replay.done,
            total: replay.total,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Replays {
    /// The last 20, newest first.
    replays: Vec<ReplayBody>,
}

/// The latest replays and their progress.
#[utoipa::path(
    operation_id = "listReplays",
    get, path = "/api/admin/replays", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = Replays))
)]
pub async fn list(state: Data<AppState>, _: Observer, _: NoParams) -> Result<HttpResponse, Problem> {
    let replays = state.operations.replays().await?;
    Ok(HttpResponse::Ok().json(Replays { replays: replays.into_iter().map(Into::into).collect() }))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DryRun {
    /// Not counted beyond 1,000,000.
    events: u64,
    /// Number of days. Analytics only: it counts whole days again, and skips days whose events are no longer kept.
    days: Option<u64>,
}

/// Counts what a replay would cover, without starting it.
#[utoipa::path(
    operation_id = "countReplay",
    get, path = "/api/admin/replays/count", tag = "admin", security(("bearer" = [])),
    params(
        ("queue" = String, Query, example = "search"),
        ("from" = String, Query, description = "A time, or a day in UTC", example = "2026-03-01T12:00:00Z"),
        ("until" = String, Query, description = "A time, or a day in UTC; itself not included", example = "2026-03-02"),
        ("type" = Option<String>, Query, example = "CardAddedToLibrary.v2"),
        ("cardId" = Option<String>, Query),
        ("actorId" = Option<String>, Query, example = "did:plc:alice"),
    ),
    responses((status = 200, body = DryRun))
)]
pub async fn count(state: Data<AppState>, _: Observer, mut params: Params) -> Result<HttpResponse, Problem> {
    let of = replays::asked(|name| params.text(name), |name, rule| Problem::parameter(name, rule))?;
    params.finish()?;
    let replays::DryRun { events, days } = state.operations.dry_run(&of).await?;
    Ok(HttpResponse::Ok().json(DryRun { events, days }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StartReplay {
    #[schema(example = "search")]
    queue: String,
    /// A time, or a day in UTC.
    #[schema(example = "2026-03-01T12:00:00Z")]
    from: String,
    /// A time, or a day in UTC; itself not included.
    #[schema(example = "2026-03-02")]
    until: String,
    /// Only events of this type. Not for analytics, which counts whole days again.
    #[serde(default)]
    r#type: Option<String>,
    /// Only events about this card. Not for analytics.
    #[serde(default)]
    card_id: Option<String>,
    /// Only events of this person. Not for analytics.
    #[serde(default)]
    actor_id: Option<String>,
}

impl StartReplay {
    fn of(&self) -> Result<ReplayOf, Problem> {
        let part = |name: &str| match name {
            "queue" => Some(self.queue.clone()),
            "from" => Some(self.from.clone()),
            "until" => Some(self.until.clone()),
            "type" => self.r#type.clone(),
            "cardId" => self.card_id.clone(),
            _ => self.actor_id.clone(),
        };
        replays::asked(part, |name, rule| Problem::invalid(name, rule))
    }
}

/// Sends the events accepted in a period to a queue again. None takes effect twice: search indexes the card as it is
/// now, the feed gets no second activity, and analytics counts the days again from the log. Dead letters stay dead
/// letters. 409 while another replay of the queue is unfinished.
#[utoipa::path(
    operation_id = "startReplay",
    post, path = "/api/admin/replays", tag = "admin", security(("bearer" = [])),
    params(IdempotencyHeader),
    request_body = StartReplay,
    responses((status = 202, description = "A process will start it within seconds", body = ReplayBody))
)]
pub async fn start(
    state: Data<AppState>,
    request: HttpRequest,
    admin: Admin,
    _: NoParams,
    body: JsonBody<StartReplay>,
) -> Result<HttpResponse, Problem> {
    let asked = idempotency(&request, body.fingerprint)?;
    let of = body.value.of()?;
    let replay = state.once(admin.id(), asked, async || {
        let replay = state.operations.replay(admin.id(), &of).await?;
        Ok(ReplayBody::from(replay))
    });
    Ok(HttpResponse::Accepted().json(replay.await?))
}

/// Stops a replay. Events already sent to the queue stay there. 404 if it is finished.
#[utoipa::path(
    operation_id = "cancelReplay",
    post, path = "/api/admin/replays/{id}/cancel", tag = "admin", security(("bearer" = [])),
    params(("id" = String, Path), IdempotencyHeader),
    responses((status = 204, description = "Stopped"))
)]
pub async fn cancel(
    state: Data<AppState>,
    request: HttpRequest,
    admin: Admin,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let asked = idempotency(&request, bodiless(&request))?;
    state.once(admin.id(), asked, async || state.operations.cancel_replay(admin.id(), &id).await).await?;
    Ok(HttpResponse::NoContent().finish())
}
