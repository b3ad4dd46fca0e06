//! Signing in at a real server of people's repositories, on loopback. `scripts/test-atproto.sh` installs it.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

mod sessions;
mod sign_in;
mod site;
