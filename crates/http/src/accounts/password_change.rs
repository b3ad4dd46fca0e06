//! New passwords: chosen by the account's owner, or set with a one-time link.

use std::time::Duration;

use cardwire_domain::accounts::{Account, Handle};
use cardwire_domain::{Error as DomainError, password};
use secrecy::{ExposeSecret, SecretString};

use super::attempts::Purpose;
use super::client::Client;
use super::error::Error;
use super::sign_in::Accounts;
use super::tokens::token_hash;
use crate::auth::InPerson;

/// How long after signing in somebody without a password may change one, or delete the account.
const CONFIRMED_FOR: Duration = Duration::from_secs(600);

impl Accounts {
    /// Ends every other session and every API token of the caller. Wrong current passwords are limited in each session.
    ///
    /// Dropped, the password is changed or not.
    pub async fn change_password(
        &self,
        caller: &InPerson,
        current: SecretString,
        new: SecretString,
        client: &Client,
    ) -> Result<(), Error> {
        const FIELD: &str = "currentPassword";
        check_new(&new)?;
        let account = self.confirmed(caller, current, FIELD, client).await?;
        let password_hash = self.passwords.hash(new).await?;
        match self.repository.change_password(&account, &password_hash, caller.session()).await? {
            true => Ok(()),
            // Somebody else who knew the current one changed it at the same time.
            false => Err(Error::WrongPassword(FIELD)),
        }
    }

    /// The caller's account, if this is its password. A wrong one counts as a failure in the caller's session, and the error names the field.
    pub(super) async fn confirmed(
        &self,
        caller: &InPerson,
        password: SecretString,
        field: &'static str,
        client: &Client,
    ) -> Result<Account, Error> {
        let Some(account) = self.repository.account_of(caller.id()).await? else {
            let why = "You have no account here, so you have no password.";
            return Err(DomainError::Forbidden(why.into()).into());
        };
        if !account.has_password() {
            return self.has_just_signed_in(caller, account).await;
        }
        let handle = Handle::parse(&account.user.handle)?;
        let check = async {
            let hash = Some(account.password_hash.clone());
            Ok::<_, Error>(self.passwords.matches(password, hash).await?.then_some(()))
        };
        let purpose = match caller.session() {
            Some(session) => Purpose::Confirm(&handle, session),
            // With mock authentication, everybody can be anybody.
            None => Purpose::SignIn(Some(&handle)),
        };
        match self.attempt(purpose, client, check).await? {
            Some(()) => Ok(account),
            None => Err(Error::WrongPassword(field)),
        }
    }

    /// Of somebody without a password, a new sign-in is what confirms that it is them.
    async fn has_just_signed_in(&self, caller: &InPerson, account: Account) -> Result<Account, Error> {
        let sessions = self.repository.sessions_of(caller.id()).await?;
        let current = sessions.iter().find(|session| Some(session.id) == caller.session());
        let age = current.map(|session| self.clock.now().duration_since(session.created_at).unsigned_abs());
        match age {
            Some(age) if age <= CONFIRMED_FOR => Ok(account),
            _ => Err(Error::SignInAgain),
        }
    }

    /// Whether the link with this token would set a new password now.
    pub async fn reset_link_works(&self, token: &str) -> Result<bool, Error> {
        Ok(self.repository.reset_works(&token_hash(token)).await?)
    }

    /// Uses up the link: sets the password, and ends every session and API token of the account.
    ///
    /// Dropped, the password is changed or not.
    pub async fn reset_password(&self, token: &str, new: SecretString) -> Result<(), Error> {
        // A link that does not work costs no hash.
        if !self.reset_link_works(token).await? {
            return Err(Error::LinkVoid);
        }
        check_new(&new)?;
        let password_hash = self.passwords.hash(new).await?;
        match self.repository.reset_password(&token_hash(token), &password_hash).await? {
            Some(person) => {
                tracing::info!(%person, "a password was set through a one-time link");
                Ok(())
            }
            None => Err(Error::LinkVoid),
        }
    }
}

fn check_new(new: &SecretString) -> Result<(), DomainError> {
    password::check(new.expose_secret()).map_err(|error| match error {
        DomainError::Invalid { rule, .. } => DomainError::invalid("newPassword", rule),
        error => error,
    })
}
