//! The store in one SQLite file, or in memory.
//!
//! - One writer, whose transactions carry many commands at once (`writer`); readers beside it, each on one state of the data.
//! - A command reads first and writes afterwards, in one job: rows carry versions, and a commit that finds another one than was read is
//!   stale, and run again.
//! - The process that has the file is the only one. So what is leased is leased to somebody in this process, and commands on one card take
//!   turns there (`turns`).

mod accounts;
mod analytics;
mod collections;
mod dead_letters;
mod error;
mod feed;
mod fetch_line;
mod file;
mod flush;
mod functions;
mod imports;
mod library;
mod log;
mod metadata;
mod moving;
mod operators;
mod page_rows;
mod portions;
mod prune;
mod schema;
mod search;
mod steps;
mod store;
mod stream;
mod test_access;
mod transaction;
mod trends;
mod turns;
mod values;
mod write;
mod writer;

pub use file::{OpenError, Place};
pub(crate) use moving::MoveOut;
pub use store::SqliteStore;
pub use test_access::RejectedEntry;
