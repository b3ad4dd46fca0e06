//! Imports and their rows.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::imports::{ImportRepository, ImportView, LeasedRows, NewImport, ReportRow, RowOutcome};
use cardwire_domain::{Error, ImportId, Page, PageRequest, Position, Result, UserId};
use jiff::{SignedDuration, Timestamp};
use ulid::Ulid;

use super::kept::{Imports, StoredImport};
use super::store::InMemoryStore;

/// How long a finished import is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Imports {
    fn of(&self, owner: &UserId, id: ImportId) -> Result<&StoredImport> {
        self.imports.get(&id).filter(|import| import.owner == *owner).ok_or_else(|| Error::not_found("import", id))
    }
}

#[async_trait]
impl ImportRepository for InMemoryStore {
    async fn begin_import(&self, import: &NewImport) -> Result<()> {
        let now = self.now();
        let mut state = self.lock().await;
        let imports = &mut state.imports.imports;
        imports.retain(|_, kept| kept.view.finished_at.is_none_or(|at| now.duration_since(at) < KEPT));
        if imports.values().any(|other| other.owner == import.owner && other.view.finished_at.is_none()) {
            return Err(Error::Conflict("another import of yours is still running".into()));
        }
        let view = ImportView {
            id: import.id,
            file_name: import.file_name.clone(),
            total: u32::try_from(import.rows.len()).map_err(|_| Error::invalid("file", "has too many rows"))?,
            saved: 0,
            known: 0,
            refused: 0,
            begun_at: now,
            finished_at: None,
        };
        let stored = StoredImport {
            owner: import.owner.clone(),
            collection: import.collection,
            view,
            rows: import.rows.iter().map(|row| (row.clone(), None)).collect(),
            lease: None,
            next_at: now,
        };
        imports.insert(import.id, stored);
        Ok(())
    }

    async fn import(&self, owner: &UserId, id: ImportId) -> Result<ImportView> {
        Ok(self.lock().await.imports.of(owner, id)?.view.clone())
    }

    async fn imports_of(&self, owner: &UserId, limit: usize) -> Result<Vec<ImportView>> {
        let state = self.lock().await;
        let own = state.imports.imports.values().filter(|import| import.owner == *owner);
        let mut views: Vec<ImportView> = own.map(|import| import.view.clone()).collect();
        views.sort_by_key(|view| std::cmp::Reverse((view.begun_at, view.id)));
        views.truncate(limit);
        Ok(views)
    }

    async fn import_report(
        &self,
        owner: &UserId,
        id: ImportId,
        refused: bool,
        page: &PageRequest,
    ) -> Result<Page<ReportRow>> {
        let state = self.lock().await;
        let Ok(import) = state.imports.of(owner, id) else { return Ok(Page { items: Vec::new(), next: None }) };
        let after = page.after.as_ref().map_or(0, |position| position.key);
        let rows = (1..).zip(&import.rows).filter(|(number, _)| i64::from(*number) > after);
        let rows = rows.filter(|(_, (_, outcome))| !refused || matches!(outcome, Some(RowOutcome::Refused(_))));
        let report =
            rows.map(|(number, (row, outcome))| ReportRow { number, url: row.url.clone(), outcome: outcome.clone() });
        let report = report.take(page.limit.get() + 1).collect();
        Ok(Page::cut(report, page.limit, |row| Position { key: row.number.into(), id: String::new() }))
    }

    async fn lease_rows(&self, limit: usize, lease: Duration) -> Result<Option<LeasedRows>> {
        let now = self.now();
        let mut state = self.lock().await;
        let waiting = state
            .imports
            .imports
            .iter_mut()
            .filter(|(_, import)| import.view.finished_at.is_none() && import.next_at <= now);
        let Some((id, import)) = waiting.min_by_key(|(id, import)| (import.next_at, **id)) else { return Ok(None) };
        let token = Ulid::generate();
        let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX);
        import.lease = Some(token);
        import.next_at = now.checked_add(lease).unwrap_or(Timestamp::MAX);
        let open = (1..).zip(&import.rows).filter(|(_, (_, outcome))| outcome.is_none());
        Ok(Some(LeasedRows {
            import: *id,
            owner: import.owner.clone(),
            collection: import.collection,
            lease: token,
            rows: open.take(limit).map(|(number, (row, _))| (number, row.clone())).collect(),
        }))
    }

    async fn finish_rows(&self, leased: &LeasedRows, outcomes: &[(u32, RowOutcome)]) -> Result<bool> {
        let now = self.now();
        let mut state = self.lock().await;
        let import = state.imports.imports.get_mut(&leased.import).filter(|import| import.lease == Some(leased.lease));
        let Some(import) = import else { return Ok(false) };
        for (number, outcome) in outcomes {
            let index = usize::try_from(*number).ok().and_then(|number| number.checked_sub(1));
            let Some((_, kept)) = index.and_then(|index| import.rows.get_mut(index)) else { continue };
            if kept.is_some() {
                continue;
            }
            match outcome {
                RowOutcome::Saved(_) => import.view.saved += 1,
                RowOutcome::Known(_) => import.view.known += 1,
                RowOutcome::Refused(_) => import.view.refused += 1,
            }
            *kept = Some(outcome.clone());
        }
        import.lease = None;
        import.next_at = now;
        if import.view.done() >= import.view.total {
            import.view.finished_at = Some(now);
        }
        Ok(true)
    }
}
