use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::named::{Named, load_collections};
use super::use_case::UseCase;
use crate::changes::Changes;
use crate::error::{Error, Result};
use crate::ids::{CardId, CollectionId, UserId};
use crate::note::NoteText;
use crate::store::Transaction;
use crate::title::Title;
use crate::visibility::Visibility;

/// Changes who sees a card, its title, its note and its collections in one step. What is not given stays; an empty title or note is dropped.
#[derive(Clone, Debug, Default)]
pub struct UpdateUrlCardAssociations {
    pub card_id: String,
    pub title: Option<String>,
    pub note: Option<String>,
    pub visibility: Option<Visibility>,
    pub add_to_collections: Vec<String>,
    pub remove_from_collections: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssociationsUpdated {
    pub card_id: CardId,
    pub note_card_id: Option<CardId>,
    /// Where the card is now, as far as the person sees it.
    pub collection_ids: Vec<CollectionId>,
}

#[async_trait]
impl UseCase for UpdateUrlCardAssociations {
    type Answer = AssociationsUpdated;

    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<AssociationsUpdated> {
        let title = self.title.as_deref().map(Title::parse).transpose()?;
        let card_id: CardId = self.card_id.parse()?;
        if let Some(both) = self.add_to_collections.iter().find(|id| self.remove_from_collections.contains(id)) {
            return Err(Error::invalid(
                "removeFromCollections",
                format!("Collection {both} is also in addToCollections. Name it in one of the two."),
            ));
        }
        let added = load_collections(tx, "addToCollections", &self.add_to_collections, by).await?;
        let removed = Named::load(tx, "removeFromCollections", &self.remove_from_collections).await?;
        let card = tx.card(card_id).await?.ok_or_else(|| Error::not_found("card", card_id))?;
        let mut card = card.in_library()?.owned_by(by)?;
        let removed = removed.left_by(by, &card)?;
        // An unchanged one may be longer than what people can write: that of cards which became one.
        let is_new = |text: &&str| !card.note.as_ref().is_some_and(|own| own.text.is(text));
        let note = self.note.as_deref().filter(is_new).map(NoteText::parse).transpose()?;
        if let Some(title) = title {
            card.set_title(title, true, changes);
        }
        if let Some(text) = note {
            card.set_note(text, true, changes);
        }
        // In this order, nothing is told of stays that would end at once.
        for collection in &removed {
            card.remove_from_collection(by, collection, changes)?;
        }
        if let Some(visibility) = self.visibility {
            card.set_visibility(visibility, changes);
        }
        for collection in &added {
            card.add_to_collection(collection, changes)?;
        }
        let seen = card.collection_links.iter().filter(|link| link.is_seen);
        Ok(AssociationsUpdated {
            card_id,
            note_card_id: card.note.as_ref().map(|note| note.id),
            collection_ids: seen.map(|link| link.collection_id).collect(),
        })
    }
}
