//! Windows that gather events and are not in the feed yet.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::{CardId, CollectionId, EventId, Page, Position, UserId};
use cardwire_events::operations::NewEntry;
use cardwire_saga::{OpenWindow, Place, SagaKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Admin, bodiless, log_failed, saga_failed};
use crate::cursor::List;
use crate::endpoint::Endpoint;
use crate::idempotency::idempotency;
use crate::problem::{INVALID_CURSOR, NOT_FOUND, Problem};
use crate::query::{NoParams, Params};
use crate::routes::dto::PageBody;
use crate::state::AppState;

pub fn configure(config: &mut ServiceConfig) {
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
    /// Each once, in the order in which the card was added to them.
    #[schema(value_type = Vec<String>)]
    collection_ids: Vec<CollectionId>,
    /// When the earliest of its events occurred. Null: it holds none yet.
    #[schema(value_type = Option<String>, format = DateTime)]
    timestamp: Option<Timestamp>,
    has_library_event: bool,
    has_collection_events: bool,
    /// Ids of its events: of all, up to 100. Of a larger window about 1,000 at most, and none where many as large come before it; then
    /// `collectionIds`, `timestamp`, `hasLibraryEvent` and `hasCollectionEvents` are of these.
    #[schema(value_type = Vec<String>)]
    members: Vec<EventId>,
    /// How many events it holds.
    member_count: u64,
    /// While it is locked: when another worker may take it over.
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

/// Open windows, soonest due first. One that is claimed or given back between two pages moves.
#[utoipa::path(
    get, path = "/api/admin/sagas", tag = "admin", security(("bearer" = [])),
    params(("limit" = Option<u8>, Query, minimum = 1, maximum = 100), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = PageBody<WindowBody>))
)]
pub async fn list(state: Data<AppState>, _: Admin, params: Params) -> Result<HttpResponse, Problem> {
    // Keys are no ULIDs, so the due time serves as a rank.
    let list = List::by_rank(&["sagas"]);
    let request = params.page(&list)?;
    let after = request.after.as_ref().map(place).transpose()?;
    let windows = state.operations.saga.open(after.as_ref(), request.limit.get() + 1).await;
    let page = Page::cut(windows.map_err(saga_failed)?, request.limit, position);
    Ok(HttpResponse::Ok().json(PageBody::<WindowBody>::of(page, &list)))
}

fn position(window: &OpenWindow) -> Position {
    Position { key: window.due_at.as_microsecond(), id: window.key().to_string() }
}

fn place(position: &Position) -> Result<Place, Problem> {
    let due_at = Timestamp::from_microsecond(position.key).ok();
    let key = position.id.parse().ok();
    let place = due_at.zip(key).map(|(due_at, key)| Place { due_at, key });
    place.ok_or_else(|| Problem::new(&INVALID_CURSOR, INVALID_CURSOR.about).field("cursor"))
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FlushAccepted {
    #[schema(example = "01JD4A3W5T8Q2V9X7Y6Z1B0C3D-did:plc:alice")]
    key: String,
}

/// Makes a window due at once; a worker writes it into the feed within a second or so.
#[utoipa::path(
    post, path = "/api/admin/sagas/{key}/flush", tag = "admin", security(("bearer" = [])),
    params(
        ("key" = String, Path, example = "01JD4A3W5T8Q2V9X7Y6Z1B0C3D-did:plc:alice"),
        ("Idempotency-Key" = Option<String>, Header, description = "Under the same key, the same answer"),
    ),
    responses((status = 202, description = "A worker will take it", body = FlushAccepted))
)]
pub async fn flush(
    state: Data<AppState>,
    request: HttpRequest,
    admin: Admin,
    _: NoParams,
    key: Path<String>,
) -> Result<HttpResponse, Problem> {
    let asked = idempotency(&request, bodiless(&request))?;
    let key: SagaKey = key.parse().map_err(|_| nothing())?;
    let accepted = state.once(admin.id(), asked, async || {
        flush_now(&state, admin.id(), &key).await?;
        Ok(FlushAccepted { key: key.to_string() })
    });
    Ok(HttpResponse::Accepted().json(accepted.await?))
}

/// Written down before, since the window is not in the store.
pub(crate) async fn flush_now(state: &AppState, by: &UserId, key: &SagaKey) -> Result<(), Problem> {
    let operations = &state.operations;
    let entry = NewEntry::flush_window(key.to_string());
    let entry = operations.operator.begin(by, &entry).await.map_err(log_failed)?;
    let open = operations.saga.flush_now(key).await.map_err(saga_failed)?;
    operations.operator.complete(entry, u64::from(open)).await.map_err(log_failed)?;
    if !open {
        return Err(nothing());
    }
    tracing::info!(%by, %key, "window is to be flushed at once");
    Ok(())
}

pub(crate) fn nothing() -> Problem {
    Problem::new(&NOT_FOUND, "no window of that key is open")
}
