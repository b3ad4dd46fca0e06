//! Windows that gather events and are not in the feed yet.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::{CardId, CollectionId, EventId, UserId};
use cardwire_http::caller::{Admin, Observer};
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::idempotency::{bodiless, idempotency};
use cardwire_http::operations::act::window_named;
use cardwire_http::problem::Problem;
use cardwire_http::query::{NoParams, Params};
use cardwire_http::state::AppState;
use cardwire_saga::OpenWindow;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::dto::{IdempotencyHeader, PageBody};
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(list, flush))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/sagas").get(list).register(config);
    Endpoint::at("/api/admin/sagas/{key}/flush").post(flush).register(config);
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OpenWindow)]
pub struct WindowBody {
    /// `{cardId}-{actorId}`.
    #[schema(example = "01JD4A3W5T8Q2V9X7Y6Z1B0C3D-did:plc:alice")]
    key: String,
    #[schema(value_type = String)]
    card_id: CardId,
    #[schema(value_type = String, example = "did:plc:alice")]
    actor_id: UserId,
    /// Each one once, in the order in which the card was added.
    #[schema(value_type = Vec<String>)]
    collection_ids: Vec<CollectionId>,
    /// When the earliest of its events occurred. Null: it holds none yet.
    #[schema(value_type = Option<String>, format = DateTime)]
    timestamp: Option<Timestamp>,
    has_library_event: bool,
    has_collection_events: bool,
    /// Ids of its events: all of them if there are up to 100. A larger window lists about 1,000 at most, or none if
    /// many large ones come before it. `collectionIds`, `timestamp`, `hasLibraryEvent` and `hasCollectionEvents` then
    /// cover only the listed events.
    #[schema(value_type = Vec<String>)]
    members: Vec<EventId>,
    /// How many events it holds.
    member_count: u64,
    /// While it is locked: the time from which another worker may take it over.
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
    /// A worker is writing it into the feed.
    locked: bool,
    /// How often that has failed so far.
    failures: u32,
}

impl From<OpenWindow> for WindowBody {
    fn from(window: OpenWindow) -> Self {
        let OpenWindow { pending, events, due_at, locked, failures } = window;
        Self {
            key: pending.key.to_string(),
            card_id: pending.key.card_id,
            collection_ids: pending.collection_ids(),
            timestamp: pending.timestamp(),
            has_library_event: pending.has_library_event(),
            has_collection_events: pending.has_collection_events(),
            members: pending.members.keys().copied().collect(),
            member_count: events,
            actor_id: pending.key.actor_id,
            due_at,
            locked,
            failures,
        }
    }
}

/// Open windows, soonest due first. A window moves in the list if it is claimed or released between two pages.
#[utoipa::path(
    operation_id = "listOpenWindows",
    get, path = "/api/admin/sagas", tag = "admin", security(("bearer" = [])),
    params(("limit" = Option<u8>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = PageBody<WindowBody>))
)]
pub async fn list(state: Data<AppState>, _: Observer, params: Params) -> Result<HttpResponse, Problem> {
    // Keys are not ULIDs, so the due time serves as the rank.
    let list = List::by_rank(&["sagas"]);
    let request = params.page(&list)?;
    let page = state.operations.windows(&request).await?;
    Ok(HttpResponse::Ok().json(PageBody::<WindowBody>::of(page, &list)))
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FlushAccepted {
    #[schema(example = "01JD4A3W5T8Q2V9X7Y6Z1B0C3D-did:plc:alice")]
    key: String,
}

/// Makes a window due at once; a worker writes it into the feed within a second or so.
#[utoipa::path(
    operation_id = "flushWindow",
    post, path = "/api/admin/sagas/{key}/flush", tag = "admin", security(("bearer" = [])),
    params(("key" = String, Path, example = "01JD4A3W5T8Q2V9X7Y6Z1B0C3D-did:plc:alice"), IdempotencyHeader),
    responses((status = 202, description = "A worker will write it", body = FlushAccepted))
)]
pub async fn flush(
    state: Data<AppState>,
    request: HttpRequest,
    admin: Admin,
    _: NoParams,
    key: Path<String>,
) -> Result<HttpResponse, Problem> {
    let asked = idempotency(&request, bodiless(&request))?;
    let key = window_named(&key)?;
    let accepted = state.once(admin.id(), asked, async || {
        state.operations.flush_now(admin.id(), &key).await?;
        Ok(FlushAccepted { key: key.to_string() })
    });
    Ok(HttpResponse::Accepted().json(accepted.await?))
}
