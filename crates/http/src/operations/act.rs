//! What operators do. Each action is written down in the audit log, with who asked for it and how much it changed.

use actix_web::ResponseError;
use cardwire_domain::UserId;
use cardwire_events::operations::{DoneBy, NewEntry, Rebuild};
use cardwire_events::{Action, DeadSelection, Operator};
use cardwire_saga::SagaKey;

use super::Operations;
use crate::problem::{NOT_FOUND, Problem};

impl Operations {
    /// Pauses, resumes, redelivers, redrives or discards. Returns how many queues or events it changed.
    pub async fn act(&self, by: &UserId, action: &Action) -> Result<u64, Problem> {
        let affected = self.operator.act(by, action).await?;
        tracing::info!(%by, ?action, affected, "an administrator acted");
        Ok(affected)
    }

    /// Makes a window due at once; a worker writes it into the feed within a second or so. Written down first, since windows are not in
    /// the store.
    pub async fn flush_now(&self, by: &UserId, key: &SagaKey) -> Result<(), Problem> {
        let entry = self.operator.begin(&by.clone().into(), &NewEntry::flush_window(key.to_string())).await?;
        let open = self.saga.flush_now(key).await?;
        self.operator.complete(entry, u64::from(open)).await?;
        if !open {
            return Err(no_window());
        }
        tracing::info!(%by, %key, "an administrator had a window written");
        Ok(())
    }

    /// Has a search-worker index every card again. The rebuild, and whether it is a new one: at most one is not finished.
    pub async fn rebuild(&self, by: &UserId) -> Result<(Rebuild, bool), Problem> {
        let (rebuild, new) = self.rebuilds.request(by).await?;
        tracing::info!(%by, rebuild = %rebuild.id, new, "an administrator asked for a rebuild of the search index");
        Ok((rebuild, new))
    }

    /// Writes an act of an administrator down, has it done, and completes the entry with how much it changed. If the process dies in
    /// between, the entry tells that the act was asked for, and not whether it was done, so doing it again must be safe.
    pub async fn written_down<T, E: Into<Problem>>(
        &self,
        by: &UserId,
        entry: &NewEntry,
        act: impl Future<Output = Result<T, E>>,
        affected: impl FnOnce(&T) -> u64,
    ) -> Result<T, Problem> {
        written_down(&*self.operator, &by.clone().into(), entry, act, affected).await
    }
}

/// As [`Operations::written_down`], for any actor.
pub(super) async fn written_down<T, E: Into<Problem>>(
    operator: &dyn Operator,
    by: &DoneBy,
    entry: &NewEntry,
    act: impl Future<Output = Result<T, E>>,
    affected: impl FnOnce(&T) -> u64,
) -> Result<T, Problem> {
    let id = operator.begin(by, entry).await?;
    let done: Result<T, Problem> = act.await.map_err(Into::into);
    let affected = match &done {
        Ok(done) => affected(done),
        Err(problem) if is_refusal(problem) => 0,
        // It is not known whether it was done, so the entry stays open.
        Err(_) => return done,
    };
    operator.complete(id, affected).await?;
    tracing::info!(%by, action = entry.action, about = entry.target.as_deref(), affected, "written to the audit log");
    done
}

/// Whether nothing was done.
fn is_refusal(problem: &Problem) -> bool {
    problem.status_code().is_client_error()
}

/// Ids are opaque to clients: text that is no id of ours names no dead letter.
pub fn named(ids: &[String]) -> DeadSelection {
    DeadSelection::Ids(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// The window that this text names.
pub fn window_named(key: &str) -> Result<SagaKey, Problem> {
    key.parse().map_err(|_| no_window())
}

fn no_window() -> Problem {
    Problem::new(&NOT_FOUND, "No window with this key is open.")
}
