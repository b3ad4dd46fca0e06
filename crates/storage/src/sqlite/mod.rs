//! The store in one SQLite file, or in memory.
//!
//! - One writer, whose transactions carry many commands at once (`writer`), and concurrent readers, each on one state
//!   of the data.
//! - A command reads first and writes afterwards, in one job. Rows carry versions; a commit that finds a different one
//!   than was read is stale, and the command runs again.
//! - Only one process has the file open. So leases are held only within this process, and commands on one card take
//!   turns there (`command_turns`).

mod accounts;
mod analytics;
mod atproto;
mod collections;
mod command_turns;
mod dead_letters;
mod departed;
mod error;
mod exports;
mod failures;
mod feed;
mod fetch_line;
mod file;
mod flush;
mod forgetting;
mod functions;
mod identity;
mod imports;
mod invites;
mod leaving;
mod library;
mod log;
mod metadata;
mod moving;
mod operators;
mod page_rows;
mod pictures;
mod portions;
mod profiles;
mod prune;
mod public;
mod records;
mod schema;
mod search;
mod sessions;
mod steps;
mod store;
mod stream;
mod test_access;
mod tokens;
mod transaction;
mod trends;
mod undoing;
mod values;
mod write;
mod writer;

pub use file::{OpenError, Place};
pub(crate) use moving::MoveOut;
pub use store::SqliteStore;
pub use test_access::RejectedEntry;
