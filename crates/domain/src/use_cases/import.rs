use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::named::load_collections;
use super::use_case::UseCase;
use crate::card::Card;
use crate::changes::Changes;
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::ids::{CardId, UserId};
use crate::imports::{ImportRow, RowOutcome};
use crate::note::NoteText;
use crate::store::Transaction;
use crate::url::CardUrl;

/// Saves links that were brought along, all in one commit. One that breaks a rule is refused without hindering the others. One that is
/// in the library already keeps its note and its visibility; it only joins the collection.
#[derive(Clone, Debug, Default)]
pub struct ImportUrls {
    pub rows: Vec<ImportRow>,
    pub collection_id: Option<String>,
}

/// What became of each row, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrlsImported(pub Vec<RowOutcome>);

#[async_trait]
impl UseCase for ImportUrls {
    type Answer = UrlsImported;

    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<UrlsImported> {
        let collections = match load_collections(tx, "collectionIds", self.collection_id.as_slice(), by).await {
            Ok(collections) => Ok(collections),
            Err(error) => Err(rule(error)?),
        };
        changes.imported = true;
        let mut outcomes = Vec::new();
        // What the rows before did is not in the store yet.
        let mut seen = BTreeMap::new();
        for row in &self.rows {
            let outcome = match &collections {
                Ok(collections) => import(row, collections, by, tx, &mut seen, changes)
                    .await
                    .or_else(|error| Ok::<_, Error>(RowOutcome::Refused(rule(error)?)))?,
                Err(why) => RowOutcome::Refused(why.clone()),
            };
            outcomes.push(outcome);
        }
        Ok(UrlsImported(outcomes))
    }
}

/// Why a row is refused; what is not about the row is given back.
fn rule(error: Error) -> Result<String> {
    match error {
        Error::OverQuota { .. } | Error::Stale | Error::Unavailable(_) | Error::Corrupt(_) => Err(error),
        Error::Invalid { .. } | Error::NotFound { .. } | Error::Forbidden(_) | Error::Conflict(_) => {
            Ok(error.to_string())
        }
    }
}

/// Changes nothing when it is refused.
async fn import(
    row: &ImportRow,
    collections: &[Collection],
    by: &UserId,
    tx: &mut dyn Transaction,
    seen: &mut BTreeMap<String, CardId>,
    changes: &mut Changes,
) -> Result<RowOutcome> {
    let url = CardUrl::parse(&row.url)?;
    let note = row.note.as_deref().map(NoteText::parse).transpose()?.flatten();
    if let Some(card) = seen.get(url.normalised()) {
        return Ok(RowOutcome::Known(*card));
    }
    let normalised = url.normalised().to_owned();
    let mut own = Changes::default();
    let mut card = match tx.card_by_url(by, &normalised).await? {
        Some(card) => card,
        None => Card::create(by.clone(), url, None, &mut own),
    };
    let created = card.add_to_library(row.visibility, &mut own);
    if created && note.is_some() {
        card.set_note(note, false, &mut own);
    }
    for collection in collections {
        card.add_to_collection(collection, &mut own)?;
    }
    changes.rows.append(&mut own.rows);
    changes.events.append(&mut own.events);
    seen.insert(normalised, card.id);
    Ok(if created { RowOutcome::Saved(card.id) } else { RowOutcome::Known(card.id) })
}
