//! Finding out who a token belongs to.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use cardwire_domain::account_store::AccountStore;
use cardwire_domain::accounts::TokenHash;
use cardwire_domain::sessions::Bearer;
use cardwire_domain::tokens::Scope;
use cardwire_domain::{Error as DomainError, UserId};

use super::tokens::{is_api_token, token_hash};
use crate::auth::{Authenticator, Credential, Error, Identity, Proof};

/// Takes access tokens of live sessions, and API tokens. An API token is good as a bearer token alone: no browser has one as its cookie.
pub struct TokenAuthenticator {
    accounts: Arc<dyn AccountStore>,
    /// In addition to those whose account says so.
    admins: BTreeSet<UserId>,
    observers: BTreeSet<UserId>,
}

impl TokenAuthenticator {
    pub fn new(accounts: Arc<dyn AccountStore>, admins: BTreeSet<UserId>) -> Self {
        Self { accounts, admins, observers: BTreeSet::new() }
    }

    /// These people see what administrators see, and change nothing there.
    pub fn observed_by(self, observers: BTreeSet<UserId>) -> Self {
        Self { observers, ..self }
    }

    async fn by_session(&self, access: &TokenHash) -> Result<Identity, Error> {
        let Some(session) = self.accounts.live_session(access).await.map_err(unavailable)? else {
            return Err(Error::Refused("This token is unknown or has expired. Refresh it or sign in again."));
        };
        if session.is_due {
            noted(self.accounts.note_session(session.id).await);
        }
        Ok(self.identity(session.bearer, Scope::Write, Proof::Session(session.id)))
    }

    async fn by_token(&self, hash: &TokenHash) -> Result<Identity, Error> {
        let Some(token) = self.accounts.live_token(hash).await.map_err(unavailable)? else {
            return Err(Error::Refused("This API token is unknown, or it has expired or been revoked."));
        };
        if token.is_due {
            noted(self.accounts.note_token(token.id).await);
        }
        Ok(self.identity(token.bearer, token.scope, Proof::Token(token.id)))
    }

    fn identity(&self, bearer: Bearer, scope: Scope, proof: Proof) -> Identity {
        let Bearer { user, is_admin, default_visibility } = bearer;
        let is_token = matches!(proof, Proof::Token(_));
        let admin = !is_token && (is_admin || self.admins.contains(&user.id));
        let observer = !is_token && self.observers.contains(&user.id);
        Identity { user, admin, observer, default_visibility, scope, proof }
    }
}

#[async_trait]
impl Authenticator for TokenAuthenticator {
    async fn authenticate(&self, credential: Option<Credential<'_>>) -> Result<Option<Identity>, Error> {
        let Some(credential) = credential else { return Ok(None) };
        let hash = token_hash(credential.token());
        match credential {
            Credential::Bearer(token) if is_api_token(token) => self.by_token(&hash).await.map(Some),
            _ => self.by_session(&hash).await.map(Some),
        }
    }
}

fn unavailable(error: DomainError) -> Error {
    Error::Unavailable(error.to_string())
}

/// A request does not fail because its use of the token could not be recorded.
fn noted(done: Result<(), DomainError>) {
    if let Err(error) = done {
        tracing::debug!(%error, "the use of a token was not noted");
    }
}
