//! One box for whatever an operator has at hand, and what it leads to.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_events::Envelope;
use cardwire_events::operations::FoundCard;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::operations::finding::{Found, MOST_FOUND};
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use jiff::Timestamp;

use crate::links::see_other;
use crate::shown::When;
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin/find").get(find).register(config);
}

#[derive(Template)]
#[template(path = "admin_find.html")]
struct FindPage {
    chrome: Chrome,
    asked: String,
    /// What it is that was found, as a heading.
    about: String,
    cards: Vec<CardShown>,
    events: Vec<EventShown>,
    is_nothing: bool,
    most: usize,
    has_most: bool,
}

struct CardShown {
    id: String,
    url: String,
    owner: String,
    saved: When,
}

struct EventShown {
    id: String,
    kind: String,
    at: String,
}

impl CardShown {
    fn of(card: FoundCard, now: Timestamp) -> Self {
        Self {
            id: card.id.to_string(),
            url: card.url.unwrap_or_default(),
            owner: card.owner.to_string(),
            saved: When::of(card.library_at.unwrap_or(card.created_at), now),
        }
    }
}

impl EventShown {
    fn of(envelope: Envelope) -> Self {
        Self {
            id: envelope.id.to_string(),
            kind: envelope.kind,
            at: envelope.time.strftime("%Y-%m-%d %H:%M:%S%.3f UTC").to_string(),
        }
    }
}

async fn find(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    visit.observer()?;
    let asked = params.text("q").unwrap_or_default();
    let now = state.operations.clock.now();
    let found = if asked.trim().is_empty() { None } else { Some(state.find_save(&asked).await?) };
    let (mut about, mut cards, mut events) = (String::new(), Vec::new(), Vec::new());
    let mut is_nothing = false;
    match found {
        None => {}
        Some(Found::Event(event)) => return Ok(see_other(&format!("/admin/saves/{event}"))),
        Some(Found::Events(card, found)) => {
            about = format!("Events of card {card}");
            events = found;
        }
        Some(Found::Url(url, found)) => {
            about = format!("Cards of {url}");
            cards = found;
        }
        Some(Found::Person(person, found)) => {
            about = format!("Library of {person}");
            cards = found;
        }
        Some(Found::Nothing) => is_nothing = true,
    }
    visit.page(&FindPage {
        chrome: visit.chrome(Section::Operations),
        asked,
        is_nothing,
        most: MOST_FOUND,
        has_most: cards.len() >= MOST_FOUND || events.len() >= MOST_FOUND,
        about,
        cards: cards.into_iter().map(|card| CardShown::of(card, now)).collect(),
        events: events.into_iter().map(EventShown::of).collect(),
    })
}
