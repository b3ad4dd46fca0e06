//! Whether people are here.

use cardwire_domain::UserId;

use crate::problem::Problem;
use crate::state::AppState;

/// Refuses `field` when it names somebody who is not here. With mock authentication everybody is.
pub async fn require<'a>(
    state: &AppState,
    field: &str,
    people: impl IntoIterator<Item = &'a UserId>,
) -> Result<(), Problem> {
    if state.authenticator.knows_everybody() {
        return Ok(());
    }
    let people: Vec<UserId> = people.into_iter().cloned().collect();
    match state.accounts.unknown(&people).await?.first() {
        Some(unknown) => Err(Problem::invalid(field, format_args!("nobody here has the id {unknown}"))),
        None => Ok(()),
    }
}
