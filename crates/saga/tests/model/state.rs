//! Where everything is: in PostgreSQL, in Redis, in the workers' memories.

use std::fmt;
use std::hash::{Hash, Hasher};

/// A set of the two events.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Events(u8);

impl Events {
    pub const NONE: Self = Self(0);
    pub const ALL: [usize; 2] = [0, 1];

    pub const fn one(event: usize) -> Self {
        Self(1 << event)
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub const fn has(self, event: usize) -> bool {
        self.0 & (1 << event) != 0
    }

    pub const fn with(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    pub const fn without(self, fewer: Self) -> Self {
        Self(self.0 & !fewer.0)
    }

    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    const fn swapped(self) -> Self {
        Self((self.0 & 1) << 1 | self.0 >> 1)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Self::ALL.iter().filter(|event| self.has(**event))).finish()
    }
}

/// An event's delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// The event was not accepted yet.
    NotYet,
    /// There is a row. It says when somebody must look again, which in this model may be at any time.
    Owed,
    /// Gone: the event had its effect.
    Taken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    Free,
    /// Its token is this worker's.
    Worker(usize),
    /// Whose token it is, nobody knows any more.
    Orphan,
}

/// What a worker knows of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hand {
    Idle,
    Claimed {
        events: Events,
        suspect: bool,
    },
    /// To be acknowledged.
    Merged,
}

/// What a worker knows of the window that it flushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flush {
    Idle,
    /// Read, under a lock. `held`: the lock has neither expired nor gone with all of Redis.
    Claimed {
        events: Events,
        held: bool,
    },
    /// Written; to be removed from the window.
    Written {
        events: Events,
        held: bool,
    },
    /// Removed from the window before it is written ([`Mutant::DeletedBeforeCommit`](crate::step::Mutant)).
    Deleted {
        events: Events,
    },
}

impl Flush {
    pub const fn holds_lock(self) -> bool {
        matches!(self, Self::Claimed { held: true, .. } | Self::Written { held: true, .. })
    }

    pub const fn without_lock(self) -> Self {
        match self {
            Self::Claimed { events, .. } => Self::Claimed { events, held: false },
            Self::Written { events, .. } => Self::Written { events, held: false },
            other => other,
        }
    }

    /// What it may still write.
    pub const fn unwritten(self) -> Events {
        match self {
            Self::Claimed { events, .. } | Self::Deleted { events } => events,
            _ => Events::NONE,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Worker {
    /// In Redis: the entries under this worker's lease.
    pub claim: Events,
    pub hand: Hand,
    pub flush: Flush,
}

impl Worker {
    pub const FRESH: Self = Self { claim: Events::NONE, hand: Hand::Idle, flush: Flush::Idle };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    // PostgreSQL
    pub rows: [Row; 2],
    /// How often each event had its effect; two stands for more.
    pub effects: [u8; 2],
    /// To be published from the memory of a process: of the one that accepted the event, or that found it due.
    pub held: Events,
    // Redis
    pub wait: Events,
    pub suspect: Events,
    /// Under leases that nobody renews.
    pub orphaned: Events,
    pub window: Events,
    /// The window has a due time.
    pub due: bool,
    pub lock: Lock,
    // Workers
    pub workers: [Worker; 2],
    /// Have been published at some time.
    pub published: Events,
    /// Redis has lost everything at some time.
    pub wiped: bool,
    pub faults_left: u8,
}

impl State {
    pub fn accepted(&self, event: usize) -> bool {
        self.rows[event] != Row::NotYet
    }

    pub fn lacks_effect(&self, event: usize) -> bool {
        self.accepted(event) && self.effects[event] == 0
    }

    /// In the queue: waiting, suspect, or under a lease.
    pub fn queued(&self) -> Events {
        let leased = self.workers[0].claim.with(self.workers[1].claim).with(self.orphaned);
        self.wait.with(self.suspect).with(leased)
    }

    /// In the memory of a process that may still bring about the effect.
    pub fn in_memory(&self) -> Events {
        let mut held = self.held;
        for worker in &self.workers {
            if let Hand::Claimed { events, .. } = worker.hand {
                held = held.with(events);
            }
            held = held.with(worker.flush.unwritten());
        }
        held
    }

    /// All of it in one number, since hashing field by field is most of the work otherwise.
    fn code(&self) -> u64 {
        let mut code = Code(0);
        for event in Events::ALL {
            code.add(2, self.rows[event] as u8);
            code.add(2, self.effects[event]);
        }
        for set in [self.held, self.published, self.wait, self.suspect, self.orphaned, self.window] {
            code.add(2, set.0);
        }
        code.add(1, u8::from(self.due));
        code.add(
            2,
            match self.lock {
                Lock::Free => 0,
                Lock::Orphan => 1,
                Lock::Worker(0) => 2,
                Lock::Worker(_) => 3,
            },
        );
        for worker in &self.workers {
            code.add(2, worker.claim.0);
            code.add(
                4,
                match worker.hand {
                    Hand::Idle => 0,
                    Hand::Merged => 1,
                    Hand::Claimed { events, suspect } => 8 | events.0 << 1 | u8::from(suspect),
                },
            );
            code.add(
                5,
                match worker.flush {
                    Flush::Idle => 0,
                    Flush::Claimed { events, held } => 8 | events.0 << 1 | u8::from(held),
                    Flush::Written { events, held } => 16 | events.0 << 1 | u8::from(held),
                    Flush::Deleted { events } => 24 | events.0,
                },
            );
        }
        code.add(1, u8::from(self.wiped));
        code.add(4, self.faults_left);
        code.0
    }

    /// One for all the states that differ only in the names of events and workers.
    ///
    /// Acknowledging what was reclaimed changes nothing, so it is not waited for.
    pub fn canonical(mut self) -> Self {
        for worker in &mut self.workers {
            if worker.claim.is_empty() && worker.hand == Hand::Merged {
                worker.hand = Hand::Idle;
            }
        }
        let other = self.with_workers_swapped();
        self.min(other).min(self.with_events_swapped()).min(other.with_events_swapped())
    }

    fn with_workers_swapped(mut self) -> Self {
        self.workers.swap(0, 1);
        if let Lock::Worker(worker) = &mut self.lock {
            *worker = 1 - *worker;
        }
        self
    }

    fn with_events_swapped(mut self) -> Self {
        self.rows.swap(0, 1);
        self.effects.swap(0, 1);
        let Self { held, published, wait, suspect, orphaned, window, .. } = &mut self;
        for set in [held, published, wait, suspect, orphaned, window] {
            *set = set.swapped();
        }
        for worker in &mut self.workers {
            worker.claim = worker.claim.swapped();
            if let Hand::Claimed { events, .. } = &mut worker.hand {
                *events = events.swapped();
            }
            match &mut worker.flush {
                Flush::Idle => {}
                Flush::Claimed { events, .. } | Flush::Written { events, .. } | Flush::Deleted { events } => {
                    *events = events.swapped();
                }
            }
        }
        self
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.code());
    }
}

struct Code(u64);

impl Code {
    fn add(&mut self, bits: u32, value: u8) {
        debug_assert!(
            u32::from(value) < 1 << bits && self.0.leading_zeros() >= bits,
            "the state does not fit its code"
        );
        self.0 = self.0 << bits | u64::from(value);
    }
}
