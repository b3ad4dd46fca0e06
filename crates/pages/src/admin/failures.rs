//! What failed in a queue, by the kind of error.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig};
use askama::Template;
use cardwire_events::operations::{FailureGroup, MAX_GROUPS};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::operations::queue_named;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use jiff::Timestamp;

use super::outcome::told;
use crate::shown::When;
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin/queues/{queue}/failures").get(list).register(config);
}

#[derive(Template)]
#[template(path = "admin_failures.html")]
struct FailuresPage {
    chrome: Chrome,
    told: Option<String>,
    queue: &'static str,
    groups: Vec<GroupShown>,
    is_cut: bool,
}

struct GroupShown {
    shape: String,
    dead: u64,
    retrying: u64,
    first: When,
    last: When,
    example: String,
    example_is_dead: bool,
    error: String,
}

impl GroupShown {
    fn of(group: FailureGroup, now: Timestamp) -> Self {
        Self {
            shape: group.shape,
            dead: group.dead,
            retrying: group.retrying,
            first: When::of(group.first_at, now),
            last: When::of(group.last_at, now),
            example: group.example.to_string(),
            example_is_dead: group.example_is_dead,
            error: group.error,
        }
    }
}

async fn list(
    state: Data<AppState>,
    visit: Visit,
    queue: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    visit.observer()?;
    let queue = queue_named(&queue)?;
    let groups = state.operations.failures(queue).await?;
    let now = state.operations.clock.now();
    visit.page(&FailuresPage {
        chrome: visit.chrome(Section::Operations),
        told: told(&mut params),
        queue: queue.name(),
        is_cut: groups.len() == MAX_GROUPS,
        groups: groups.into_iter().map(|group| GroupShown::of(group, now)).collect(),
    })
}
