//! Reads about libraries.

use async_trait::async_trait;
use cardwire_domain::library::{LibraryCard, LibraryFilter, LibraryRepository};
use cardwire_domain::url::CardUrl;
use cardwire_domain::{CardId, Error, Page, PageRequest, Position, Result, UserId};

use super::state::{State, StoredCard, behind, newest_first};
use super::store::InMemoryStore;

#[async_trait]
impl LibraryRepository for InMemoryStore {
    async fn library(&self, owner: &UserId, filter: &LibraryFilter, page: &PageRequest) -> Result<Page<LibraryCard>> {
        let words = words(filter.text.as_deref().unwrap_or_default());
        let state = self.lock().await;
        let cards: Vec<LibraryCard> = newest_first(state.library(owner), behind(page.after.as_ref())?)
            .filter_map(|(_, id)| state.card(id))
            .filter(|stored| !filter.uncollected || state.as_read(stored).collection_links.is_empty())
            .filter(|stored| all_occur(&words, stored, &state))
            .filter_map(|stored| shown(&state, stored, Some(owner)))
            .take(page.limit.get() + 1)
            .collect();
        Ok(Page::cut(cards, page.limit, |card| Position {
            key: card.added_at.as_microsecond(),
            id: card.card.id.to_string(),
        }))
    }

    async fn library_card(&self, id: CardId, reader: Option<&UserId>) -> Result<LibraryCard> {
        let state = self.lock().await;
        state.card(id).and_then(|stored| shown(&state, stored, reader)).ok_or_else(|| Error::not_found("card", id))
    }

    async fn library_card_by_url(&self, owner: &UserId, url: &CardUrl) -> Result<Option<LibraryCard>> {
        let state = self.lock().await;
        let found = state.card_by_url(owner, url.normalised());
        Ok(found.and_then(|stored| shown(&state, stored, Some(owner))))
    }
}

/// `None` when the card is in no library.
fn shown(state: &State, stored: &StoredCard, reader: Option<&UserId>) -> Option<LibraryCard> {
    let card = &stored.card;
    Some(LibraryCard {
        card: state.view(stored),
        owner: state.accounts.user(&card.owner),
        note: card.note.clone().filter(|_| reader == Some(&card.owner)),
        collections: state.names(card.collection_links.iter().map(|link| link.collection_id)),
        page: state.pages.info(card.url.normalised()),
        added_at: stored.in_library_since?,
    })
}

/// Lower-case words of what somebody looks for.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_lowercase).collect()
}

fn all_occur(words: &[String], stored: &StoredCard, state: &State) -> bool {
    if words.is_empty() {
        return true;
    }
    let url = stored.card.url.given().to_lowercase();
    let note = stored.card.note.as_ref().map(|note| note.text.as_str().to_lowercase()).unwrap_or_default();
    let title = state.view(stored).title.unwrap_or_default().to_lowercase();
    words.iter().all(|word| url.contains(word) || title.contains(word) || note.contains(word))
}
