//! Everything in one process's memory, for tests and for trying things out. It is gone when the process ends.
//!
//! One lock guards all that is kept, and a transaction holds it from its first read to its commit: so each transaction, and
//! each effect with its event's removal from the ledger, is one step to everybody else. Nothing waits under the lock.

mod accounts;
mod analytics;
mod collections;
mod feed;
mod fetch_line;
mod imports;
mod kept;
mod library;
mod log;
mod metadata;
mod operators;
mod search;
mod state;
mod store;
mod transaction;

pub use kept::RejectedEntry;
pub use store::InMemoryStore;
