//! The saga over a feed, a log and a store that fail as they are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::fakes::{Database, FaultyStore};
use cardwire_domain::{
    CardId, Clock as _, CollectionId, DomainEvent, Error as DomainError, EventId, LinkId, RecordedEvent, UserId,
    Visibility,
};
use cardwire_events::Outcome;
use cardwire_saga::{
    CardCollectionSaga, Error, FlushLoop, Flushed, InMemorySagaStateStore, SagaSettings, SagaStateStore, Timing,
};
use cardwire_testkit::TokioClock;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

struct World {
    clock: TokioClock,
    store: Arc<FaultyStore>,
    database: Arc<Database>,
    saga: Arc<CardCollectionSaga>,
}

impl World {
    fn new(database: Arc<Database>) -> Self {
        let clock = TokioClock::new();
        let store = FaultyStore::over(InMemorySagaStateStore::new(Arc::new(clock), Timing::default()));
        let saga = CardCollectionSaga::new(store.clone(), database.clone(), database.clone(), SagaSettings::default());
        Self { clock, store, database, saga: Arc::new(saga) }
    }

    /// An accepted event: it is owed.
    fn added(&self, card_id: CardId, actor: &str) -> RecordedEvent {
        let event = RecordedEvent {
            id: EventId::generate(),
            occurred_at: self.clock.now(),
            event: DomainEvent::CardAddedToCollection {
                card_id,
                actor_id: UserId::parse(&format!("did:plc:{actor}")).unwrap(),
                collection_id: CollectionId::generate(),
                link_id: LinkId::generate(),
                visibility: Visibility::Public,
            },
        };
        self.database.ledger.lock().owed.insert(event.id);
        event
    }

    async fn collect(&self, events: &[RecordedEvent]) {
        assert_eq!(self.saga.collect(events).await, vec![Outcome::Done; events.len()]);
    }

    fn start(&self) -> (CancellationToken, tokio::task::JoinHandle<()>) {
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(FlushLoop::new(self.saga.clone()).run(shutdown.clone()));
        (shutdown, running)
    }

    /// Every one of these took effect exactly once, and nothing else did.
    fn assert_effects<'a>(&self, events: impl IntoIterator<Item = &'a RecordedEvent>) {
        let expected: BTreeMap<EventId, usize> = events.into_iter().map(|event| (event.id, 1)).collect();
        assert_eq!(self.database.ledger.lock().effects, expected);
    }

    async fn is_empty(&self) -> bool {
        self.store.next_due().await.unwrap().is_none()
    }
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn poisoned_by(actor: &'static str, error: fn() -> DomainError) -> Arc<Database> {
    Database::failing(move |windows| windows.iter().any(|window| window.actor_id.as_str().ends_with(actor)).then(error))
}

#[tokio::test(start_paused = true)]
async fn windows_are_flushed_together_within_a_tenth_of_a_second() {
    let world = World::new(Arc::default());
    let (shutdown, running) = world.start();
    // The loop rests already, and not in step with what comes.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let card = CardId::generate();
    let events: Vec<_> = (0..50).map(|n| world.added(card, &format!("user{}", n % 20))).collect();
    let before = Instant::now();
    world.collect(&events).await;
    eventually("all are flushed", async || world.is_empty().await).await;
    let took = before.elapsed();
    assert!(took >= Duration::from_secs(3) && took <= Duration::from_millis(3_100), "{took:?}");
    world.assert_effects(&events);
    assert_eq!(world.database.ledger.lock().commits, [20]);
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_window_is_flushed_at_once() {
    let world = World::new(Arc::default());
    let (_shutdown, _running) = world.start();
    tokio::task::yield_now().await;
    let card = CardId::generate();
    let events: Vec<_> = (0..1_000).map(|_| world.added(card, "alice")).collect();
    let before = Instant::now();
    world.collect(&events).await;
    eventually("it is flushed", async || world.is_empty().await).await;
    assert!(before.elapsed() <= Duration::from_millis(100), "{:?}", before.elapsed());
    world.assert_effects(&events);
}

/// A window is written whole unless it alone is more than one transaction takes; what is away half-way loses and doubles nothing.
#[tokio::test(start_paused = true)]
async fn a_large_claim_is_written_in_parts_that_tear_no_small_window() {
    let calls = Arc::new(Mutex::new(Vec::<Vec<(UserId, usize)>>::new()));
    let seen = Arc::clone(&calls);
    let world = World::new(Database::failing(move |windows| {
        let mut seen = seen.lock();
        seen.push(windows.iter().map(|window| (window.actor_id.clone(), window.members.len())).collect::<Vec<_>>());
        (seen.len() == 2).then(|| DomainError::Unavailable("told so".into()))
    }));
    let card = CardId::generate();
    let mut events = Vec::new();
    for (actor, count) in [("a", 900), ("b", 900), ("c", 6_000), ("d", 900), ("e", 900)] {
        events.extend((0..count).map(|_| world.added(card, actor)));
    }
    world.collect(&events).await;
    tokio::time::advance(Duration::from_secs(3)).await;
    let flushed = world.saga.flush_due().await.unwrap();
    assert!(flushed.away.is_some() && flushed.windows == 0, "{flushed:?}");
    tokio::time::advance(Timing::default().pause).await;
    let again = world.saga.flush_due().await.unwrap();
    assert_eq!((again.windows, again.away), (5, None));
    world.assert_effects(&events);
    assert!(world.is_empty().await);

    let calls = calls.lock();
    let sizes: Vec<usize> = calls.iter().map(|call| call.iter().map(|(_, members)| members).sum()).collect();
    assert!(sizes.iter().all(|size| *size <= 2_500), "{sizes:?}");
    let second: Vec<&(UserId, usize)> = calls[2..].iter().flatten().collect();
    for (actor, parts) in [("a", 1), ("b", 1), ("c", 3), ("d", 1), ("e", 1)] {
        let own: Vec<usize> = second
            .iter()
            .filter(|(by, _)| by.as_str().ends_with(&format!(":{actor}")))
            .map(|(_, size)| *size)
            .collect();
        assert_eq!(own.len(), parts, "{actor}: {own:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_activity_is_rejected_and_the_rest_is_collected() {
    let world = World::new(Arc::default());
    let added = world.added(CardId::generate(), "alice");
    let actor_id = added.event.actor_id().clone();
    let created = RecordedEvent {
        id: EventId::generate(),
        occurred_at: world.clock.now(),
        event: DomainEvent::CollectionCreated { collection_id: CollectionId::generate(), actor_id },
    };
    let reject = Outcome::Reject("it makes no activity".into());
    let outcomes = world.saga.collect(&[created.clone(), added.clone(), created]).await;
    assert_eq!(outcomes, [reject.clone(), Outcome::Done, reject]);
    world.saga.flush_all().await.unwrap();
    world.assert_effects(&[added]);
}

#[tokio::test(start_paused = true)]
async fn a_poison_window_ends_as_dead_letters_and_its_neighbours_are_flushed() {
    let world = World::new(poisoned_by("mallory", || DomainError::Corrupt("bad payload".into())));
    let card = CardId::generate();
    let good: Vec<_> = ["a", "b", "z"].map(|actor| world.added(card, actor)).into();
    let bad: Vec<_> = (0..3).map(|_| world.added(card, "mallory")).collect();
    world.collect(&[good.clone(), bad.clone()].concat()).await;
    let before = Instant::now();
    let (shutdown, running) = world.start();
    eventually("the neighbours are flushed", async || world.database.ledger.lock().effects.len() == 3).await;
    assert!(before.elapsed() <= Duration::from_millis(3_100), "{:?}", before.elapsed());
    assert!(!world.is_empty().await);
    eventually("it is given up", async || world.is_empty().await).await;
    // Three attempts: at 3 s, 2 s later, 4 s later.
    assert!(before.elapsed() >= Duration::from_secs(9), "{:?}", before.elapsed());
    world.assert_effects(&good);
    let dead = world.database.ledger.lock().dead.clone();
    let reason = "the store answered what it must not: bad payload".to_owned();
    assert_eq!(dead, bad.iter().map(|event| (event.id, reason.clone())).collect());
    let failures = world.database.ledger.lock().failures.clone();
    assert_eq!(failures, bad.iter().map(|event| (event.id, 3)).collect(), "each attempt is booked");

    // The queue moves on.
    let later = world.added(card, "later");
    world.collect(std::slice::from_ref(&later)).await;
    eventually("the next is flushed", async || world.is_empty().await).await;
    world.assert_effects(good.iter().chain([&later]));
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_window_whose_write_panics_is_a_failure_like_any_other() {
    let world = World::new(poisoned_by("mallory", || panic!("on purpose")));
    let card = CardId::generate();
    let (good, bad) = (world.added(card, "alice"), world.added(card, "mallory"));
    world.collect(&[good.clone(), bad.clone()]).await;
    let (_shutdown, running) = world.start();
    eventually("both are gone", async || world.is_empty().await).await;
    assert!(!running.is_finished());
    world.assert_effects(&[good]);
    assert_eq!(world.database.ledger.lock().dead.keys().collect::<Vec<_>>(), [&bad.id]);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_away_costs_no_attempt() {
    let tried = Arc::new(AtomicUsize::new(0));
    let count = tried.clone();
    let world = World::new(Database::failing(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Some(DomainError::Unavailable("restarting".into()))
    }));
    let event = world.added(CardId::generate(), "alice");
    world.collect(std::slice::from_ref(&event)).await;
    let (_shutdown, _running) = world.start();
    eventually("it was tried often", async || tried.load(Ordering::SeqCst) >= 10).await;
    assert_eq!(world.store.open(None, 1).await.unwrap()[0].failures, 0);
    world.database.heal();
    eventually("it is flushed", async || world.is_empty().await).await;
    world.assert_effects(&[event]);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_goes_away_between_single_windows_keeps_the_rest() {
    let calls = AtomicUsize::new(0);
    let world = World::new(Database::failing(move |_| {
        // The batch fails, one window succeeds, then the database is away.
        match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Some(DomainError::Stale),
            1 => None,
            _ => Some(DomainError::Unavailable("restarting".into())),
        }
    }));
    let card = CardId::generate();
    let events = ["a", "b", "c"].map(|actor| world.added(card, actor));
    world.collect(&events).await;
    tokio::time::advance(Duration::from_secs(3)).await;
    let flushed = world.saga.flush_due().await.unwrap();
    let expected = Flushed { claimed: 3, windows: 1, events: 1, away: Some("restarting".into()), ..Flushed::default() };
    assert_eq!(flushed, expected);
    world.database.heal();
    let (_shutdown, _running) = world.start();
    eventually("all are flushed", async || world.is_empty().await).await;
    world.assert_effects(&events);
}

#[tokio::test(start_paused = true)]
async fn a_lost_commit_of_the_store_doubles_nothing() {
    let world = World::new(Arc::default());
    let event = world.added(CardId::generate(), "alice");
    world.collect(std::slice::from_ref(&event)).await;
    *world.store.commits_away.lock() = 1;
    let (_shutdown, _running) = world.start();
    eventually("it is removed", async || world.is_empty().await).await;
    world.assert_effects(&[event]);
    assert_eq!(world.database.ledger.lock().commits, [1, 1], "it was written twice, with one effect");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_away_keeps_a_poison_window_until_it_is_back() {
    let world = World::new(poisoned_by("mallory", || DomainError::Corrupt("bad payload".into())));
    *world.database.log_away.lock() = 5;
    let event = world.added(CardId::generate(), "mallory");
    world.collect(std::slice::from_ref(&event)).await;
    let (_shutdown, _running) = world.start();
    eventually("it is given up", async || world.is_empty().await).await;
    assert_eq!(*world.database.log_away.lock(), 0);
    assert_eq!(world.database.ledger.lock().dead.keys().collect::<Vec<_>>(), [&event.id]);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_is_bypassed() {
    for fault in [|| Error::Full, || Error::Corrupt("not ours".into())] {
        let world = World::new(Arc::default());
        let card = CardId::generate();
        let events = ["alice", "bob", "alice"].map(|actor| world.added(card, actor));
        world.collect(&events[..1]).await;
        *world.store.fail_merge.lock() = Some(fault);
        world.collect(&events).await;
        world.assert_effects(&events);
        assert_eq!(world.database.ledger.lock().commits, [2], "one window for each person");
        // The window that was merged before finds nothing left to do.
        assert_eq!(world.saga.flush_all().await.unwrap().events, 0);
        world.assert_effects(&events);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_away_is_told_apart_from_what_fails() {
    let world = World::new(Database::failing(|_| Some(DomainError::Unavailable("restarting".into()))));
    let event = world.added(CardId::generate(), "alice");
    let outcome = async || world.saga.collect(std::slice::from_ref(&event)).await.remove(0);
    *world.store.fail_merge.lock() = Some(|| Error::Unavailable("failing over".into()));
    assert_eq!(outcome().await, Outcome::Unavailable("the saga store cannot be reached: failing over".into()));
    *world.store.fail_merge.lock() = Some(|| Error::Full);
    assert_eq!(outcome().await, Outcome::Unavailable("restarting".into()));
    *world.database.fault.lock() = Some(Box::new(|_| Some(DomainError::Stale)));
    assert_eq!(outcome().await, Outcome::Retry(DomainError::Stale.to_string()));
}

#[tokio::test(start_paused = true)]
async fn draining_writes_what_is_not_due_and_counts_no_failure() {
    let world = World::new(poisoned_by("mallory", || DomainError::Corrupt("bad payload".into())));
    let card = CardId::generate();
    let good: Vec<_> = (0..600).map(|n| world.added(card, &format!("user{n}"))).collect();
    let bad = world.added(card, "mallory");
    world.collect(&[good.clone(), vec![bad]].concat()).await;
    let before = Instant::now();
    let flushed = world.saga.flush_all().await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!((flushed.windows, flushed.dead), (600, 0));
    world.assert_effects(&good);
    let open = world.store.open(None, 10).await.unwrap();
    assert_eq!(open.iter().map(|window| window.failures).collect::<Vec<_>>(), [0]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_finishes_the_flush_in_progress() {
    let world = World::new(Arc::default());
    let events = [world.added(CardId::generate(), "alice"), world.added(CardId::generate(), "bob")];
    world.collect(&events[..1]).await;
    let gate = world.database.gate.lock().await;
    let (shutdown, running) = world.start();
    eventually("the flush has begun", async || world.store.open(None, 1).await.unwrap()[0].locked).await;
    world.collect(&events[1..]).await;
    shutdown.cancel();
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(!running.is_finished(), "it waits for the database");
    drop(gate);
    running.await.unwrap();
    world.assert_effects(&events[..1]);
    let open = world.store.open(None, 10).await.unwrap();
    assert_eq!(open.len(), 1, "what is merged after the claim stays for the next worker");
    assert!(!open[0].locked);
}
