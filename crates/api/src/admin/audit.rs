//! What administrators did.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use cardwire_events::{AuditEntry, Queue};
use cardwire_http::caller::Observer;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::dto::PageBody;
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(list))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/audit").get(list).register(config);
}

/// A requested action, whether or not it changed anything.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub struct AuditBody {
    /// Increases from entry to entry.
    id: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The id of a person, or `command line`.
    #[schema(example = "did:plc:alice")]
    by: String,
    /// dead-letters.redrive, dead-letters.discard, queue.pause, queue.resume, queue.redeliver, saga.flush, search.rebuild, card.hide,
    /// replay.start, replay.cancel, card.show, user.invite, user.suspend, user.restore, user.reset-password or
    /// user.delete; on the command line also user.make-admin and analytics.rebuild.
    #[schema(example = "dead-letters.redrive")]
    action: String,
    #[schema(value_type = Option<String>, example = "feeds")]
    queue: Option<Queue>,
    /// What the action was about, unless it was a queue: the key of a window, or the id of a card or person.
    target: Option<String>,
    /// The parameters of the request.
    #[schema(value_type = Object)]
    parameters: serde_json::Value,
    /// How many events, windows, queues, rebuilds, days, cards, invites or accounts it has changed so far.
    affected: u64,
    /// Null: it is still running, or the process that ran it was lost.
    #[schema(value_type = Option<String>, format = DateTime)]
    completed_at: Option<Timestamp>,
}

impl From<AuditEntry> for AuditBody {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { id, at, by, action, queue, target, parameters, affected, completed_at } = entry;
        Self { id: id.to_string(), at, by: by.to_string(), action, queue, target, parameters, affected, completed_at }
    }
}

/// Every action of an administrator, newest first.
#[utoipa::path(
    operation_id = "listAuditLog",
    get, path = "/api/admin/audit", tag = "admin", security(("bearer" = [])),
    params(("limit" = Option<u8>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = PageBody<AuditBody>))
)]
pub async fn list(state: Data<AppState>, _: Observer, params: Params) -> Result<HttpResponse, Problem> {
    let list = List::by_rank(&["audit"]);
    let request = params.page(&list)?;
    let page = state.operations.audit(&request).await?;
    Ok(HttpResponse::Ok().json(PageBody::<AuditBody>::of(page, &list)))
}
