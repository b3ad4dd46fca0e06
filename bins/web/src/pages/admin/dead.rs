//! Dead letters: found, looked at, and chosen.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig};
use askama::Template;
use cardwire_domain::{EventId, Limit, Page, PageRequest, Position};
use cardwire_events::operations::StepKind;
use cardwire_events::{DeadFilter, DeadLetter};

use crate::cursor::List;
use crate::endpoint::Endpoint;
use crate::pages::shown::{When, next, part};
use crate::pages::{Chrome, Section, Visit, with_parameter};
use crate::problem::{INVALID_CURSOR, NOT_FOUND, Problem};
use crate::query::Params;
use crate::routes::admin::dead_letters::filter_text;
use crate::routes::admin::{log_failed, queue_named};
use crate::state::AppState;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin/queues/{queue}/dead").get(list).register(config);
    Endpoint::at("/admin/queues/{queue}/dead/{id}").get(letter).register(config);
}

#[derive(Template)]
#[template(path = "admin_dead.html")]
struct DeadPage {
    chrome: Chrome,
    queue: &'static str,
    filter: FilterShown,
    count: u64,
    letters: Vec<LetterShown>,
    older: Option<String>,
}

/// Empty where nothing is asked for.
struct FilterShown {
    kind: String,
    text: String,
    error: String,
    is_empty: bool,
}

struct LetterShown {
    id: String,
    kind: String,
    subject: String,
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
    when: When,
    what: &'static str,
    detail: String,
}

impl LetterShown {
    fn of(letter: DeadLetter, now: jiff::Timestamp) -> Self {
        Self {
            id: letter.envelope.id.to_string(),
            kind: letter.envelope.kind,
            subject: letter.envelope.subject,
            error: letter.error,
            tries: letter.tries,
            died: When::of(letter.dead_at, now),
        }
    }
}

async fn list(
    state: Data<AppState>,
    visit: Visit,
    queue: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    visit.admin()?;
    let queue = queue_named(&queue)?;
    // A field of the form that was left empty asks for nothing.
    let mut asked = |name: &str| {
        let text = params.text(name).filter(|text| !text.is_empty());
        text.map(filter_text).transpose().map_err(|rule| Problem::parameter(name, rule))
    };
    let filter = DeadFilter { kind: asked("type")?, text: asked("text")?, error: asked("error")? };
    let shown = |part: &Option<String>| part.clone().unwrap_or_default();
    let shown = FilterShown {
        kind: shown(&filter.kind),
        text: shown(&filter.text),
        error: shown(&filter.error),
        is_empty: filter.is_empty(),
    };
    let list = List::by_time(&["dead page", queue.name(), &shown.kind, &shown.text, &shown.error]);
    let request: PageRequest = part(&mut params, &list)?;
    let after = request.after.map(|position| position.id.parse::<EventId>()).transpose();
    let after = after.map_err(|_| Problem::new(&INVALID_CURSOR, INVALID_CURSOR.about))?;
    let operator = &state.operations.operator;
    let letters = operator.matching(queue, &filter, after, request.limit.get() + 1).await.map_err(log_failed)?;
    let position = |letter: &DeadLetter| Position {
        key: letter.envelope.time.as_microsecond(),
        id: letter.envelope.id.to_string(),
    };
    let page: Page<DeadLetter> = Page::cut(letters, Limit::new(request.limit.get() as u64)?, position);
    let path = [("type", &shown.kind), ("text", &shown.text), ("error", &shown.error)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .fold(format!("/admin/queues/{queue}/dead"), |path, (name, value)| with_parameter(&path, name, value));
    let now = state.operations.clock.now();
    visit.page(&DeadPage {
        chrome: visit.chrome(Section::Operations),
        queue: queue.name(),
        filter: shown,
        count: operator.count_matching(queue, &filter).await.map_err(log_failed)?,
        older: next(&page, &list, &path),
        letters: page.items.into_iter().map(|letter| LetterShown::of(letter, now)).collect(),
    })
}

async fn letter(state: Data<AppState>, visit: Visit, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    visit.admin()?;
    let (queue, id) = path.into_inner();
    let queue = queue_named(&queue)?;
    let nothing = || Problem::new(&NOT_FOUND, "no dead letter of this queue has that id; it may have been redriven");
    let id = id.parse().map_err(|_| nothing())?;
    let way = state.operations.operator.way(queue, id).await.map_err(log_failed)?.ok_or_else(nothing)?;
    let now = state.operations.clock.now();
    let payload = serde_json::to_string_pretty(&way.letter.envelope);
    let payload = payload.map_err(|error| Problem::internal(format!("an envelope as JSON: {error}")))?;
    let what = |kind| match kind {
        StepKind::Failed => "failed",
        StepKind::RunAfterLoss => "run alone, since its worker was lost",
        StepKind::Died => "died",
        StepKind::Redriven => "redriven",
    };
    let steps = way.steps.into_iter();
    visit.page(&LetterPage {
        chrome: visit.chrome(Section::Operations),
        queue: queue.name(),
        letter: LetterShown::of(way.letter, now),
        accepted: When::of(way.accepted_at, now),
        published: way.published_at.map(|at| When::of(at, now)),
        published_again: way.sweeps,
        steps: steps
            .map(|step| StepShown { when: When::of(step.at, now), what: what(step.kind), detail: step.detail })
            .collect(),
        payload,
    })
}
