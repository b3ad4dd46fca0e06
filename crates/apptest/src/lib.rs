//! For tests only: the whole web application in one process, over a store in memory and without sockets; and a browser to use it with.

// Unmet preconditions panic.
#![allow(clippy::unwrap_used)]

pub mod away;
pub mod browser;
pub mod harness;
pub mod no_store;
pub mod operators;
pub mod people;
pub mod pictures;
pub mod routes;
