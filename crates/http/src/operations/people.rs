//! What administrators do to accounts. Each act is in the audit log, without any secret and without what names the person but their id.

use cardwire_domain::accounts::{Handle, Person};
use cardwire_domain::{Error, UserId};
use cardwire_events::operations::NewEntry;
use serde_json::json;

use crate::accounts::{Invite, ResetLink};
use crate::problem::Problem;
use crate::state::AppState;

impl AppState {
    /// Lets one more person sign up. 409 while registration is closed.
    pub async fn create_invite(&self, by: &UserId) -> Result<Invite, Problem> {
        let act = self.accounts.create_invite(by);
        self.operations.written_down(by, &entry("user.invite", None), act, |_| 1).await
    }

    /// Ends all access of the person, and keeps them from signing in. 403 for oneself.
    pub async fn suspend(&self, by: &UserId, person: &UserId) -> Result<(), Problem> {
        if by == person {
            return Err(Error::Forbidden("You cannot suspend your own account.".into()).into());
        }
        let act = self.accounts.suspend(person);
        let done = self.operations.written_down(by, &entry("user.suspend", Some(person)), act, changed).await;
        done.map(drop)
    }

    pub async fn restore(&self, by: &UserId, person: &UserId) -> Result<(), Problem> {
        let act = self.accounts.restore(person);
        let done = self.operations.written_down(by, &entry("user.restore", Some(person)), act, changed).await;
        done.map(drop)
    }

    /// A link that sets a new password of this person once.
    pub async fn reset_link(&self, by: &UserId, person: &UserId) -> Result<ResetLink, Problem> {
        let act = self.accounts.reset_link(person);
        self.operations.written_down(by, &entry("user.reset-password", Some(person)), act, |_| 1).await
    }

    /// Those with an account, in the order of their handles, behind the handle `after`.
    pub async fn people(&self, after: Option<&str>, limit: usize) -> Result<Vec<Person>, Problem> {
        let after = after.map(Handle::parse).transpose()?;
        Ok(self.accounts.people(after.as_ref(), limit).await?)
    }
}

pub(super) fn entry(action: &'static str, person: Option<&UserId>) -> NewEntry {
    let target = person.map(|person| person.as_str().to_owned());
    NewEntry { action, queue: None, target, parameters: json!({}) }
}

pub(super) fn changed(has_changed: &bool) -> u64 {
    u64::from(*has_changed)
}
