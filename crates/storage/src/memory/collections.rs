//! Reads about collections.

use async_trait::async_trait;
use cardwire_domain::collection::{CollectedCard, CollectionRepository, CollectionView};
use cardwire_domain::{CollectionId, Error, Page, PageRequest, Position, Result, UserId};
use jiff::Timestamp;

use super::kept::Timeline;
use super::state::{State, StoredCollection, behind, newest_first};
use super::store::InMemoryStore;

#[async_trait]
impl CollectionRepository for InMemoryStore {
    async fn collection(&self, id: CollectionId) -> Result<CollectionView> {
        let state = self.lock().await;
        state.collection(id).map(|stored| shown(&state, stored)).ok_or_else(|| Error::not_found("collection", id))
    }

    async fn cards_in(&self, id: CollectionId, page: &PageRequest) -> Result<Page<CollectedCard>> {
        let state = self.lock().await;
        state.collection(id).ok_or_else(|| Error::not_found("collection", id))?;
        let cards: Vec<CollectedCard> = newest_first(state.collected(id), behind(page.after.as_ref())?)
            .filter_map(|(micros, card)| Some((Timestamp::from_microsecond(micros).ok()?, state.card(card)?)))
            .map(|(added_at, stored)| CollectedCard {
                card: state.view(stored),
                added_by: state.accounts.user(&stored.card.owner),
                added_at,
            })
            .take(page.limit.get() + 1)
            .collect();
        Ok(Page::cut(cards, page.limit, |card| Position {
            key: card.added_at.as_microsecond(),
            id: card.card.id.to_string(),
        }))
    }

    async fn collections_of(&self, person: &UserId, page: &PageRequest) -> Result<Page<CollectionView>> {
        let state = self.lock().await;
        let theirs: Timeline<CollectionId> = state
            .all_collections()
            .filter(|stored| stored.collection.author == *person || stored.collection.collaborators.contains(person))
            .map(|stored| (stored.created_at.as_microsecond(), stored.collection.id))
            .collect();
        let views: Vec<CollectionView> = newest_first(Some(&theirs), behind(page.after.as_ref())?)
            .filter_map(|(_, id)| state.collection(id))
            .map(|stored| shown(&state, stored))
            .take(page.limit.get() + 1)
            .collect();
        Ok(Page::cut(views, page.limit, |view| Position {
            key: view.created_at.as_microsecond(),
            id: view.id.to_string(),
        }))
    }
}

fn shown(state: &State, stored: &StoredCollection) -> CollectionView {
    let collection = &stored.collection;
    CollectionView {
        id: collection.id,
        name: collection.name.as_str().to_owned(),
        description: collection.description.as_str().to_owned(),
        access: collection.access,
        author: state.accounts.user(&collection.author),
        collaborators: collection.collaborators.iter().map(|id| state.accounts.user(id)).collect(),
        card_count: state.collected(collection.id).map_or(0, |cards| cards.len() as u64),
        created_at: stored.created_at,
        updated_at: stored.updated_at,
    }
}
