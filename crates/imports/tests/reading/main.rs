//! Files as services write them, and as they break.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

mod arbitrary;
mod bounds;
mod kinds;
mod large;
mod services;
mod support;
