//! The real binaries over Redis in every topology, as `deploy/` sets it up: masters killed, frozen and moved under load, TLS, IPv6,
//! passwords.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod cluster;
mod flow;
mod security;
mod sentinel;
mod start;
