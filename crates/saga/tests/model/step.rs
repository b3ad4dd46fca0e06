//! What may happen next, and what comes of it.

use stateright::{Model, Property};

use crate::properties;
use crate::state::{Events, Flush, Hand, Lock, Row, State, Worker};

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A worker dies, or a process with what it is to publish.
    Crash,
    /// Redis loses everything.
    Wipe,
    /// A call is carried out and its answer lost, or it is not carried out.
    Call,
    /// A lease or lock of one that lives runs out, or an event is found due that is still on its way.
    Early,
}

/// How many faults may happen on one way through the model, in any order and mixture of these kinds.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub at_most: u8,
    pub kinds: &'static [Fault],
}

/// The design without one of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A commit or release frees the lock, whoever holds it.
    NoOwnerToken,
    /// A commit deletes the window instead of what was read.
    NoVersionCheck,
    /// The flush writes what it read, owed or not.
    NoLedger,
    /// The flush removes what it read, and then writes it.
    DeletedBeforeCommit,
    /// Who claims a window takes its due time along, instead of putting it off until the lock expires.
    TimerInMemory,
}

#[derive(Clone, Copy, Debug)]
pub struct Pipeline {
    pub faults: Faults,
    pub mutant: Option<Mutant>,
    /// Whether anybody looks for what is due.
    pub looks: bool,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Came,
    /// Carried out, but the caller does not know.
    Lost,
    /// Not carried out.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// In one transaction with the row that says it is owed. Who accepts it is to publish it.
    Accept(usize),
    /// Somebody finds it due, puts its time off, and is to publish it.
    Lease(usize),
    /// The process publishes what it holds, and then forgets it, even if publishing failed.
    Publish(usize, Reply),
    /// Who holds it dies, or was told that the queue is full.
    Forget(usize),
    /// A worker claims a batch.
    Claim(usize, Reply),
    /// A worker claims this suspect.
    ClaimSuspect(usize, usize, Reply),
    Merge(usize, Reply),
    Acknowledge(usize, Reply),
    /// The lease of a worker that lives expires, and its entries become suspects.
    LeaseExpires(usize),
    /// As above, of one that is gone.
    Reclaim(usize),
    /// A worker claims the window.
    ClaimWindow(usize, Reply),
    /// Its flush's transaction.
    Write(usize, Reply),
    /// It removes from the store what it wrote.
    Commit(usize, Reply),
    LockExpires,
    Crash(usize),
    FlushAll,
}

impl Model for Pipeline {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            rows: [Row::NotYet; 2],
            effects: [0; 2],
            held: Events::NONE,
            published: Events::NONE,
            wait: Events::NONE,
            suspect: Events::NONE,
            orphaned: Events::NONE,
            window: Events::NONE,
            due: false,
            lock: Lock::Free,
            workers: [Worker::FRESH; 2],
            wiped: false,
            faults_left: self.faults.at_most,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for event in Events::ALL {
            self.log_steps(state, event, steps);
        }
        for index in 0..state.workers.len() {
            self.worker_steps(state, index, steps);
        }
        for event in Events::ALL {
            if state.orphaned.has(event) {
                steps.push(Step::Reclaim(event));
            }
        }
        if state.lock != Lock::Free {
            steps.push(Step::LockExpires);
        }
        steps.push(Step::FlushAll);
        steps.retain(|step| match fault(state, *step) {
            Some(kind) => state.faults_left > 0 && self.faults.kinds.contains(&kind),
            None => true,
        });
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut next = *state;
        next.faults_left -= u8::from(fault(state, step).is_some());
        self.take(&mut next, step);
        Some(next.canonical())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Pipeline {
    pub fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn log_steps(&self, state: &State, event: usize, steps: &mut Vec<Step>) {
        match state.rows[event] {
            Row::NotYet => steps.push(Step::Accept(event)),
            Row::Owed if self.looks => steps.push(Step::Lease(event)),
            Row::Owed | Row::Taken => {}
        }
        if state.held.has(event) {
            steps.extend([Reply::Came, Reply::Lost, Reply::Refused].map(|reply| Step::Publish(event, reply)));
            steps.push(Step::Forget(event));
        }
    }

    fn worker_steps(&self, state: &State, index: usize, steps: &mut Vec<Step>) {
        let worker = &state.workers[index];
        for reply in [Reply::Came, Reply::Lost, Reply::Refused] {
            match worker.hand {
                // Asking in vain changes nothing.
                Hand::Idle if reply == Reply::Refused => {}
                Hand::Idle if !worker.claim.is_empty() => steps.push(Step::Claim(index, reply)),
                Hand::Idle if !state.suspect.is_empty() => {
                    let suspects = Events::ALL.into_iter().filter(|event| state.suspect.has(*event));
                    steps.extend(suspects.map(|event| Step::ClaimSuspect(index, event, reply)));
                }
                Hand::Idle if !state.wait.is_empty() => steps.push(Step::Claim(index, reply)),
                Hand::Idle => {}
                Hand::Claimed { .. } => steps.push(Step::Merge(index, reply)),
                // Whether the answer to its last call comes makes no difference to a worker.
                Hand::Merged if reply == Reply::Lost => {}
                Hand::Merged => steps.push(Step::Acknowledge(index, reply)),
            }
            match worker.flush {
                Flush::Idle if reply == Reply::Refused => {}
                Flush::Idle if state.due && state.lock == Lock::Free => steps.push(Step::ClaimWindow(index, reply)),
                Flush::Idle => {}
                Flush::Claimed { .. } if !self.is(Mutant::DeletedBeforeCommit) => steps.push(Step::Write(index, reply)),
                Flush::Deleted { .. } => steps.push(Step::Write(index, reply)),
                Flush::Claimed { .. } | Flush::Written { .. } if reply == Reply::Lost => {}
                Flush::Claimed { .. } | Flush::Written { .. } => steps.push(Step::Commit(index, reply)),
            }
        }
        if !worker.claim.is_empty() {
            steps.push(Step::LeaseExpires(index));
        }
        if *worker != Worker::FRESH {
            steps.push(Step::Crash(index));
        }
    }

    fn take(&self, state: &mut State, step: Step) {
        match step {
            Step::Accept(event) => {
                state.rows[event] = Row::Owed;
                state.held = state.held.with(Events::one(event));
            }
            Step::Lease(event) => state.held = state.held.with(Events::one(event)),
            Step::Publish(event, reply) => {
                let event = Events::one(event);
                state.held = state.held.without(event);
                if reply != Reply::Refused {
                    state.published = state.published.with(event);
                    state.wait = state.wait.with(event);
                }
            }
            Step::Forget(event) => state.held = state.held.without(Events::one(event)),
            Step::Claim(index, reply) => claim(state, index, None, reply),
            Step::ClaimSuspect(index, event, reply) => claim(state, index, Some(event), reply),
            Step::Merge(index, reply) => merge(state, index, reply),
            Step::Acknowledge(index, reply) => acknowledge(state, index, reply),
            Step::LeaseExpires(index) => {
                let claim = std::mem::take(&mut state.workers[index].claim);
                state.suspect = state.suspect.with(claim);
            }
            Step::Reclaim(event) => {
                state.orphaned = state.orphaned.without(Events::one(event));
                state.suspect = state.suspect.with(Events::one(event));
            }
            Step::ClaimWindow(index, reply) => self.claim_window(state, index, reply),
            Step::Write(index, reply) => self.write(state, index, reply),
            Step::Commit(index, reply) => self.commit(state, index, reply),
            Step::LockExpires => {
                if let Lock::Worker(index) = state.lock {
                    let worker = &mut state.workers[index];
                    worker.flush = worker.flush.without_lock();
                }
                state.lock = Lock::Free;
            }
            Step::Crash(index) => {
                let claim = std::mem::replace(&mut state.workers[index], Worker::FRESH).claim;
                state.orphaned = state.orphaned.with(claim);
                orphan_lock(state, index);
            }
            Step::FlushAll => {
                state.wiped = true;
                for set in [&mut state.wait, &mut state.suspect, &mut state.orphaned, &mut state.window] {
                    *set = Events::NONE;
                }
                state.due = false;
                state.lock = Lock::Free;
                for worker in &mut state.workers {
                    worker.claim = Events::NONE;
                    worker.flush = worker.flush.without_lock();
                }
            }
        }
    }

    fn claim_window(&self, state: &mut State, index: usize, reply: Reply) {
        state.due = !self.is(Mutant::TimerInMemory);
        if reply == Reply::Came {
            state.lock = Lock::Worker(index);
            state.workers[index].flush = Flush::Claimed { events: state.window, held: true };
        } else {
            state.lock = Lock::Orphan;
        }
    }

    /// One transaction: off the ledger, into the feed.
    fn write(&self, state: &mut State, index: usize, reply: Reply) {
        let flush = state.workers[index].flush;
        if reply != Reply::Refused {
            for event in Events::ALL {
                let owed = state.accepted(event) && state.rows[event] != Row::Taken;
                if flush.unwritten().has(event) && (owed || self.is(Mutant::NoLedger)) {
                    state.rows[event] = Row::Taken;
                    state.effects[event] = (state.effects[event] + 1).min(2);
                }
            }
        }
        let done = match flush {
            Flush::Claimed { events, held } => Flush::Written { events, held },
            // Its window is removed already.
            _ => Flush::Idle,
        };
        if reply == Reply::Came {
            state.workers[index].flush = done;
        } else {
            state.workers[index].flush = Flush::Idle;
            state.due |= state.lock == Lock::Worker(index) && !state.window.is_empty();
            self.free_lock(state, index);
        }
    }

    fn commit(&self, state: &mut State, index: usize, reply: Reply) {
        let (events, then) = match state.workers[index].flush {
            Flush::Claimed { events, .. } => (events, Flush::Deleted { events }),
            Flush::Written { events, .. } => (events, Flush::Idle),
            Flush::Idle | Flush::Deleted { .. } => return,
        };
        if reply == Reply::Refused {
            state.workers[index].flush = Flush::Idle;
            orphan_lock(state, index);
            return;
        }
        state.workers[index].flush = then;
        state.window = match self.is(Mutant::NoVersionCheck) {
            true => Events::NONE,
            false => state.window.without(events),
        };
        let mine = state.lock == Lock::Worker(index);
        self.free_lock(state, index);
        if state.window.is_empty() {
            state.due = false;
        } else if mine {
            state.due = true;
        }
    }

    fn free_lock(&self, state: &mut State, index: usize) {
        if state.lock == Lock::Worker(index) || self.is(Mutant::NoOwnerToken) {
            state.lock = Lock::Free;
        }
    }
}

/// What kind of fault the step is; `None`: it belongs to the way on which nothing goes wrong, or makes good what did.
pub fn fault(state: &State, step: Step) -> Option<Fault> {
    let early = match step {
        Step::Forget(_) | Step::Crash(_) => return Some(Fault::Crash),
        Step::FlushAll => return Some(Fault::Wipe),
        Step::Publish(_, reply)
        | Step::Claim(_, reply)
        | Step::ClaimSuspect(_, _, reply)
        | Step::Merge(_, reply)
        | Step::Acknowledge(_, reply)
        | Step::ClaimWindow(_, reply)
        | Step::Write(_, reply)
        | Step::Commit(_, reply) => return (reply != Reply::Came).then_some(Fault::Call),
        Step::LeaseExpires(_) => true,
        Step::LockExpires => state.lock != Lock::Orphan,
        Step::Lease(event) => state.held.with(state.queued()).has(event) || state.due && state.window.has(event),
        Step::Accept(_) | Step::Reclaim(_) => false,
    };
    early.then_some(Fault::Early)
}

/// Without a suspect: what waits, or again what an answer was lost of.
fn claim(state: &mut State, index: usize, suspect: Option<usize>, reply: Reply) {
    let worker = &mut state.workers[index];
    let (events, is_suspect) = match suspect {
        Some(event) => {
            state.suspect = state.suspect.without(Events::one(event));
            (Events::one(event), true)
        }
        None if !worker.claim.is_empty() => (worker.claim, worker.claim.len() == 1),
        None => (std::mem::take(&mut state.wait), false),
    };
    worker.claim = events;
    // A claim whose answer is lost is repeated, as long as its worker lives.
    if reply == Reply::Came {
        worker.hand = Hand::Claimed { events, suspect: is_suspect };
    }
}

fn merge(state: &mut State, index: usize, reply: Reply) {
    let worker = &mut state.workers[index];
    let Hand::Claimed { events, suspect } = worker.hand else { return };
    // Whether a suspect is still owed is asked first.
    let gone = suspect && Events::ALL.into_iter().all(|event| !events.has(event) || state.rows[event] == Row::Taken);
    if reply != Reply::Refused && !gone {
        state.window = state.window.with(events);
        state.due = true;
    }
    if reply == Reply::Came {
        worker.hand = Hand::Merged;
        return;
    }
    // The batch is given back.
    worker.hand = Hand::Idle;
    let back = std::mem::take(&mut worker.claim);
    let list = if suspect { &mut state.suspect } else { &mut state.wait };
    *list = list.with(back);
}

fn acknowledge(state: &mut State, index: usize, reply: Reply) {
    let worker = &mut state.workers[index];
    worker.hand = Hand::Idle;
    let claim = std::mem::take(&mut worker.claim);
    if reply == Reply::Refused {
        state.orphaned = state.orphaned.with(claim);
    }
}

fn orphan_lock(state: &mut State, index: usize) {
    if state.lock == Lock::Worker(index) {
        state.lock = Lock::Orphan;
    }
}
