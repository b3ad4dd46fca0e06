//! The JSON API: its resources, one file each, and the OpenAPI document.
//!
//! To add a resource, write one file with its handlers, their `#[utoipa::path]`, and a `RESOURCE` that names them. Then
//! add its `mod` and a line in `RESOURCES` below. Handlers read the request ([`cardwire_http`] has bodies, parameters
//! and callers), run a use case or read a repository, and shape the answer. What operators do is in
//! [`cardwire_http::operations`], not here.

pub mod admin;
pub mod analytics;
pub mod cards;
pub mod collections;
pub mod docs;
pub mod dto;
pub mod feed;
pub mod health;
pub mod library;
mod limits;
pub mod membership;
pub mod metadata;
pub mod openapi;
pub mod pictures;
pub mod resource;
pub mod search;
pub mod stream;
pub mod users;

use std::sync::LazyLock;

use actix_web::web::ServiceConfig;

use resource::Resource;

/// Every resource. Fixed paths come before those with parameters, which would match them too.
const RESOURCES: &[Resource] = &[
    cards::RESOURCE,
    library::RESOURCE,
    metadata::RESOURCE,
    pictures::RESOURCE,
    collections::RESOURCE,
    membership::RESOURCE,
    stream::RESOURCE,
    feed::RESOURCE,
    search::RESOURCE,
    analytics::RESOURCE,
    users::RESOURCE,
    users::me::RESOURCE,
    users::password::RESOURCE,
    users::sessions::RESOURCE,
    users::tokens::RESOURCE,
    users::export::RESOURCE,
    users::atproto::RESOURCE,
    admin::queues::RESOURCE,
    admin::running::RESOURCE,
    admin::history::RESOURCE,
    admin::dead_letters::RESOURCE,
    admin::failures::RESOURCE,
    admin::replays::RESOURCE,
    admin::sagas::RESOURCE,
    admin::rebuild::RESOURCE,
    admin::cards::RESOURCE,
    admin::audit::RESOURCE,
    admin::invites::RESOURCE,
    admin::people::RESOURCE,
    health::RESOURCE,
    docs::RESOURCE,
];

/// Constant for the program, computed once.
static DOCUMENT: LazyLock<Result<String, serde_json::Error>> = LazyLock::new(|| openapi::document(RESOURCES));

pub fn configure(config: &mut ServiceConfig) {
    config.app_data(docs::ApiDocument(|| &DOCUMENT));
    for resource in RESOURCES {
        (resource.configure)(config);
    }
}
