//! The collections that a command names.

use crate::card::Card;
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::ids::{CollectionId, UserId};
use crate::store::Transaction;

/// The most collections one command may name.
pub const MAX_COLLECTIONS: usize = 100;

/// The collections that a command names, each once, whether or not they exist for the person who gives it.
pub(super) struct Named {
    ids: Vec<CollectionId>,
    found: Vec<Collection>,
}

impl Named {
    pub(super) async fn load(tx: &mut dyn Transaction, field: &str, ids: &[String]) -> Result<Self> {
        if ids.len() > MAX_COLLECTIONS {
            return Err(Error::invalid(field, "Choose at most 100 collections."));
        }
        let mut ids = ids.iter().map(|id| id.parse()).collect::<Result<Vec<CollectionId>>>()?;
        ids.sort_unstable();
        ids.dedup();
        let found = if ids.is_empty() { Vec::new() } else { tx.collections(&ids).await? };
        Ok(Self { ids, found })
    }

    /// Refuses the command if one does not exist for this person.
    pub(super) fn seen_by(self, person: &UserId) -> Result<Vec<Collection>> {
        self.only(|collection| collection.is_seen_by(person))
    }

    /// For taking the card out of them. Its owner may do so where it is, even if they no longer see the collection. Any other collection that
    /// they do not see does not exist for them.
    pub(super) fn left_by(self, person: &UserId, card: &Card) -> Result<Vec<Collection>> {
        let is_own = card.owner == *person;
        self.only(|collection| collection.is_seen_by(person) || (is_own && card.is_in(collection.id)))
    }

    fn only(mut self, exists: impl Fn(&Collection) -> bool) -> Result<Vec<Collection>> {
        self.found.retain(exists);
        match self.ids.iter().find(|id| !self.found.iter().any(|collection| collection.id == **id)) {
            Some(missing) => Err(Error::not_found("collection", missing)),
            None => Ok(self.found),
        }
    }
}

/// The named collections, each once; refuses the command if one does not exist for this person.
pub(super) async fn load_collections(
    tx: &mut dyn Transaction,
    field: &str,
    ids: &[String],
    by: &UserId,
) -> Result<Vec<Collection>> {
    Named::load(tx, field, ids).await?.seen_by(by)
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
