//! Signing in at a real server of people's repositories, on loopback. `scripts/test-atproto.sh` installs it.

// What a test cannot go on without fails it, in its helper functions as well.
#![allow(clippy::unwrap_used)]

mod sessions;
mod sign_in;
mod site;
