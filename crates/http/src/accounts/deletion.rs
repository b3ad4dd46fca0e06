//! Deleting an account.

use secrecy::SecretString;

use super::client::Client;
use super::error::Error;
use super::sign_in::Accounts;
use crate::auth::InPerson;

impl Accounts {
    /// Deletes the caller's account and everything in it. Nobody can sign in to it any more; its contents are deleted in portions, by events.
    /// Wrong passwords are limited in each session.
    ///
    /// Dropped, the account is on its way out or as it was.
    pub async fn delete_me(&self, caller: &InPerson, password: SecretString, client: &Client) -> Result<(), Error> {
        const FIELD: &str = "password";
        let account = self.confirmed(caller, password, FIELD, client).await?;
        // Else the password was changed, or the account deleted, at the same time.
        let is_leaving = self.repository.delete_account(&account).await?;
        if !is_leaving {
            return Err(Error::WrongPassword(FIELD));
        }
        tracing::info!(person = %caller.id(), "an account is being deleted");
        Ok(())
    }
}
