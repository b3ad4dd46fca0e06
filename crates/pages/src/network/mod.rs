//! The AT Protocol network: signing in by it, and the connection of an account.

mod callback;
mod connection;
mod documents;
mod leave;
mod sign_in;

use actix_web::web::ServiceConfig;

pub fn configure(config: &mut ServiceConfig) {
    callback::configure(config);
    connection::configure(config);
    documents::configure(config);
    sign_in::configure(config);
}
