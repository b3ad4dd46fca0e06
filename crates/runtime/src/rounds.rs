//! Background work of every process: it learns which queues are paused, reports how its workers are doing, takes its
//! turn at measuring, empties deleted collections, deletes pictures that no page shows, undoes imports, replays events
//! and continues the deletion of accounts. The web process also re-reads the URLs of cards by new rules.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cardwire_domain::use_cases::{Parting, Renewed, let_cards_go, let_person_go, renew_identities, undo_imports};
use cardwire_domain::{CardId, Clock as _, Error, EventId, SystemClock};
use cardwire_events::latency::Histogram;
use cardwire_events::operations::{Gauges, Pauses, SAMPLE_EVERY};
use cardwire_events::registry::{WorkerId, WorkerInfo};
use cardwire_events::worker::Progress;
use cardwire_events::{EventSubscriber, Queue};
use futures_util::future::{join_all, join3};
use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::adapters::Adapters;
use crate::replay;
use crate::version::VERSION;

/// How often to ask which queues are paused. A pause takes effect within this time plus the length of a claim.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often a worker reports that it is alive.
const BEAT_EVERY: Duration = Duration::from_secs(5);
/// How often to look for deleted collections that still hold cards.
const LET_GO_EVERY: Duration = Duration::from_secs(2);
/// This many cards leave a deleted collection in one transaction.
const LET_GO: usize = 500;
/// This many cards, or other rows, of somebody whose account is being deleted are deleted in one transaction.
const PART_WITH: usize = 100;
/// This many cards of an import are undone in one transaction, and the shortest pause before the next, so that other
/// people's saves get through.
const UNDO: usize = 50;
const UNDO_PAUSE: Duration = Duration::from_millis(50);
/// How long a server may take to end the session of somebody whose account is being deleted.
const FAREWELL: Duration = Duration::from_secs(5);
/// After this many leaving people who turn out to be waiting, a round ends.
const DRAWS: usize = 5;
/// How often to look for cards whose URLs were read by earlier rules: after an update, and as long as processes of the
/// previous build run.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// This many such cards are looked at together.
const RENEW: usize = 200;
/// How often to look for pictures that pages have dropped, and how many of them to look at together.
const DROP_PICTURES_EVERY: Duration = Duration::from_secs(60);
const DROP_PICTURES: usize = 200;
/// How long measuring one part of the transport may take; after that the sample leaves it out.
const PATIENCE: Duration = Duration::from_secs(2);

/// The rounds of one process.
pub struct Rounds {
    adapters: Adapters,
    /// Every queue once, to be asked for its depth.
    queues: Vec<(Queue, Arc<dyn EventSubscriber>)>,
    hands: Vec<Hand>,
    reads_urls: bool,
    said_unknown: AtomicBool,
    /// Dead letters for which a log line has said that the deletion of an account waits for them.
    said_dead: Mutex<BTreeSet<EventId>>,
    /// Cards for which a log line has said that their URLs could not be updated.
    said_unfit: Mutex<BTreeSet<CardId>>,
}

/// A worker of this process.
struct Hand {
    info: WorkerInfo,
    progress: Arc<Progress>,
    /// How much of the processed events has been added to the totals.
    added: Mutex<u64>,
    /// The same for how long events took.
    added_took: Mutex<Histogram>,
}

impl Rounds {
    /// For a process without workers.
    pub fn new(adapters: &Adapters) -> anyhow::Result<Self> {
        let mut queues = Vec::new();
        for queue in Queue::ALL {
            queues.push((queue, adapters.subscriber(queue)?));
        }
        Ok(Self {
            adapters: adapters.clone(),
            queues,
            hands: Vec::new(),
            reads_urls: false,
            said_unknown: AtomicBool::new(false),
            said_dead: Mutex::default(),
            said_unfit: Mutex::default(),
        })
    }

    /// Also re-reads the URLs of cards by new rules. Only for web, which is replaced last: older workers do not know
    /// the resulting events, and an older web looks for cards by its own rules.
    pub fn reading_urls(mut self) -> Self {
        self.reads_urls = true;
        self
    }

    /// Also reports for a worker.
    pub fn with_worker(mut self, queue: Queue, progress: Arc<Progress>) -> Self {
        let now = SystemClock.now();
        let info = WorkerInfo {
            id: WorkerId::generate(),
            queue,
            host: host_name(),
            pid: std::process::id(),
            version: VERSION.to_owned(),
            started_at: now,
            last_seen: now,
            processed: 0,
            in_flight: 0,
        };
        self.hands.push(Hand { info, progress, added: Mutex::default(), added_took: Mutex::default() });
        self
    }

    /// Runs until dropped, which may happen at any time.
    pub async fn run(&self) {
        tokio::join!(
            every(ASK_EVERY, || self.learn_pauses()),
            every(BEAT_EVERY, || self.beat()),
            every(SAMPLE_EVERY, || self.measure()),
            every(SAMPLE_EVERY, || self.tell_latencies()),
            every(LET_GO_EVERY, || self.empty_collections()),
            every(LET_GO_EVERY, || self.delete_accounts()),
            every(LET_GO_EVERY, || self.undo_imports()),
            every(RENEW_EVERY, || self.renew_identities()),
            every(LET_GO_EVERY, || self.replay()),
            every(DROP_PICTURES_EVERY, || self.drop_pictures()),
        );
    }

    /// The workers stop: their last figures are added, and they are no longer listed.
    pub async fn leave(&self) {
        for hand in &self.hands {
            self.add_work(hand).await;
            self.add_latencies(hand).await;
            if let Err(error) = self.adapters.registry.leave(hand.info.queue, hand.info.id).await {
                tracing::debug!(%error, "could not say that this worker ends");
            }
        }
    }

    async fn learn_pauses(&self) {
        let pauses: &Pauses = &self.adapters.pauses;
        match self.adapters.operator.pauses().await {
            Ok(found) => {
                let paused: BTreeSet<Queue> = found.iter().map(|pause| pause.queue).collect();
                for queue in pauses.learn(paused.clone()) {
                    let state = if paused.contains(&queue) { "paused" } else { "resumed" };
                    tracing::info!(%queue, "the queue is {state}");
                }
                for queue in Queue::ALL {
                    metrics::gauge!("cardwire_queue_paused", "queue" => queue.name())
                        .set(f64::from(u8::from(paused.contains(&queue))));
                }
            }
            // The last known state stays in force; without the store nothing takes effect anyway.
            Err(error) if pauses.are_known() || self.said_unknown.swap(true, Ordering::Relaxed) => {
                tracing::debug!(%error, "could not ask which queues are paused");
            }
            Err(error) => tracing::warn!(%error, "nothing is worked off until it is known which queues are paused"),
        }
    }

    async fn beat(&self) {
        join_all(self.hands.iter().map(|hand| async move {
            let info = WorkerInfo {
                processed: hand.progress.processed.load(Ordering::Relaxed),
                in_flight: hand.progress.in_flight.load(Ordering::Relaxed),
                ..hand.info.clone()
            };
            // Separately, because one server may be down.
            let (beaten, ()) = tokio::join!(self.adapters.registry.beat(&info), self.add_work(hand));
            if let Err(error) = beaten {
                tracing::debug!(%error, "could not say that this worker is alive");
            }
        }))
        .await;
    }

    /// Figures that cannot be added now are added next time. If an answer is lost, they may count twice; they are only
    /// for people to look at.
    async fn add_work(&self, hand: &Hand) {
        let now = hand.progress.processed.load(Ordering::Relaxed);
        let before = *hand.added.lock();
        if now == before {
            return;
        }
        match self.adapters.history.add_work(hand.info.queue, now - before, 0).await {
            Ok(()) => *hand.added.lock() = now,
            Err(error) => tracing::debug!(%error, "could not add what was processed"),
        }
    }

    async fn tell_latencies(&self) {
        join_all(self.hands.iter().map(|hand| self.add_latencies(hand))).await;
    }

    /// Like [`Self::add_work`]. An event that goes through a window has its effect when the window is written, by
    /// whichever process writes it.
    async fn add_latencies(&self, hand: &Hand) {
        let mut now = hand.progress.took.so_far();
        if hand.info.queue == Queue::Feeds {
            now.merge(&self.adapters.saga.took());
        }
        let new = now.since(&hand.added_took.lock());
        if new.is_empty() {
            return;
        }
        match self.adapters.history.add_latencies(hand.info.queue, &new).await {
            Ok(()) => *hand.added_took.lock() = now,
            Err(error) => tracing::debug!(%error, "could not add how long events took"),
        }
    }

    /// Another round, here or in another process, does the rest.
    async fn empty_collections(&self) {
        loop {
            match let_cards_go(&*self.adapters.store, LET_GO).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, "cards could not leave a deleted collection; another round tries again");
                    return;
                }
            }
        }
    }

    /// Another round, here or in another process, does the rest.
    async fn delete_accounts(&self) {
        // One of those who are leaving is picked at random each time, so one that waits does not hold up the others.
        let mut waits = 0;
        while waits < DRAWS {
            let begun = Instant::now();
            self.say_farewell().await;
            match let_person_go(&*self.adapters.store, PART_WITH).await {
                // Leaves as much time to everybody else as it took.
                Ok(Parting::Further) => sleep(begun.elapsed()).await,
                Ok(Parting::Nobody) => return,
                Ok(Parting::Waits) => waits += 1,
                Ok(Parting::WaitsForDead { person, event }) => {
                    if self.said_dead.lock().insert(event) {
                        tracing::warn!(
                            %person,
                            %event,
                            "an account is deleted once its last dead letter is retried or discarded"
                        );
                    }
                    waits += 1;
                }
                // Somebody else did part of it first.
                Err(Error::Stale) => return,
                Err(error) => {
                    tracing::warn!(%error, "an account could not be deleted any further; another round tries again");
                    return;
                }
            }
        }
    }

    /// Ends the connections of those who are leaving, after their records are deleted and before their tokens are. If
    /// that fails, they leave all the same.
    async fn say_farewell(&self) {
        let Some(agents) = &self.adapters.agents else { return };
        let leavers = match self.adapters.accounts.connected_leavers().await {
            Ok(leavers) => leavers,
            Err(error) => return tracing::debug!(%error, "could not ask who is leaving"),
        };
        for person in leavers {
            match timeout(FAREWELL, agents.disconnect(&person)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::info!(%person, %error, "a connection was not ended"),
                Err(_) => tracing::info!(%person, "a connection was not ended in time at its server"),
            }
        }
    }

    /// Another round, here or in another process, does the rest.
    async fn renew_identities(&self) {
        if !self.reads_urls {
            return;
        }
        let mut after = None;
        loop {
            let begun = Instant::now();
            match renew_identities(&*self.adapters.store, after, RENEW).await {
                Ok(Renewed { last: None, .. }) => return,
                Ok(Renewed { last, failed }) => {
                    for (card, error) in failed {
                        if self.said_unfit.lock().insert(card) {
                            tracing::warn!(%card, %error, "could not update a card's URL to the new rules; left unchanged");
                        }
                    }
                    after = last;
                    // Leaves as much time to everybody else as it took.
                    sleep(begun.elapsed()).await;
                }
                // Somebody else did it first.
                Err(Error::Stale) => return,
                Err(error) => {
                    tracing::warn!(%error, "could not update cards' URLs to the new rules; another round tries again");
                    return;
                }
            }
        }
    }

    /// Another round, here or in another process, does the rest.
    async fn undo_imports(&self) {
        loop {
            let begun = Instant::now();
            match undo_imports(&*self.adapters.store, UNDO).await {
                Ok(true) => sleep(begun.elapsed().clamp(UNDO_PAUSE, LET_GO_EVERY)).await,
                Ok(false) => return,
                // Somebody changed a card meanwhile.
                Err(Error::Stale) => return,
                Err(error) => {
                    tracing::warn!(%error, "an import could not be undone any further; another round tries again");
                    return;
                }
            }
        }
    }

    /// Another round, here or in another process, does the rest.
    async fn replay(&self) {
        if let Err(error) = replay::run(&self.adapters).await {
            tracing::warn!(%error, "a replay cannot go on now; it will");
        }
    }

    /// Another round, here or in another process, does the rest.
    async fn drop_pictures(&self) {
        loop {
            let begun = Instant::now();
            match self.adapters.pictures.drop_pictures(DROP_PICTURES).await {
                // Leaves as much time to everybody else as it took.
                Ok(DROP_PICTURES) => sleep(begun.elapsed()).await,
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%error, "pictures that no page shows could not be deleted; another round tries again");
                    return;
                }
            }
        }
    }

    async fn measure(&self) {
        if let Err(error) = self.take_sample().await {
            tracing::debug!(%error, "no sample was taken");
        }
    }

    async fn take_sample(&self) -> cardwire_events::Result<()> {
        let Adapters { history, log, registry, .. } = &self.adapters;
        let Some(at) = history.take_turn().await? else { return Ok(()) };
        let depths = join_all(self.queues.iter().map(|(_, subscriber)| timeout(PATIENCE, subscriber.depth())));
        let (backlog, depths, workers) = join3(log.backlog(), depths, timeout(PATIENCE, registry.list())).await;
        let backlog = backlog?;
        let workers = workers.ok().and_then(Result::ok);
        let measured = self.queues.iter().zip(depths).map(|((queue, _), depth)| {
            let depth = depth.ok().and_then(Result::ok);
            let owed = backlog.iter().find(|backlog| backlog.queue == *queue);
            let oldest = owed.and_then(|backlog| backlog.oldest);
            let alive = |workers: &Vec<WorkerInfo>| workers.iter().filter(|worker| worker.queue == *queue).count();
            Gauges {
                queue: *queue,
                waiting: depth.map(|depth| depth.waiting as u64),
                in_flight: depth.map(|depth| depth.in_flight as u64),
                suspects: depth.map(|depth| depth.suspects as u64),
                owed: owed.map_or(0, |backlog| backlog.owed),
                unpublished: owed.map_or(0, |backlog| backlog.unpublished),
                dead: owed.map_or(0, |backlog| backlog.dead),
                oldest_age_s: oldest
                    .map_or(0, |oldest| u64::try_from(at.duration_since(oldest).as_secs()).unwrap_or(0)),
                workers: workers.as_ref().map(|workers| alive(workers) as u64),
            }
        });
        let measured: Vec<Gauges> = measured.collect();
        history.keep(at, &measured).await?;
        match workers {
            Some(workers) if !workers.is_empty() => history.keep_workers(at, &workers).await,
            _ => Ok(()),
        }
    }
}

/// At once, then again and again.
async fn every<F: Future<Output = ()>>(period: Duration, mut act: impl FnMut() -> F) {
    let mut tick = interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        act().await;
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "unknown".to_owned() } else { name.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cardwire_domain::accounts::{Account, Admission, SignedUp};
    use cardwire_domain::use_cases::{AddUrlToLibrary, Request, execute};
    use cardwire_domain::user::User;
    use cardwire_domain::{Store as _, UserId, Visibility};
    use cardwire_events::Handover;
    use cardwire_events::operations::Action;
    use cardwire_storage::SqliteStore;

    use super::*;
    use crate::{CliSettings, Environment, InMemoryEventWorkerProcess, Role, Settings};

    fn settings() -> Settings {
        let given = [("APP_ENV", "development"), ("USE_MOCK_REPOS", "true"), ("USE_IN_MEMORY_EVENTS", "true")];
        let variables: BTreeMap<_, _> = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let environment = Environment { variables, dotenv: None, terminal: false };
        Settings::load(Role::Web, &CliSettings::default(), &environment).unwrap()
    }

    /// Waits until this is true, at most half a minute by tokio's clock.
    async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !holds().await {
            assert!(Instant::now() < deadline, "{what}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn save(adapters: &Adapters, url: &str) {
        let alice = Request::by(UserId::parse("did:plc:alice").unwrap());
        let command = AddUrlToLibrary { url: url.into(), ..AddUrlToLibrary::default() };
        execute(&*adapters.store, &alice, &command).await.unwrap();
    }

    async fn owed(adapters: &Adapters, queue: Queue) -> (u64, u64) {
        let backlog = adapters.log.backlog().await.unwrap();
        let backlog = backlog.iter().find(|backlog| backlog.queue == queue).unwrap();
        (backlog.owed, backlog.unpublished)
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_queue_rests_until_it_is_resumed_and_the_others_go_on() {
        let settings = settings();
        let adapters = Adapters::plug(&settings).unwrap();
        let by = UserId::parse("did:plc:operator").unwrap();
        let (queue, reason) = (Queue::Search, None);
        // Before the start: the first look at the store must come before the first claim.
        adapters.operator.act(&by, &Action::Pause { queue, reason }).await.unwrap();
        let workers = InMemoryEventWorkerProcess::start(&adapters, &settings).unwrap();
        save(&adapters, "https://example.com/1").await;
        eventually("analytics goes on", async || owed(&adapters, Queue::Analytics).await.0 == 0).await;
        eventually("it is known", async || adapters.pauses.paused() == [Queue::Search]).await;
        // Ten minutes of looks.
        sleep(Duration::from_secs(600)).await;
        assert_eq!(owed(&adapters, Queue::Search).await, (1, 1), "neither published nor worked off");
        let depth = adapters.subscriber(Queue::Search).unwrap().depth().await.unwrap();
        assert_eq!(depth.waiting + depth.in_flight, 0, "no copies pile up");

        adapters.operator.act(&by, &Action::Resume { queue }).await.unwrap();
        eventually("it goes on", async || owed(&adapters, Queue::Search).await.0 == 0).await;

        // While it runs: published events wait in the queue, and no copies are added.
        let reason = Some("a bad build".to_owned());
        adapters.operator.act(&by, &Action::Pause { queue, reason }).await.unwrap();
        eventually("it is known again", async || adapters.pauses.holds(Queue::Search)).await;
        save(&adapters, "https://example.com/2").await;
        sleep(Duration::from_secs(60)).await;
        let drained = workers.drain(Duration::from_secs(20)).await.unwrap();
        assert_eq!(drained.owed, 0, "a drain does not wait for what is paused");
        assert_eq!(owed(&adapters, Queue::Search).await, (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn workers_are_listed_and_figures_kept() {
        let settings = settings();
        let adapters = Adapters::plug(&settings).unwrap();
        let workers = InMemoryEventWorkerProcess::start(&adapters, &settings).unwrap();
        save(&adapters, "https://example.com/1").await;
        eventually("all workers are listed", async || {
            adapters.registry.list().await.unwrap().len() == Queue::ALL.len()
        })
        .await;
        let samples = async || adapters.history.history(Queue::Search, Duration::from_secs(3_600), 240).await.unwrap();
        eventually("a sample is taken", async || !samples().await.is_empty()).await;
        assert_eq!(samples().await[0].gauges.queue, Queue::Search);
        eventually("it is worked off", async || owed(&adapters, Queue::Search).await.0 == 0).await;
        workers.drain(Duration::from_secs(20)).await.unwrap();
        assert!(adapters.registry.with_silent().await.unwrap().is_empty(), "they said that they end");
        // The store's clock hardly moves here, so the next turn is far off: take a sample of our own to see what was
        // added.
        let gauges = samples().await[0].gauges;
        adapters.history.keep(SystemClock.now(), &[gauges]).await.unwrap();
        let last = *samples().await.last().unwrap();
        assert_eq!((last.processed, last.failed), (1, 0), "what was processed is added, at the latest at the end");
        let took = adapters.history.latencies(Queue::Search, Duration::from_secs(3_600), 1).await.unwrap();
        assert_eq!(took.iter().map(|took| took.events.total()).sum::<u64>(), 1, "and how long it took");
    }

    #[tokio::test(start_paused = true)]
    async fn a_deleted_account_is_gone_after_some_rounds() {
        let settings = settings();
        let adapters = Adapters::plug(&settings).unwrap();
        let workers = InMemoryEventWorkerProcess::start(&adapters, &settings).unwrap();
        let user = User { id: UserId::parse("did:plc:alice").unwrap(), handle: "alice".into() };
        let account = Account { user, password_hash: "$argon2id$".into() };
        adapters.accounts.create_account(&account, &Admission::Open).await.unwrap();
        // Windows seen by others would not close, because the store's clock hardly moves here.
        let command = AddUrlToLibrary {
            url: "https://example.com/1".into(),
            visibility: Some(Visibility::Private),
            ..AddUrlToLibrary::default()
        };
        execute(&*adapters.store, &Request::by(account.user.id.clone()), &command).await.unwrap();
        assert!(adapters.accounts.delete_account(&account).await.unwrap());
        let is_free = async || {
            let user = User { id: UserId::generate(), handle: "alice".into() };
            let again = Account { user, ..account.clone() };
            adapters.accounts.create_account(&again, &Admission::Open).await.unwrap() != SignedUp::Taken
        };
        eventually("the handle can be had again", is_free).await;
        assert_eq!(adapters.search.card_count().await.unwrap(), 0, "the card is gone");
        workers.drain(Duration::from_secs(20)).await.unwrap();
    }
    #[tokio::test(start_paused = true)]
    async fn only_web_reads_urls_by_new_rules() {
        let store = Arc::new(SqliteStore::in_memory(Arc::new(SystemClock), Handover::default()).unwrap());
        let mut adapters = Adapters::plug(&settings()).unwrap();
        adapters.store = store.clone();
        save(&adapters, "https://example.com/1").await;
        store.outdate_cards().await.unwrap();
        let outdated = async || {
            let mut tx = store.begin().await.unwrap();
            tx.outdated_cards(None, 10).await.unwrap().len()
        };
        let worker = Rounds::new(&adapters).unwrap();
        assert!(timeout(6 * RENEW_EVERY, worker.run()).await.is_err(), "rounds do not end");
        assert_eq!(outdated().await, 1);
        let web = Rounds::new(&adapters).unwrap().reading_urls();
        assert!(timeout(6 * RENEW_EVERY, web.run()).await.is_err());
        assert_eq!(outdated().await, 0);
    }
}
