//! Faults at named points: what dies, hangs or happens twice, exactly before or after an effect.
//!
//! The decorators in [`ports`] stand in front of the ports that a process uses; nothing of this is in the code that they
//! are put around. A test plans faults ([`Faults::plan`]), builds processes on decorated ports, and looks in the end
//! whether each planned fault met its call ([`Faults::unfired`]).

pub mod ports;
pub mod records;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use cardwire_events::Queue;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// A call that has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultPoint {
    /// The commit of a command: rows, events and deliveries.
    Accept,
    /// What was committed, or was found due, goes to its queue.
    Publish(Queue),
    /// A worker claims a batch; only calls that find something count.
    Claim(Queue),
    Merge,
    Ack(Queue),
    /// Due windows are claimed under their lock; only calls that find something count.
    FlushClaim,
    /// The transaction that takes a window's events off the ledger and writes its activity.
    AddActivities,
    /// The transaction that takes events off the ledger and indexes their cards.
    Index,
    /// The transaction that takes events off the ledger and counts them.
    Count,
    /// The transaction that takes events off the ledger and owes their records.
    Owe,
    /// The transaction that takes events off the ledger which change no activity.
    Settle,
    /// A flushed window is removed from the saga's store.
    FlushCommit,
    /// A relay looks for what is due; only looks that find something count.
    Look,
    /// What could not be published is due again.
    GiveBack,
    Renew(Queue),
    /// Expired leases are looked for; only calls while something is claimed count.
    Reclaim(Queue),
    Release(Queue),
    /// A window that could not be written is given back.
    FlushRelease,
    BeginAttempt,
    UndoAttempt,
    /// Failures are booked.
    Fail,
}

impl FaultPoint {
    /// The points that every run passes, faults or none.
    pub const EVERYDAY: [Self; 21] = [
        Self::Accept,
        Self::Publish(Queue::Feeds),
        Self::Publish(Queue::Search),
        Self::Publish(Queue::Analytics),
        Self::Publish(Queue::Records),
        Self::Claim(Queue::Feeds),
        Self::Claim(Queue::Search),
        Self::Claim(Queue::Analytics),
        Self::Claim(Queue::Records),
        Self::Merge,
        Self::Ack(Queue::Feeds),
        Self::Ack(Queue::Search),
        Self::Ack(Queue::Analytics),
        Self::Ack(Queue::Records),
        Self::FlushClaim,
        Self::AddActivities,
        Self::Index,
        Self::Count,
        Self::Owe,
        Self::Settle,
        Self::FlushCommit,
    ];
}

/// What goes wrong at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAction {
    /// The process dies; the call is never made.
    CrashBefore,
    /// The call is made, and the process dies with its answer.
    CrashAfter,
    /// The call is made twice; the first answer is lost.
    RunTwice,
    /// This call alone hangs before it is made.
    DelayBefore(Duration),
    /// This call alone hangs with its answer on the way.
    DelayAfter(Duration),
    /// The whole process stands still, as under SIGSTOP, before the call.
    FreezeBefore(Duration),
    /// The whole process stands still after the call.
    FreezeAfter(Duration),
    /// The call is made, and its caller told that nobody could be reached.
    LoseReply,
    /// Nobody can be reached at this point from now on, for this long, by any process.
    Away(Duration),
    /// The transport loses all that it holds, before the call.
    FlushallBefore,
    /// The transport loses all that it holds, after the call.
    FlushallAfter,
}

/// One fault: at the `occurrence`th call (from 1, of all processes together) to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    pub point: FaultPoint,
    pub action: FaultAction,
    pub occurrence: usize,
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?} #{}", self.action, self.point, self.occurrence)
    }
}

/// What is planned for a test, and what happened so far. All processes of the test share it.
#[derive(Default)]
pub struct Faults {
    state: Mutex<State>,
    flushall: Mutex<Option<Box<dyn Fn() + Send + Sync>>>,
}

#[derive(Default)]
struct State {
    unfired: Vec<FaultPlan>,
    met: BTreeMap<FaultPoint, usize>,
    away: BTreeMap<FaultPoint, Instant>,
    taken: BTreeMap<Queue, usize>,
}

impl Faults {
    pub fn plan(plans: &[FaultPlan]) -> Arc<Self> {
        let state = State { unfired: plans.to_vec(), ..State::default() };
        Arc::new(Self { state: Mutex::new(state), flushall: Mutex::default() })
    }

    /// What [`FaultAction::FlushallBefore`] and `FlushallAfter` call.
    pub fn on_flushall(&self, lose: impl Fn() + Send + Sync + 'static) {
        *self.flushall.lock() = Some(Box::new(lose));
    }

    /// Plans whose call never came.
    pub fn unfired(&self) -> Vec<FaultPlan> {
        self.state.lock().unfired.clone()
    }

    /// How many calls each point has seen.
    pub fn met(&self) -> BTreeMap<FaultPoint, usize> {
        self.state.lock().met.clone()
    }

    /// How many deliveries the effects took off a queue's ledger, by their own account.
    pub fn taken(&self, queue: Queue) -> usize {
        self.state.lock().taken.get(&queue).copied().unwrap_or_default()
    }

    fn took(&self, queue: Queue, count: usize) {
        *self.state.lock().taken.entry(queue).or_default() += count;
    }

    fn meet(&self, point: FaultPoint, counts: bool) -> Option<FaultAction> {
        let now = Instant::now();
        let mut state = self.state.lock();
        if state.away.get(&point).is_some_and(|until| now < *until) {
            return Some(FaultAction::Away(Duration::ZERO));
        }
        if !counts {
            return None;
        }
        let met = state.met.entry(point).or_default();
        *met += 1;
        let occurrence = *met;
        let index = state.unfired.iter().position(|plan| plan.point == point && plan.occurrence == occurrence)?;
        let plan = state.unfired.swap_remove(index);
        if let FaultAction::Away(duration) = plan.action {
            state.away.insert(point, now + duration);
        }
        Some(plan.action)
    }

    fn flushall(&self) {
        let lose = self.flushall.lock();
        let lose = lose.as_ref().expect("a test that plans a FLUSHALL says what it empties");
        lose();
    }
}

/// One process, as far as its effects go: whether it lives, and whether it stands still.
pub struct Process {
    dead: watch::Sender<bool>,
    frozen_until: Mutex<Instant>,
}

impl Process {
    /// Must be called within a runtime.
    pub fn start() -> Arc<Self> {
        Arc::new(Self { dead: watch::Sender::new(false), frozen_until: Mutex::new(Instant::now()) })
    }

    /// Returns once the process has crashed. May be dropped at any time.
    pub async fn died(&self) {
        let mut dead = self.dead.subscribe();
        // The sender lives as long as we do.
        let _ = dead.wait_for(|dead| *dead).await;
    }

    /// From here on nothing that belongs to the process reaches a port, tasks that nobody aborts included.
    pub fn kill(&self) {
        self.dead.send_replace(true);
    }

    async fn crash(&self) -> Infallible {
        self.kill();
        pending().await
    }

    /// A dead process does nothing; one that stands still goes on later.
    async fn alive(&self) {
        loop {
            if *self.dead.borrow() {
                pending::<()>().await;
            }
            let until = *self.frozen_until.lock();
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    async fn freeze(&self, duration: Duration) {
        *self.frozen_until.lock() = Instant::now() + duration;
        self.alive().await;
    }
}

/// An adapter that a test may exchange while processes use it.
pub struct Replaceable<P: ?Sized>(Arc<RwLock<Arc<P>>>);

impl<P: ?Sized> Clone for Replaceable<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: ?Sized> Replaceable<P> {
    pub fn new(adapter: Arc<P>) -> Self {
        Self(Arc::new(RwLock::new(adapter)))
    }

    pub fn get(&self) -> Arc<P> {
        Arc::clone(&self.0.read())
    }

    pub fn replace(&self, adapter: Arc<P>) {
        *self.0.write() = adapter;
    }
}

/// How an error says that nobody could be reached.
trait Away {
    fn away() -> Self;
}

impl Away for cardwire_domain::Error {
    fn away() -> Self {
        Self::Unavailable("a planned fault".into())
    }
}

impl Away for cardwire_events::Error {
    fn away() -> Self {
        Self::Unavailable("the other side", "a planned fault".into())
    }
}

impl Away for cardwire_saga::Error {
    fn away() -> Self {
        Self::Unavailable("a planned fault".into())
    }
}

/// Between one process and everything that it can have an effect on.
#[derive(Clone)]
pub struct Seam {
    faults: Arc<Faults>,
    process: Arc<Process>,
}

impl Seam {
    pub const fn new(faults: Arc<Faults>, process: Arc<Process>) -> Self {
        Self { faults, process }
    }

    /// An effect of a queue, which goes on although whoever asked for it dies: the store commits it, or not, on a thread of its own. So it
    /// is counted where it ends.
    async fn effect<T, E>(
        &self,
        queue: Queue,
        effect: impl Future<Output = Result<T, E>> + Send + 'static,
        taken: fn(&T) -> usize,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let faults = Arc::clone(&self.faults);
        let counted = tokio::spawn(async move {
            let result = effect.await;
            faults.took(queue, result.as_ref().map_or(0, taken));
            result
        });
        counted.await.expect("effects do not panic")
    }

    /// A call at which no fault is planned.
    async fn through<T>(&self, call: impl Future<Output = T> + Send) -> T {
        self.process.alive().await;
        let answer = call.await;
        self.process.alive().await;
        answer
    }

    async fn at<T, E, F, Fut>(&self, point: FaultPoint, call: F) -> Result<T, E>
    where
        T: Send,
        E: Away + Send,
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        self.at_if(point, true, call).await
    }

    /// `counts`: the call will find something to do, so it is one at which faults may be planned.
    async fn at_if<T, E, F, Fut>(&self, point: FaultPoint, counts: bool, call: F) -> Result<T, E>
    where
        T: Send,
        E: Away + Send,
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        self.process.alive().await;
        let Some(action) = self.faults.meet(point, counts) else {
            return self.through(call()).await;
        };
        match action {
            FaultAction::CrashBefore => match self.process.crash().await {},
            FaultAction::CrashAfter => {
                drop(call().await);
                match self.process.crash().await {}
            }
            FaultAction::RunTwice => {
                drop(call().await);
                self.through(call()).await
            }
            FaultAction::DelayBefore(duration) => {
                tokio::time::sleep(duration).await;
                self.through(call()).await
            }
            FaultAction::DelayAfter(duration) => {
                let answer = call().await;
                tokio::time::sleep(duration).await;
                self.through(async { answer }).await
            }
            FaultAction::FreezeBefore(duration) => {
                self.process.freeze(duration).await;
                self.through(call()).await
            }
            FaultAction::FreezeAfter(duration) => {
                let answer = call().await;
                self.process.freeze(duration).await;
                answer
            }
            FaultAction::LoseReply => {
                drop(call().await);
                Err(E::away())
            }
            FaultAction::Away(_) => Err(E::away()),
            FaultAction::FlushallBefore => {
                self.faults.flushall();
                self.through(call()).await
            }
            FaultAction::FlushallAfter => {
                let answer = call().await;
                self.faults.flushall();
                answer
            }
        }
    }
}
