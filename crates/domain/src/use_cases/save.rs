use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::named::load_collections;
use super::use_case::UseCase;
use crate::card::Card;
use crate::changes::Changes;
use crate::error::{Error, Result};
use crate::ids::{CardId, UserId};
use crate::note::NoteText;
use crate::store::Transaction;
use crate::title::Title;
use crate::url::CardUrl;
use crate::visibility::Visibility;

/// Saves a URL to the library, with a title, a note and to collections. Saving it again returns the same card, replaces
/// title and note if they are given (an empty one drops it), changes who sees it if that is given, and adds the collections.
#[derive(Clone, Debug, Default)]
pub struct AddUrlToLibrary {
    pub url: String,
    pub title: Option<String>,
    pub note: Option<String>,
    pub collection_ids: Vec<String>,
    pub via_card_id: Option<String>,
    pub visibility: Option<Visibility>,
    /// Of a card that comes into the library, if no visibility is given: what its owner usually wants.
    pub default_visibility: Visibility,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrlAdded {
    pub url_card_id: CardId,
    pub note_card_id: Option<CardId>,
    /// False: the URL was in the library already.
    pub created: bool,
}

#[async_trait]
impl UseCase for AddUrlToLibrary {
    type Answer = UrlAdded;

    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<UrlAdded> {
        let url = CardUrl::parse(&self.url)?;
        let title = self.title.as_deref().map(Title::parse).transpose()?;
        let note = self.note.as_deref().map(NoteText::parse).transpose()?;
        let via = self.via_card_id.as_deref().map(str::parse::<CardId>).transpose()?;
        if let Some(via) = via
            && !tx.card_exists(via, by).await?
        {
            return Err(Error::not_found("card", via));
        }
        let collections = load_collections(tx, "collectionIds", &self.collection_ids, by).await?;

        let mut card = match tx.card_by_url(by, url.normalised()).await? {
            Some(card) => card,
            None => Card::create(by.clone(), url, via, changes),
        };
        let created = card.add_to_library(self.visibility.unwrap_or(self.default_visibility), changes);
        if let Some(visibility) = self.visibility {
            card.set_visibility(visibility, changes);
        }
        if let Some(title) = title {
            card.set_title(title, !created, changes);
        }
        if let Some(text) = note {
            card.set_note(text, !created, changes);
        }
        for collection in &collections {
            card.add_to_collection(collection, changes)?;
        }
        Ok(UrlAdded { url_card_id: card.id, note_card_id: card.note.map(|note| note.id), created })
    }
}
