//! What people are called beside their ids.

use std::collections::{BTreeMap, BTreeSet};

use cardwire_domain::UserId;
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;

/// The handles of those on one page who have an account.
pub struct Names(BTreeMap<UserId, String>);

impl Names {
    /// Texts that are no ids of people are passed over.
    pub async fn of<'a>(state: &AppState, ids: impl Iterator<Item = &'a str>) -> Result<Self, Problem> {
        let people: BTreeSet<UserId> = ids.filter_map(|id| UserId::parse(id).ok()).collect();
        Ok(Self(state.accounts.handles(&people).await?))
    }

    /// `alice (did:plc:…)`, or the id alone.
    pub fn beside(&self, id: &str) -> String {
        let handle = UserId::parse(id).ok().and_then(|id| self.0.get(&id));
        handle.map_or_else(|| id.to_owned(), |handle| format!("{handle} ({id})"))
    }
}
