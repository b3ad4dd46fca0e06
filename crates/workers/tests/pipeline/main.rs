//! From a save to activity, search and trends: an event's complete path, with faults.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

mod behind;
mod deaths;
mod faults;
mod harness;
mod imports;
mod pages;
mod pictures;
mod site;
mod ways;
mod wild;
mod windows;
