//! The AT Protocol network, as requests see it.

use cardwire_atproto::{Agents, Error};
use cardwire_domain::UserId;
use cardwire_domain::atproto::Connection;

use crate::problem::{CONFLICT, FORBIDDEN, NOT_FOUND, Problem};
use crate::state::AppState;

/// Somebody's connection, with how far their records have come.
#[derive(Clone, Debug)]
pub struct Connected {
    pub connection: Connection,
    pub published: u64,
    pub waiting: u64,
}

impl Connected {
    /// `connected`, or `ended`: then the person has to connect again.
    pub fn state(&self) -> &'static str {
        if self.connection.ended.is_some() { "ended" } else { "connected" }
    }

    pub fn last_error(&self) -> Option<&str> {
        self.connection.ended.as_deref().or(self.connection.last_error.as_deref())
    }
}

impl AppState {
    /// # Errors
    /// 404 where this site is not set up for it.
    pub fn agents(&self) -> Result<&Agents, Problem> {
        self.agents.as_ref().ok_or_else(|| Error::NotSetUp.into())
    }

    /// `None`: this person never connected a repository, or disconnected it.
    pub async fn connected(&self, person: &UserId) -> Result<Option<Connected>, Problem> {
        let Some(agents) = &self.agents else { return Ok(None) };
        let Some(connection) = agents.repository().connection(person).await? else { return Ok(None) };
        let (published, waiting) = self.record_counts(person).await?;
        Ok(Some(Connected { connection, published, waiting }))
    }

    /// How many records are published, and how many wait to be.
    async fn record_counts(&self, _person: &UserId) -> Result<(u64, u64), Problem> {
        Ok((0, 0))
    }
}

impl From<Error> for Problem {
    /// A server of somebody else's choice that does not answer is no failure of this one.
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::NotSetUp => Self::new(&NOT_FOUND, error.to_string()),
            Error::Stale => Self::new(&FORBIDDEN, error.to_string()),
            Error::Taken => Self::new(&CONFLICT, error.to_string()),
            Error::Refused { .. } => Self::invalid("service", error),
            Error::Invalid(_) | Error::Untrusted(_) | Error::Denied(_) | Error::Away { .. } => {
                Self::invalid("identifier", error)
            }
        }
    }
}
