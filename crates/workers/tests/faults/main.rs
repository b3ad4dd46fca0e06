//! Every named fault point, with everything that can go wrong there: in the end each accepted event has its effect,
//! once.
//!
//! Two processes work over one store and one transport, under a paused clock. A fault kills or stops one, repeats or
//! loses a call, or empties the transport; then everything is compared with everything. In [`chaos`] people keep
//! changing who sees what for 20,000 events while all of that happens; then what others see is compared with what was
//! accepted.

// Unmet preconditions panic, in helper functions too; and the number of cases is printed.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod chaos;
mod checker;
mod enumerated;
mod mutants;
mod others;
mod pairs;
mod transport;
mod workload;
mod world;
