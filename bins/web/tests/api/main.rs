//! The API over the stores in memory, in process and without sockets.

#![allow(clippy::unwrap_used)]

mod accounts;
mod admin;
mod auth;
mod away;
mod bodies;
mod documents;
mod harness;
mod idempotency;
mod operators;
mod operators_pages;
mod paging;
mod refusals;
mod stream;
