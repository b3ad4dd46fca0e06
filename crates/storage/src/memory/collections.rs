//! Reads about collections and the people who share them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use async_trait::async_trait;
use cardwire_domain::collection::{CollectedCard, CollectionRepository, CollectionView};
use cardwire_domain::feed::CollectionName;
use cardwire_domain::membership::{Block, Invitation};
use cardwire_domain::{Collection, CollectionId, Error, Page, PageRequest, Position, Result, UserId};
use jiff::Timestamp;

use super::kept::Timeline;
use super::state::{State, StoredCollection, behind, newest_first};
use super::store::InMemoryStore;

#[async_trait]
impl CollectionRepository for InMemoryStore {
    async fn collection(&self, id: CollectionId, reader: Option<&UserId>) -> Result<CollectionView> {
        let state = self.lock().await;
        let stored = state.collection(id).ok_or_else(|| Error::not_found("collection", id))?;
        Ok(shown(&state, stored, reader))
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
        let (of_others, after) = match page.after.as_ref().map(CollectionView::read_place) {
            Some((of_others, position)) => (of_others, behind(Some(&position))?),
            None => (false, None),
        };
        let timeline = |keep: fn(&Collection, &UserId) -> bool| -> Timeline<CollectionId> {
            let kept = state.all_collections().filter(|stored| keep(&stored.collection, person));
            kept.map(|stored| (stored.created_at.as_microsecond(), stored.collection.id)).collect()
        };
        let own = timeline(|collection, person| collection.author == *person);
        let others =
            timeline(|collection, person| collection.author != *person && collection.collaborators.contains(person));
        let views: Vec<CollectionView> = newest_first((!of_others).then_some(&own), after)
            .chain(newest_first(Some(&others), after.filter(|_| of_others)))
            .filter_map(|(_, id)| state.collection(id))
            .map(|stored| shown(&state, stored, Some(person)))
            .take(page.limit.get() + 1)
            .collect();
        Ok(Page::cut(views, page.limit, |view| view.place(person)))
    }

    async fn invitations_of(&self, person: &UserId, page: &PageRequest) -> Result<Page<Invitation>> {
        let state = self.lock().await;
        let since =
            |stored: &StoredCollection| Some((stored.invited_at.get(person)?.as_microsecond(), stored.collection.id));
        let timeline: Timeline<CollectionId> = state.all_collections().filter_map(since).collect();
        let invitation = |stored: &StoredCollection| {
            let StoredCollection { collection, invited_at, .. } = stored;
            Some(Invitation {
                collection: CollectionName { id: collection.id, name: collection.name.as_str().to_owned() },
                author: state.accounts.user(&collection.author),
                invited_at: *invited_at.get(person)?,
            })
        };
        let invitations: Vec<Invitation> = newest_first(Some(&timeline), behind(page.after.as_ref())?)
            .filter_map(|(_, id)| invitation(state.collection(id)?))
            .take(page.limit.get() + 1)
            .collect();
        Ok(Page::cut(invitations, page.limit, |invitation| Position {
            key: invitation.invited_at.as_microsecond(),
            id: invitation.collection.id.to_string(),
        }))
    }

    async fn blocked_by(&self, person: &UserId, page: &PageRequest) -> Result<Page<Block>> {
        let state = self.lock().await;
        let place =
            |block: &Block| Position { key: block.blocked_at.as_microsecond(), id: block.person.id.to_string() };
        let block = |(id, at): (&UserId, &Timestamp)| Block { person: state.accounts.user(id), blocked_at: *at };
        let mut blocks: Vec<Block> = state.blocked_by(person).map(block).collect();
        blocks.retain(|block| page.after.as_ref().is_none_or(|after| place(block) < *after));
        blocks.sort_by_key(|block| Reverse(place(block)));
        blocks.truncate(page.limit.get() + 1);
        Ok(Page::cut(blocks, page.limit, place))
    }
}

fn shown(state: &State, stored: &StoredCollection, reader: Option<&UserId>) -> CollectionView {
    let collection = &stored.collection;
    let users = |ids: &BTreeSet<UserId>| ids.iter().map(|id| state.accounts.user(id)).collect();
    CollectionView {
        id: collection.id,
        name: collection.name.as_str().to_owned(),
        description: collection.description.as_str().to_owned(),
        access: collection.access,
        author: state.accounts.user(&collection.author),
        collaborators: users(&collection.collaborators),
        invited: (reader == Some(&collection.author)).then(|| users(&collection.invited)),
        card_count: state.collected(collection.id).map_or(0, |cards| cards.len() as u64),
        created_at: stored.created_at,
        updated_at: stored.updated_at,
    }
}
