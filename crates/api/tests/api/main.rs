//! The API over the stores in memory, in process and without sockets.

#![allow(clippy::unwrap_used)]

mod accounts;
mod admin;
mod attempts;
mod auth;
mod bodies;
mod bounds;
mod browsers;
mod deletion;
mod documents;
mod export;
mod idempotency;
mod invites;
mod limits;
mod membership;
mod metadata;
mod operators;
mod paging;
mod passwords;
mod people;
mod pictures;
mod profile;
mod quotas;
mod refusals;
mod search;
mod sessions;
mod stream;
mod titles;
mod tokens;
mod urls;
mod visibility;
mod wrong_requests;
