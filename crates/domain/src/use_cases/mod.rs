//! What people can do. Each command is one transaction: read, decide, commit.

mod associations;
mod collect;
mod collections;
mod import;
mod remove;
mod save;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use associations::{AssociationsUpdated, UpdateUrlCardAssociations};
pub use collect::{AddCardToCollections, CardCollected};
pub use collections::{
    CollectionChanged, CreateCollection, DeleteCollection, SetCollaborators, UpdateCollection, let_cards_go,
};
pub use import::{ImportUrls, UrlsImported};
pub use remove::{CardRemoved, RemoveCardFromCollections, RemoveCardFromLibrary};
pub use save::{AddUrlToLibrary, UrlAdded};

use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::ids::{CollectionId, UserId};
use crate::store::{Changes, Idempotency, Remember, Store, Transaction};

/// A command one person gives. `run` reads and decides; it must not keep anything outside of `changes`, since it may
/// be run again.
#[async_trait]
pub trait UseCase: Send + Sync {
    type Answer: Serialize + DeserializeOwned + Send;
    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<Self::Answer>;
}

/// Who gives a command, and how it reached us.
#[derive(Clone, Debug)]
pub struct Request {
    pub by: UserId,
    /// A command that was answered under this key before is not run again.
    pub idempotency: Option<Idempotency>,
    pub traceparent: Option<String>,
}

impl Request {
    pub fn by(person: UserId) -> Self {
        Self { by: person, idempotency: None, traceparent: None }
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
            return Err(Error::invalid("Idempotency-Key", "was used before with another request"));
        }
        return serde_json::from_value(kept.answer).map_err(|error| Error::Corrupt(error.to_string()));
    }
    let mut changes = Changes { traceparent: request.traceparent.clone(), ..Changes::default() };
    let answer = command.run(&request.by, &mut *tx, &mut changes).await?;
    if let Some(asked) = &request.idempotency {
        let answer = serde_json::to_value(&answer).map_err(|error| Error::Corrupt(error.to_string()))?;
        changes.remember = Some(Remember { person: request.by.clone(), idempotency: asked.clone(), answer });
    }
    tx.commit(changes).await?;
    Ok(answer)
}

/// The most collections one command may name.
pub const MAX_COLLECTIONS: usize = 100;

/// The named collections, each once; refuses the command if one does not exist.
async fn load_collections(tx: &mut dyn Transaction, field: &str, ids: &[String]) -> Result<Vec<Collection>> {
    if ids.len() > MAX_COLLECTIONS {
        return Err(Error::invalid(field, "must name at most 100 collections"));
    }
    let mut parsed = ids.iter().map(|id| id.parse()).collect::<Result<Vec<CollectionId>>>()?;
    parsed.sort_unstable();
    parsed.dedup();
    if parsed.is_empty() {
        return Ok(Vec::new());
    }
    let found = tx.collections(&parsed).await?;
    match parsed.iter().find(|id| !found.iter().any(|collection| collection.id == **id)) {
        Some(missing) => Err(Error::not_found("collection", missing)),
        None => Ok(found),
    }
}
