//! The ports between the code that has events and the workers.

use std::collections::HashSet;

use async_trait::async_trait;
use cardwire_domain::{EventId, RecordedEvent};
use jiff::Timestamp;
use ulid::Ulid;

use crate::error::Result;
use crate::queue::Queue;

/// Puts entries into queues.
#[async_trait]
pub trait EventPublisher: Send + Sync {
    /// All entries or none, in this order. Each is `(partition key, entry)`. Publishing again makes harmless copies.
    async fn publish(&self, queue: Queue, entries: &[(String, String)]) -> Result<()>;

    /// How many entries of the queue nobody works on.
    async fn depth(&self, queue: Queue) -> Result<usize>;

    /// When the oldest waiting entry of the queue occurred, according to the entry.
    async fn waiting_since(&self, queue: Queue) -> Result<Option<Timestamp>>;
}

/// Where events wait between their queue and their effect.
#[async_trait]
pub trait WaitingRoom: Send + Sync {
    /// Which of these events are waiting here.
    async fn hold(&self, events: &[RecordedEvent]) -> Result<HashSet<EventId>>;
}

/// Entries claimed together under one lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub batch: Ulid,
    pub partition: u16,
    pub entries: Vec<String>,
    /// A lost worker held this entry. It is claimed alone, since it may be what killed the worker.
    pub suspect: bool,
}

/// How many entries are where in one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    pub waiting: usize,
    pub suspects: usize,
    /// Claimed and not yet acknowledged.
    pub in_flight: usize,
}

/// Takes entries from one queue. Each published copy is in exactly one place: waiting, suspect, claimed or consumed.
#[async_trait]
pub trait EventSubscriber: Send + Sync {
    /// One suspect if there is any, otherwise up to `max` waiting entries, oldest first; `None` if there is nothing.
    async fn claim(&self, max: usize) -> Result<Option<Claim>>;
    /// The entries are done. Does nothing if the lease was lost.
    async fn ack(&self, claim: &Claim) -> Result<()>;
    /// Gives the entries back, to be claimed next, in order.
    async fn release(&self, claim: &Claim) -> Result<()>;
    /// Extends the lease; false: it was lost.
    async fn renew(&self, claim: &Claim) -> Result<bool>;
    /// Turns the entries of expired leases into suspects. Returns how many.
    async fn reclaim(&self) -> Result<usize>;
    /// Returns when there may be something to claim, or after two seconds. May be dropped at any time.
    async fn wait(&self) -> Result<()>;
    async fn depth(&self) -> Result<Depth>;
}

/// The result for one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its effect is in the store, or safely on its way there while the ledger still holds it.
    Done,
    /// It failed, but may work later.
    Retry(String),
    /// It can never succeed.
    Reject(String),
    /// A service that the handler needs is unavailable. Nobody's fault: nothing is counted.
    Unavailable(String),
}

/// Carries out the effects of events.
#[async_trait]
pub trait EventHandler: Send + Sync {
    /// One outcome for each event, in order. May be called with the same event any number of times, even concurrently.
    async fn handle(&self, events: &[RecordedEvent]) -> Vec<Outcome>;

    /// Whether an event that is done has had its effect. False: it has it later, and the code that does that measures
    /// how long it took.
    fn takes_effect(&self) -> bool {
        true
    }
}

/// The same outcome for a whole batch.
pub fn all(events: &[RecordedEvent], outcome: &Outcome) -> Vec<Outcome> {
    vec![outcome.clone(); events.len()]
}

/// What an error of the store means for a batch.
pub fn from_store(events: &[RecordedEvent], result: std::result::Result<(), cardwire_domain::Error>) -> Vec<Outcome> {
    match result {
        Ok(()) => all(events, &Outcome::Done),
        Err(cardwire_domain::Error::Unavailable(why)) => all(events, &Outcome::Unavailable(why)),
        Err(error) => all(events, &Outcome::Retry(error.to_string())),
    }
}
