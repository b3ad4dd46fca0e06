//! Save to activity, search and trend: the whole way of an event, with faults.

mod faults;
mod harness;
mod windows;
