//! Your account: profile, password, sessions, API tokens, and its deletion.

mod deletion;
mod password;
mod profile;
mod sessions;
mod tokens;

use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use cardwire_http::accounts;
use cardwire_http::problem::Problem;

use crate::fields::Complaint;

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

/// What is wrong with a form of these fields, one of which asks for the current password.
fn refusal(error: accounts::Error, fields: &[&str]) -> Result<(StatusCode, Complaint), Problem> {
    let wrong = match error {
        accounts::Error::WrongPassword(field) => Some(field),
        _ => None,
    };
    let (status, complaint) = Complaint::of(error.into(), fields)?;
    let told = |field| Complaint::about(field, "That is not your current password.");
    Ok((status, wrong.map_or(complaint, told)))
}
