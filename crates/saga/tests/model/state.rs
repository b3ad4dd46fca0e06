//! Where everything is: in PostgreSQL, in Redis, in the workers' memories.

use std::fmt;

/// A set of the two events.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Row {
    /// The event was not accepted yet.
    NotYet,
    /// Owed, and nobody has published it.
    Unpublished,
    /// Owed, and some relay is to publish it.
    Leased,
    /// Owed, and booked as published.
    Published,
    /// Gone: the event had its effect.
    Taken,
}

/// What relays hold of one event: none, one, or two of them at different points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Relays {
    /// Leased; to be published.
    pub leased: bool,
    /// Published; to be booked.
    pub pushed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lock {
    Free,
    /// Its token is this worker's.
    Worker(usize),
    /// Whose token it is, nobody knows any more.
    Orphan,
}

/// What a worker knows of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hand {
    Idle,
    Claimed { events: Events, suspect: bool },
    /// To be acknowledged.
    Merged,
}

/// What a worker knows of the window that it flushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flush {
    Idle,
    /// Read, under a lock. `held`: the lock has neither expired nor gone with all of Redis.
    Claimed { events: Events, held: bool },
    /// Written; to be removed from the window.
    Written { events: Events, held: bool },
    /// Removed from the window before it is written ([`Mutant::DeletedBeforeCommit`](crate::step::Mutant)).
    Deleted { events: Events },
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Worker {
    /// In Redis: the entries under this worker's lease.
    pub claim: Events,
    pub hand: Hand,
    pub flush: Flush,
}

impl Worker {
    pub const FRESH: Self = Self { claim: Events::NONE, hand: Hand::Idle, flush: Flush::Idle };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State {
    // PostgreSQL
    pub rows: [Row; 2],
    /// How often each event had its effect; two stands for more.
    pub effects: [u8; 2],
    // Relays, in whatever process
    pub relays: [Relays; 2],
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
    // Faults to come
    pub crashes: u8,
    pub wipes: u8,
    pub lost: u8,
    pub early: u8,
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
        let mut held = Events::NONE;
        for worker in &self.workers {
            if let Hand::Claimed { events, .. } = worker.hand {
                held = held.with(events);
            }
            held = held.with(worker.flush.unwritten());
        }
        for event in Events::ALL {
            if self.relays[event].leased {
                held = held.with(Events::one(event));
            }
        }
        held
    }

    /// One for all the states that differ only in the names of events and workers.
    pub fn canonical(self) -> Self {
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
        self.relays.swap(0, 1);
        for set in [&mut self.wait, &mut self.suspect, &mut self.orphaned, &mut self.window] {
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
