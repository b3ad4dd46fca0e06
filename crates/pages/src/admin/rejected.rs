//! Entries of queues that are no events.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_events::Queue;
use cardwire_events::operations::RejectedEntry;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::operations::queue_named;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use jiff::Timestamp;

use crate::links::with_parameter;
use crate::shown::{When, next, part};
use crate::visit::{Chrome, Section, Visit};

const PAGE: &str = "/admin/rejected";

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at(PAGE).get(list).register(config);
}

#[derive(Template)]
#[template(path = "admin_rejected.html")]
struct RejectedPage {
    chrome: Chrome,
    queues: Vec<&'static str>,
    /// Empty: all.
    queue: String,
    entries: Vec<EntryShown>,
    older: Option<String>,
}

struct EntryShown {
    id: i64,
    queue: &'static str,
    when: When,
    reason: String,
    raw: String,
}

impl EntryShown {
    fn of(entry: RejectedEntry, now: Timestamp) -> Self {
        Self {
            id: entry.id.0,
            queue: entry.queue.name(),
            when: When::of(entry.at, now),
            reason: entry.reason,
            raw: entry.raw,
        }
    }
}

async fn list(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    visit.observer()?;
    let queue = params.text("queue").filter(|name| !name.is_empty());
    let asked = queue.as_deref().map(queue_named).transpose()?;
    let queue = queue.unwrap_or_default();
    let list = List::by_rank(&["rejected page", &queue]);
    let request = part(&mut params, &list)?;
    let page = state.operations.rejected(asked, &request).await?;
    let now = state.operations.clock.now();
    visit.page(&RejectedPage {
        chrome: visit.chrome(Section::Operations),
        queues: Queue::ALL.map(Queue::name).to_vec(),
        older: next(&page, &list, &with_parameter(PAGE, "queue", &queue)),
        queue,
        entries: page.items.into_iter().map(|entry| EntryShown::of(entry, now)).collect(),
    })
}
