//! The collections that a command names.

use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::ids::{CollectionId, UserId};
use crate::store::Transaction;

/// The most collections one command may name.
pub const MAX_COLLECTIONS: usize = 100;

/// The named collections, each once; refuses the command if one does not exist for this person.
pub(super) async fn load_collections(
    tx: &mut dyn Transaction,
    field: &str,
    ids: &[String],
    by: &UserId,
) -> Result<Vec<Collection>> {
    if ids.len() > MAX_COLLECTIONS {
        return Err(Error::invalid(field, "must name at most 100 collections"));
    }
    let mut parsed = ids.iter().map(|id| id.parse()).collect::<Result<Vec<CollectionId>>>()?;
    parsed.sort_unstable();
    parsed.dedup();
    if parsed.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = tx.collections(&parsed).await?;
    found.retain(|collection| collection.is_seen_by(by));
    match parsed.iter().find(|id| !found.iter().any(|collection| collection.id == **id)) {
        Some(missing) => Err(Error::not_found("collection", missing)),
        None => Ok(found),
    }
}

/// Also one of which the person knows no more than that they are invited.
pub(super) async fn load_collection(tx: &mut dyn Transaction, id: &str, by: &UserId) -> Result<Collection> {
    let found = tx.collections(&[id.parse()?]).await?.into_iter().next();
    let known = found.filter(|collection| collection.is_seen_by(by) || collection.invited.contains(by));
    known.ok_or_else(|| Error::not_found("collection", id))
}

/// For what only its author may do.
pub(super) async fn own_collection(tx: &mut dyn Transaction, id: &str, by: &UserId) -> Result<Collection> {
    let collection = load_collection(tx, id, by).await?;
    if collection.is_seen_by(by) { collection.authored_by(by) } else { Err(Error::not_found("collection", id)) }
}
