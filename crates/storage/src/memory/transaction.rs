//! Commands: what they read stays as it is until they commit, since they hold the lock.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::changes::IdempotencyKey;
use cardwire_domain::membership::Invitee;
use cardwire_domain::quotas::Quota;
use cardwire_domain::store::{DeletedCollection, Recall};
use cardwire_domain::url::CardUrl;
use cardwire_domain::{
    Card, CardId, Change, Changes, Collection, CollectionId, CollectionLink, Error, RecordedEvent, Result, Store,
    Transaction, UserId,
};
use cardwire_events::{Envelope, Queue, routes};
use jiff::Timestamp;
use tokio::sync::OwnedMutexGuard;

use super::state::{State, StoredCard, StoredCollection};
use super::store::InMemoryStore;

#[async_trait]
impl Store for InMemoryStore {
    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        let state = self.state.clone().lock_owned().await;
        Ok(Box::new(InMemoryTransaction { state, store: self.clone() }))
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

struct InMemoryTransaction {
    state: OwnedMutexGuard<State>,
    store: InMemoryStore,
}

#[async_trait]
impl Transaction for InMemoryTransaction {
    async fn recall(&mut self, person: &UserId, key: &IdempotencyKey) -> Result<Option<Recall>> {
        Ok(self.state.recall(person, key, self.store.now()))
    }

    async fn card(&mut self, id: CardId) -> Result<Option<Card>> {
        Ok(self.state.card(id).map(|stored| self.state.as_read(stored)))
    }

    async fn card_by_url(&mut self, owner: &UserId, normalised_url: &str) -> Result<Option<Card>> {
        Ok(self.state.card_by_url(owner, normalised_url).map(|stored| self.state.as_read(stored)))
    }

    async fn collections(&mut self, ids: &[CollectionId]) -> Result<Vec<Collection>> {
        let found = ids.iter().filter_map(|id| self.state.collection(*id));
        Ok(found.map(|stored| stored.collection.clone()).collect())
    }

    async fn invitees(&mut self, people: &[UserId], author: &UserId) -> Result<Vec<Invitee>> {
        let state = &self.state;
        let invitee = |person: &UserId| {
            let open = || state.all_collections().filter(|stored| stored.collection.invited.contains(person));
            Invitee {
                person: person.clone(),
                open: open().count(),
                open_by_author: open().filter(|stored| stored.collection.author == *author).count(),
                has_blocked_author: state.has_blocked(person, author),
            }
        };
        Ok(people.iter().map(invitee).collect())
    }

    async fn invitations(&mut self, person: &UserId, author: &UserId) -> Result<Vec<Collection>> {
        let collections = self.state.all_collections().map(|stored| &stored.collection);
        let theirs = collections.filter(|one| one.author == *author && one.invited.contains(person));
        Ok(theirs.cloned().collect())
    }

    async fn collaborations(&mut self, person: &UserId) -> Result<usize> {
        Ok(self.state.all_collections().filter(|stored| stored.collection.collaborators.contains(person)).count())
    }

    async fn deleted_collection(&mut self, limit: usize) -> Result<Option<DeletedCollection>> {
        Ok(self.state.deleted_collection(limit))
    }

    async fn used_up(&mut self, quota: Quota, person: &UserId, most: NonZeroU32) -> Result<Option<Duration>> {
        let now = self.store.now();
        let since = now.checked_sub(Quota::PERIOD).unwrap_or(Timestamp::MIN);
        let mut times: Vec<Timestamp> = match quota {
            Quota::Cards => self.state.cards_made(person).collect(),
            Quota::Collections => {
                let own = self.state.all_collections().filter(|stored| stored.collection.author == *person);
                own.map(|stored| stored.created_at).collect()
            }
            Quota::Imports => {
                let own = self.state.imports.imports.values().filter(|import| import.owner == *person);
                own.map(|import| import.view.begun_at).collect()
            }
        };
        times.retain(|at| *at > since);
        times.sort_unstable();
        let oldest_of_most = times.len().checked_sub(most.get() as usize).and_then(|first| times.get(first));
        Ok(oldest_of_most.map(|at| at.duration_since(since).unsigned_abs()))
    }

    async fn commit(mut self: Box<Self>, changes: Changes) -> Result<()> {
        let now = self.store.now();
        if let Some(remember) = &changes.remember
            && self.state.recall(&remember.person, &remember.idempotency.key, now).is_some()
        {
            return Err(Error::Stale);
        }
        let mut draft = Draft::new(&self.state, now, changes.imported);
        for change in changes.rows {
            draft.apply(change)?;
        }
        let Draft { cards, collections, forgotten, blocks, .. } = draft;
        // Nothing below can fail.
        for card in cards.into_values() {
            self.state.put_card(card);
        }
        for (id, collection) in collections {
            match collection {
                Some(collection) => self.state.put_collection(collection),
                None => self.state.delete_collection(id),
            }
        }
        for id in forgotten {
            self.state.forget_collection(id);
        }
        for (by, person, is_blocked) in blocks {
            if is_blocked {
                self.state.block(by, person, now);
            } else {
                self.state.unblock(&by, &person);
            }
        }
        if let Some(remember) = changes.remember {
            self.state.remember(remember, now);
        }
        let handover = &self.store.handover;
        let (mut handed, mut due) = (Vec::new(), BTreeSet::<Queue>::new());
        for event in changes.events {
            let recorded = RecordedEvent { id: self.state.ledger.next_id(now), occurred_at: now, event };
            let envelope = Envelope::wrap(&recorded, changes.traceparent.clone());
            due.extend(routes(&recorded.event).iter().copied().filter(|queue| !handover.is_open(*queue)));
            handed.extend(self.state.ledger.accept(&recorded.event, envelope, handover));
        }
        drop(self.state);
        handover.give(handed);
        due.into_iter().for_each(|queue| handover.ring(queue));
        Ok(())
    }
}

/// The rows a commit touches, as they will be: a change that breaks a constraint is found before anything is kept.
struct Draft<'a> {
    state: &'a State,
    now: Timestamp,
    imported: bool,
    cards: HashMap<CardId, StoredCard>,
    /// `None`: deleted.
    collections: HashMap<CollectionId, Option<StoredCollection>>,
    forgotten: Vec<CollectionId>,
    /// Who blocks whom; false: not any more.
    blocks: Vec<(UserId, UserId, bool)>,
}

impl<'a> Draft<'a> {
    fn new(state: &'a State, now: Timestamp, imported: bool) -> Self {
        let (cards, collections) = (HashMap::new(), HashMap::new());
        Self { state, now, imported, cards, collections, forgotten: Vec::new(), blocks: Vec::new() }
    }

    /// [`Error::Stale`] where what the change builds on is not there, or is there already.
    fn apply(&mut self, change: Change) -> Result<()> {
        let now = self.now;
        match change {
            Change::InsertCard { card_id, owner, url, via } => self.insert_card(card_id, owner, url, via),
            Change::SetNote { card_id, note } => {
                self.card(card_id)?.card.note = note;
                Ok(())
            }
            Change::AddToLibrary { card_id, link_id } => {
                let stored = self.card(card_id)?;
                holds(stored.card.library_link.is_none())?;
                stored.card.library_link = Some(link_id);
                stored.in_library_since = Some(now);
                Ok(())
            }
            Change::RemoveFromLibrary { card_id, link_id } => {
                let stored = self.card(card_id)?;
                holds(stored.card.library_link == Some(link_id))?;
                stored.card.library_link = None;
                stored.in_library_since = None;
                Ok(())
            }
            Change::AddToCollection { card_id, link_id, collection_id } => {
                let link = CollectionLink { id: link_id, collection_id };
                self.collection(link.collection_id)?;
                let stored = self.card(card_id)?;
                holds(stored.card.collection_links.iter().all(|l| l.collection_id != link.collection_id))?;
                stored.linked_at.insert(link.id, now);
                stored.card.collection_links.push(link);
                Ok(())
            }
            Change::RemoveFromCollection { card_id, link_id } => {
                let stored = self.card(card_id)?;
                holds(stored.linked_at.remove(&link_id).is_some())?;
                stored.card.collection_links.retain(|link| link.id != link_id);
                Ok(())
            }
            Change::InsertCollection(collection) => {
                let id = collection.id;
                holds(self.state.collection(id).is_none() && !self.collections.contains_key(&id))?;
                let invited_at = collection.invited.iter().map(|person| (person.clone(), now)).collect();
                let stored = StoredCollection { collection, invited_at, created_at: now, updated_at: now };
                self.collections.insert(id, Some(stored));
                Ok(())
            }
            Change::UpdateCollection(collection) => {
                let stored = self.collection(collection.id)?;
                let author = stored.collection.author.clone();
                let since = |person: &UserId| stored.invited_at.get(person).copied().unwrap_or(now);
                stored.invited_at = collection.invited.iter().map(|person| (person.clone(), since(person))).collect();
                stored.collection = Collection { author, ..collection };
                stored.updated_at = now;
                Ok(())
            }
            Change::DeleteCollection(id) => {
                self.collection(id)?;
                self.collections.insert(id, None);
                Ok(())
            }
            Change::ForgetCollection(id) => self.forget_collection(id),
            Change::Block { by, person } => {
                self.blocks.push((by, person, true));
                Ok(())
            }
            Change::Unblock { by, person } => {
                self.blocks.push((by, person, false));
                Ok(())
            }
        }
    }

    fn insert_card(&mut self, id: CardId, owner: UserId, url: CardUrl, via: Option<CardId>) -> Result<()> {
        let same_url =
            |other: &StoredCard| other.card.owner == owner && other.card.url.normalised() == url.normalised();
        holds(self.state.card_by_url(&owner, url.normalised()).is_none())?;
        holds(!self.cards.values().any(same_url))?;
        holds(self.state.card(id).is_none() && !self.cards.contains_key(&id))?;
        let (note, library_link, collection_links, created_at) = (None, None, Vec::new(), Some(self.now));
        let card = Card { id, owner, url, via, note, library_link, collection_links, created_at };
        let (imported, linked_at) = (self.imported, HashMap::new());
        self.cards.insert(id, StoredCard { card, imported, in_library_since: None, linked_at });
        Ok(())
    }

    /// Its cards must have left it before, each with an event of its own.
    fn forget_collection(&mut self, id: CollectionId) -> Result<()> {
        let members: Vec<CardId> = self.state.collected(id).into_iter().flatten().map(|(_, card)| *card).collect();
        for card in members {
            self.card(card)?;
        }
        let mut links = self.cards.values().flat_map(|stored| &stored.card.collection_links);
        holds(links.all(|link| link.collection_id != id))?;
        self.forgotten.push(id);
        Ok(())
    }

    fn card(&mut self, id: CardId) -> Result<&mut StoredCard> {
        match self.cards.entry(id) {
            Entry::Occupied(touched) => Ok(touched.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(self.state.card(id).ok_or(Error::Stale)?.clone())),
        }
    }

    fn collection(&mut self, id: CollectionId) -> Result<&mut StoredCollection> {
        let kept = self.state.collection(id);
        self.collections.entry(id).or_insert_with(|| kept.cloned()).as_mut().ok_or(Error::Stale)
    }
}

fn holds(constraint: bool) -> Result<()> {
    if constraint { Ok(()) } else { Err(Error::Stale) }
}
