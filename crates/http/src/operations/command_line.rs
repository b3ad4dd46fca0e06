//! What is done to accounts on the command line. Each act is in the audit log, too. Who typed the command is not known.

use std::sync::Arc;

use cardwire_domain::UserId;
use cardwire_events::Operator;
use cardwire_events::operations::DoneBy;

use super::act::written_down;
use super::people::{changed, entry};
use crate::accounts::{Accounts, ResetLink};
use crate::problem::Problem;

pub struct CommandLine {
    accounts: Accounts,
    operator: Arc<dyn Operator>,
}

impl CommandLine {
    pub fn new(accounts: Accounts, operator: Arc<dyn Operator>) -> Self {
        Self { accounts, operator }
    }

    /// A link that sets a new password of this person once.
    pub async fn reset_link(&self, person: &UserId) -> Result<ResetLink, Problem> {
        let entry = entry("user.reset-password", Some(person));
        let act = self.accounts.reset_link(person);
        written_down(&*self.operator, &DoneBy::CommandLine, &entry, act, |_| 1).await
    }

    /// Returns whether that changed anything.
    pub async fn make_admin(&self, person: &UserId) -> Result<bool, Problem> {
        let entry = entry("user.make-admin", Some(person));
        let act = self.accounts.make_admin(person);
        written_down(&*self.operator, &DoneBy::CommandLine, &entry, act, changed).await
    }
}
