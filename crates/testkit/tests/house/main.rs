//! How the house is built: which crate may know which, that no files of a crate import each other in a circle, what Redis scripts touch,
//! how errors are worded, and that links in the docs lead somewhere.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

mod arrows;
mod checks;
mod circles;
mod imports;
mod links;
mod scripts;
mod words;
