//! Your account: profile, password, sessions, API tokens, and its deletion.

mod current_password;
mod deletion;
mod password;
mod profile;
mod sessions;
mod tokens;

use actix_web::web::ServiceConfig;

/// Path and label of each.
pub(crate) const TABS: [(&str, &str); 4] = [
    ("/account", "Profile"),
    ("/account/password", "Password"),
    ("/account/sessions", "Sessions"),
    ("/account/tokens", "API tokens"),
];

pub fn configure(config: &mut ServiceConfig) {
    profile::configure(config);
    password::configure(config);
    sessions::configure(config);
    tokens::configure(config);
    deletion::configure(config);
}
