use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::named::load_collections;
use super::use_case::UseCase;
use crate::changes::Changes;
use crate::error::{Error, Result};
use crate::ids::{CardId, UserId};
use crate::store::Transaction;

/// Adds one's own card to collections.
#[derive(Clone, Debug)]
pub struct AddCardToCollections {
    pub card_id: String,
    pub collection_ids: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardCollected {
    pub card_id: CardId,
}

#[async_trait]
impl UseCase for AddCardToCollections {
    type Answer = CardCollected;

    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<CardCollected> {
        if self.collection_ids.is_empty() {
            return Err(Error::invalid("collectionIds", "Choose at least one collection."));
        }
        let card_id: CardId = self.card_id.parse()?;
        let collections = load_collections(tx, "collectionIds", &self.collection_ids, by).await?;
        let card = tx.card(card_id).await?.ok_or_else(|| Error::not_found("card", card_id))?;
        let mut card = card.in_library()?.owned_by(by)?;
        for collection in &collections {
            card.add_to_collection(collection, changes)?;
        }
        Ok(CardCollected { card_id })
    }
}
