//! The API over the stores in memory, in process and without sockets.

#![allow(clippy::unwrap_used)]

mod accounts;
mod admin;
mod auth;
mod bodies;
mod bounds;
mod browsers;
mod documents;
mod idempotency;
mod limits;
mod membership;
mod operators;
mod paging;
mod quotas;
mod refusals;
mod stream;
