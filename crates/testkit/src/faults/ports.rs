//! The ports, each with its fault points in front.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::analytics::{Analytics, DayCounts, KindCount, TopDomain, TopUrl, WeekCounts};
use cardwire_domain::changes::IdempotencyKey;
use cardwire_domain::feed::{FeedItem, FeedRepository, StreamCursor};
use cardwire_domain::membership::Invitee;
use cardwire_domain::quotas::Quota;
use cardwire_domain::search::{
    CollectionFound, Found, PersonFound, Reindexed, Renewal, Renewed, SearchIndex, SearchRequest,
};
use cardwire_domain::store::{DeletedCollection, Leaver, OutdatedCard, Recall, UndoneImport};
use cardwire_domain::{
    Card, CardId, Changes, CollectedWindow, Collection, CollectionId, EventId, Page, PageRequest, RecordedEvent, Store,
    Transaction, UserId,
};
use cardwire_events::{
    Attempt, Backlog, Claim, DeadLetter, DeadSelection, Depth, Due, Envelope, EventLog, EventPublisher,
    EventSubscriber, Failure, Queue, QueueSettings,
};
use cardwire_saga::{ClaimedWindow, OpenWindow, PendingEvent, Place, ReleaseReason, SagaKey, SagaStateStore};
use cardwire_storage::SqliteStore;
use jiff::Timestamp;
use jiff::civil::Date;
use parking_lot::Mutex;

use super::{FaultPoint, Replaceable, Seam};

type DomainResult<T> = cardwire_domain::Result<T>;
type EventsResult<T> = cardwire_events::Result<T>;
type SagaResult<T> = cardwire_saga::Result<T>;

/// [`FaultPoint::Accept`] at every commit. Running one twice commits the same changes again in a new transaction.
pub struct FaultyStore {
    pub seam: Seam,
    pub inner: Arc<dyn Store>,
}

#[async_trait]
impl Store for FaultyStore {
    async fn begin(&self) -> DomainResult<Box<dyn Transaction>> {
        let tx = self.seam.through(self.inner.begin()).await?;
        Ok(Box::new(FaultyTransaction { seam: self.seam.clone(), store: Arc::clone(&self.inner), tx }))
    }

    async fn ping(&self) -> DomainResult<()> {
        self.seam.through(self.inner.ping()).await
    }
}

struct FaultyTransaction {
    seam: Seam,
    store: Arc<dyn Store>,
    tx: Box<dyn Transaction>,
}

#[async_trait]
impl Transaction for FaultyTransaction {
    async fn recall(&mut self, person: &UserId, key: &IdempotencyKey) -> DomainResult<Option<Recall>> {
        self.seam.through(self.tx.recall(person, key)).await
    }

    async fn card(&mut self, id: CardId) -> DomainResult<Option<Card>> {
        self.seam.through(self.tx.card(id)).await
    }

    async fn card_exists(&mut self, id: CardId, person: &UserId) -> DomainResult<bool> {
        self.seam.through(self.tx.card_exists(id, person)).await
    }

    async fn card_by_url(&mut self, owner: &UserId, normalised_url: &str) -> DomainResult<Option<Card>> {
        self.seam.through(self.tx.card_by_url(owner, normalised_url)).await
    }

    async fn collections(&mut self, ids: &[CollectionId]) -> DomainResult<Vec<Collection>> {
        self.seam.through(self.tx.collections(ids)).await
    }

    async fn collections_named(&mut self, author: &UserId, names: &[String]) -> DomainResult<Vec<Collection>> {
        self.seam.through(self.tx.collections_named(author, names)).await
    }

    async fn invitees(&mut self, people: &[UserId], author: &UserId) -> DomainResult<Vec<Invitee>> {
        self.seam.through(self.tx.invitees(people, author)).await
    }

    async fn invitations(&mut self, person: &UserId, author: &UserId) -> DomainResult<Vec<Collection>> {
        self.seam.through(self.tx.invitations(person, author)).await
    }

    async fn collaborations(&mut self, person: &UserId) -> DomainResult<usize> {
        self.seam.through(self.tx.collaborations(person)).await
    }

    async fn deleted_collection(&mut self, limit: usize) -> DomainResult<Option<DeletedCollection>> {
        self.seam.through(self.tx.deleted_collection(limit)).await
    }

    async fn leaver(&mut self, limit: usize) -> DomainResult<Option<Leaver>> {
        self.seam.through(self.tx.leaver(limit)).await
    }

    async fn outdated_cards(&mut self, after: Option<CardId>, limit: usize) -> DomainResult<Vec<OutdatedCard>> {
        self.seam.through(self.tx.outdated_cards(after, limit)).await
    }

    async fn undone_import(&mut self, limit: usize) -> DomainResult<Option<UndoneImport>> {
        self.seam.through(self.tx.undone_import(limit)).await
    }

    async fn used_up(&mut self, quota: Quota, person: &UserId, most: NonZeroU32) -> DomainResult<Option<Duration>> {
        self.seam.through(self.tx.used_up(quota, person, most)).await
    }

    async fn commit(self: Box<Self>, changes: Changes) -> DomainResult<()> {
        let Self { seam, store, tx } = *self;
        let tx = Mutex::new(Some(tx));
        let commit = || {
            let (open, changes, store) = (tx.lock().take(), changes.clone(), &store);
            async move {
                let tx = match open {
                    Some(tx) => tx,
                    None => store.begin().await?,
                };
                tx.commit(changes).await
            }
        };
        seam.at(FaultPoint::Accept, commit).await
    }
}

pub struct FaultyEventLog {
    pub seam: Seam,
    pub inner: Arc<SqliteStore>,
}

#[async_trait]
impl EventLog for FaultyEventLog {
    async fn lease(&self, queue: Queue, limit: usize, since: Option<Timestamp>) -> EventsResult<Due> {
        let something = self.inner.is_due(queue).await?;
        self.seam.at_if(FaultPoint::Look, something, || self.inner.lease(queue, limit, since)).await
    }

    async fn give_back(&self, queue: Queue, ids: &[EventId]) -> EventsResult<()> {
        self.seam.at(FaultPoint::GiveBack, || self.inner.give_back(queue, ids)).await
    }

    async fn look_up(&self, ids: &[EventId]) -> EventsResult<Vec<Envelope>> {
        self.seam.through(self.inner.look_up(ids)).await
    }

    async fn settle(&self, queue: Queue, ids: &[EventId]) -> EventsResult<u64> {
        let settle = || {
            let (inner, ids) = (self.inner.clone(), ids.to_vec());
            let taken = async move { inner.settle(queue, &ids).await };
            self.seam.effect(queue, taken, |taken| usize::try_from(*taken).unwrap_or(usize::MAX))
        };
        self.seam.at(FaultPoint::Settle, settle).await
    }

    async fn begin_attempt(&self, queue: Queue, id: EventId, settings: &QueueSettings) -> EventsResult<Attempt> {
        self.seam.at(FaultPoint::BeginAttempt, || self.inner.begin_attempt(queue, id, settings)).await
    }

    async fn undo_attempt(&self, queue: Queue, id: EventId) -> EventsResult<()> {
        self.seam.at(FaultPoint::UndoAttempt, || self.inner.undo_attempt(queue, id)).await
    }

    async fn fail(&self, queue: Queue, failures: &[Failure], settings: &QueueSettings) -> EventsResult<Vec<EventId>> {
        self.seam.at(FaultPoint::Fail, || self.inner.fail(queue, failures, settings)).await
    }

    async fn reject_entry(&self, queue: Queue, raw: &str, reason: &str) -> EventsResult<()> {
        self.seam.through(self.inner.reject_entry(queue, raw, reason)).await
    }

    async fn dead_letters(&self, queue: Queue, after: Option<EventId>, limit: usize) -> EventsResult<Vec<DeadLetter>> {
        self.seam.through(self.inner.dead_letters(queue, after, limit)).await
    }

    async fn redrive(&self, queue: Queue, which: &DeadSelection) -> EventsResult<u64> {
        self.seam.through(self.inner.redrive(queue, which)).await
    }

    async fn discard(&self, queue: Queue, which: &DeadSelection) -> EventsResult<u64> {
        self.seam.through(self.inner.discard(queue, which)).await
    }

    async fn backlog(&self) -> EventsResult<Vec<Backlog>> {
        self.seam.through(self.inner.backlog()).await
    }

    async fn traceparents(&self, ids: &[EventId]) -> EventsResult<Vec<String>> {
        self.seam.through(self.inner.traceparents(ids)).await
    }

    async fn prune(&self, keep: Duration) -> EventsResult<u64> {
        self.seam.through(self.inner.prune(keep)).await
    }
}

pub struct FaultyPublisher {
    pub seam: Seam,
    pub inner: Replaceable<dyn EventPublisher>,
}

#[async_trait]
impl EventPublisher for FaultyPublisher {
    async fn publish(&self, queue: Queue, entries: &[(String, String)]) -> EventsResult<()> {
        let publish = || async { self.inner.get().publish(queue, entries).await };
        self.seam.at(FaultPoint::Publish(queue), publish).await
    }

    async fn depth(&self, queue: Queue) -> EventsResult<usize> {
        self.seam.through(self.inner.get().depth(queue)).await
    }

    async fn waiting_since(&self, queue: Queue) -> EventsResult<Option<Timestamp>> {
        self.seam.through(self.inner.get().waiting_since(queue)).await
    }
}

pub struct FaultySubscriber {
    pub seam: Seam,
    pub queue: Queue,
    pub inner: Replaceable<dyn EventSubscriber>,
}

#[async_trait]
impl EventSubscriber for FaultySubscriber {
    async fn claim(&self, max: usize) -> EventsResult<Option<Claim>> {
        let depth = self.inner.get().depth().await?;
        let something = depth.waiting + depth.suspects > 0;
        let claim = || async { self.inner.get().claim(max).await };
        self.seam.at_if(FaultPoint::Claim(self.queue), something, claim).await
    }

    async fn ack(&self, claim: &Claim) -> EventsResult<()> {
        let ack = || async { self.inner.get().ack(claim).await };
        self.seam.at(FaultPoint::Ack(self.queue), ack).await
    }

    async fn release(&self, claim: &Claim) -> EventsResult<()> {
        let release = || async { self.inner.get().release(claim).await };
        self.seam.at(FaultPoint::Release(self.queue), release).await
    }

    async fn renew(&self, claim: &Claim) -> EventsResult<bool> {
        let renew = || async { self.inner.get().renew(claim).await };
        self.seam.at(FaultPoint::Renew(self.queue), renew).await
    }

    async fn reclaim(&self) -> EventsResult<usize> {
        let something = self.inner.get().depth().await?.in_flight > 0;
        let reclaim = || async { self.inner.get().reclaim().await };
        self.seam.at_if(FaultPoint::Reclaim(self.queue), something, reclaim).await
    }

    async fn wait(&self) -> EventsResult<()> {
        self.seam.through(self.inner.get().wait()).await
    }

    async fn depth(&self) -> EventsResult<Depth> {
        self.seam.through(self.inner.get().depth()).await
    }
}

pub struct FaultySagaStore {
    pub seam: Seam,
    pub inner: Replaceable<dyn SagaStateStore>,
}

#[async_trait]
impl SagaStateStore for FaultySagaStore {
    async fn merge(&self, events: &[PendingEvent]) -> SagaResult<bool> {
        let merge = || async { self.inner.get().merge(events).await };
        self.seam.at(FaultPoint::Merge, merge).await
    }

    async fn claim_due(&self, limit: usize) -> SagaResult<Vec<ClaimedWindow>> {
        let something = self.inner.get().next_due().await?.is_some_and(|due| due.is_zero());
        let claim = || async { self.inner.get().claim_due(limit).await };
        self.seam.at_if(FaultPoint::FlushClaim, something, claim).await
    }

    async fn claim_all(&self, limit: usize) -> SagaResult<Vec<ClaimedWindow>> {
        self.seam.through(self.inner.get().claim_all(limit)).await
    }

    async fn commit(&self, windows: &[ClaimedWindow]) -> SagaResult<()> {
        let commit = || async { self.inner.get().commit(windows).await };
        self.seam.at(FaultPoint::FlushCommit, commit).await
    }

    async fn release(&self, windows: &[ClaimedWindow], reason: ReleaseReason) -> SagaResult<()> {
        let release = || async { self.inner.get().release(windows, reason).await };
        self.seam.at(FaultPoint::FlushRelease, release).await
    }

    async fn open(&self, after: Option<&Place>, limit: usize) -> SagaResult<Vec<OpenWindow>> {
        self.seam.through(self.inner.get().open(after, limit)).await
    }

    async fn hold(&self, events: &[PendingEvent]) -> SagaResult<Vec<bool>> {
        self.seam.through(self.inner.get().hold(events)).await
    }

    async fn flush_now(&self, key: &SagaKey) -> SagaResult<bool> {
        self.seam.through(self.inner.get().flush_now(key)).await
    }

    async fn open_count(&self) -> SagaResult<u64> {
        self.seam.through(self.inner.get().open_count()).await
    }

    async fn next_due(&self) -> SagaResult<Option<Duration>> {
        self.seam.through(self.inner.get().next_due()).await
    }
}

pub struct FaultyFeed {
    pub seam: Seam,
    pub inner: Arc<dyn FeedRepository>,
}

#[async_trait]
impl FeedRepository for FaultyFeed {
    async fn add_activities(&self, windows: &[CollectedWindow]) -> DomainResult<usize> {
        let add = || {
            let (inner, windows) = (self.inner.clone(), windows.to_vec());
            self.seam.effect(Queue::Feeds, async move { inner.add_activities(&windows).await }, |taken| *taken)
        };
        self.seam.at(FaultPoint::AddActivities, add).await
    }

    async fn forget_people(&self, events: &[EventId]) -> DomainResult<usize> {
        let forget = || {
            let (inner, events) = (self.inner.clone(), events.to_vec());
            self.seam.effect(Queue::Feeds, async move { inner.forget_people(&events).await }, |taken| *taken)
        };
        self.seam.at(FaultPoint::AddActivities, forget).await
    }

    async fn feed(&self, actor: Option<&UserId>, page: &PageRequest) -> DomainResult<Page<FeedItem>> {
        self.seam.through(self.inner.feed(actor, page)).await
    }

    async fn stream_end(&self) -> DomainResult<StreamCursor> {
        self.seam.through(self.inner.stream_end()).await
    }

    async fn stream(&self, after: StreamCursor, limit: usize) -> DomainResult<Vec<(StreamCursor, FeedItem)>> {
        self.seam.through(self.inner.stream(after, limit)).await
    }

    async fn stream_hint(&self) {
        self.seam.through(self.inner.stream_hint()).await;
    }
}

pub struct FaultySearch {
    pub seam: Seam,
    pub inner: Arc<dyn SearchIndex>,
}

#[async_trait]
impl SearchIndex for FaultySearch {
    async fn index(&self, events: &[RecordedEvent]) -> DomainResult<usize> {
        let index = || {
            let (inner, events) = (self.inner.clone(), events.to_vec());
            self.seam.effect(Queue::Search, async move { inner.index(&events).await }, |taken| *taken)
        };
        self.seam.at(FaultPoint::Index, index).await
    }

    async fn reindex(&self, after: Option<CardId>, limit: usize) -> DomainResult<Option<Reindexed>> {
        self.seam.through(self.inner.reindex(after, limit)).await
    }

    async fn card_count(&self) -> DomainResult<u64> {
        self.seam.through(self.inner.card_count()).await
    }

    async fn renew(&self, from: &mut Renewal, limit: usize) -> DomainResult<Renewed> {
        self.seam.through(self.inner.renew(from, limit)).await
    }

    async fn search(&self, request: &SearchRequest, page: &PageRequest) -> DomainResult<Found> {
        self.seam.through(self.inner.search(request, page)).await
    }

    async fn find_people(&self, text: &str) -> DomainResult<Vec<PersonFound>> {
        self.seam.through(self.inner.find_people(text)).await
    }

    async fn find_collections(&self, text: &str) -> DomainResult<Vec<CollectionFound>> {
        self.seam.through(self.inner.find_collections(text)).await
    }
}

pub struct FaultyAnalytics {
    pub seam: Seam,
    pub inner: Arc<dyn Analytics>,
}

#[async_trait]
impl Analytics for FaultyAnalytics {
    async fn count(&self, events: &[RecordedEvent]) -> DomainResult<usize> {
        let count = || {
            let (inner, events) = (self.inner.clone(), events.to_vec());
            self.seam.effect(Queue::Analytics, async move { inner.count(&events).await }, |taken| *taken)
        };
        self.seam.at(FaultPoint::Count, count).await
    }

    async fn summary(&self, days: u16) -> DomainResult<Vec<DayCounts>> {
        self.seam.through(self.inner.summary(days)).await
    }

    async fn top_urls(&self, days: u16, limit: usize) -> DomainResult<Vec<TopUrl>> {
        self.seam.through(self.inner.top_urls(days, limit)).await
    }

    async fn weeks(&self, weeks: u16) -> DomainResult<Vec<WeekCounts>> {
        self.seam.through(self.inner.weeks(weeks)).await
    }

    async fn top_domains(&self, days: u16, limit: usize) -> DomainResult<Vec<TopDomain>> {
        self.seam.through(self.inner.top_domains(days, limit)).await
    }

    async fn by_kind(&self, days: u16) -> DomainResult<Vec<KindCount>> {
        self.seam.through(self.inner.by_kind(days)).await
    }

    async fn whole_days(&self) -> DomainResult<Vec<Date>> {
        self.seam.through(self.inner.whole_days()).await
    }

    async fn rebuild(&self, day: Date) -> DomainResult<u64> {
        self.seam.through(self.inner.rebuild(day)).await
    }

    async fn rebuild_trends(&self) -> DomainResult<()> {
        self.seam.through(self.inner.rebuild_trends()).await
    }
}
