//! Your account: profile, password, sessions, API tokens, and its deletion.

mod current_password;
mod deletion;
mod password;
mod profile;
mod sessions;
mod tokens;

use actix_web::web::ServiceConfig;

/// Path and label of each.
pub(crate) const TABS: [(&str, &str); 5] = [
    ("/account", "Profile"),
    ("/account/password", "Password"),
    ("/account/sessions", "Sessions"),
    ("/account/tokens", "API tokens"),
    ("/account/atproto", "AT Protocol"),
];

pub fn configure(config: &mut ServiceConfig) {
    profile::configure(config);
    password::configure(config);
    sessions::configure(config);
    tokens::configure(config);
    deletion::configure(config);
}
