//! One dead letter, and the history of its event.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig};
use cardwire_events::operations::{DeadLetterWay, Step};
use cardwire_http::caller::Observer;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::operations::queue_named;
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::admin::dead_letters::DeadLetterBody;
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(way))]
struct Document;

fn configure(config: &mut ServiceConfig) {
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
pub async fn way(
    state: Data<AppState>,
    _: Observer,
    _: NoParams,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (queue, id) = path.into_inner();
    let way = state.operations.way(queue_named(&queue)?, &id).await?;
    Ok(HttpResponse::Ok().json(WayBody::from(way)))
}
