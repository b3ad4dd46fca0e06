//! Signing in and connecting repositories through the pages and the API, over a small AT Protocol network on loopback.

// What a test cannot go on without fails it, in its helper functions as well.
#![allow(clippy::unwrap_used)]

mod connecting;
mod scene;
mod signing_in;
