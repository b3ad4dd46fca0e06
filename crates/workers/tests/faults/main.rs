//! Every named fault point, with everything that can go wrong there: in the end each accepted event has its effect, once.
//!
//! Two processes work over one store and one transport, under a paused clock. A fault kills one, stops it, repeats or
//! loses a call, or empties the transport; then everything is checked against everything.

// What a test cannot go on without fails it, in its helper functions as well; and the number of cases is told.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod checker;
mod enumerated;
mod mutants;
mod pairs;
mod transport;
mod workload;
mod world;
