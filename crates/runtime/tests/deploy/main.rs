//! The files that deploy Cardwire, held against what there is: binaries, subcommands, settings, metrics.

// What a test cannot go on without fails it, in its helper functions as well.
#![allow(clippy::unwrap_used)]

mod compose;
mod fly;
mod image;
mod metrics;
mod promql;
mod tree;
