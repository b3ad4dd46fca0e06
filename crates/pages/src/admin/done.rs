//! What administrators did, newest first.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_events::AuditEntry;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::shown::{When, next, part};
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin/actions").get(actions).register(config);
}

#[derive(Template)]
#[template(path = "admin_actions.html")]
struct ActionsPage {
    chrome: Chrome,
    told: Option<&'static str>,
    entries: Vec<EntryShown>,
    older: Option<String>,
}

struct EntryShown {
    when: When,
    by: String,
    action: String,
    upon: String,
    parameters: String,
    affected: u64,
    completed: bool,
}

async fn actions(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    visit.admin()?;
    let told = match params.text("told").as_deref() {
        Some("pause") => Some("The queue is paused."),
        Some("resume") => Some("The queue is resumed."),
        Some("redeliver") => Some("Unhandled events of the queue are delivered again."),
        Some("redrive") => Some("The dead letters are redriven."),
        Some("discard") => Some("The dead letters are discarded."),
        Some("flush") => Some("The window is being written."),
        Some("hide") => Some("The link is hidden."),
        Some("show") => Some("The link is no longer hidden."),
        Some("rebuild") => Some("The search index will be rebuilt."),
        _ => None,
    };
    let list = List::by_rank(&["actions page"]);
    let request = part(&mut params, &list)?;
    let page = state.operations.audit(&request).await?;
    let older = next(&page, &list, "/admin/actions");
    let now = state.operations.clock.now();
    let shown = |entry: AuditEntry| EntryShown {
        when: When::of(entry.at, now),
        by: entry.by.to_string(),
        upon: entry.queue.map(|queue| queue.name().to_owned()).or(entry.target).unwrap_or_default(),
        action: entry.action,
        parameters: match entry.parameters.as_object() {
            Some(none) if none.is_empty() => String::new(),
            _ => entry.parameters.to_string(),
        },
        affected: entry.affected,
        completed: entry.completed_at.is_some(),
    };
    let entries = page.items.into_iter().map(shown).collect();
    visit.page(&ActionsPage { chrome: visit.chrome(Section::Operations), told, entries, older })
}
