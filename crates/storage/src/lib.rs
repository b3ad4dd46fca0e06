//! Where everything is kept: the repositories and the event log, in PostgreSQL, or in one SQLite file.
//!
//! Guarantees, of both adapters, shown by one contract suite (`cardwire_testkit::store_suite`) that runs over each of
//! them (`tests/sqlite.rs`, `tests/postgres.rs`):
//!
//! - A command's rows, events, deliveries and kept answer are stored together or not at all (`refusals`, `saving`).
//! - Of commands under one idempotency key one takes effect and all get its answer (`idempotency`).
//! - An effect (activity, search entry, count) is written only by the transaction that takes its event off the ledger, so
//!   that any number of copies of an event has the effect of one (`activities`, `searching`, `counting`).
//! - An accepted event is leased, published again and retried until its effect is stored or it is a dead letter
//!   (`ledger`, `attempts`, `dead_letters`).
//! - What others must not see is gone for them with the answer, whatever the order of changes and events (`visibility`, `truth`).
//! - What was fetched for a card that others do not see is known to its owner alone (`private_pages`).
//! - A picture is seen by those who see a card whose page refers to it, and deleted when no page does (`pictures`).
//! - A card's own title is seen and found by everybody who sees the card, and by nobody else (`titles`).
//! - Once an account is deleted, the store holds nothing of that person but the audit log, no matter where the deletion was
//!   interrupted (`leaving`).
//! - Pages neither skip nor repeat, whatever ties there are; a reader of the stream gets each activity once (`stream`).
//!
//! Not guaranteed: that a store opened as [`sqlite::Place::Memory`] survives its process. It is for tests and for trying things out.

mod answers;
mod departed;
pub mod moving;
mod page_keys;
mod pictured;
pub mod postgres;
mod seen;
pub mod sqlite;
mod titles;

pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;
