//! What administrators did, newest first.

use cardwire_domain::{Page, PageRequest, Position};
use cardwire_events::{AuditEntry, AuditId};

use super::Operations;
use crate::problem::Problem;

impl Operations {
    pub async fn audit(&self, request: &PageRequest) -> Result<Page<AuditEntry>, Problem> {
        let before = request.after.as_ref().map(|position| AuditId(position.key));
        let entries = self.operator.audit(before, request.limit.get() + 1).await?;
        Ok(Page::cut(entries, request.limit, |entry| Position { key: entry.id.0, id: String::new() }))
    }
}
