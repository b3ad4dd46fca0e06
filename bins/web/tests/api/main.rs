//! The API over the stores in memory, in process and without sockets.

mod admin;
mod accounts;
mod auth;
mod away;
mod bodies;
mod documents;
mod harness;
mod idempotency;
mod paging;
mod refusals;
mod stream;
