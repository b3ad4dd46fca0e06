//! Signing in and asking repositories, over a small network on loopback and a store in memory.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

mod forgeries;
mod harness;
mod passwords;
mod private;
mod refreshing;
mod secrets;
mod sign_in;
