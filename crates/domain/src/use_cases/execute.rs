use super::admit::admit_changes;
use super::use_case::UseCase;
use crate::changes::{Changes, Idempotency, Remember};
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::quotas::Quotas;
use crate::store::Store;

/// Who gives a command, and how it reached us.
#[derive(Clone, Debug)]
pub struct Request {
    pub by: UserId,
    /// A command that was answered under this key before is not run again.
    pub idempotency: Option<Idempotency>,
    pub traceparent: Option<String>,
    /// What they may add within a day.
    pub quotas: Quotas,
}

impl Request {
    pub fn by(person: UserId) -> Self {
        Self { by: person, idempotency: None, traceparent: None, quotas: Quotas::default() }
    }
}

/// How often a command is run again because what it had read was changed by somebody else.
const STALE_RETRIES: usize = 10;

/// Runs the command and commits what it decided. Under an idempotency key that was used before, the same answer is
/// given again, or [`Error::Invalid`] when something else was asked.
///
/// If the future is dropped, either everything was committed or nothing.
pub async fn execute<C: UseCase>(store: &dyn Store, request: &Request, command: &C) -> Result<C::Answer> {
    for _ in 0..STALE_RETRIES {
        match attempt(store, request, command).await {
            Err(Error::Stale) => {}
            result => return result,
        }
    }
    Err(Error::Unavailable("too many people are changing the same thing".into()))
}

async fn attempt<C: UseCase>(store: &dyn Store, request: &Request, command: &C) -> Result<C::Answer> {
    let mut tx = store.begin().await?;
    if let Some(asked) = &request.idempotency
        && let Some(kept) = tx.recall(&request.by, &asked.key).await?
    {
        if kept.fingerprint != asked.fingerprint {
            return Err(Error::invalid(
                "Idempotency-Key",
                "This key was used before with another request. Use a new key.",
            ));
        }
        return serde_json::from_value(kept.answer).map_err(|error| Error::Corrupt(error.to_string()));
    }
    let mut changes = Changes { traceparent: request.traceparent.clone(), ..Changes::default() };
    let answer = command.run(&request.by, &mut *tx, &mut changes).await?;
    admit_changes(&request.quotas, &changes, &request.by, &mut *tx).await?;
    if let Some(asked) = &request.idempotency {
        let answer = serde_json::to_value(&answer).map_err(|error| Error::Corrupt(error.to_string()))?;
        changes.remember = Some(Remember { person: request.by.clone(), idempotency: asked.clone(), answer });
    }
    tx.commit(changes).await?;
    Ok(answer)
}
