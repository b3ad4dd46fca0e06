//! Events that go to a queue again: counted, asked for, watched and cancelled.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_events::Queue;
use cardwire_events::envelope::KNOWN_TYPES;
use cardwire_events::operations::{MAX_COUNTED, Replay, ReplayOf};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::operations::replays::{self, DryRun};
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use jiff::Timestamp;

use super::names::Names;
use super::outcome::told;
use crate::fields::Complaint;
use crate::shown::When;
use crate::visit::{Chrome, Section, Visit};

/// Of the form. The type is chosen from a list.
const FIELDS: [&str; 5] = ["queue", "from", "until", "cardId", "actorId"];

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin/replays").get(page).register(config);
}

#[derive(Template)]
#[template(path = "admin_replays.html")]
struct ReplaysPage {
    chrome: Chrome,
    told: Option<String>,
    queues: Vec<&'static str>,
    kinds: [&'static str; KNOWN_TYPES.len()],
    asked: Asked,
    complaint: Complaint,
    /// What a dry run found.
    found: Option<String>,
    replays: Vec<ReplayShown>,
}

/// The form as it was filled.
#[derive(Default)]
struct Asked {
    queue: String,
    from: String,
    until: String,
    kind: String,
    card: String,
    person: String,
    person_id: String,
}

struct ReplayShown {
    id: String,
    queue: &'static str,
    from: String,
    until: String,
    state: &'static str,
    is_open: bool,
    error: Option<String>,
    done: u64,
    total: u64,
    unit: &'static str,
    narrowed: Vec<String>,
    by: String,
    asked: When,
}

impl ReplayShown {
    fn of(replay: &Replay, names: &Names, now: Timestamp) -> Self {
        let state = match replay {
            Replay { is_cancelled: true, .. } => "Cancelled",
            Replay { finished_at: Some(_), error: Some(_), .. } => "Failed",
            Replay { finished_at: Some(_), .. } => "Done",
            Replay { started_at: Some(_), .. } => "Running",
            _ => "Waiting",
        };
        let ReplayOf { queue, from, until, kind, card_id, person } = &replay.of;
        let time = |at: &Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
        let narrowed =
            [kind.clone(), card_id.map(|id| format!("card {id}")), person.as_ref().map(|id| names.beside(id.as_str()))];
        Self {
            id: replay.id.to_string(),
            queue: queue.name(),
            from: time(from),
            until: time(until),
            state,
            is_open: replay.finished_at.is_none(),
            error: replay.error.clone(),
            done: replay.done,
            total: replay.total,
            unit: match (queue, replay.total) {
                (Queue::Analytics, 1) => "day",
                (Queue::Analytics, _) => "days",
                (_, 1) => "event",
                _ => "events",
            },
            narrowed: narrowed.into_iter().flatten().collect(),
            by: names.beside(replay.requested_by.as_str()),
            asked: When::of(replay.requested_at, now),
        }
    }
}

/// Counts what the form asks for, if it asks for anything.
async fn page(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    visit.observer()?;
    let told = told(&mut params);
    let mut part = |name: &str| params.text(name).unwrap_or_default().trim().to_owned();
    let mut asked = Asked {
        queue: part("queue"),
        from: part("from"),
        until: part("until"),
        kind: part("type"),
        card: part("cardId"),
        person: part("actorId"),
        person_id: String::new(),
    };
    let (mut status, mut complaint, mut found) = (StatusCode::OK, Complaint::default(), None);
    if !asked.queue.is_empty() {
        match dry_run(&state, &mut asked).await {
            Ok(counted) => found = Some(counted),
            Err(problem) => (status, complaint) = Complaint::of(problem, &FIELDS)?,
        }
    }
    let replays = state.operations.replays().await?;
    let people = replays.iter().flat_map(|replay| [Some(&replay.requested_by), replay.of.person.as_ref()]);
    let names = Names::of(&state, people.flatten().map(|id| id.as_str())).await?;
    let now = state.operations.clock.now();
    let page = ReplaysPage {
        chrome: visit.chrome(Section::Operations),
        told,
        queues: Queue::ALL.map(Queue::name).to_vec(),
        kinds: KNOWN_TYPES,
        asked,
        complaint,
        found,
        replays: replays.iter().map(|replay| ReplayShown::of(replay, &names, now)).collect(),
    };
    visit.page_with(status, &page)
}

async fn dry_run(state: &AppState, asked: &mut Asked) -> Result<String, Problem> {
    if !asked.person.is_empty() {
        let person = state.accounts.person(&asked.person).await?;
        let none = || Problem::invalid("actorId", format!("No account has the handle {}.", asked.person));
        asked.person_id = person.ok_or_else(none)?.to_string();
    }
    let part = |name: &str| {
        Some(match name {
            "queue" => asked.queue.clone(),
            "from" => asked.from.clone(),
            "until" => asked.until.clone(),
            "type" => asked.kind.clone(),
            "cardId" => asked.card.clone(),
            _ => asked.person_id.clone(),
        })
    };
    let of = replays::asked(part, |name, rule| Problem::invalid(name, rule))?;
    let found = state.operations.dry_run(&of).await?;
    Ok(counted(of.queue, found))
}

/// What a replay would do, as people tell it.
pub(super) fn counted(queue: Queue, found: DryRun) -> String {
    let events = match found.events {
        1 => "1 event".to_owned(),
        MAX_COUNTED.. => format!("at least {MAX_COUNTED} events"),
        count => format!("{count} events"),
    };
    match found.days {
        None => format!("{events} would go to {queue} again."),
        Some(1) => format!("1 day would be counted again, with {events} in the chosen time."),
        Some(days) => format!("{days} days would be counted again, with {events} in the chosen time."),
    }
}
