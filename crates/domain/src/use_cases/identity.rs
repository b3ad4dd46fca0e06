use std::collections::BTreeSet;

use async_trait::async_trait;

use super::execute::{Request, execute};
use super::use_case::UseCase;
use crate::card::Card;
use crate::changes::{Change, Changes};
use crate::error::{Error, Result};
use crate::ids::{CardId, UserId};
use crate::store::{OutdatedCard, Store, Transaction};
use crate::url::CardUrl;

/// Reads a card's URL by the present rules. Where the owner has another card of the same link, one takes over what both hold: the one in the library,
/// of two in the library the older one.
///
/// It answers with another card if that one has the place only by earlier rules, and has to make room first.
#[derive(Clone, Debug)]
pub struct RenewIdentity {
    pub card_id: CardId,
}

/// What became of some cards whose URLs were read by earlier rules.
#[derive(Debug, Default)]
pub struct Renewed {
    /// The last of them; what is behind it is still to be looked at. `None`: there was none.
    pub last: Option<CardId>,
    /// Those that stay as they are, until somebody tries again, and why.
    pub failed: Vec<(CardId, Error)>,
}

#[async_trait]
impl UseCase for RenewIdentity {
    type Answer = Option<CardId>;

    async fn run(&self, _: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<Option<CardId>> {
        let Some(mut card) = tx.card(self.card_id).await? else { return Ok(None) };
        if card.url.is_merged() {
            return Ok(None);
        }
        let url = renewed(&card);
        if url.normalised() == card.url.normalised() {
            card.identify(url, changes);
            return Ok(None);
        }
        // It was told when it was saved.
        changes.is_untold = true;
        let Some(holder) = tx.card_by_url(&card.owner, url.normalised()).await? else {
            card.identify(url, changes);
            return Ok(None);
        };
        if renewed(&holder).normalised() != url.normalised() {
            return Ok(Some(holder.id));
        }
        let (mut kept, gone) = if place(&card) < place(&holder) { (card, holder) } else { (holder, card) };
        kept.absorb(gone, changes);
        let url = renewed(&kept);
        kept.identify(url, changes);
        Ok(None)
    }
}

/// The first of two cards of one link is kept. Outside of the library, that is one that is hidden, so that it stays so.
fn place(card: &Card) -> impl Ord + use<> {
    let is_out = card.library_link.is_none();
    (is_out, is_out && !card.is_hidden, card.created_at, card.id)
}

/// What the present rules refuse stays as it is.
fn renewed(card: &Card) -> CardUrl {
    CardUrl::parse(card.url.given()).unwrap_or_else(|_| card.url.clone())
}

/// Reads up to `limit` cards' URLs by the present rules, those behind `after`: see [`RenewIdentity`].
///
/// If the future is dropped, each card was looked at whole or not at all, and those that were not are found again.
pub async fn renew_identities(store: &dyn Store, after: Option<CardId>, limit: usize) -> Result<Renewed> {
    let mut tx = store.begin().await?;
    let outdated = tx.outdated_cards(after, limit).await?;
    let Some(last) = outdated.last().map(|card| card.id) else { return Ok(Renewed::default()) };
    let (mut changes, mut changed) = (Changes::default(), Vec::new());
    for OutdatedCard { id, owner, url } in outdated {
        match CardUrl::parse(url.given()) {
            Ok(renewed) if renewed != url && !url.is_merged() => changed.push((id, owner)),
            // Nothing to tell, or refused today.
            _ => changes.rows.push(Change::Identify { card_id: id, url }),
        }
    }
    tx.commit(changes).await?;
    let mut failed = Vec::new();
    for (card, owner) in changed {
        match renew(store, owner, card).await {
            // The card of somebody who is leaving goes anyway.
            Ok(()) | Err(Error::Forbidden(_)) => {}
            Err(error @ Error::Unavailable(_)) => return Err(error),
            Err(error) => failed.push((card, error)),
        }
    }
    Ok(Renewed { last: Some(last), failed })
}

async fn renew(store: &dyn Store, owner: UserId, card_id: CardId) -> Result<()> {
    let request = Request::by(owner);
    let (mut waiting, mut seen) = (vec![card_id], BTreeSet::from([card_id]));
    while let Some(card_id) = waiting.last().copied() {
        match execute(store, &request, &RenewIdentity { card_id }).await? {
            None => {
                waiting.pop();
            }
            Some(holder) if seen.insert(holder) => waiting.push(holder),
            Some(holder) => return Err(Error::Corrupt(format!("card {holder} does not make room for card {card_id}"))),
        }
    }
    Ok(())
}
