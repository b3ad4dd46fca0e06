//! Signing in and connecting repositories through the pages and the API, over a small AT Protocol network on loopback.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

mod connecting;
mod scene;
mod signing_in;
