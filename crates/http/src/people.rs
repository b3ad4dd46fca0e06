//! Whether people are here.

use cardwire_domain::{Error, UserId};

use crate::problem::Problem;
use crate::state::AppState;

/// Refuses `field` when it names somebody who is not here. With mock authentication everybody is.
pub async fn require<'a>(
    state: &AppState,
    field: &str,
    people: impl IntoIterator<Item = &'a UserId>,
) -> Result<(), Problem> {
    match unknown(state, people.into_iter().cloned().collect()).await? {
        Some(unknown) => Err(Problem::invalid(field, format_args!("No account has the id {unknown}."))),
        None => Ok(()),
    }
}

/// The person with this id, who must be here.
pub async fn find(state: &AppState, id: &str) -> Result<UserId, Problem> {
    let person = named(id)?;
    match unknown(state, vec![person.clone()]).await? {
        Some(_) => Err(Error::not_found("person", id).into()),
        None => Ok(person),
    }
}

/// The person with this id, here or not. What is no id names nobody.
pub fn named(id: &str) -> Result<UserId, Problem> {
    UserId::parse(id).map_err(|_| Error::not_found("person", id).into())
}

async fn unknown(state: &AppState, people: Vec<UserId>) -> Result<Option<UserId>, Problem> {
    if state.authenticator.knows_everybody() {
        return Ok(None);
    }
    Ok(state.accounts.unknown(&people).await?.into_iter().next())
}
