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

use super::names::Names;
use super::outcome::told;
use crate::shown::{When, next, part};
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin/actions").get(actions).register(config);
}

#[derive(Template)]
#[template(path = "admin_actions.html")]
struct ActionsPage {
    chrome: Chrome,
    told: Option<String>,
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
    visit.observer()?;
    let told = told(&mut params);
    let list = List::by_rank(&["actions page"]);
    let request = part(&mut params, &list)?;
    let page = state.operations.audit(&request).await?;
    let older = next(&page, &list, "/admin/actions");
    let now = state.operations.clock.now();
    let people = page.items.iter().flat_map(|entry| [Some(entry.by.as_str()), entry.target.as_deref()]);
    let names = Names::of(&state, people.flatten()).await?;
    let shown = |entry: AuditEntry| EntryShown {
        when: When::of(entry.at, now),
        by: names.beside(entry.by.as_str()),
        upon: entry
            .queue
            .map(|queue| queue.name().to_owned())
            .or(entry.target.map(|target| names.beside(&target)))
            .unwrap_or_default(),
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
