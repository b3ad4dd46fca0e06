//! The API over the stores in memory, in process and without sockets.

#![allow(clippy::unwrap_used)]

mod accounts;
mod admin;
mod auth;
mod away;
mod bodies;
mod browser;
mod documents;
mod forms;
mod harness;
mod hostile;
mod idempotency;
mod imports;
mod limits;
mod operators;
mod operators_pages;
mod pages;
mod paging;
mod refusals;
mod stream;
mod trace;
mod unsent;
