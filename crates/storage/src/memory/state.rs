//! What is kept: cards, collections and answers here; ledger, feed, search and analytics beside it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use cardwire_domain::changes::{IdempotencyKey, Remember};
use cardwire_domain::feed::{CardView, CollectionName};
use cardwire_domain::store::{DeletedCollection, Recall};
use cardwire_domain::{Card, CardId, Collection, CollectionId, Error, LinkId, Position, Result, UserId};
use jiff::{SignedDuration, Timestamp};

use super::kept::{Accounts, Desk, Feed, Imports, Index, Ledger, Pages, Rollups, Timeline};

/// How long an answer is kept under its idempotency key.
const ANSWER_KEPT: SignedDuration = SignedDuration::from_hours(24);

#[derive(Default)]
pub(super) struct State {
    cards: HashMap<CardId, StoredCard>,
    by_url: HashMap<(UserId, String), CardId>,
    libraries: HashMap<UserId, Timeline<CardId>>,
    collections: HashMap<CollectionId, StoredCollection>,
    collected: HashMap<CollectionId, Timeline<CardId>>,
    /// Collections whose cards are still to leave them, and their authors.
    deleted: BTreeMap<CollectionId, UserId>,
    blocks: HashMap<UserId, BTreeMap<UserId, Timestamp>>,
    answers: Answers,
    pub(super) accounts: Accounts,
    pub(super) ledger: Ledger,
    pub(super) desk: Desk,
    pub(super) feed: Feed,
    pub(super) index: Index,
    pub(super) pages: Pages,
    pub(super) rollups: Rollups,
    pub(super) imports: Imports,
}

#[derive(Clone)]
pub(super) struct StoredCard {
    pub(super) card: Card,
    /// An import made it.
    pub(super) imported: bool,
    /// When it came into the library; `None` while it is in none.
    pub(super) in_library_since: Option<Timestamp>,
    /// When each of the card's collection links was made.
    pub(super) linked_at: HashMap<LinkId, Timestamp>,
}

impl StoredCard {
    fn linked_at(&self, collection: CollectionId) -> Option<Timestamp> {
        let link = self.card.collection_links.iter().find(|link| link.collection_id == collection)?;
        self.linked_at.get(&link.id).copied()
    }
}

#[derive(Clone)]
pub(super) struct StoredCollection {
    pub(super) collection: Collection,
    /// When each person who is invited was.
    pub(super) invited_at: BTreeMap<UserId, Timestamp>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

impl State {
    pub(super) fn card(&self, id: CardId) -> Option<&StoredCard> {
        self.cards.get(&id)
    }

    pub(super) fn card_ids(&self) -> impl Iterator<Item = CardId> {
        self.cards.keys().copied()
    }

    /// The card as others see it.
    pub(super) fn view(&self, stored: &StoredCard) -> CardView {
        let title = self.pages.metadata(stored.card.url.normalised()).and_then(|metadata| metadata.title.clone());
        CardView { id: stored.card.id, url: stored.card.url.given().to_owned(), title }
    }

    pub(super) fn card_by_url(&self, owner: &UserId, normalised: &str) -> Option<&StoredCard> {
        self.cards.get(self.by_url.get(&(owner.clone(), normalised.to_owned()))?)
    }

    /// When the owner's cards were made, but for those of imports.
    pub(super) fn cards_made(&self, owner: &UserId) -> impl Iterator<Item = Timestamp> {
        let own = self.cards.values().filter(move |stored| stored.card.owner == *owner && !stored.imported);
        own.filter_map(|stored| stored.card.created_at)
    }

    pub(super) fn collection(&self, id: CollectionId) -> Option<&StoredCollection> {
        self.collections.get(&id)
    }

    pub(super) fn all_collections(&self) -> impl Iterator<Item = &StoredCollection> {
        self.collections.values()
    }

    /// Whom the person has blocked, and since when.
    pub(super) fn blocked_by(&self, person: &UserId) -> impl Iterator<Item = (&UserId, &Timestamp)> {
        self.blocks.get(person).into_iter().flatten()
    }

    pub(super) fn has_blocked(&self, by: &UserId, person: &UserId) -> bool {
        self.blocks.get(by).is_some_and(|blocked| blocked.contains_key(person))
    }

    pub(super) fn block(&mut self, by: UserId, person: UserId, now: Timestamp) {
        self.blocks.entry(by).or_default().entry(person).or_insert(now);
    }

    pub(super) fn unblock(&mut self, by: &UserId, person: &UserId) {
        if let Some(blocked) = self.blocks.get_mut(by) {
            blocked.remove(person);
        }
    }

    /// The owner's cards by the time they came into the library.
    pub(super) fn library(&self, owner: &UserId) -> Option<&Timeline<CardId>> {
        self.libraries.get(owner)
    }

    /// The cards in a collection by the time they were added.
    pub(super) fn collected(&self, id: CollectionId) -> Option<&Timeline<CardId>> {
        self.collected.get(&id)
    }

    pub(super) fn names(&self, ids: impl Iterator<Item = CollectionId>) -> Vec<CollectionName> {
        ids.filter_map(|id| self.collections.get(&id))
            .map(|stored| CollectionName { id: stored.collection.id, name: stored.collection.name.as_str().to_owned() })
            .collect()
    }

    pub(super) fn recall(&self, person: &UserId, key: &IdempotencyKey, now: Timestamp) -> Option<Recall> {
        self.answers.recall(person, key, now)
    }

    pub(super) fn remember(&mut self, remember: Remember, now: Timestamp) {
        self.answers.keep(remember, now);
    }

    /// Replaces the card in every place that leads to it.
    pub(super) fn put_card(&mut self, stored: StoredCard) {
        if let Some(before) = self.cards.remove(&stored.card.id) {
            self.unlist(&before);
        }
        let (id, owner) = (stored.card.id, &stored.card.owner);
        self.by_url.insert((owner.clone(), stored.card.url.normalised().to_owned()), id);
        if let Some(since) = stored.in_library_since {
            self.libraries.entry(owner.clone()).or_default().insert((since.as_microsecond(), id));
        }
        for link in &stored.card.collection_links {
            if let Some(at) = stored.linked_at(link.collection_id) {
                self.collected.entry(link.collection_id).or_default().insert((at.as_microsecond(), id));
            }
        }
        self.cards.insert(id, stored);
    }

    fn unlist(&mut self, before: &StoredCard) {
        let id = before.card.id;
        if let Some(since) = before.in_library_since
            && let Some(library) = self.libraries.get_mut(&before.card.owner)
        {
            library.remove(&(since.as_microsecond(), id));
        }
        for link in &before.card.collection_links {
            if let Some(at) = before.linked_at(link.collection_id)
                && let Some(collected) = self.collected.get_mut(&link.collection_id)
            {
                collected.remove(&(at.as_microsecond(), id));
            }
        }
    }

    pub(super) fn put_collection(&mut self, stored: StoredCollection) {
        self.collections.insert(stored.collection.id, stored);
    }

    /// Its cards are still listed as being in it, until they are let go.
    pub(super) fn delete_collection(&mut self, id: CollectionId) {
        if let Some(stored) = self.collections.remove(&id) {
            self.deleted.insert(id, stored.collection.author);
        }
    }

    pub(super) fn deleted_collection(&self, limit: usize) -> Option<DeletedCollection> {
        let (id, author) = self.deleted.first_key_value()?;
        let cards = self.collected(*id).into_iter().flatten().filter_map(|(_, card)| self.card(*card));
        let link = |stored: &StoredCard| {
            stored.card.collection_links.iter().find(|link| link.collection_id == *id).map(|link| link.id)
        };
        let links = cards.filter_map(|stored| Some((stored.card.id, link(stored)?))).take(limit).collect();
        Some(DeletedCollection { id: *id, author: author.clone(), links })
    }

    pub(super) fn forget_collection(&mut self, id: CollectionId) {
        self.deleted.remove(&id);
        self.collected.remove(&id);
    }

    /// A card as commands read it: a deleted collection is nowhere.
    pub(super) fn as_read(&self, stored: &StoredCard) -> Card {
        let mut card = stored.card.clone();
        card.collection_links.retain(|link| self.collections.contains_key(&link.collection_id));
        card
    }
}

#[derive(Default)]
struct Answers {
    kept: HashMap<(UserId, IdempotencyKey), (Timestamp, Recall)>,
    oldest_first: VecDeque<(Timestamp, (UserId, IdempotencyKey))>,
}

impl Answers {
    fn recall(&self, person: &UserId, key: &IdempotencyKey, now: Timestamp) -> Option<Recall> {
        let (since, recall) = self.kept.get(&(person.clone(), key.clone()))?;
        (now.duration_since(*since) < ANSWER_KEPT).then(|| recall.clone())
    }

    fn keep(&mut self, remember: Remember, now: Timestamp) {
        while let Some((since, key)) = self.oldest_first.front()
            && now.duration_since(*since) >= ANSWER_KEPT
        {
            if self.kept.get(key).is_some_and(|(kept, _)| kept == since) {
                self.kept.remove(key);
            }
            self.oldest_first.pop_front();
        }
        let key = (remember.person, remember.idempotency.key);
        let recall = Recall { fingerprint: remember.idempotency.fingerprint, answer: remember.answer };
        self.kept.insert(key.clone(), (now, recall));
        self.oldest_first.push_back((now, key));
    }
}

/// Where a list of (microseconds, id) goes on.
pub(super) fn behind<I: std::str::FromStr>(after: Option<&Position>) -> Result<Option<(i64, I)>> {
    let Some(after) = after else {
        return Ok(None);
    };
    let id = after.id.parse().map_err(|_| Error::invalid("cursor", "must be the nextCursor of this list"))?;
    Ok(Some((after.key, id)))
}

/// Newest first, from the place where the last page ended.
pub(super) fn newest_first<I: Ord + Copy>(
    timeline: Option<&Timeline<I>>,
    behind: Option<(i64, I)>,
) -> impl Iterator<Item = (i64, I)> {
    use std::ops::Bound::{Excluded, Unbounded};
    let end = behind.map_or(Unbounded, Excluded);
    timeline.into_iter().flat_map(move |timeline| timeline.range((Unbounded, end)).rev().copied())
}
