//! Profiles, and what administrators do to accounts. Their acts come through [`crate::operations::people`] or
//! [`crate::operations::command_line`], which write them down.

use std::collections::{BTreeMap, BTreeSet};

use cardwire_domain::UserId;
use cardwire_domain::accounts::{Handle, Person, Registration};
use cardwire_domain::profile::{Profile, ProfileChange};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::error::Error;
use super::sign_in::Accounts;
use super::tokens::{new_token, token_hash};

/// Lets one person sign up.
#[derive(Debug)]
pub struct Invite {
    pub code: SecretString,
    pub expires_at: Timestamp,
}

/// Sets a new password once.
#[derive(Debug)]
pub struct ResetLink {
    pub token: SecretString,
    pub expires_at: Timestamp,
}

impl ResetLink {
    /// See [`reset_path`].
    pub fn path(&self) -> String {
        reset_path(self.token.expose_secret())
    }
}

/// The page on which somebody signs up with this invite, on this site.
pub fn sign_up_path(code: &str) -> String {
    format!("/sign-up?invite={code}")
}

/// The page on which a new password is set, on this site.
pub fn reset_path(token: &str) -> String {
    format!("/reset-password?token={token}")
}

impl Accounts {
    pub async fn profile(&self, person: &UserId) -> Result<Profile, Error> {
        Ok(self.repository.profile(person).await?)
    }

    pub async fn change_profile(&self, person: &UserId, change: &ProfileChange) -> Result<Profile, Error> {
        Ok(self.repository.change_profile(person, change).await?)
    }

    /// The handles of these people, of those who have an account.
    pub async fn handles(&self, people: &BTreeSet<UserId>) -> Result<BTreeMap<UserId, String>, Error> {
        let mut handles = BTreeMap::new();
        for person in people {
            if let Some(account) = self.repository.account_of(person).await? {
                handles.insert(person.clone(), account.user.handle);
            }
        }
        Ok(handles)
    }

    /// Those with an account, in the order of their handles, behind `after`.
    pub async fn people(&self, after: Option<&Handle>, limit: usize) -> Result<Vec<Person>, Error> {
        Ok(self.repository.people(after, limit).await?)
    }

    /// Whose handle it is, if anybody's.
    pub async fn id_of(&self, handle: &Handle) -> Result<Option<UserId>, Error> {
        Ok(self.repository.account(handle).await?.map(|account| account.user.id))
    }

    pub(crate) async fn create_invite(&self, by: &UserId) -> Result<Invite, Error> {
        if self.settings.registration == Registration::Closed {
            let why = "Registration is closed, so nobody could use an invite.";
            return Err(cardwire_domain::Error::Conflict(why.into()).into());
        }
        let code = new_token();
        let expires_at = self.repository.create_invite(by, &token_hash(code.expose_secret())).await?;
        Ok(Invite { code, expires_at })
    }

    /// Whether the account was not suspended before.
    pub(crate) async fn suspend(&self, person: &UserId) -> Result<bool, Error> {
        Ok(self.repository.suspend(person).await?)
    }

    /// Whether the account was suspended before.
    pub(crate) async fn restore(&self, person: &UserId) -> Result<bool, Error> {
        Ok(self.repository.restore(person).await?)
    }

    /// Replaces an earlier link of this person.
    pub(crate) async fn reset_link(&self, person: &UserId) -> Result<ResetLink, Error> {
        let token = new_token();
        let expires_at = self.repository.create_reset(person, &token_hash(token.expose_secret())).await?;
        Ok(ResetLink { token, expires_at })
    }

    /// Returns whether that changed anything.
    pub(crate) async fn make_admin(&self, person: &UserId) -> Result<bool, Error> {
        Ok(self.repository.make_admin(person).await?)
    }
}
