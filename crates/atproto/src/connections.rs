//! Making connections, and ending them.

use cardwire_domain::UserId;
use cardwire_domain::atproto::{Connecting, NewConnection, Sealed};

use crate::agents::{Agents, Grant};
use crate::error::Error;
use crate::net::ascii;
use crate::session::{open, owner_of_session, seal};

impl Agents {
    /// Connects the account. A connection that it replaces is given up at its server.
    ///
    /// Dropped, the account is connected or not.
    pub async fn keep(&self, person: &UserId, grant: Grant) -> Result<(), Error> {
        let Grant { identity, session } = grant;
        let new = NewConnection {
            person: person.clone(),
            did: identity.did,
            handle: identity.handle,
            service: ascii(&identity.service),
            kind: session.kind(),
            session: seal(&self.0.keys, &owner_of_session(person), &session),
        };
        match self.0.repository.connect(&new).await {
            Ok(Connecting::Connected { replaced }) => {
                tracing::info!(%person, did = %new.did, service = new.service, "a repository is connected");
                if let Some(sealed) = replaced.and_then(|old| old.session) {
                    self.give_up_sealed(person, &sealed).await;
                }
                Ok(())
            }
            Ok(Connecting::Taken) => {
                self.give_up(session).await;
                Err(Error::Taken)
            }
            Err(error) => {
                self.give_up(session).await;
                Err(error.into())
            }
        }
    }

    /// Gives up a session that nobody needs.
    pub async fn discard(&self, grant: Grant) {
        self.give_up(grant.session).await;
    }

    /// Forgets the connection, and tells the server that it is over. False: there was none.
    ///
    /// Dropped, the connection is there or gone; its tokens may be good until they expire.
    pub async fn disconnect(&self, person: &UserId) -> Result<bool, Error> {
        let Some(connection) = self.0.repository.disconnect(person).await? else { return Ok(false) };
        // A refresh that is under way cannot store what it gets, and gives it up itself.
        if let Some(sealed) = &connection.session {
            self.give_up_sealed(person, sealed).await;
        }
        Ok(true)
    }

    async fn give_up_sealed(&self, person: &UserId, sealed: &Sealed) {
        match open(&self.0.keys, &owner_of_session(person), sealed) {
            Ok(session) => self.give_up(session).await,
            Err(error) => tracing::info!(%person, %error, "a session could not be revoked at its server"),
        }
    }

    /// Waits for refreshes under way. For a process that ends.
    pub async fn drained(&self) {
        self.0.tracker.close();
        self.0.tracker.wait().await;
    }
}
