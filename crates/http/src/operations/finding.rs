//! From whatever an operator has at hand to the save that it is about.

use cardwire_domain::accounts::Handle;
use cardwire_domain::url::CardUrl;
use cardwire_domain::{CardId, EventId, UserId};
use cardwire_events::Envelope;
use cardwire_events::operations::FoundCard;
use ulid::Ulid;

use crate::problem::Problem;
use crate::state::AppState;

/// So much of each kind is listed.
pub const MOST_FOUND: usize = 50;

/// What a text names.
#[derive(Debug)]
pub enum Found {
    Event(EventId),
    /// Newest first.
    Events(CardId, Vec<Envelope>),
    Url(String, Vec<FoundCard>),
    Person(UserId, Vec<FoundCard>),
    /// It names none of these, or nothing that there is.
    Nothing,
}

impl AppState {
    /// By the id of an event or of a card, a URL, a DID, or a handle. What others do not see of a person is found by its ids alone.
    pub async fn find_save(&self, text: &str) -> Result<Found, Problem> {
        let text = text.trim();
        if let Ok(id) = Ulid::from_string(text) {
            return self.find_by_id(id).await;
        }
        if text.starts_with("did:") {
            return match UserId::parse(text) {
                Ok(person) => self.find_by_person(person).await,
                Err(_) => Ok(Found::Nothing),
            };
        }
        if let Ok(handle) = Handle::parse(text.trim_start_matches('@'))
            && let Some(person) = self.accounts.id_of(&handle).await?
        {
            return self.find_by_person(person).await;
        }
        match CardUrl::parse(text) {
            Ok(url) => {
                let cards = self.operations.finder.cards_of_url(url.normalised(), MOST_FOUND).await?;
                Ok(Found::Url(url.normalised().to_owned(), cards))
            }
            Err(_) => Ok(Found::Nothing),
        }
    }

    async fn find_by_id(&self, id: Ulid) -> Result<Found, Problem> {
        let (event, card) = (EventId::from_ulid(id), CardId::from_ulid(id));
        let finder = &self.operations.finder;
        if !finder.accepted_with(event).await?.is_empty() {
            return Ok(Found::Event(event));
        }
        let events = finder.events_of_card(card, MOST_FOUND).await?;
        Ok(if events.is_empty() { Found::Nothing } else { Found::Events(card, events) })
    }

    async fn find_by_person(&self, person: UserId) -> Result<Found, Problem> {
        let cards = self.operations.finder.cards_of_person(&person, MOST_FOUND).await?;
        Ok(Found::Person(person, cards))
    }
}
