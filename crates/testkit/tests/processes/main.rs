//! The real binaries with real PostgreSQL and Redis, killed and cut off; in the end everything accepted has had its effect once.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod clients;
mod counts;
mod failover;
mod kills;
mod leaving;
mod one_file;
mod operators;
mod outages;
mod poison;
mod random;
mod replays;
mod start;
mod timelines;
mod troubles;
mod visibility;
