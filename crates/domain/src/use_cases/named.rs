//! The collections that a command names.

use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::ids::{CollectionId, UserId};
use crate::store::Transaction;

/// The most collections one command may name.
pub const MAX_COLLECTIONS: usize = 100;

/// The named collections, each once; refuses the command if one does not exist.
pub(super) async fn load_collections(tx: &mut dyn Transaction, field: &str, ids: &[String]) -> Result<Vec<Collection>> {
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

pub(super) async fn load_collection(tx: &mut dyn Transaction, id: &str) -> Result<Collection> {
    let found = tx.collections(&[id.parse()?]).await?;
    found.into_iter().next().ok_or_else(|| Error::not_found("collection", id))
}

/// For what only its author may do.
pub(super) async fn own_collection(tx: &mut dyn Transaction, id: &str, by: &UserId) -> Result<Collection> {
    load_collection(tx, id).await?.authored_by(by)
}
