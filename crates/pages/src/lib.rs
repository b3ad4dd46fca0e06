//! The pages that people use: drawn here, over the same use cases and repositories as the API.
//!
//! Guarantees: whatever people or pages wrote is shown as text (`tests/pages/hostile.rs`); a form counts only with its token and from this
//! site (`tests/pages/forms.rs`); everything works without scripts, which only make it livelier; nothing is loaded from elsewhere.
//!
//! How a page is added:
//!
//! 1. A template in `crates/pages/templates` that starts with `{% extends "base.html" %}` and fills `title` and `main`. A form is a
//!    `<form method="post">` with `{% call parts::csrf(chrome) %}{% endcall %}`. Values are escaped unless marked `|safe`: never do that.
//! 2. A file of its own here: a struct with `#[derive(Template)]`, a field `chrome: Chrome` and what the page shows.
//! 3. A handler that takes a `Visit` and answers `Visit::page`. For a form, one that takes a `Posted`, which
//!    has checked token and origin, and answers `see_other`, or the page again with a
//!    `Complaint` and `Visit::page_with`. Where somebody must be signed in, it asks `Visit::caller` first; for an
//!    operator, `Visit::admin`; for what no API token may do, `Visit::in_person`. If they are not, returning the problem leads them to
//!    sign in or shows an error page. A form that takes something away carries `data-confirm`, which makes the script ask first; without
//!    scripts the handler asks, with `Posted::ask`.
//! 4. [`Endpoint::at`](cardwire_http::endpoint::Endpoint::at) in a `configure` of its own, called below; a `Section`, if
//!    it belongs in the navigation (`base.html`).
//! 5. Styles in `static/app.css`, scripts in `static/*.js`, listed in [`assets`]: the policy allows neither inline.

mod account;
mod admin;
pub mod assets;
mod atom;
mod audience;
mod bookmarklet;
mod card;
mod chart;
mod choices;
mod collections;
mod directory;
mod export;
mod failure;
mod feed;
mod feed_groups;
mod feeds;
mod fields;
mod form;
mod highlight;
mod import;
mod install;
mod library;
mod links;
mod membership;
mod network;
mod new_collection;
mod oembed;
mod once;
mod person;
mod pictures;
mod reset_password;
mod save;
mod saved;
mod search;
mod selected;
mod shared;
mod sharing;
mod shown;
mod sign_in;
mod sign_up;
mod trends;
mod unsent;
mod url;
mod view;
mod visit;

use actix_web::web::ServiceConfig;

/// Every page, and how a problem looks on one.
pub fn configure(config: &mut ServiceConfig) {
    failure::configure(config);
    assets::configure(config);
    feed::configure(config);
    account::configure(config);
    sign_in::configure(config);
    sign_up::configure(config);
    reset_password::configure(config);
    network::configure(config);
    save::configure(config);
    bookmarklet::configure(config);
    library::configure(config);
    selected::configure(config);
    card::configure(config);
    // Before the collections, whose ids would take its path.
    choices::configure(config);
    directory::configure(config);
    collections::configure(config);
    membership::configure(config);
    search::configure(config);
    person::configure(config);
    url::configure(config);
    feeds::configure(config);
    install::configure(config);
    oembed::configure(config);
    trends::configure(config);
    admin::configure(config);
    import::configure(config);
    export::configure(config);
}
