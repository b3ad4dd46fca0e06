//! One dead letter, and the way that its event took.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig};
use cardwire_events::operations::{DeadLetterWay, Step};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::dead_letters::DeadLetterBody;
use super::{Admin, log_failed, queue_named};
use crate::endpoint::Endpoint;
use crate::problem::{NOT_FOUND, Problem};
use crate::query::NoParams;
use crate::state::AppState;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/queues/{queue}/dead/{id}").get(way).register(config);
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterWay)]
pub struct WayBody {
    #[serde(flatten)]
    letter: DeadLetterBody,
    #[schema(value_type = String, format = DateTime)]
    accepted_at: Timestamp,
    /// When it was last put into the queue. Null: it died before that was booked.
    #[schema(value_type = Option<String>, format = DateTime)]
    published_at: Option<Timestamp>,
    /// How often it was published again because it had no effect in time, since it was last owed anew.
    published_again: u32,
    /// What went otherwise than planned, oldest first: the last 100.
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

/// A dead letter with the way that its event took.
#[utoipa::path(
    get, path = "/api/admin/queues/{queue}/dead/{id}", tag = "admin", security(("bearer" = [])),
    params(("queue" = String, Path, example = "feeds"), ("id" = String, Path)),
    responses((status = 200, body = WayBody))
)]
pub async fn way(
    state: Data<AppState>,
    _: Admin,
    _: NoParams,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (queue, id) = path.into_inner();
    let queue = queue_named(&queue)?;
    let nothing = || Problem::new(&NOT_FOUND, "no dead letter of this queue has that id");
    let id = id.parse().map_err(|_| nothing())?;
    let way = state.operations.operator.way(queue, id).await.map_err(log_failed)?.ok_or_else(nothing)?;
    Ok(HttpResponse::Ok().json(WayBody::from(way)))
}
