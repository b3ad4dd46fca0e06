//! Every act of an administrator is in the audit log: once, with who did what to whom and why, and without any content.
//!
//! The tables of acts are held to the routes that there are, and to the actions that the pages' forms can ask for. An act that they do not
//! know fails the test by its name. Observers are refused every one of them, and see every page.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

mod api;
mod command_line;
mod observer;
mod pages;
mod scene;
