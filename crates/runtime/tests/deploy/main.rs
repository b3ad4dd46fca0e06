//! Checks the files that deploy Cardwire, and the pages that list its settings and metrics, against the code.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

mod compose;
mod fly;
mod image;
mod metrics;
mod promql;
mod settings;
mod tree;
