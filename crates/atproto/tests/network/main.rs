//! Signing in and asking repositories, over a small network on loopback and a store in memory.

// What a test cannot go on without fails it, in its helper functions as well.
#![allow(clippy::unwrap_used)]

mod forgeries;
mod harness;
mod passwords;
mod private;
mod refreshing;
mod secrets;
mod sign_in;
