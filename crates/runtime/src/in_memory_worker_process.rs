//! The workers of all queues inside the web process, for deployments whose events are in memory.

use std::sync::Arc;
use std::time::Duration;

use cardwire_events::Queue;
use cardwire_saga::FlushLoop;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::adapters::Adapters;
use crate::rebuild;
use crate::rounds::Rounds;
use crate::settings::Settings;

/// How often a drain checks whether everything has had its effect.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a drain waits after a failed check.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Relay, workers, flush loop and the process's rounds, as tasks of this process.
pub struct InMemoryEventWorkerProcess {
    adapters: Adapters,
    tasks: JoinSet<anyhow::Result<()>>,
    rounds: Arc<Rounds>,
    /// Stops together with this.
    going: JoinSet<()>,
    stop: CancellationToken,
}

/// What a drain left undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Windows that were written before they were due.
    pub windows: usize,
    /// Events that still lack an effect, not counting paused queues: they wait in the event log for the next start.
    pub owed: u64,
}

impl InMemoryEventWorkerProcess {
    /// Must be called on the runtime that will run the workers.
    pub fn start(adapters: &Adapters, settings: &Settings) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let relay = adapters.relay(settings);
        let stopped = stop.clone();
        tasks.spawn(async move {
            relay.run(stopped).await;
            Ok(())
        });
        let flush = FlushLoop::new(adapters.saga.clone());
        let stopped = stop.clone();
        tasks.spawn(async move {
            flush.run(stopped).await;
            Ok(())
        });
        let metadata = adapters.metadata(settings)?;
        let stopped = stop.clone();
        tasks.spawn(async move {
            metadata.run(stopped).await;
            Ok(())
        });
        let (pictures, stopped) = (adapters.picture_loop(settings)?, stop.clone());
        tasks.spawn(async move {
            pictures.run(stopped).await;
            Ok(())
        });
        let (publishing, stopped) = (adapters.publishing(settings), stop.clone());
        tasks.spawn(async move {
            publishing.run(stopped).await;
            Ok(())
        });
        let rebuilding = rebuild::run(adapters.rebuilds.clone(), adapters.search.clone(), stop.clone());
        tasks.spawn(async move {
            rebuilding.await;
            Ok(())
        });
        let mut rounds = Rounds::new(adapters)?.reading_urls();
        for queue in Queue::ALL {
            let worker = adapters.worker(queue, adapters.subscriber(queue)?, settings);
            rounds = rounds.with_worker(queue, worker.progress());
            let stopped = stop.clone();
            tasks.spawn(async move { Ok(worker.run(stopped).await?) });
        }
        let rounds = Arc::new(rounds);
        let mut going = JoinSet::new();
        let run = rounds.clone();
        going.spawn(async move { run.run().await });
        Ok(Self { adapters: adapters.clone(), tasks, rounds, going, stop })
    }

    /// Works until every accepted event has had its effect, except in paused queues, or until `patience` is over, and
    /// writes open windows at once. Then it stops. Call it when nothing is accepted any more. If the future is dropped,
    /// the tasks are aborted.
    pub async fn drain(mut self, patience: Duration) -> anyhow::Result<Drained> {
        let mut drained = Drained::default();
        let mut failure = Some(anyhow::anyhow!("it is not known what is still owed: the store did not answer"));
        let finished = tokio::time::timeout(patience, self.work_off(&mut drained, &mut failure)).await;
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        self.going.shutdown().await;
        self.rounds.leave().await;
        if let (Err(_), Some(failure)) = (&finished, failure) {
            return Err(failure);
        }
        if finished.is_err() {
            tracing::warn!(owed = drained.owed, "not everything could be drained in time");
        }
        tracing::info!(windows = drained.windows, owed = drained.owed, "workers drained");
        Ok(drained)
    }

    /// `failure` is the reason if the last check failed; it stays until another check ends. The store may be back
    /// before the time is up.
    async fn work_off(&self, drained: &mut Drained, failure: &mut Option<anyhow::Error>) {
        loop {
            match self.look(drained).await {
                Ok(()) if drained.owed == 0 => {
                    *failure = None;
                    return;
                }
                Ok(()) => {
                    *failure = None;
                    sleep(LOOK_EVERY).await;
                }
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "it is not known what is still owed; looking again");
                    *failure = Some(error);
                    sleep(LOOK_AGAIN).await;
                }
            }
        }
    }

    /// Writes open windows, and counts what is still owed.
    async fn look(&self, drained: &mut Drained) -> anyhow::Result<()> {
        drained.windows += self.adapters.saga.flush_all().await?.windows;
        let backlog = self.adapters.log.backlog().await?;
        // Until the paused queues are known, none counts as paused.
        let paused = self.adapters.pauses.paused();
        let worked_off = backlog.iter().filter(|backlog| !paused.contains(&backlog.queue));
        drained.owed = worked_off.map(|backlog| backlog.owed).sum();
        Ok(())
    }
}
