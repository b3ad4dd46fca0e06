//! Open windows of the saga.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use cardwire_saga::OpenWindow;

use crate::shown::{next, part};
use crate::visit::{Chrome, Section, Visit};

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
    visit.observer()?;
    let list = List::by_rank(&["windows page"]);
    let request = part(&mut params, &list)?;
    let page = state.operations.windows(&request).await?;
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
