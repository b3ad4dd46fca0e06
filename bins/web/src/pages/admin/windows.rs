//! Open windows of the saga.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_domain::{Page, Position};
use cardwire_saga::{OpenWindow, Place};
use jiff::Timestamp;

use crate::cursor::List;
use crate::endpoint::Endpoint;
use crate::pages::shown::{next, part};
use crate::pages::{Chrome, Section, Visit};
use crate::problem::{INVALID_CURSOR, Problem};
use crate::query::Params;
use crate::routes::admin::saga_failed;
use crate::state::AppState;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin/windows").get(windows).register(config);
}

#[derive(Template)]
#[template(path = "admin_windows.html")]
struct WindowsPage {
    chrome: Chrome,
    windows: Vec<WindowShown>,
    older: Option<String>,
}

struct WindowShown {
    key: String,
    card: String,
    actor: String,
    events: u64,
    /// Ids of its events; of a large one, not all.
    members: Vec<String>,
    more: u64,
    collections: usize,
    due: String,
    locked: bool,
    failures: u32,
}

async fn windows(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    visit.admin()?;
    let list = List::by_rank(&["windows page"]);
    let request = part(&mut params, &list)?;
    let place = |position: &Position| {
        let due_at = Timestamp::from_microsecond(position.key).ok();
        let place = due_at.zip(position.id.parse().ok()).map(|(due_at, key)| Place { due_at, key });
        place.ok_or_else(|| Problem::new(&INVALID_CURSOR, INVALID_CURSOR.about))
    };
    let after = request.after.as_ref().map(place).transpose()?;
    let open = state.operations.saga.open(after.as_ref(), request.limit.get() + 1).await.map_err(saga_failed)?;
    let position = |window: &OpenWindow| Position { key: window.due_at.as_microsecond(), id: window.key().to_string() };
    let page = Page::cut(open, request.limit, position);
    let older = next(&page, &list, "/admin/windows");
    let shown = |window: OpenWindow| WindowShown {
        events: window.events,
        more: window.events.saturating_sub(window.pending.members.len() as u64),
        key: window.key().to_string(),
        card: window.pending.key.card_id.to_string(),
        actor: window.pending.key.actor_id.to_string(),
        members: window.pending.members.keys().map(ToString::to_string).collect(),
        collections: window.pending.collection_ids().len(),
        due: window.due_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        locked: window.locked,
        failures: window.failures,
    };
    let windows = page.items.into_iter().map(shown).collect();
    visit.page(&WindowsPage { chrome: visit.chrome(Section::Operations), windows, older })
}
