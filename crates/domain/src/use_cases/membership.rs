use std::collections::BTreeSet;

use async_trait::async_trait;

use super::collections::CollectionChanged;
use super::named::{load_collection, own_collection};
use super::use_case::UseCase;
use crate::changes::{Change, Changes};
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::membership::MAX_COLLABORATIONS;
use crate::store::Transaction;

/// Replaces the list of people who collaborate or are invited to. Those on it who have accepted stay, new ones are invited, and those who
/// are not on it are neither any more. Author only.
#[derive(Clone, Debug)]
pub struct SetCollaborators {
    pub id: String,
    pub user_ids: Vec<String>,
}

impl SetCollaborators {
    /// Whom it names. Whether they are here is for the caller to know.
    pub fn people(&self) -> Result<BTreeSet<UserId>> {
        if self.user_ids.len() > Collection::MAX_COLLABORATORS {
            return Err(Error::invalid("userIds", "Name at most 100 people."));
        }
        let parse = |id: &String| {
            UserId::parse(id)
                .map_err(|_| Error::invalid("userIds", format!("{id:?} is not a DID such as did:plc:alice.")))
        };
        self.user_ids.iter().map(parse).collect()
    }
}

/// From now on the person collaborates. Accepting again changes nothing.
#[derive(Clone, Debug)]
pub struct AcceptInvitation {
    pub id: String,
}

/// The person collaborates no longer, or declines the invitation. Where there is neither, nothing changes. The cards they added stay.
#[derive(Clone, Debug)]
pub struct LeaveCollection {
    pub id: String,
}

/// Takes back every open invitation from this person and refuses new ones. Collections that both work on stay as they are.
#[derive(Clone, Debug)]
pub struct BlockPerson {
    pub person: UserId,
}

/// The person may send invitations again.
#[derive(Clone, Debug)]
pub struct UnblockPerson {
    pub person: UserId,
}

#[async_trait]
impl UseCase for SetCollaborators {
    type Answer = CollectionChanged;

    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<CollectionChanged> {
        let people = self.people()?;
        let before = own_collection(tx, &self.id, by).await?;
        let after = before.clone().shared_with(people);
        let new: Vec<UserId> = after.invited.difference(&before.invited).cloned().collect();
        if !new.is_empty() {
            tx.invitees(&new, by).await?.iter().try_for_each(|invitee| invitee.admit())?;
        }
        let id = after.id;
        changes.rows.push(Change::UpdateCollection(after));
        Ok(CollectionChanged { id })
    }
}

#[async_trait]
impl UseCase for AcceptInvitation {
    type Answer = CollectionChanged;

    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<CollectionChanged> {
        let mut collection = load_collection(tx, &self.id, by).await?;
        let id = collection.id;
        if collection.author == *by || collection.collaborators.contains(by) {
            return Ok(CollectionChanged { id });
        }
        if !collection.invited.remove(by) {
            return Err(Error::not_found("invitation to collection", id));
        }
        if tx.collaborations(by).await? >= MAX_COLLABORATIONS {
            return Err(Error::Conflict(format!(
                "You collaborate in {MAX_COLLABORATIONS} collections, which is the limit. Leave one first."
            )));
        }
        collection.collaborators.insert(by.clone());
        changes.rows.push(Change::UpdateCollection(collection));
        Ok(CollectionChanged { id })
    }
}

#[async_trait]
impl UseCase for LeaveCollection {
    type Answer = CollectionChanged;

    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<CollectionChanged> {
        let mut collection = load_collection(tx, &self.id, by).await?;
        let id = collection.id;
        if collection.author == *by {
            return Err(Error::Forbidden(format!(
                "You cannot leave collection {id} because you are its author. Delete it instead."
            )));
        }
        if collection.part_with(by) {
            changes.rows.push(Change::UpdateCollection(collection));
        }
        Ok(CollectionChanged { id })
    }
}

#[async_trait]
impl UseCase for BlockPerson {
    type Answer = ();

    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<()> {
        if self.person == *by {
            return Err(Error::Forbidden("You cannot block yourself.".into()));
        }
        for mut collection in tx.invitations(by, &self.person).await? {
            collection.part_with(by);
            changes.rows.push(Change::UpdateCollection(collection));
        }
        changes.rows.push(Change::Block { by: by.clone(), person: self.person.clone() });
        Ok(())
    }
}

#[async_trait]
impl UseCase for UnblockPerson {
    type Answer = ();

    async fn run(&self, by: &UserId, _: &mut dyn Transaction, changes: &mut Changes) -> Result<()> {
        changes.rows.push(Change::Unblock { by: by.clone(), person: self.person.clone() });
        Ok(())
    }
}
