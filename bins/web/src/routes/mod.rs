//! The resources of the API, one file each, and what they look like on the wire.

pub mod admin;
pub mod analytics;
pub mod cards;
pub mod collections;
pub mod docs;
pub mod dto;
pub mod feed;
pub mod health;
pub mod library;
pub mod search;
pub mod stream;
pub mod users;

use actix_web::web::ServiceConfig;

/// Every resource. Fixed paths come before those with parameters, which would take them.
pub fn configure(config: &mut ServiceConfig) {
    cards::configure(config);
    library::configure(config);
    collections::configure(config);
    stream::configure(config);
    feed::configure(config);
    search::configure(config);
    analytics::configure(config);
    users::configure(config);
    admin::configure(config);
    health::configure(config);
    docs::configure(config);
}
