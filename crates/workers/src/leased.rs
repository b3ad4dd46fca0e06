//! Runs jobs leased from a store, several at once.

use std::collections::BTreeMap;
use std::time::Duration;

use cardwire_domain::Result;
use cardwire_domain::fetch_room::FetchRoom;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How many jobs run at once, and how often the store is asked for more.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// At most half of it for one person, and for pages of one registrable domain.
    pub at_once: usize,
    /// For one host, so that a slow one does not take every place.
    pub at_once_per_host: usize,
    /// Between checks while no jobs are due.
    pub poll: Duration,
    /// After an error of the store.
    pub pause: Duration,
}

/// Between checks while there are jobs.
const SHORTLY: Duration = Duration::from_millis(10);

/// Jobs of one kind.
pub trait Leased {
    type Job: Clone + Send + Sync + 'static;
    /// For logs.
    const JOBS: &'static str;

    /// Those that are due, as many as there is room for.
    fn lease(&self, room: FetchRoom<Self::Job>) -> impl Future<Output = Result<Vec<Self::Job>>> + Send;

    /// Does a job and stores the result.
    fn work(&self, job: Self::Job) -> impl Future<Output = ()> + Send + 'static;
}

/// Runs until `stop`; running jobs are then finished. If the future is dropped, their leases run out and another process does them.
pub async fn run<L: Leased>(leased: &L, pace: Pace, stop: CancellationToken) {
    let mut tasks: JoinSet<()> = JoinSet::new();
    let mut running: BTreeMap<Id, L::Job> = BTreeMap::new();
    while !stop.is_cancelled() {
        let wait = match lease(leased, pace, &running).await {
            Ok(jobs) => {
                let is_idle = jobs.is_empty();
                for job in jobs {
                    running.insert(tasks.spawn(leased.work(job.clone())).id(), job);
                }
                if is_idle { pace.poll } else { SHORTLY }
            }
            Err(error) => {
                tracing::warn!(%error, jobs = L::JOBS, "jobs could not be leased");
                pace.pause
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(wait), if running.len() < pace.at_once => {}
            Some(ended) = tasks.join_next_with_id() => {
                running.remove(&id_of(ended, L::JOBS));
            }
        }
    }
    while let Some(ended) = tasks.join_next_with_id().await {
        id_of(ended, L::JOBS);
    }
}

async fn lease<L: Leased>(leased: &L, pace: Pace, running: &BTreeMap<Id, L::Job>) -> Result<Vec<L::Job>> {
    let room = FetchRoom {
        free: pace.at_once.saturating_sub(running.len()),
        running: running.values().cloned().collect(),
        per_host: pace.at_once_per_host,
        share: (pace.at_once / 2).max(1),
    };
    if room.free == 0 {
        return Ok(Vec::new());
    }
    leased.lease(room).await
}

/// A job that panicked is over too: its lease runs out.
fn id_of(ended: std::result::Result<(Id, ()), JoinError>, jobs: &str) -> Id {
    match ended {
        Ok((id, ())) => id,
        Err(error) => {
            tracing::error!(%error, jobs, "a job panicked");
            error.id()
        }
    }
}
