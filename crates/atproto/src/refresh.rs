//! Refreshing sessions: one process at a time, and to the end once it has begun.

use std::time::Duration;

use cardwire_domain::atproto::{Connection, REFRESH_WITHIN};
use cardwire_domain::{LinkId, UserId};
use tokio::time::{Instant, sleep, timeout};

use crate::agents::Agents;
use crate::app_password;
use crate::error::Error;
use crate::oauth;
use crate::repo::CallError;
use crate::sealed::SealError;
use crate::session::{Outcome, Session, open, owner_of_session, seal};

/// How long to wait for another process's refresh.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Agents {
    /// The connection with a session newer than this version. Dropped, a refresh that has begun goes on, and [`Agents::drained`] waits for it.
    pub(crate) async fn refreshed(&self, connection: &Connection) -> Result<Connection, CallError> {
        let (person, version) = (&connection.person, connection.version);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lease = LinkId::generate();
            let agents = self.clone();
            let person = person.clone();
            // The lease is taken inside of the task: else it could be lost with the caller.
            let task = self.0.tracker.spawn(async move { agents.refresh_once(&person, version, lease).await });
            let attempt = task.await.map_err(|error| CallError::Away(format!("The refresh failed: {error}.")))?;
            attempt?;
            let connection = self.connected(&connection.person).await?;
            // Otherwise somebody else has the lease, or the person has connected again.
            if connection.version != version {
                return Ok(connection);
            }
            if Instant::now() >= deadline {
                return Err(CallError::Away("Another process does not finish refreshing the session.".into()));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The connection, unless it has ended.
    pub(crate) async fn connected(&self, person: &UserId) -> Result<Connection, CallError> {
        let connection = self.0.repository.connection(person).await?;
        let connection = connection.ok_or(CallError::NotConnected)?;
        match connection.ended {
            Some(why) => Err(CallError::SessionEnded(why)),
            None => Ok(connection),
        }
    }

    /// Does nothing if somebody else has the right to.
    async fn refresh_once(&self, person: &UserId, version: u64, lease: LinkId) -> Result<(), CallError> {
        let repository = &self.0.repository;
        if !repository.lease_refresh(person, version, lease).await? {
            return Ok(());
        }
        let connection = self.connected(person).await?;
        // Only who has the lease counts the version up.
        let session = self.session(&connection).await?;
        let asked = async {
            match &session {
                Session::OAuth(session) => oauth::refresh(&self.0, &connection.did, session).await.map(Session::OAuth),
                Session::AppPassword(session) => {
                    app_password::refresh(&self.0, &connection, session).await.map(Session::AppPassword)
                }
            }
        };
        // Later, another process may have begun. What this one gets then is given up.
        let outcome = timeout(REFRESH_WITHIN / 2, asked).await;
        let outcome = outcome.unwrap_or_else(|_| Outcome::Away("The server is too slow.".into()));
        match outcome {
            Outcome::New(session) => {
                let sealed = seal(&self.0.keys, &owner_of_session(person), &session);
                if !repository.finish_refresh(person, lease, &sealed).await? {
                    // The connection was ended meanwhile, with the old tokens.
                    self.give_up(session).await;
                }
                Ok(())
            }
            Outcome::Ended(why) => {
                repository.end_connection(person, version, &why).await?;
                tracing::info!(%person, why, "a connection has ended");
                Err(CallError::SessionEnded(why))
            }
            Outcome::Away(why) => {
                repository.release_refresh(person, lease).await?;
                Err(CallError::Away(why))
            }
        }
    }

    /// Opens the session. If it is damaged, the connection has ended.
    pub(crate) async fn session(&self, connection: &Connection) -> Result<Session, CallError> {
        let person = &connection.person;
        let opened = connection.session.as_ref().map(|sealed| open(&self.0.keys, &owner_of_session(person), sealed));
        match opened {
            Some(Ok(session)) => Ok(session),
            // Not ended: the key may only be missing in this process.
            Some(Err(SealError::UnknownKey)) => {
                tracing::error!(%person, "APP__SECRET_KEY lacks the key of a stored session");
                Err(CallError::Away("The secret key of this site was changed. Connect again.".into()))
            }
            Some(Err(error)) => {
                tracing::error!(%person, %error, "a stored session cannot be opened");
                let why = "The stored session cannot be read. Connect again.";
                self.0.repository.end_connection(person, connection.version, why).await?;
                Err(CallError::SessionEnded(why.into()))
            }
            None => Err(CallError::SessionEnded("The session is gone. Connect again.".into())),
        }
    }

    /// Tells the server that these tokens are not needed any more. A failure is told in the log alone.
    pub(crate) async fn give_up(&self, session: Session) {
        let done: Result<(), Error> = match &session {
            Session::OAuth(session) => oauth::revoke(&self.0, session).await,
            Session::AppPassword(session) => app_password::end(&self.0, session).await,
        };
        if let Err(error) = done {
            tracing::info!(%error, "a session could not be revoked at its server; it ends there by itself");
        }
    }
}
