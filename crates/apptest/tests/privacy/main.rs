//! Who sees what: every route, called by every kind of reader, about everything that can be private.
//!
//! Each case has two worlds that differ in one thing: in the first it is there, in the second it never was. Every reader calls every route in
//! both. Readers who may not see the thing must get the same answers in both: status, headers and body, page by page. So nothing reveals it
//! to them. Readers who may see it must see it in exactly the listed places, which also shows that the search for it finds something.
//!
//! The routes come from the OpenAPI document and from the source. One that the tables in [`reads`] and [`changes`] do not know fails
//! the test by its name.

// Unmet preconditions panic, in helper functions too; and the size is printed.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod answers;
mod cases;
mod changes;
mod pages;
mod reads;
mod routes;
mod scene;
mod world;
