//! Dead letters: found, looked at, and chosen.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, ServiceConfig};
use askama::Template;
use cardwire_domain::PageRequest;
use cardwire_events::envelope::KNOWN_TYPES;
use cardwire_events::operations::StepKind;
use cardwire_events::{DeadFilter, DeadLetter, Queue};
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::operations::{dead_letters, queue_named};
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use super::names::Names;
use super::outcome::told;
use crate::fields::Complaint;
use crate::form::Posted;
use crate::links::with_parameter;
use crate::shown::{When, next, part_behind};
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin/queues/{queue}/dead").get(list).register(config);
    Endpoint::at("/admin/queues/{queue}/dead/{id}").get(letter).register(config);
}

#[derive(Template)]
#[template(path = "admin_dead.html")]
struct DeadPage {
    chrome: Chrome,
    queue: &'static str,
    told: Option<String>,
    /// For the list of types.
    kinds: Vec<String>,
    /// This very list, for after an action.
    back: String,
    asked: Asked,
    is_filtered: bool,
    count: u64,
    letters: Vec<LetterShown>,
    older: Option<String>,
    complaint: Complaint,
}

/// Which part of the list is looked at; empty where nothing is asked for.
struct Asked {
    kind: String,
    text: String,
    error: String,
    cursor: String,
}

impl Asked {
    fn of(mut part: impl FnMut(&str) -> String) -> Self {
        Self { kind: part("type"), text: part("text"), error: part("error"), cursor: part("cursor") }
    }

    /// What is asked for at all.
    fn given(&self) -> Vec<(&'static str, &str)> {
        let parts = [("type", &self.kind), ("text", &self.text), ("error", &self.error), ("cursor", &self.cursor)];
        parts.into_iter().map(|(name, text)| (name, text.as_str())).filter(|(_, text)| !text.is_empty()).collect()
    }

    fn filter(&self) -> Result<DeadFilter, Problem> {
        // A field of the form that was left empty asks for nothing.
        let part = |name: &str| {
            let given = self.given();
            given.into_iter().find(|(known, _)| *known == name).map(|(_, text)| text.to_owned())
        };
        dead_letters::filter(part, |name, rule| Problem::parameter(name, rule))
    }
}

struct LetterShown {
    id: String,
    kind: String,
    subject: String,
    /// Whose act it is.
    by: Option<String>,
    error: String,
    tries: u32,
    died: When,
}

#[derive(Template)]
#[template(path = "admin_letter.html")]
struct LetterPage {
    chrome: Chrome,
    queue: &'static str,
    letter: LetterShown,
    accepted: When,
    published: Option<When>,
    published_again: u32,
    steps: Vec<StepShown>,
    payload: String,
}

struct StepShown {
    /// Several steps may fall into one second.
    at: String,
    what: &'static str,
    detail: String,
}

impl LetterShown {
    fn of(letter: DeadLetter, names: &Names, now: jiff::Timestamp) -> Self {
        Self {
            by: actor(&letter).map(|id| names.beside(id)),
            id: letter.envelope.id.to_string(),
            kind: letter.envelope.kind,
            subject: letter.envelope.subject,
            error: letter.error,
            tries: letter.tries,
            died: When::of(letter.dead_at, now),
        }
    }
}

/// Who did what the event tells.
fn actor(letter: &DeadLetter) -> Option<&str> {
    letter.envelope.data.get("actorId")?.as_str()
}

async fn list(
    state: Data<AppState>,
    visit: Visit,
    queue: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    visit.observer()?;
    let queue = queue_named(&queue)?;
    let told = told(&mut params);
    let asked = Asked::of(|name| params.text(name).unwrap_or_default());
    draw(&state, &visit, queue, (asked, told), (StatusCode::OK, Complaint::default())).await
}

/// The list as its form shows it, with what is wrong with that.
pub(super) async fn again(
    state: &AppState,
    posted: &Posted,
    refused: (StatusCode, Complaint),
) -> Result<HttpResponse, Problem> {
    let queue = queue_named(posted.fields.text("queue"))?;
    let asked = Asked::of(|name| posted.fields.text(name).to_owned());
    draw(state, &posted.visit, queue, (asked, None), refused).await
}

async fn draw(
    state: &AppState,
    visit: &Visit,
    queue: Queue,
    (asked, told): (Asked, Option<String>),
    (status, complaint): (StatusCode, Complaint),
) -> Result<HttpResponse, Problem> {
    let filter = asked.filter()?;
    let list = List::by_time(&["dead page", queue.name(), &asked.kind, &asked.text, &asked.error]);
    let request: PageRequest = part_behind(&asked.cursor, &list)?;
    let page = state.operations.dead_letters(queue, &filter, &request).await?;
    let filters = asked.given().into_iter().filter(|(name, _)| *name != "cursor");
    let path =
        filters.fold(format!("/admin/queues/{queue}/dead"), |path, (name, value)| with_parameter(&path, name, value));
    let now = state.operations.clock.now();
    let mut kinds: Vec<String> = KNOWN_TYPES.map(str::to_owned).to_vec();
    // What only an older or newer build understands can be asked for, too.
    if !asked.kind.is_empty() && !kinds.contains(&asked.kind) {
        kinds.push(asked.kind.clone());
    }
    let back = match asked.cursor.is_empty() {
        true => path.clone(),
        false => with_parameter(&path, "cursor", &asked.cursor),
    };
    let names = Names::of(state, page.items.iter().filter_map(actor)).await?;
    let page = DeadPage {
        told,
        kinds,
        back,
        chrome: visit.chrome(Section::Operations),
        queue: queue.name(),
        is_filtered: !filter.is_empty(),
        asked,
        count: state.operations.count_dead(queue, &filter).await?,
        older: next(&page, &list, &path),
        letters: page.items.into_iter().map(|letter| LetterShown::of(letter, &names, now)).collect(),
        complaint,
    };
    visit.page_with(status, &page)
}

async fn letter(state: Data<AppState>, visit: Visit, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    visit.observer()?;
    let (queue, id) = path.into_inner();
    let queue = queue_named(&queue)?;
    let way = state.operations.way(queue, &id).await?;
    let now = state.operations.clock.now();
    let payload = serde_json::to_string_pretty(&way.letter.envelope);
    let payload = payload.map_err(|error| Problem::internal(format!("an envelope as JSON: {error}")))?;
    let what = |kind| match kind {
        StepKind::Failed => "failed",
        StepKind::RunAfterLoss => "run alone, since its worker was lost",
        StepKind::Died => "died",
        StepKind::Redriven => "retried by an administrator",
    };
    let steps = way.steps.into_iter();
    let names = Names::of(&state, actor(&way.letter).into_iter()).await?;
    visit.page(&LetterPage {
        chrome: visit.chrome(Section::Operations),
        queue: queue.name(),
        letter: LetterShown::of(way.letter, &names, now),
        accepted: When::of(way.accepted_at, now),
        published: way.published_at.map(|at| When::of(at, now)),
        published_again: way.sweeps,
        steps: steps
            .map(|step| StepShown {
                at: step.at.strftime("%Y-%m-%d %H:%M:%S%.3f UTC").to_string(),
                what: what(step.kind),
                detail: step.detail,
            })
            .collect(),
        payload,
    })
}
