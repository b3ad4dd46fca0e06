//! Two processes over one store and one transport; one that dies is started again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use cardwire_domain::analytics::Analytics;
use cardwire_domain::changes::{Idempotency, IdempotencyKey};
use cardwire_domain::use_cases::{Request, UseCase, execute};
use cardwire_domain::{Clock, Error, Store, UserId};
use cardwire_events::relay::RelaySettings;
use cardwire_events::{EventHandler, EventLog, EventSubscriber, EventWorker, Handover, Queue, QueueSettings, Relay};
use cardwire_saga::{CardCollectionSaga, FlushLoop, SagaSettings, SagaStateStore};
use cardwire_storage::SqliteStore;
use cardwire_testkit::TokioClock;
use cardwire_testkit::faults::ports::{
    FaultyAnalytics, FaultyEventLog, FaultyFeed, FaultyPublisher, FaultySagaStore, FaultySearch, FaultyStore,
    FaultySubscriber,
};
use cardwire_testkit::faults::records::FaultyRecords;
use cardwire_testkit::faults::{FaultPlan, Faults, Process, Seam};
use cardwire_workers::{AnalyticsHandler, FeedHandler, RecordHandler, SearchHandler};
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::checker;
use crate::mutants::{self, Mutant};
use crate::transport::Transport;
use crate::workload;

/// How long a client waits for an answer before it repeats the request.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a process is down after a crash.
const RESTART: Duration = Duration::from_secs(1);
/// In the worst case a lost event is due after 30 s, and the copy published then is lost to a second fault.
const SETTLES_WITHIN: Duration = Duration::from_secs(180);
pub const PROCESSES: usize = 2;

pub struct World {
    pub store: SqliteStore,
    pub analytics: Arc<dyn Analytics>,
    pub transport: Transport,
    pub faults: Arc<Faults>,
    setup: Setup,
    processes: Mutex<Vec<Running>>,
}

#[derive(Clone)]
struct Running {
    process: Arc<Process>,
    /// From its clients' commits to its relay; gone with it.
    handover: Handover,
    /// What clients of this process reach.
    store: Arc<dyn Store>,
}

impl Running {
    /// Whether its relay publishes what it is given.
    fn relays(&self) -> bool {
        Queue::ALL.iter().all(|queue| self.handover.is_open(*queue))
    }

    async fn up(&self) {
        while !self.relays() {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What is wrong on purpose, besides the planned faults.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub mutant: Mutant,
    /// Whether relays look for what is due.
    pub looks: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { mutant: Mutant::Sound, looks: true }
    }
}

/// The result of a run that passed the check.
#[derive(Clone, Debug)]
pub struct Passed {
    /// From the last answer to a client until nothing was owed or pending.
    pub settled_after: Duration,
    pub activities: usize,
}

/// Runs the workload under the planned faults and compares everything with everything.
///
/// # Errors
/// What is wrong in the end; or a planned fault whose call never came.
pub fn run(plans: &[FaultPlan], setup: Setup) -> anyhow::Result<Passed> {
    in_world(plans, setup, async |world| {
        let expected = workload::run(&world).await?;
        let settled_after = world.settled().await?;
        let unfired = world.faults.unfired();
        ensure!(unfired.is_empty(), "never met: {unfired:?}");
        let activities = checker::check(&world, &expected).await?;
        Ok(Passed { settled_after, activities })
    })
}

/// Runs this in a world with all its processes running, under a paused clock.
///
/// # Errors
/// Those of `play`; or a process that ended by itself.
pub fn in_world<T>(
    plans: &[FaultPlan],
    setup: Setup,
    play: impl AsyncFnOnce(Arc<World>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let world = Arc::new(World::new(plans, setup));
        let mut supervisors = JoinSet::new();
        for index in 0..PROCESSES {
            let world = Arc::clone(&world);
            supervisors.spawn(async move { world.supervise(index).await });
        }
        while !world.processes.lock().iter().all(Running::relays) {
            sleep(Duration::from_millis(10)).await;
        }
        tokio::select! {
            played = play(world) => played,
            ended = supervisors.join_next() => anyhow::bail!("a process ended by itself: {ended:?}"),
        }
    })
}

impl World {
    fn new(plans: &[FaultPlan], setup: Setup) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::new());
        let store = SqliteStore::in_memory(clock.clone(), Handover::default()).expect("SQLite is built in");
        let transport = Transport::new(clock);
        let faults = Faults::plan(plans);
        let emptied = transport.clone();
        faults.on_flushall(move || emptied.flushall());
        let processes = Mutex::default();
        let analytics = mutants::analytics(setup.mutant, Arc::new(store.clone()));
        let world = Self { store, analytics, transport, faults, setup, processes };
        let first = (0..PROCESSES).map(|_| world.process()).collect();
        *world.processes.lock() = first;
        world
    }

    fn process(&self) -> Running {
        let (process, handover) = (Process::start(), Handover::default());
        let seam = Seam::new(Arc::clone(&self.faults), Arc::clone(&process));
        let inner = Arc::new(self.store.beside(handover.clone()));
        Running { process, handover, store: Arc::new(FaultyStore { seam, inner }) }
    }

    /// Keeps a process running. Returns only if one of its tasks ended by itself.
    async fn supervise(&self, index: usize) -> anyhow::Result<()> {
        let mut running = self.processes.lock()[index].clone();
        loop {
            let mut tasks = self.start(&running);
            tokio::select! {
                () = running.up() => self.processes.lock()[index] = running.clone(),
                () = running.process.died() => {}
            }
            tokio::select! {
                () = running.process.died() => {}
                ended = tasks.join_next() => anyhow::bail!("{ended:?}"),
            }
            tasks.shutdown().await;
            sleep(RESTART).await;
            running = self.process();
        }
    }

    /// Relay, flush loop and the workers of all queues.
    fn start(&self, Running { process, handover, .. }: &Running) -> JoinSet<()> {
        let seam = Seam::new(Arc::clone(&self.faults), Arc::clone(process));
        let inner = Arc::new(self.store.beside(handover.clone()));
        let log: Arc<dyn EventLog> = Arc::new(FaultyEventLog { seam: seam.clone(), inner: inner.clone() });
        let looked_at = mutants::looks(self.setup.looks, &log);
        let feed = Arc::new(FaultyFeed { seam: seam.clone(), inner: inner.clone() });
        let index = Arc::new(FaultySearch { seam: seam.clone(), inner });
        let analytics = Arc::new(FaultyAnalytics { seam: seam.clone(), inner: Arc::clone(&self.analytics) });
        let records = Arc::new(FaultyRecords { seam: seam.clone(), inner: Arc::new(self.store.clone()) });
        let publisher = Arc::new(FaultyPublisher { seam: seam.clone(), inner: self.transport.publisher.clone() });
        let saga_store: Arc<dyn SagaStateStore> =
            Arc::new(FaultySagaStore { seam: seam.clone(), inner: self.transport.saga.clone() });
        let saga_store = mutants::saga_store(self.setup.mutant, saga_store);
        let saga =
            Arc::new(CardCollectionSaga::new(saga_store, feed.clone(), Arc::clone(&log), SagaSettings::default()));

        let mut tasks = JoinSet::new();
        let stop = CancellationToken::new();
        // Nothing must wait for publishing in a process that dies of something else: without looks it would be lost.
        let settings = RelaySettings { gather: Duration::ZERO, ..RelaySettings::default() };
        let relay = Relay::new(looked_at, publisher, handover.clone(), settings)
            .followed_by(Queue::Feeds, Arc::clone(&saga) as _);
        let stopped = stop.clone();
        tasks.spawn(async move { relay.run(stopped).await });
        let flush = FlushLoop::new(Arc::clone(&saga));
        let stopped = stop.clone();
        tasks.spawn(async move { flush.run(stopped).await });
        for queue in Queue::ALL {
            let handler: Arc<dyn EventHandler> = match queue {
                Queue::Feeds => Arc::new(FeedHandler::new(Arc::clone(&saga), feed.clone(), Arc::clone(&log))),
                Queue::Search => Arc::new(SearchHandler::new(index.clone())),
                Queue::Analytics => Arc::new(AnalyticsHandler::new(analytics.clone())),
                Queue::Records => Arc::new(RecordHandler::new(records.clone(), true)),
            };
            let inner = self.transport.subscriber(queue).clone();
            let subscriber: Arc<dyn EventSubscriber> = Arc::new(FaultySubscriber { seam: seam.clone(), queue, inner });
            let subscriber = mutants::subscriber(self.setup.mutant, subscriber);
            let handler = mutants::handler(self.setup.mutant, queue, handler, &log);
            let worker = EventWorker::new(queue, QueueSettings::of(queue), subscriber, handler, Arc::clone(&log));
            let stopped = stop.clone();
            tasks.spawn(async move { worker.run(stopped).await.expect("in memory nothing is set up wrongly") });
        }
        tasks
    }

    /// Kills one of the processes, wherever it is. Its supervisor starts a new one.
    pub fn kill(&self, index: usize) {
        self.processes.lock()[index].process.kill();
    }

    /// Like [`Self::ask`], for a command that is not refused.
    pub async fn give<C: UseCase>(&self, by: &UserId, key: &str, command: C) -> anyhow::Result<C::Answer> {
        self.ask(by, key, command).await?.map_err(|error| anyhow::anyhow!("{key} was refused: {error}"))
    }

    /// Sends a command as a client does: without an answer it is sent again, with the same key, to the other process.
    pub async fn ask<C: UseCase>(
        &self,
        by: &UserId,
        key: &str,
        command: C,
    ) -> anyhow::Result<cardwire_domain::Result<C::Answer>> {
        for attempt in 0..40 {
            let key = IdempotencyKey::of_client(&mutants::key(self.setup.mutant, key, attempt))?;
            let idempotency = Some(Idempotency { key, fingerprint: "the same".into() });
            let request = Request { idempotency, ..Request::by(by.clone()) };
            let Running { process, store, .. } = self.processes.lock()[attempt % PROCESSES].clone();
            let answer = tokio::select! {
                answer = timeout(PATIENCE, execute(&*store, &request, &command)) => answer,
                () = process.died() => {
                    sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            match answer {
                Ok(Err(Error::Unavailable(_))) => sleep(Duration::from_secs(1)).await,
                Ok(answer) => return Ok(answer),
                Err(_) => {}
            }
        }
        anyhow::bail!("{key} was never answered")
    }

    /// Waits until nothing is owed, waiting or pending.
    pub async fn settled(&self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        loop {
            let owed: u64 = self.store.backlog().await?.iter().map(|queue| queue.owed).sum();
            if owed == 0 && self.transport.is_empty().await {
                return Ok(started.elapsed());
            }
            ensure!(
                started.elapsed() < SETTLES_WITHIN,
                "{owed} deliveries are still owed, or the transport is not empty"
            );
            sleep(Duration::from_millis(250)).await;
        }
    }
}
