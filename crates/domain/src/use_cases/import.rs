use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{UseCase, load_collections};
use crate::card::Card;
use crate::error::Result;
use crate::ids::{CardId, UserId};
use crate::note::NoteText;
use crate::store::{Changes, Transaction};
use crate::url::CardUrl;

/// Saves a link that was brought along. One that is in the library already keeps its note; it only joins the collection.
#[derive(Clone, Debug, Default)]
pub struct ImportUrl {
    pub url: String,
    pub note: Option<String>,
    pub collection_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrlImported {
    pub card_id: CardId,
    /// False: the URL was in the library already.
    pub created: bool,
}

#[async_trait]
impl UseCase for ImportUrl {
    type Answer = UrlImported;

    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<UrlImported> {
        let url = CardUrl::parse(&self.url)?;
        let note = self.note.as_deref().map(NoteText::parse).transpose()?.flatten();
        let collections = load_collections(tx, "collectionIds", self.collection_id.as_slice()).await?;
        let mut card = match tx.card_by_url(by, url.normalised()).await? {
            Some(card) => card,
            None => Card::create(by.clone(), url, None, changes),
        };
        let created = card.add_to_library(changes);
        if created && note.is_some() {
            card.set_note(note, false, changes);
        }
        for collection in &collections {
            card.add_to_collection(collection, changes)?;
        }
        Ok(UrlImported { card_id: card.id, created })
    }
}
