//! Taking one's links along: the whole library, written page by page as it is read, with all that an import needs to bring it back: links,
//! titles, dates (in bookmark files to the second), notes, collections, and who can see each link and each collection. Exported there again, it is the same file
//! (`tests/pages/round_trip.rs`).

mod bookmarks;
mod json;
mod portion;
mod table;

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use cardwire_domain::exports::ExportedCard;
use cardwire_domain::{Position, UserId};
use cardwire_http::download;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;

use crate::visit::Visit;
use portion::portion;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/export/bookmarks.html").get(bookmarks).register(config);
    Endpoint::at("/export/cards.csv").get(table).register(config);
    Endpoint::at("/export/cards.json").get(json).register(config);
}

/// A whole bookmark file that lists these cards.
pub fn bookmark_file(cards: &[ExportedCard]) -> Result<String, Problem> {
    bookmarks::whole(cards)
}

async fn bookmarks(state: Data<AppState>, visit: Visit) -> Result<HttpResponse, Problem> {
    let caller = visit.caller()?;
    let place = state.begin_download(caller.id())?;
    let (state, owner) = (AppState::clone(&state), caller.id().clone());
    let write = move |step| bookmarks::part(state.clone(), owner.clone(), step);
    Ok(download::file(("text/html; charset=utf-8", "cardwire.html"), place, bookmarks::Step::Head, write))
}

async fn table(state: Data<AppState>, visit: Visit) -> Result<HttpResponse, Problem> {
    list(&state, &visit, &TABLE)
}

async fn json(state: Data<AppState>, visit: Visit) -> Result<HttpResponse, Problem> {
    list(&state, &visit, &JSON)
}

/// A file that lists one card after the other.
struct Format {
    kind: (&'static str, &'static str),
    head: &'static str,
    card: fn(&ExportedCard) -> Result<String, Problem>,
    /// Between two cards.
    between: &'static str,
    tail: &'static str,
}

const TABLE: Format = Format {
    kind: ("text/csv; charset=utf-8", "cardwire.csv"),
    head: table::HEAD,
    card: table::row,
    between: "",
    tail: "",
};

const JSON: Format = Format {
    kind: ("application/json", "cardwire-links.json"),
    head: "{\"cards\":[\n",
    card: json::object,
    between: ",\n",
    tail: "\n]}\n",
};

enum Step {
    Head,
    /// Behind this card.
    Cards(Option<Position>),
    Tail,
    End,
}

fn list(state: &AppState, visit: &Visit, format: &'static Format) -> Result<HttpResponse, Problem> {
    let caller = visit.caller()?;
    let place = state.begin_download(caller.id())?;
    let (state, owner) = (state.clone(), caller.id().clone());
    let write = move |step| part(state.clone(), owner.clone(), format, step);
    Ok(download::file(format.kind, place, Step::Head, write))
}

/// What stands at this step, and the step behind it.
async fn part(state: AppState, owner: UserId, format: &Format, step: Step) -> Result<Option<(String, Step)>, Problem> {
    Ok(Some(match step {
        Step::Head => (format.head.to_owned(), Step::Cards(None)),
        Step::Cards(after) => {
            let is_first = after.is_none();
            let page = portion(&state, &owner, None, after).await?;
            let cards = page.items.iter().map(format.card).collect::<Result<Vec<_>, Problem>>()?;
            let text = if is_first { String::new() } else { format.between.to_owned() } + &cards.join(format.between);
            (text, page.next.map_or(Step::Tail, |next| Step::Cards(Some(next))))
        }
        Step::Tail => (format.tail.to_owned(), Step::End),
        Step::End => return Ok(None),
    }))
}
