//! Forms that ask for the current password.

use actix_web::http::StatusCode;
use cardwire_http::accounts::Error;
use cardwire_http::problem::Problem;

use crate::fields::Complaint;

/// What is wrong with such a form, which has these fields.
pub(super) fn refusal(error: Error, fields: &[&str]) -> Result<(StatusCode, Complaint), Problem> {
    let wrong = match error {
        Error::WrongPassword(field) => Some(field),
        _ => None,
    };
    let (status, complaint) = Complaint::of(error.into(), fields)?;
    let told = |field| Complaint::about(field, "That is not your current password.");
    Ok((status, wrong.map_or(complaint, told)))
}
