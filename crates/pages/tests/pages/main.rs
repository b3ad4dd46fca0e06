//! The pages over the stores in memory, in process and without sockets, used by a browser without scripts.

#![allow(clippy::unwrap_used)]

mod account;
mod collection_pages;
mod console;
mod directions;
mod exports;
mod feed;
mod first_run;
mod forms;
mod hostile;
mod imports;
mod large_imports;
mod markup;
mod membership;
mod operators_pages;
mod pages;
mod people;
mod pictures;
mod publishing;
mod retry;
mod round_trip;
mod search;
mod selecting;
mod sign_up;
mod titles;
mod unsent;
mod visibility;
mod watching;
