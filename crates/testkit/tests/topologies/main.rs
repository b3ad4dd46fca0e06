//! The real binaries over Redis in every topology, as `deploy/` sets it up: masters killed, frozen and moved under load, TLS, IPv6,
//! passwords.

// What a test cannot go on without fails it, in its helper functions as well.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod cluster;
mod flow;
mod security;
mod sentinel;
mod start;
