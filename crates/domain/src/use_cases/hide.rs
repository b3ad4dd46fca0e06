use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::use_case::UseCase;
use crate::changes::Changes;
use crate::error::{Error, Result};
use crate::ids::{CardId, UserId};
use crate::store::Transaction;
use crate::text::reason;

/// Hides a card from everyone but its owner. Hiding it again changes nothing.
///
/// Only for administrators, which the caller has checked. The reason is for the audit log, which the caller writes.
#[derive(Clone, Debug)]
pub struct HideCard {
    pub card_id: String,
    pub reason: String,
}

/// Ends that: the owner decides again who sees the card. Only for administrators, as [`HideCard`].
#[derive(Clone, Debug)]
pub struct ShowCard {
    pub card_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardHiding {
    pub card_id: CardId,
    /// False: it was already hidden, or shown.
    pub changed: bool,
}

#[async_trait]
impl UseCase for HideCard {
    type Answer = CardHiding;

    async fn run(&self, _: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<CardHiding> {
        reason(&self.reason)?;
        set_hidden(tx, &self.card_id, true, changes).await
    }
}

#[async_trait]
impl UseCase for ShowCard {
    type Answer = CardHiding;

    async fn run(&self, _: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<CardHiding> {
        set_hidden(tx, &self.card_id, false, changes).await
    }
}

async fn set_hidden(
    tx: &mut dyn Transaction,
    card_id: &str,
    is_hidden: bool,
    changes: &mut Changes,
) -> Result<CardHiding> {
    let card_id: CardId = card_id.parse()?;
    let card = tx.card(card_id).await?.ok_or_else(|| Error::not_found("card", card_id))?;
    let mut card = card.in_library()?;
    let changed = card.is_hidden != is_hidden;
    card.set_hidden(is_hidden, changes);
    Ok(CardHiding { card_id, changed })
}
