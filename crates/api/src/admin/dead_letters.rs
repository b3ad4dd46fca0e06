//! Events that are not run again unless somebody asks for it, and the history of each.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::EventId;
use cardwire_events::operations::{DeadLetterWay, Step};
use cardwire_events::{Action, DeadLetter, DeadSelection, Envelope};
use cardwire_http::body::JsonBody;
use cardwire_http::caller::{Admin, Observer};
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::idempotency::idempotency;
use cardwire_http::operations::act::named;
use cardwire_http::operations::failures::group;
use cardwire_http::operations::{dead_letters, queue_named};
use cardwire_http::problem::Problem;
use cardwire_http::query::{NoParams, Params};
use cardwire_http::state::AppState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::dto::{IdempotencyHeader, PageBody};
use crate::resource::Resource;

/// How many dead letters one request may name.
pub const MAX_IDS: usize = 1_000;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(list, count, redrive, discard, letter))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/queues/{queue}/dead").get(list).delete(discard).register(config);
    Endpoint::at("/api/admin/queues/{queue}/dead/redrive").post(redrive).register(config);
    Endpoint::at("/api/admin/queues/{queue}/dead/count").get(count).register(config);
    Endpoint::at("/api/admin/queues/{queue}/dead/{id}").get(letter).register(config);
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetter)]
pub struct DeadLetterBody {
    #[schema(value_type = String)]
    id: EventId,
    #[schema(example = "CardAddedToLibrary.v2")]
    r#type: String,
    /// The id of the card, or of the collection if there is no card.
    subject: String,
    /// How often it was run alone.
    tries: u32,
    /// The last error.
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
    operation_id = "listDeadLetters",
    get, path = "/api/admin/queues/{queue}/dead", tag = "admin", security(("bearer" = [])),
    params(
        ("queue" = String, Path, example = "feeds"),
        ("type" = Option<String>, Query, example = "CardAddedToLibrary.v2"),
        ("text" = Option<String>, Query, description = "Text in one of the event's values; case does not matter"),
        ("error" = Option<String>, Query, description = "Text in the last error; case does not matter"),
        ("limit" = Option<u8>, Query), ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = PageBody<DeadLetterBody>))
)]
pub async fn list(
    state: Data<AppState>,
    _: Observer,
    queue: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let queue = queue_named(&queue)?;
    let filter = dead_letters::filter(|name| params.text(name), |name, rule| Problem::parameter(name, rule))?;
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let list = List::by_time(&["dead", queue.name(), &part(&filter.kind), &part(&filter.text), &part(&filter.error)]);
    let request = params.page(&list)?;
    let page = state.operations.dead_letters(queue, &filter, &request).await?;
    Ok(HttpResponse::Ok().json(PageBody::<DeadLetterBody>::of(page, &list)))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Count {
    count: u64,
}

/// How many dead letters match.
#[utoipa::path(
    operation_id = "countDeadLetters",
    get, path = "/api/admin/queues/{queue}/dead/count", tag = "admin", security(("bearer" = [])),
    params(
        ("queue" = String, Path, example = "feeds"), ("type" = Option<String>, Query),
        ("text" = Option<String>, Query), ("error" = Option<String>, Query),
    ),
    responses((status = 200, body = Count))
)]
pub async fn count(
    state: Data<AppState>,
    _: Observer,
    queue: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let queue = queue_named(&queue)?;
    let filter = dead_letters::filter(|name| params.text(name), |name, rule| Problem::parameter(name, rule))?;
    params.finish()?;
    let count = state.operations.count_dead(queue, &filter).await?;
    Ok(HttpResponse::Ok().json(Count { count }))
}

/// `ids`, or `all: true`, or `matching`, or `group`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectDeadLetters {
    /// At most 1,000. Ids that are not dead letters of the queue are skipped.
    #[serde(default)]
    ids: Option<Vec<String>>,
    #[serde(default)]
    all: Option<bool>,
    #[serde(default)]
    matching: Option<Matching>,
    /// As named in the list of failures. Includes events that would be retried automatically, besides dead letters.
    #[serde(default)]
    group: Option<String>,
}

/// The list's filters. At least one of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Matching {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

impl Matching {
    fn selection(self) -> Result<DeadSelection, Problem> {
        let Self { r#type, text, error } = self;
        let part = |name: &str| match name {
            "type" => r#type.clone(),
            "text" => text.clone(),
            _ => error.clone(),
        };
        let filter = dead_letters::filter(part, |name, rule| Problem::invalid(format!("matching.{name}"), rule))?;
        if filter.is_empty() {
            return Err(Problem::invalid("matching", "Name type, text or error. To match everything, send all: true."));
        }
        Ok(DeadSelection::Matching(filter))
    }
}

impl SelectDeadLetters {
    fn selection(self) -> Result<DeadSelection, Problem> {
        if let Some(shape) = self.group {
            return match (self.ids, self.all, self.matching) {
                (None, None, None) => group(&shape),
                _ => Err(Problem::invalid("group", "Give either a group, or ids, all or matching.")),
            };
        }
        if let Some(matching) = self.matching {
            return match (self.ids, self.all) {
                (None, None) => matching.selection(),
                _ => Err(Problem::invalid("matching", "Send this without ids and all.")),
            };
        }
        match (self.ids, self.all) {
            (None, Some(true)) => Ok(DeadSelection::All),
            (None, Some(false)) => Err(Problem::invalid("all", "This must be true. To choose some, send their ids.")),
            (None, None) => Err(Problem::invalid("ids", "Send ids, all: true or matching.")),
            (Some(_), Some(_)) => Err(Problem::invalid("all", "Send this without ids.")),
            (Some(ids), None) if ids.len() > MAX_IDS => Err(Problem::invalid("ids", "Send at most 1000 ids.")),
            (Some(ids), None) => Ok(named(&ids)),
        }
    }
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Redriven {
    redriven: u64,
}

/// Puts dead letters back into their queue, with all their attempts restored.
#[utoipa::path(
    operation_id = "redriveDeadLetters",
    post, path = "/api/admin/queues/{queue}/dead/redrive", tag = "admin", security(("bearer" = [])),
    params(("queue" = String, Path, example = "feeds"), IdempotencyHeader),
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
        let action = Action::Redrive { queue, which: selection };
        Ok(Redriven { redriven: state.operations.act(admin.id(), &action).await? })
    });
    Ok(HttpResponse::Ok().json(redriven.await?))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Discarded {
    discarded: u64,
}

/// Discards dead letters for good: their events never take effect in this queue.
#[utoipa::path(
    operation_id = "discardDeadLetters",
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
    let action = Action::Discard { queue, which: selection };
    let discarded = state.operations.act(admin.id(), &action).await?;
    Ok(HttpResponse::Ok().json(Discarded { discarded }))
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterWay)]
pub struct WayBody {
    #[serde(flatten)]
    letter: DeadLetterBody,
    #[schema(value_type = String, format = DateTime)]
    accepted_at: Timestamp,
    /// When it was last published. Null: not since it last failed or was redriven.
    #[schema(value_type = Option<String>, format = DateTime)]
    published_at: Option<Timestamp>,
    /// How often it was published again because it had no effect in time. Starts again at 0 with a redrive.
    published_again: u32,
    /// What did not go as planned, oldest first: the last 100 steps.
    steps: Vec<StepBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Step)]
pub struct StepBody {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// failed, run-after-loss (its worker was lost, so it was counted and run alone), died or redriven.
    #[schema(example = "failed")]
    step: &'static str,
    /// The error.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

impl From<DeadLetterWay> for WayBody {
    fn from(way: DeadLetterWay) -> Self {
        let DeadLetterWay { letter, accepted_at, published_at, sweeps, steps } = way;
        let step = |step: Step| StepBody { at: step.at, step: step.kind.name(), detail: step.detail };
        let steps = steps.into_iter().map(step).collect();
        Self { letter: letter.into(), accepted_at, published_at, published_again: sweeps, steps }
    }
}

/// A dead letter with the history of its event.
#[utoipa::path(
    operation_id = "getDeadLetter",
    get, path = "/api/admin/queues/{queue}/dead/{id}", tag = "admin", security(("bearer" = [])),
    params(("queue" = String, Path, example = "feeds"), ("id" = String, Path)),
    responses((status = 200, body = WayBody))
)]
pub async fn letter(
    state: Data<AppState>,
    _: Observer,
    _: NoParams,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (queue, id) = path.into_inner();
    let way = state.operations.way(queue_named(&queue)?, &id).await?;
    Ok(HttpResponse::Ok().json(WayBody::from(way)))
}
