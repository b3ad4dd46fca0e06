//! How the house is built: which crate may know which, that no files of a crate import each other in a circle, and what Redis scripts touch.

// What a test cannot go on without fails it, in its helper functions as well.
#![allow(clippy::unwrap_used)]

mod arrows;
mod circles;
mod imports;
mod scripts;
