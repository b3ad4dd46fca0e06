//! Publishes everything public as records in people's own repositories.
//!
//! Two halves that meet in the store. The queue's handler only notes what an event touches, in the transaction that
//! takes the event off the ledger, so somebody else's server cannot hold up the queue. The [`RecordLoop`] publishes
//! what is owed, one person at a time, from the rows as they are then.
//!
//! Guarantees: each record is written once, however often a worker dies, since its key is stored before anything is
//! sent, and sending the same record to the same key again changes nothing (`tests/records`). One person's server or
//! session does not delay other people's records. Not guaranteed: an order between the repositories of several people.

mod cid;
mod fake;
mod plan;
mod publish;
mod send;
mod value;

use std::sync::Arc;

use async_trait::async_trait;
use cardwire_domain::RecordedEvent;
use cardwire_domain::records::RecordRepository;
use cardwire_events::port::from_store;
use cardwire_events::{EventHandler, Outcome};

pub use fake::FakeRecordPublisher;
pub use publish::{RecordLoop, RecordSettings};

/// Marks everything that the events touch as owed.
pub struct RecordHandler {
    records: Arc<dyn RecordRepository>,
    connects: bool,
}

impl RecordHandler {
    /// `connects`: people without a repository get a stand-in, see [`FakeRecordPublisher`].
    pub fn new(records: Arc<dyn RecordRepository>, connects: bool) -> Self {
        Self { records, connects }
    }
}

#[async_trait]
impl EventHandler for RecordHandler {
    async fn handle(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        from_store(events, self.records.owe(events, self.connects).await.map(drop))
    }
}
