//! What the cases let people do, and how they work off what the store then owes.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;

use anyhow::{Context, bail};
use cardwire_domain::collection::AccessType;
use cardwire_domain::feed::FeedItem;
use cardwire_domain::imports::{FileRow, ImportRepository, ImportRow, NewImport};
use cardwire_domain::library::{LibraryCard, LibraryFilter};
use cardwire_domain::url::CardUrl;
use cardwire_domain::use_cases::{
    AcceptInvitation, AddCardToCollections, AddUrlToLibrary, CreateCollection, ImportUrls, RemoveCardFromCollections,
    RemoveCardFromLibrary, Request, SetCollaborators, UrlAdded, UseCase, execute, let_cards_go,
};
use cardwire_domain::{
    Card, CardId, Change, Changes, CollectedWindow, CollectionId, DomainEvent, ImportId, Limit, Member, Page,
    PageRequest, Position, RecordedEvent, UserId, Visibility,
};
use cardwire_events::{Message, Owed, Queue};
use jiff::Timestamp;

use super::Stores;

/// More than any case has to lease or list at once.
pub const PLENTY: usize = 10_000;

/// `did:plc:{name}`.
pub fn person(name: &str) -> UserId {
    UserId::parse(&format!("did:plc:{name}")).expect("cases name people in plain letters")
}

pub fn page(limit: u64, after: Option<Position>) -> PageRequest {
    PageRequest { limit: Limit::new(limit).expect("cases ask for 1 to 100 items"), after }
}

/// Every item of a list, in pages of `limit`.
pub async fn all_pages<T, F, R>(limit: u64, read: F) -> anyhow::Result<Vec<T>>
where
    F: Fn(PageRequest) -> R,
    R: Future<Output = cardwire_domain::Result<Page<T>>>,
{
    let mut items = Vec::new();
    let mut after = None;
    loop {
        let read = read(page(limit, after)).await?;
        if read.next.is_some() && read.items.len() != limit as usize {
            bail!("a page that is not the last holds {} items instead of {limit}", read.items.len());
        }
        items.extend(read.items);
        if items.len() > PLENTY {
            bail!("the pages do not end");
        }
        match read.next {
            Some(next) => after = Some(next),
            None => return Ok(items),
        }
    }
}

/// Runs all at once and gives their results in the order of the futures.
pub async fn at_once<T: Send + 'static, R: Future<Output = T> + Send + 'static>(
    futures: impl IntoIterator<Item = R>,
) -> anyhow::Result<Vec<T>> {
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.context("a task panicked")?);
    }
    Ok(results)
}

pub fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

/// A small repeatable source of draws for cases that try many orders.
pub struct Draws(u64);

impl Draws {
    pub fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// From 0 to `below - 1`.
    pub fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

impl Stores {
    pub async fn run<C: UseCase>(&self, by: &UserId, command: &C) -> cardwire_domain::Result<C::Answer> {
        execute(&*self.store, &Request::by(by.clone()), command).await
    }

    pub async fn save(&self, by: &UserId, url: &str) -> anyhow::Result<UrlAdded> {
        self.save_with(by, url, None, &[]).await
    }

    pub async fn save_with(
        &self,
        by: &UserId,
        url: &str,
        note: Option<&str>,
        collections: &[CollectionId],
    ) -> anyhow::Result<UrlAdded> {
        Ok(self.run(by, &saving(url, note, collections)).await?)
    }

    /// Saves all in one commit, so that they share their time.
    pub async fn save_at_once(&self, saves: &[(UserId, String)]) -> anyhow::Result<Vec<CardId>> {
        let mut changes = Changes::default();
        let mut ids = Vec::new();
        for (owner, url) in saves {
            let mut card = Card::create(owner.clone(), CardUrl::parse(url)?, None, &mut changes);
            card.add_to_library(Visibility::Public, &mut changes);
            ids.push(card.id);
        }
        self.store.begin().await?.commit(changes).await?;
        Ok(ids)
    }

    /// OPEN collections named `0`, `1`, …, created in one commit.
    pub async fn collections_at_once(&self, by: &UserId, count: usize) -> anyhow::Result<Vec<CollectionId>> {
        let mut changes = Changes::default();
        for number in 0..count {
            let command = creating(&number.to_string(), AccessType::Open);
            let mut tx = self.store.begin().await?;
            command.run(by, &mut *tx, &mut changes).await?;
        }
        let ids = changes.rows.iter().filter_map(|row| match row {
            Change::InsertCollection(collection) => Some(collection.id),
            _ => None,
        });
        let ids = ids.collect();
        self.store.begin().await?.commit(changes).await?;
        Ok(ids)
    }

    pub async fn collection(&self, by: &UserId, name: &str, access: AccessType) -> anyhow::Result<CollectionId> {
        Ok(self.run(by, &creating(name, access)).await?.id)
    }

    /// Makes these people the ones who are invited or have accepted.
    pub async fn invite(&self, by: &UserId, id: CollectionId, people: &[&UserId]) -> cardwire_domain::Result<()> {
        let user_ids = people.iter().map(ToString::to_string).collect();
        self.run(by, &SetCollaborators { id: id.to_string(), user_ids }).await?;
        Ok(())
    }

    pub async fn accept(&self, by: &UserId, id: CollectionId) -> cardwire_domain::Result<()> {
        self.run(by, &AcceptInvitation { id: id.to_string() }).await?;
        Ok(())
    }

    pub async fn collect(&self, by: &UserId, card: CardId, collections: &[CollectionId]) -> anyhow::Result<()> {
        let command = AddCardToCollections { card_id: card.to_string(), collection_ids: texts(collections) };
        self.run(by, &command).await?;
        Ok(())
    }

    pub async fn uncollect(&self, by: &UserId, card: CardId, collections: &[CollectionId]) -> anyhow::Result<()> {
        let command = RemoveCardFromCollections { card_id: card.to_string(), collection_ids: texts(collections) };
        self.run(by, &command).await?;
        Ok(())
    }

    pub async fn remove(&self, by: &UserId, card: CardId) -> anyhow::Result<()> {
        self.run(by, &RemoveCardFromLibrary { card_id: card.to_string() }).await?;
        Ok(())
    }

    /// Empties every deleted collection, in portions.
    pub async fn let_all_go(&self, portion: usize) -> anyhow::Result<()> {
        for _ in 0..PLENTY {
            if !let_cards_go(&*self.store, portion).await? {
                return Ok(());
            }
        }
        bail!("the portions do not end")
    }

    pub async fn library_of(&self, owner: &UserId) -> anyhow::Result<Vec<LibraryCard>> {
        all_pages(100, |page| async move { self.library.library(owner, &LibraryFilter::default(), &page).await }).await
    }

    /// Leases everything that is due to these queues, which hold nothing.
    pub async fn lease_all(&self, queues: &[Queue]) -> anyhow::Result<Vec<Owed>> {
        let mut owed = Vec::new();
        for queue in queues {
            loop {
                let due = self.log.lease(*queue, 1_000, None).await?;
                if due.events.is_empty() {
                    break;
                }
                owed.extend(due.events);
                if owed.len() > PLENTY {
                    bail!("the leases do not end");
                }
            }
        }
        Ok(owed)
    }

    /// Everything that is due to the queue, as its worker would get it.
    pub async fn deliver(&self, queue: Queue) -> anyhow::Result<Vec<RecordedEvent>> {
        self.lease_all(&[queue]).await?.iter().map(decode).collect()
    }

    /// The same event, which occurred at another time.
    pub async fn at(&self, event: &RecordedEvent, occurred_at: Timestamp) -> RecordedEvent {
        self.time.redate(event.id, occurred_at).await;
        RecordedEvent { occurred_at, ..event.clone() }
    }

    /// How many events are owed to the queue, dead letters aside.
    pub async fn owed(&self, queue: Queue) -> anyhow::Result<u64> {
        let backlog = self.log.backlog().await?;
        let of_queue = backlog.iter().find(|backlog| backlog.queue == queue);
        Ok(of_queue.with_context(|| format!("there is no backlog of {queue}"))?.owed)
    }

    /// Works off the `feeds` queue as the feed worker does, each window at the time its events occurred.
    pub async fn flush_feed(&self) -> anyhow::Result<usize> {
        let events = self.deliver(Queue::Feeds).await?;
        let collected: Vec<_> = events.iter().filter(|event| member(event).is_some()).cloned().collect();
        let others = events.iter().filter(|event| member(event).is_none());
        let (gone, others): (Vec<_>, Vec<_>) =
            others.partition(|event| matches!(event.event, DomainEvent::AccountDeleted { .. }));
        let ids = |events: Vec<&RecordedEvent>| events.iter().map(|event| event.id).collect::<Vec<_>>();
        self.feed.forget_people(&ids(gone)).await?;
        self.log.settle(Queue::Feeds, &ids(others)).await?;
        Ok(self.feed.add_activities(&windows(&collected)).await?)
    }

    pub async fn index_all(&self) -> anyhow::Result<usize> {
        let events = self.deliver(Queue::Search).await?;
        Ok(self.search.index(&events).await?)
    }

    pub async fn feed_items(&self, actor: Option<&UserId>) -> anyhow::Result<Vec<FeedItem>> {
        all_pages(100, |page| async move { self.feed.feed(actor, &page).await }).await
    }

    /// The feed as (URL, collection names), newest first.
    pub async fn feed_told(&self) -> anyhow::Result<Vec<(String, Vec<String>)>> {
        let items = self.feed_items(None).await?;
        let told = |item: FeedItem| (item.card.url, item.collections.into_iter().map(|c| c.name).collect());
        Ok(items.into_iter().map(told).collect())
    }
}

pub fn saving(url: &str, note: Option<&str>, collections: &[CollectionId]) -> AddUrlToLibrary {
    AddUrlToLibrary {
        url: url.into(),
        note: note.map(str::to_owned),
        collection_ids: texts(collections),
        ..AddUrlToLibrary::default()
    }
}

/// The rows of an import, numbered from 1, with the date of now where they have none.
pub fn importing(rows: Vec<ImportRow>) -> ImportUrls {
    let rows = (1..).zip(rows).collect();
    ImportUrls { import: ImportId::generate(), rows, collection_id: None, begun_at: None }
}

/// Begins an import of a few rows.
pub async fn begin_import(
    imports: &dyn ImportRepository,
    import: &NewImport,
    rows: &[ImportRow],
) -> cardwire_domain::Result<()> {
    imports.open_import(import).await?;
    let rows: Vec<FileRow> = rows.iter().cloned().map(FileRow::Link).collect();
    imports.add_rows(import.id, 1, &rows).await?;
    imports.start_import(import.id).await
}

/// A public collection.
pub fn creating(name: &str, access: AccessType) -> CreateCollection {
    CreateCollection { name: name.into(), description: None, access, visibility: Visibility::Public }
}

pub fn texts(ids: &[CollectionId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// Through the queue's form, as a worker gets it.
pub fn decode(owed: &Owed) -> anyhow::Result<RecordedEvent> {
    Ok(Message::parse(&owed.envelope.to_entry())?.decode()?)
}

/// The part the event plays in an activity; `None` if it plays none.
pub fn member(event: &RecordedEvent) -> Option<Member> {
    Member::of(event)
}

/// One window for each card and person, with all their events.
pub fn windows(events: &[RecordedEvent]) -> Vec<CollectedWindow> {
    let mut pairs: BTreeMap<(CardId, UserId), Vec<Member>> = BTreeMap::new();
    for event in events {
        if let (Some(member), Some(card_id)) = (member(event), event.event.card_id()) {
            pairs.entry((card_id, event.event.actor_id().clone())).or_default().push(member);
        }
    }
    let window = |((card_id, actor_id), members)| CollectedWindow { card_id, actor_id, members };
    pairs.into_iter().map(window).collect()
}

/// A moment of a fixed day, that many milliseconds in.
pub fn moment(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_341_600_000 + ms).expect("the year 2026 is in range")
}

/// Refuses anything but the error that is expected.
pub fn refused<T: Debug>(
    result: cardwire_domain::Result<T>,
    expected: impl Fn(&cardwire_domain::Error) -> bool,
) -> anyhow::Result<()> {
    match result {
        Err(error) if expected(&error) => Ok(()),
        other => bail!("refused otherwise than expected: {other:?}"),
    }
}
