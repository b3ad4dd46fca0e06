use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::named::own_collection;
use super::use_case::UseCase;
use crate::changes::{Change, Changes};
use crate::collection::{AccessType, Collection, Description, Name};
use crate::error::Result;
use crate::event::DomainEvent;
use crate::ids::{CollectionId, UserId};
use crate::store::{DeletedCollection, Store, Transaction};
use crate::visibility::Visibility;

#[derive(Clone, Debug)]
pub struct CreateCollection {
    pub name: String,
    pub description: Option<String>,
    pub access: AccessType,
    pub visibility: Visibility,
}

/// Replaces name, description and access, and the visibility if one is given. Author only.
#[derive(Clone, Debug)]
pub struct UpdateCollection {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub access: AccessType,
    /// `None` leaves it as it is, so that clients that do not know of it publish nothing.
    pub visibility: Option<Visibility>,
}

/// Deletes the collection, however many cards are in it; they stay in their libraries. Author only. It is gone for everybody at once;
/// [`let_cards_go`] does the rest.
#[derive(Clone, Debug)]
pub struct DeleteCollection {
    pub id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionChanged {
    pub id: CollectionId,
}

#[async_trait]
impl UseCase for CreateCollection {
    type Answer = CollectionChanged;

    async fn run(&self, by: &UserId, _: &mut dyn Transaction, changes: &mut Changes) -> Result<CollectionChanged> {
        let collection = Collection {
            id: CollectionId::generate(),
            author: by.clone(),
            name: Name::parse(&self.name)?,
            description: Description::parse(self.description.as_deref().unwrap_or_default())?,
            access: self.access,
            visibility: self.visibility,
            collaborators: BTreeSet::new(),
            invited: BTreeSet::new(),
        };
        let id = collection.id;
        changes.rows.push(Change::InsertCollection(collection));
        changes.events.push(DomainEvent::CollectionCreated { collection_id: id, actor_id: by.clone() });
        Ok(CollectionChanged { id })
    }
}

#[async_trait]
impl UseCase for UpdateCollection {
    type Answer = CollectionChanged;

    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<CollectionChanged> {
        let name = Name::parse(&self.name)?;
        let description = Description::parse(self.description.as_deref().unwrap_or_default())?;
        let collection = own_collection(tx, &self.id, by).await?;
        let id = collection.id;
        changes.rows.push(Change::UpdateCollection(Collection {
            name,
            description,
            access: self.access,
            visibility: self.visibility.unwrap_or(collection.visibility),
            ..collection
        }));
        Ok(CollectionChanged { id })
    }
}

#[async_trait]
impl UseCase for DeleteCollection {
    type Answer = CollectionChanged;

    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<CollectionChanged> {
        let collection = own_collection(tx, &self.id, by).await?;
        changes.rows.push(Change::DeleteCollection(collection.id));
        Ok(CollectionChanged { id: collection.id })
    }
}

/// Lets up to `limit` cards leave a deleted collection, each with its event. False: nothing is left to do.
///
/// If the future is dropped, either all of them have left or none; calling it again goes on from there.
pub async fn let_cards_go(store: &dyn Store, limit: usize) -> Result<bool> {
    let mut tx = store.begin().await?;
    let Some(DeletedCollection { id, author, links }) = tx.deleted_collection(limit).await? else {
        return Ok(false);
    };
    // Its author may have left.
    let mut changes = Changes { is_parting: true, ..Changes::default() };
    let last = links.len() < limit;
    for (card_id, link_id) in links {
        changes.rows.push(Change::RemoveFromCollection { card_id, link_id });
        changes.events.push(DomainEvent::CardRemovedFromCollection {
            card_id,
            actor_id: author.clone(),
            collection_id: id,
            link_id,
        });
    }
    if last {
        changes.rows.push(Change::ForgetCollection(id));
    }
    tx.commit(changes).await?;
    Ok(true)
}
