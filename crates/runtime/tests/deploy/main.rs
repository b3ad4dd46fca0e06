//! Checks the files that deploy Cardwire against its binaries, subcommands, settings and metrics.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

mod compose;
mod fly;
mod image;
mod metrics;
mod promql;
mod tree;
