//! Files as services write them, and as they break.

// What a test cannot go on without fails it, in its helper functions as well.
#![allow(clippy::unwrap_used)]

mod arbitrary;
mod bounds;
mod kinds;
mod large;
mod services;
mod support;
