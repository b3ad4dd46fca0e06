//! Whether this process can currently do its work.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use cardwire_events::{Pauses, Queue};
use futures_util::future::{BoxFuture, join_all};
use parking_lot::RwLock;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a result is reused, so that frequent requests do not load the checked servers.
const FRESH: Duration = Duration::from_secs(1);

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

type Probe = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Named checks and the process's phase. Clones share them.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Shared>);

#[derive(Default)]
struct Shared {
    phase: AtomicU8,
    checks: RwLock<Vec<(&'static str, Arc<Probe>)>>,
    last: Mutex<Option<(Instant, Report)>>,
    pauses: RwLock<Pauses>,
}

/// The body of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub status: Status,
    /// The names of the failed checks. The reasons are only logged, since they may be confidential.
    pub failing: Vec<&'static str>,
    /// Queues that an administrator has paused. That is not a failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paused: Vec<Queue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ready,
    Starting,
    Failing,
    Draining,
}

impl Report {
    fn without_checks(status: Status) -> Self {
        Self { status, failing: Vec::new(), paused: Vec::new() }
    }

    pub fn is_ready(&self) -> bool {
        self.status == Status::Ready
    }
}

impl Readiness {
    /// Adds a check. It is run at most once a second, has two seconds, and may be dropped at any await.
    pub fn check<F, Fut>(&self, name: &'static str, probe: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        let probe: Probe = Box::new(move || Box::pin(probe()));
        self.0.checks.write().push((name, Arc::new(probe)));
    }

    /// From now on reports list the paused queues.
    pub fn tell_paused(&self, pauses: Pauses) {
        *self.0.pauses.write() = pauses;
    }

    /// Everything is set up: from now on the checks decide. Does nothing if the process is already draining.
    pub fn serve(&self) {
        // The exchange fails if the process was told to stop while it started.
        let _ = self.0.phase.compare_exchange(STARTING, SERVING, Ordering::AcqRel, Ordering::Acquire);
    }

    /// No more work, for good.
    pub fn drain(&self) {
        self.0.phase.store(DRAINING, Ordering::Release);
    }

    /// The current state, at most a second old; starting and draining show at once.
    pub async fn report(&self) -> Report {
        match self.0.phase.load(Ordering::Acquire) {
            STARTING => Report::without_checks(Status::Starting),
            DRAINING => Report::without_checks(Status::Draining),
            _ => self.checked().await,
        }
    }

    /// Callers that ask while the checks run wait for their result.
    async fn checked(&self) -> Report {
        let mut last = self.0.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < FRESH
        {
            return report.clone();
        }
        let checks = self.0.checks.read().clone();
        let results = join_all(checks.iter().map(|(name, probe)| async move {
            let result = timeout(CHECK_TIMEOUT, probe()).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            (*name, result)
        }))
        .await;
        let failing: Vec<_> = results.iter().filter(|(_, result)| result.is_err()).map(|(name, _)| *name).collect();
        let before = last.as_ref().map(|(_, report)| report.failing.as_slice()).unwrap_or_default();
        if before != failing {
            log_change(before, &results);
        }
        let status = if failing.is_empty() { Status::Ready } else { Status::Failing };
        let report = Report { status, failing, paused: self.0.pauses.read().paused() };
        *last = Some((Instant::now(), report.clone()));
        report
    }
}

fn log_change(before: &[&str], results: &[(&'static str, Result<(), String>)]) {
    for (check, result) in results {
        match result {
            Err(error) if !before.contains(check) => tracing::warn!(check, error, "not ready"),
            Ok(()) if before.contains(check) => tracing::info!(check, "ready again"),
            _ => {}
        }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.checks.read().iter().map(|(name, _)| *name).collect();
        f.debug_struct("Readiness").field("phase", &self.0.phase).field("checks", &names).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_life_of_a_process() {
        let readiness = Readiness::default();
        let up = Arc::new(AtomicU8::new(1));
        let seen = up.clone();
        readiness.check("redis", move || {
            let up = seen.load(Ordering::Relaxed) == 1;
            async move { if up { Ok(()) } else { Err("refused".to_owned()) } }
        });
        readiness.check("postgres", || async { Ok(()) });
        let check = async |status, failing: &[&'static str]| {
            assert_eq!(
                readiness.report().await,
                Report { failing: failing.to_vec(), ..Report::without_checks(status) }
            );
        };
        check(Status::Starting, &[]).await;
        readiness.serve();
        check(Status::Ready, &[]).await;
        up.store(0, Ordering::Relaxed);
        tokio::time::advance(FRESH).await;
        check(Status::Failing, &["redis"]).await;
        let pauses = Pauses::not_known_yet();
        readiness.tell_paused(pauses.clone());
        up.store(1, Ordering::Relaxed);
        tokio::time::advance(FRESH).await;
        check(Status::Ready, &[]).await;
        pauses.learn([Queue::Search].into());
        tokio::time::advance(FRESH).await;
        let report = readiness.report().await;
        assert!(report.is_ready(), "paused is no failure");
        let told = r#"{"status":"ready","failing":[],"paused":["search"]}"#;
        assert_eq!(serde_json::to_string(&report).unwrap(), told);
        readiness.drain();
        check(Status::Draining, &[]).await;
        readiness.serve();
        check(Status::Draining, &[]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_has_failed_and_is_not_asked_by_everybody() {
        let readiness = Readiness::default();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        readiness.check("postgres", move || {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::pending()
        });
        readiness.serve();
        let reports = join_all((0..50).map(|_| readiness.report())).await;
        assert!(reports.iter().all(|report| report.failing == ["postgres"]));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
