//! The pages over the stores in memory, in process and without sockets, used by a browser without scripts.

#![allow(clippy::unwrap_used)]

mod account;
mod console;
mod directions;
mod exports;
mod forms;
mod hostile;
mod imports;
mod large_imports;
mod membership;
mod operators_pages;
mod pages;
mod people;
mod pictures;
mod retry;
mod round_trip;
mod search;
mod sign_up;
mod titles;
mod unsent;
mod visibility;
