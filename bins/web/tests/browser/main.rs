//! The pages in a real browser: live, by keyboard, at every width, in the light and in the dark. Run by scripts/test-browser.sh.

// What a test cannot go on without fails it, in its helper functions as well.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod alarms;
mod console;
mod every_page;
mod extension;
mod groups;
mod import;
mod installing;
mod invites;
mod journeys;
mod keyboard;
mod keys;
mod live;
mod markup;
mod operators;
mod scene;
mod server;
mod signed_out;
mod window;
