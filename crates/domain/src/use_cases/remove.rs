use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::named::Named;
use super::use_case::UseCase;
use crate::changes::Changes;
use crate::error::{Error, Result};
use crate::ids::{CardId, UserId};
use crate::store::Transaction;

/// Takes one's card out of the library, and with that out of every collection.
#[derive(Clone, Debug)]
pub struct RemoveCardFromLibrary {
    pub card_id: String,
}

/// Takes a card out of collections: one's own card out of any that it is in, or anybody's out of one's own collection.
#[derive(Clone, Debug)]
pub struct RemoveCardFromCollections {
    pub card_id: String,
    pub collection_ids: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardRemoved {
    pub card_id: CardId,
}

#[async_trait]
impl UseCase for RemoveCardFromLibrary {
    type Answer = CardRemoved;

    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<CardRemoved> {
        let card_id: CardId = self.card_id.parse()?;
        let card = tx.card(card_id).await?.ok_or_else(|| Error::not_found("card", card_id))?;
        card.in_library()?.owned_by(by)?.remove_from_library(changes);
        Ok(CardRemoved { card_id })
    }
}

#[async_trait]
impl UseCase for RemoveCardFromCollections {
    type Answer = CardRemoved;

    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<CardRemoved> {
        if self.collection_ids.is_empty() {
            return Err(Error::invalid("collectionIds", "Choose at least one collection."));
        }
        let card_id: CardId = self.card_id.parse()?;
        let named = Named::load(tx, "collectionIds", &self.collection_ids).await?;
        let card = tx.card(card_id).await?.ok_or_else(|| Error::not_found("card", card_id))?;
        let mut card = card.in_library()?.seen_by(by)?;
        for collection in &named.left_by(by, &card)? {
            card.remove_from_collection(by, collection, changes)?;
        }
        Ok(CardRemoved { card_id })
    }
}
