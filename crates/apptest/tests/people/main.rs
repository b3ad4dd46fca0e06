//! What the site shows of people and links to everybody, and hands out: pages, feeds, tags, descriptions for browsers. What is private is in none
//! of it.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

mod atom;
mod checker;
mod pages;
mod private;
mod saving;
mod sharing;
