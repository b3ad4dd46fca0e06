//! For whom publishing to their own server fails, and why.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_domain::UserId;
use cardwire_domain::records::{FailingPerson, PublishingState};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use jiff::Timestamp;

use super::figures::lasting;
use super::names::Names;
use crate::links::with_parameter;
use crate::shown::When;
use crate::visit::{Chrome, Section, Visit};

const PAGE: &str = "/admin/records";
/// People on one page.
const PER_PAGE: usize = 50;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at(PAGE).get(list).register(config);
}

#[derive(Template)]
#[template(path = "admin_records.html")]
struct RecordsPage {
    chrome: Chrome,
    /// The people listed have to connect again; nobody tries until then.
    is_ended: bool,
    people: Vec<PersonShown>,
    more: Option<String>,
}

struct PersonShown {
    name: String,
    did: String,
    service: Option<String>,
    reason: String,
    since: Option<When>,
    attempts: u32,
    /// `None`: it is being tried, or is not tried any more.
    next: Option<When>,
    waiting: u64,
}

impl PersonShown {
    fn of(one: FailingPerson, names: &Names, now: Timestamp) -> Self {
        let next = |at: Timestamp| {
            let seconds = u64::try_from(at.duration_since(now).as_secs()).unwrap_or_default();
            When { text: format!("in {}", lasting(seconds)), ..When::day(at) }
        };
        Self {
            name: names.beside(one.person.as_str()),
            did: one.did,
            service: one.service,
            reason: one.reason.unwrap_or_else(|| "No reason is known.".to_owned()),
            since: one.since.map(|at| When::of(at, now)),
            attempts: one.attempts,
            next: one.paused_until.map(next),
            waiting: one.waiting,
        }
    }
}

async fn list(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    visit.observer()?;
    let is_ended = params.text("state").is_some_and(|name| name == PublishingState::Ended.name());
    let which = if is_ended { PublishingState::Ended } else { PublishingState::Failing };
    // What is nobody's id stands for the beginning.
    let after = params.text("after").and_then(|id| UserId::parse(&id).ok());
    let mut people = state.records.failing_people(which, after.as_ref(), PER_PAGE + 1).await?;
    let has_more = people.len() > PER_PAGE;
    people.truncate(PER_PAGE);
    let last = people.last().filter(|_| has_more);
    let here = with_parameter(PAGE, "state", which.name());
    let more = last.map(|one| with_parameter(&here, "after", one.person.as_str()));
    let names = Names::of(&state, people.iter().map(|one| one.person.as_str())).await?;
    let now = state.operations.clock.now();
    visit.page(&RecordsPage {
        chrome: visit.chrome(Section::Operations),
        is_ended,
        people: people.into_iter().map(|one| PersonShown::of(one, &names, now)).collect(),
        more,
    })
}
