//! The contract suite over every adapter, and the saga over parts that fail.

// Test code, although not all of it is a test function.
#![allow(clippy::unwrap_used)]

mod contention;
mod fakes;
mod memory;
mod redis;
mod saga;
