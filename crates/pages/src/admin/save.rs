//! The way of one save, as a timeline. It updates itself while something of it is on its way.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig};
use askama::Template;
use cardwire_domain::EventId;
use cardwire_domain::metadata::FetchState;
use cardwire_events::operations::{Step, StepKind, WrittenTo};
use cardwire_events::{Queue, WorkerInfo};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::operations::journey::{Effect, EventWay, Stage, Trace, Way};
use cardwire_http::problem::{NOT_FOUND, Problem};
use cardwire_http::state::AppState;
use jiff::Timestamp;

use super::figures::took;
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin/saves/{event}").get(save).register(config);
}

#[derive(Template)]
#[template(path = "admin_save.html")]
struct SavePage {
    chrome: Chrome,
    event: String,
    at: String,
    /// Seconds until it is looked at again; 0: all of it is over.
    every: u8,
    accepted: String,
    card: Option<CardShown>,
    trace: Option<Trace>,
    events: Vec<EventShown>,
}

struct CardShown {
    id: String,
    owner: String,
    /// Empty: others do not see it.
    url: String,
    page: String,
}

struct EventShown {
    id: String,
    kind: String,
    actor: String,
    ways: Vec<WayShown>,
}

struct WayShown {
    queue: &'static str,
    /// One word.
    state: &'static str,
    moments: Vec<Moment>,
    /// The page of its dead letter.
    letter: Option<String>,
    /// What cannot be told.
    unknown: Option<String>,
}

/// Something that happened, or will.
struct Moment {
    at: String,
    /// How long after it was accepted.
    after: String,
    what: String,
}

/// Since when a way is told.
#[derive(Clone, Copy)]
struct Begin(Timestamp);

impl Begin {
    fn moment(self, at: Timestamp, what: impl Into<String>) -> Moment {
        let after = Duration::try_from(at.duration_since(self.0)).unwrap_or_default();
        let after = if after.is_zero() { String::new() } else { format!("+{}", exactly(after)) };
        Moment { at: at.strftime("%H:%M:%S%.3f").to_string(), after, what: what.into() }
    }

    fn way(self, way: &Way, event: &str, workers: Option<&[WorkerInfo]>) -> WayShown {
        let mut moments: Vec<Moment> = way.steps.iter().map(|step| self.moment(step.at, stepped(step))).collect();
        let queue = way.queue;
        let mut letter = None;
        let mut unknown = None;
        let state = match &way.stage {
            Stage::Waiting { due_at, tries } => {
                let why = if *tries > 0 {
                    format!("tries again, after {}", attempts(*tries))
                } else {
                    "is put into the queue".into()
                };
                moments.push(self.moment(*due_at, why));
                "waiting"
            }
            Stage::Published { at, sweeps, tries } => {
                let again = if *sweeps > 0 { format!(", again: {sweeps} copies were lost") } else { String::new() };
                let tried = if *tries > 0 { format!(", after {}", attempts(*tries)) } else { String::new() };
                moments.push(self.moment(*at, format!("put into the queue{again}{tried}")));
                unknown = Some(claimed(queue, workers));
                "in the queue"
            }
            Stage::Gathering { due_at, events, is_written } => {
                let size = if *events == 1 { "1 event".to_owned() } else { format!("{events} events") };
                let what = if *is_written { "is being written into the feed" } else { "closes" };
                moments.push(self.moment(*due_at, format!("its window of {size} {what}")));
                "in a window"
            }
            Stage::Dead { at, error } => {
                let why = error.as_deref().unwrap_or("no error is known");
                moments.push(self.moment(*at, format!("failed for good: {why}")));
                letter = Some(format!("/admin/queues/{queue}/dead/{event}"));
                "dead letter"
            }
            Stage::Done(effect) => {
                let (moment, not_known) = self.effect(queue, effect);
                moments.extend(moment);
                unknown = not_known;
                "done"
            }
        };
        WayShown { queue: queue.name(), state, moments, letter, unknown }
    }

    fn effect(self, queue: Queue, effect: &Effect) -> (Option<Moment>, Option<String>) {
        let untimed = |what: &str| Moment { at: String::new(), after: String::new(), what: what.to_owned() };
        let when = "When is not recorded for events that go well.".to_owned();
        match effect {
            Effect::InActivity { id, written_at: Some(at) } => {
                (Some(self.moment(*at, format!("written into the feed as activity {id}"))), None)
            }
            Effect::InActivity { id, written_at: None } => {
                (Some(untimed(&format!("added to activity {id}, which was there already"))), Some(when))
            }
            Effect::NoActivity => (
                Some(untimed("owed no more, and no activity has it")),
                Some("It was no news, such as an import or a removal; or its activity is gone; or somebody discarded it.".into()),
            ),
            Effect::Indexed(true) => (Some(untimed("indexed: search has the card")), Some(when)),
            Effect::Indexed(false) => (Some(untimed("owed no more, and search does not have the card")), Some(when)),
            Effect::Other if queue == Queue::Analytics => (Some(untimed("counted, if it is a save that everyone can see")), Some(when)),
            Effect::Other => (Some(untimed("owed no more")), Some(when)),
        }
    }
}

/// To the millisecond up to a minute.
fn exactly(after: Duration) -> String {
    if after < Duration::from_secs(60) { format!("{} ms", after.as_millis()) } else { took(after) }
}

fn attempts(tries: u32) -> String {
    if tries == 1 { "1 failed attempt".to_owned() } else { format!("{tries} failed attempts") }
}

fn stepped(step: &Step) -> String {
    match step.kind {
        StepKind::Failed => format!("an attempt failed: {}", step.detail),
        StepKind::RunAfterLoss => "run by itself, since its worker was lost".to_owned(),
        StepKind::Died => "given up".to_owned(),
        StepKind::Redriven => "retried by an operator".to_owned(),
    }
}

/// The queue does not tell which worker has which event.
fn claimed(queue: Queue, workers: Option<&[WorkerInfo]>) -> String {
    let of_queue = |worker: &&WorkerInfo| worker.queue == queue;
    match workers {
        None => "Who has it is not known: the queues do not answer.".to_owned(),
        Some(all) => {
            let names: Vec<String> =
                all.iter().filter(of_queue).map(|worker| format!("{} (process {})", worker.host, worker.pid)).collect();
            match names.as_slice() {
                [] => "Nobody works on this queue.".to_owned(),
                [one] => format!("It waits for {one}, or is there already."),
                many => {
                    format!("It waits for one of {}, or is there already; which one is not known.", many.join(", "))
                }
            }
        }
    }
}

impl CardShown {
    fn of(written: WrittenTo) -> Self {
        let page = match written.page {
            None => "not asked for, or not shown to operators".to_owned(),
            Some((FetchState::Pending, _)) => "not fetched yet".to_owned(),
            Some((FetchState::Ready, at)) => {
                format!(
                    "fetched{}",
                    at.map(|at| at.strftime(" %Y-%m-%d %H:%M:%S%.3f UTC").to_string()).unwrap_or_default()
                )
            }
            Some((FetchState::Failed { reason, .. }, _)) => format!("could not be fetched: {reason}"),
        };
        Self {
            id: written.card.id.to_string(),
            owner: written.card.owner.to_string(),
            url: written.card.url.unwrap_or_default(),
            page,
        }
    }
}

async fn save(state: Data<AppState>, visit: Visit, event: Path<String>) -> Result<HttpResponse, Problem> {
    visit.observer()?;
    let event: EventId = event.parse().map_err(|_| Problem::new(&NOT_FOUND, "There is no event with this ID."))?;
    let journey = state.operations.journey(event).await?;
    let begin = Begin(journey.accepted_at);
    let workers = journey.workers.as_deref();
    let shown = |event: &EventWay| {
        let id = event.envelope.id.to_string();
        let actor = event.envelope.data.get("actorId").and_then(|actor| actor.as_str()).unwrap_or_default();
        EventShown {
            ways: event.ways.iter().map(|way| begin.way(way, &id, workers)).collect(),
            kind: event.envelope.kind.clone(),
            actor: actor.to_owned(),
            id,
        }
    };
    visit.page(&SavePage {
        chrome: visit.chrome(Section::Operations),
        event: event.to_string(),
        at: state.operations.clock.now().strftime("%H:%M:%S UTC").to_string(),
        every: u8::from(!journey.is_over),
        accepted: journey.accepted_at.strftime("%Y-%m-%d %H:%M:%S%.3f UTC").to_string(),
        events: journey.events.iter().map(shown).collect(),
        card: journey.card.map(CardShown::of),
        trace: journey.trace,
    })
}
