//! How events travel: from the log that accepted them, through queues, to the workers that carry out their effects.
//!
//! Guarantees: an accepted event stays in the [`EventLog`] until its effect is committed, so an event that a queue
//! loses is found due and published again. Each published copy is in exactly one place of its queue. An event that
//! fails, hangs or kills its worker uses up only its own attempts, and ends as a dead letter.
//!
//! Not guaranteed: that an event is delivered once, or in order. Handlers take events off the ledger in the transaction
//! of their effect; a copy that finds nothing to take changes nothing.

pub mod dead_letter;
pub mod envelope;
pub mod error;
pub mod handover;
pub mod latency;
pub mod log;
pub mod memory;
pub mod operations;
pub mod port;
pub mod queue;
pub mod redis;
pub mod registry;
pub mod relay;
pub mod server_url;
mod shape;
pub mod trace;
pub mod worker;

pub use dead_letter::{DeadFilter, DeadLetter, DeadSelection};
pub use envelope::{Envelope, Message};
pub use error::{Error, Result};
pub use handover::Handover;
pub use log::{Attempt, Backlog, Due, EventLog, Failure, Owed, Verdict};
pub use operations::{Action, AuditEntry, AuditId, Finder, Operator, Pause, Pauses, Rebuilds, Replays, WorkHistory};
pub use port::{Claim, Depth, EventHandler, EventPublisher, EventSubscriber, Outcome, WaitingRoom};
pub use queue::{Queue, QueueSettings, owed_to, routes};
pub use registry::{WorkerId, WorkerInfo, WorkerRegistry};
pub use relay::Relay;
pub use server_url::{InvalidUrl, ServerUrl};
pub use shape::{MAX_SHAPE_CHARS, error_shape};
pub use worker::EventWorker;
