//! Everything in PostgreSQL, the source of truth: rows, events and their deliveries, activities, search and counts.
//!
//! How the promises are kept:
//! - Rules that span commands are unique constraints and foreign keys; a command that meets one is stale and runs again.
//! - A command writes its rows, events and deliveries in one statement. Saving a new URL takes one more round trip, the
//!   read.
//! - A command locks the accounts of its author and of the people it names until its commit. So everything that names
//!   somebody is stored before their account is marked as deleted, or never (`tests/postgres_leaving.rs`).
//! - Rows are locked in the order of their ids, so that batches do not deadlock.
//! - Every statement has a time-out in the client and in the server (`tests/postgres_faults.rs`).

mod accounts;
mod analytics;
mod atproto;
mod collections;
mod dead_letters;
mod departed;
mod error;
mod exports;
mod failures;
mod feed;
mod fetch_line;
mod flush;
mod forgetting;
mod identity;
mod imports;
mod invites;
mod leaving;
mod library;
mod log;
mod looks;
mod metadata;
mod moving;
mod news;
mod operators;
mod page_rows;
mod pictures;
mod pool;
mod pooler;
mod portions;
mod profiles;
mod public;
mod records;
mod schema;
mod search;
mod sessions;
mod store;
mod stream;
mod tokens;
mod transaction;
mod trends;
mod undoing;
mod values;
mod write;
mod write_statements;

pub(crate) use moving::MoveIn;
pub use pool::{PoolSettings, read_url};
pub use schema::SchemaError;
pub use store::PostgresStore;
/// What saving a new URL sends, for measuring it against PostgreSQL alone.
pub use transaction::CARD_BY_URL;
pub use write_statements::SAVE;
