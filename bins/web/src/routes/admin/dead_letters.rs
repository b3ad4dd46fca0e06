//! Events that will not be run again unless somebody says so.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::{EventId, Page, Position};
use cardwire_events::{DeadLetter, DeadSelection, Envelope};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Admin, log_failed, queue_named};
use crate::body::JsonBody;
use crate::cursor::List;
use crate::endpoint::Endpoint;
use crate::idempotency::idempotency;
use crate::problem::{INVALID_CURSOR, Problem};
use crate::query::{NoParams, Params};
use crate::routes::dto::PageBody;
use crate::state::AppState;

/// How many dead letters may be named at once.
const MAX_IDS: usize = 1_000;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/queues/{queue}/dead").get(list).delete(discard).register(config);
    Endpoint::at("/api/admin/queues/{queue}/dead/redrive").post(redrive).register(config);
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetter)]
pub struct DeadLetterBody {
    #[schema(value_type = String)]
    id: EventId,
    #[schema(example = "CardAddedToLibrary.v1")]
    r#type: String,
    /// The id of the card, or of the collection where there is no card.
    subject: String,
    /// How often it was run alone.
    tries: u32,
    /// What it died of.
    error: String,
    #[schema(value_type = String, format = DateTime)]
    dead_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    occurred_at: Timestamp,
    /// The whole event: CloudEvents 1.0, structured JSON.
    #[schema(value_type = Object)]
    envelope: Envelope,
}

impl From<DeadLetter> for DeadLetterBody {
    fn from(letter: DeadLetter) -> Self {
        let DeadLetter { queue: _, envelope, tries, error, dead_at } = letter;
        Self {
            id: envelope.id,
            r#type: envelope.kind.clone(),
            subject: envelope.subject.clone(),
            tries,
            error,
            dead_at,
            occurred_at: envelope.time,
            envelope,
        }
    }
}

/// Dead letters of a queue, in the order in which their events were accepted.
#[utoipa::path(
    get, path = "/api/admin/queues/{queue}/dead", tag = "admin", security(("bearer" = [])),
    params(
        ("queue" = String, Path, example = "feeds"),
        ("limit" = Option<u8>, Query, minimum = 1, maximum = 100), ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = PageBody<DeadLetterBody>))
)]
pub async fn list(
    state: Data<AppState>,
    _: Admin,
    queue: Path<String>,
    params: Params,
) -> Result<HttpResponse, Problem> {
    let queue = queue_named(&queue)?;
    let list = List::by_time(&["dead", queue.name()]);
    let request = params.page(&list)?;
    let after = request.after.map(|position| position.id.parse::<EventId>()).transpose();
    let after = after.map_err(|_| Problem::new(&INVALID_CURSOR, INVALID_CURSOR.about).field("cursor"))?;
    let letters = state.operations.log.dead_letters(queue, after, request.limit.get() + 1).await;
    let page = Page::cut(letters.map_err(log_failed)?, request.limit, position);
    Ok(HttpResponse::Ok().json(PageBody::<DeadLetterBody>::of(page, &list)))
}

/// The id alone decides; the time only fills its place.
fn position(letter: &DeadLetter) -> Position {
    Position { key: letter.envelope.time.as_microsecond(), id: letter.envelope.id.to_string() }
}

/// Either `ids` or `all: true`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectDeadLetters {
    /// At most 1,000. One that is no dead letter of the queue is passed over.
    #[serde(default)]
    ids: Option<Vec<String>>,
    #[serde(default)]
    all: Option<bool>,
}

impl SelectDeadLetters {
    fn selection(self) -> Result<DeadSelection, Problem> {
        match (self.ids, self.all) {
            (None, Some(true)) => Ok(DeadSelection::All),
            (None, Some(false)) => Err(Problem::invalid("all", "must be true; to choose some, name their ids")),
            (None, None) => Err(Problem::invalid("ids", "is required, unless all is true")),
            (Some(_), Some(_)) => Err(Problem::invalid("all", "must not be given together with ids")),
            (Some(ids), None) if ids.len() > MAX_IDS => Err(Problem::invalid("ids", "must be at most 1000")),
            // Ids are opaque to clients: text that is no id of ours names no dead letter.
            (Some(ids), None) => Ok(DeadSelection::Ids(ids.iter().filter_map(|id| id.parse().ok()).collect())),
        }
    }
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Redriven {
    redriven: u64,
}

/// Owes dead letters to their queue anew, with all their attempts.
#[utoipa::path(
    post, path = "/api/admin/queues/{queue}/dead/redrive", tag = "admin", security(("bearer" = [])),
    params(
        ("queue" = String, Path, example = "feeds"),
        ("Idempotency-Key" = Option<String>, Header, description = "Under the same key, the same answer"),
    ),
    request_body = SelectDeadLetters, responses((status = 200, body = Redriven))
)]
pub async fn redrive(
    state: Data<AppState>,
    request: HttpRequest,
    admin: Admin,
    _: NoParams,
    queue: Path<String>,
    body: JsonBody<SelectDeadLetters>,
) -> Result<HttpResponse, Problem> {
    let asked = idempotency(&request, body.fingerprint)?;
    let queue = queue_named(&queue)?;
    let selection = body.value.selection()?;
    let redriven = state.once(admin.id(), asked, async || {
        let redriven = state.operations.log.redrive(queue, &selection).await.map_err(log_failed)?;
        tracing::info!(by = %admin.id(), %queue, which = named(&selection), redriven, "dead letters redriven");
        Ok(Redriven { redriven })
    });
    Ok(HttpResponse::Ok().json(redriven.await?))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Discarded {
    discarded: u64,
}

/// Gives dead letters up for good: their events never take effect in this queue.
#[utoipa::path(
    delete, path = "/api/admin/queues/{queue}/dead", tag = "admin", security(("bearer" = [])),
    params(("queue" = String, Path, example = "feeds")),
    request_body = SelectDeadLetters, responses((status = 200, body = Discarded))
)]
pub async fn discard(
    state: Data<AppState>,
    admin: Admin,
    _: NoParams,
    queue: Path<String>,
    body: JsonBody<SelectDeadLetters>,
) -> Result<HttpResponse, Problem> {
    let queue = queue_named(&queue)?;
    let selection = body.value.selection()?;
    let discarded = state.operations.log.discard(queue, &selection).await.map_err(log_failed)?;
    tracing::info!(by = %admin.id(), %queue, which = named(&selection), discarded, "dead letters discarded");
    Ok(HttpResponse::Ok().json(Discarded { discarded }))
}

/// For the log: the ids, space-separated, since what was discarded cannot be looked up any more.
fn named(selection: &DeadSelection) -> String {
    match selection {
        DeadSelection::Ids(ids) => ids.iter().map(EventId::to_string).collect::<Vec<_>>().join(" "),
        DeadSelection::All | DeadSelection::NotUnderstood(_) => "all".into(),
    }
}
