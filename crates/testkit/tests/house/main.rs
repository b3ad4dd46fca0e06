//! How the house is built: which crate may know which, that no files of a crate import each other in a circle, what Redis scripts touch, and
//! how errors are worded.

// What a test cannot go on without fails it, in its helper functions as well.
#![allow(clippy::unwrap_used)]

mod arrows;
mod circles;
mod imports;
mod scripts;
mod words;
