//! The AT Protocol network, as requests see it.

use cardwire_atproto::{Agents, Error};
use cardwire_domain::UserId;
use cardwire_domain::atproto::Connection;
use cardwire_domain::records::{PublishingState, RecordCounts};

use crate::problem::{CONFLICT, FORBIDDEN, NOT_FOUND, Problem};
use crate::state::AppState;

/// Somebody's connection, with how far their records have come.
#[derive(Clone, Debug)]
pub struct Connected {
    pub connection: Connection,
    /// `None`: nothing is published for them yet.
    pub records: Option<RecordCounts>,
}

impl Connected {
    /// `connected`; `limited`, the server takes no more for now; `failing`; or `ended`: then the person has to connect again.
    pub fn state(&self) -> &'static str {
        match &self.records {
            _ if self.connection.ended.is_some() => "ended",
            Some(records) if records.state != PublishingState::Ok => records.state.name(),
            _ => "connected",
        }
    }

    pub fn last_error(&self) -> Option<&str> {
        let publishing = self.records.as_ref().and_then(|records| records.last_error.as_deref());
        self.connection.ended.as_deref().or(publishing).or(self.connection.last_error.as_deref())
    }

    pub fn published(&self) -> u64 {
        self.records.as_ref().map_or(0, |records| records.published)
    }

    /// Changes that are still to be published.
    pub fn waiting(&self) -> u64 {
        self.records.as_ref().map_or(0, |records| records.waiting)
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
        let records = self.records.record_counts(person).await?;
        Ok(Some(Connected { connection, records }))
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
