//! Sessions and API tokens: what lets somebody in, as its owner sees it.

use std::time::Duration;

use cardwire_domain::sessions::Session;
use cardwire_domain::tokens::{ApiToken, MAX_DAYS, NewToken, Scope, TokenName};
use cardwire_domain::{Error as DomainError, SessionId, TokenId, UserId};
use secrecy::{ExposeSecret, SecretString};

use super::error::Error;
use super::sign_in::Accounts;
use super::tokens::{new_api_token, token_hash};
use crate::auth::InPerson;

/// An API token that somebody wants.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    pub name: &'a str,
    pub scope: Scope,
    /// `None`: it does not expire.
    pub expires_in_days: Option<u32>,
}

impl Accounts {
    /// Last seen first.
    pub async fn sessions(&self, person: &UserId) -> Result<Vec<Session>, Error> {
        Ok(self.repository.sessions_of(person).await?)
    }

    pub async fn end_session(&self, person: &UserId, id: SessionId) -> Result<(), Error> {
        match self.repository.end_session(person, id).await? {
            true => Ok(()),
            false => Err(DomainError::not_found("session", id).into()),
        }
    }

    /// All but the one that asks. Returns how many it ended.
    pub async fn end_other_sessions(&self, caller: &InPerson) -> Result<u64, Error> {
        Ok(self.repository.end_sessions(caller.id(), caller.session()).await?)
    }

    /// Only this answer has the token itself; the store keeps its hash.
    ///
    /// Dropped, there may be a token that nobody has.
    pub async fn create_token(
        &self,
        caller: &InPerson,
        asked: &TokenRequest<'_>,
    ) -> Result<(ApiToken, SecretString), Error> {
        let name = TokenName::parse(asked.name)?;
        if asked.expires_in_days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
            return Err(
                DomainError::invalid("expiresInDays", format!("Use a number of days from 1 to {MAX_DAYS}.")).into()
            );
        }
        let secret = new_api_token();
        let token = NewToken {
            id: TokenId::generate(),
            name,
            scope: asked.scope,
            hash: token_hash(secret.expose_secret()),
            good_for: asked.expires_in_days.map(|days| Duration::from_secs(u64::from(days) * 86_400)),
            asked_in: caller.session(),
        };
        Ok((self.repository.create_token(caller.id(), &token).await?, secret))
    }

    /// Newest first, expired ones included.
    pub async fn tokens(&self, person: &UserId) -> Result<Vec<ApiToken>, Error> {
        Ok(self.repository.tokens_of(person).await?)
    }

    pub async fn revoke_token(&self, person: &UserId, id: TokenId) -> Result<(), Error> {
        match self.repository.revoke_token(person, id).await? {
            true => Ok(()),
            false => Err(DomainError::not_found("token", id).into()),
        }
    }
}
