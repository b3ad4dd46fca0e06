//! The stores: the repositories and the event log, in PostgreSQL or in one SQLite file.
//!
//! Guarantees of both adapters, shown by one contract suite (`cardwire_testkit::store_suite`) that runs over each of
//! them (`tests/sqlite.rs`, `tests/postgres.rs`):
//!
//! - A command's rows, events, deliveries and answer are stored together or not at all (`refusals`, `saving`).
//! - If several commands have the same idempotency key, one takes effect and all get its answer (`idempotency`).
//! - An effect (activity, search entry, count) is written only by the transaction that takes its event off the ledger,
//!   so any number of copies of an event has one effect (`activities`, `searching`, `counting`).
//! - An accepted event is leased, published again and retried until its effect is stored or it is a dead letter
//!   (`ledger`, `attempts`, `dead_letters`).
//! - Once a change that hides something is answered, others no longer see it, in any order of changes and events
//!   (`visibility`, `truth`).
//! - What was fetched for a card that others do not see is visible only to its owner (`private_pages`).
//! - A picture is visible to people who can see a card whose page refers to it, and deleted when no page does
//!   (`pictures`).
//! - Everybody who sees a card, and nobody else, sees its own title and finds the card by it (`titles`).
//! - Once an account is deleted, only the audit log still mentions the person, no matter where the deletion was
//!   interrupted (`leaving`).
//! - Pages of lists neither skip nor repeat entries, even with ties; a reader of the stream gets each activity once
//!   (`stream`).
//!
//! Not guaranteed: that a store opened as [`sqlite::Place::Memory`] survives its process. It is for tests and for
//! trying out.

mod answers;
mod departed;
pub mod moving;
mod page_keys;
mod pictured;
pub mod postgres;
mod seen;
pub mod sqlite;
mod text;
mod titles;

pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;
