//! A process that works on one queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, bail};
use cardwire_domain::Store;
use cardwire_events::worker::Progress;
use cardwire_events::{EventSubscriber, Queue};
use cardwire_saga::FlushLoop;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::adapters::Adapters;
use crate::launch::Process;
use crate::rebuild;
use crate::rounds::Rounds;

/// How often progress is checked.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A worker that makes no progress for this long, although it has work and everything it needs, is stuck. No supervisor
/// restarts a machine because of a failing check, so the process ends by itself.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// Works until told to stop, then finishes what is in flight. Open windows are left to the other feed-workers.
pub async fn run(process: Process) -> anyhow::Result<()> {
    let Some(queue) = process.settings.role.queue() else { bail!("{} has no queue", process.settings.role) };
    let stop = process.shutdown.token().clone();
    let health = process.serve_health()?;
    let adapters = Adapters::plug(&process.settings)?;
    adapters.watch(&process.readiness, true);
    adapters.verify(&process.settings, &stop).await?;

    let subscriber = adapters.subscriber(queue)?;
    let worker = adapters.worker(queue, subscriber.clone(), &process.settings);
    let progress = worker.progress();
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let (relay, stopped) = (adapters.relay(&process.settings), stop.clone());
    tasks.spawn(async move {
        relay.run(stopped).await;
        Ok(())
    });
    let stopped = stop.clone();
    tasks.spawn(async move { Ok(worker.run(stopped).await?) });
    if queue == Queue::Feeds {
        let (flush, stopped) = (FlushLoop::new(adapters.saga.clone()), stop.clone());
        tasks.spawn(async move {
            flush.run(stopped).await;
            Ok(())
        });
    }
    if queue == Queue::Search {
        let (metadata, stopped) = (adapters.metadata(&process.settings)?, stop.clone());
        tasks.spawn(async move {
            metadata.run(stopped).await;
            Ok(())
        });
        let (pictures, stopped) = (adapters.picture_loop(&process.settings)?, stop.clone());
        tasks.spawn(async move {
            pictures.run(stopped).await;
            Ok(())
        });
        let rebuilding = rebuild::run(adapters.rebuilds.clone(), adapters.search.clone(), stop.clone());
        tasks.spawn(async move {
            rebuilding.await;
            Ok(())
        });
    }
    if queue == Queue::Records {
        let (publishing, stopped) = (adapters.publishing(&process.settings), stop.clone());
        tasks.spawn(async move {
            publishing.run(stopped).await;
            Ok(())
        });
    }
    let mut watching = JoinSet::new();
    let rounds = Arc::new(Rounds::new(&adapters)?.with_worker(queue, progress.clone()));
    let going = rounds.clone();
    watching.spawn(async move {
        going.run().await;
        Ok(())
    });
    let (store, pauses) = (adapters.store.clone(), adapters.pauses.clone());
    watching.spawn(async move { watch_progress(&*store, &*subscriber, &progress, || pauses.holds(queue)).await });
    process.readiness.serve();

    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                None => break,
                Some(ended) => {
                    ended??;
                    if !stop.is_cancelled() {
                        bail!("a part of the worker ended by itself");
                    }
                }
            },
            Some(watched) = watching.join_next() => watched??,
        }
    }
    watching.shutdown().await;
    adapters.finish_refreshes().await;
    rounds.leave().await;
    health.stop().await.context("stopping the health server")
}

/// Fails if the worker is stuck.
async fn watch_progress(
    store: &dyn Store,
    subscriber: &dyn EventSubscriber,
    progress: &Progress,
    paused: impl Fn() -> bool,
) -> anyhow::Result<()> {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        tick.tick().await;
        let processed = progress.processed.load(Ordering::Relaxed);
        let idle = match subscriber.depth().await {
            Ok(depth) => depth.waiting + depth.suspects == 0,
            // Redis is unavailable: nothing can make progress.
            Err(_) => true,
        };
        if processed != last || idle || paused() || store.ping().await.is_err() {
            (last, moved) = (processed, Instant::now());
        } else if moved.elapsed() >= STUCK_AFTER {
            bail!("no progress for {} s although the queue is not empty", STUCK_AFTER.as_secs());
        }
    }
}

#[cfg(test)]
mod tests {
    use cardwire_domain::SystemClock;
    use cardwire_events::memory::{InMemoryEventPublisher, InMemoryEventSubscriber, InMemoryQueues};
    use cardwire_events::{EventPublisher as _, Handover, Pauses};
    use cardwire_storage::SqliteStore;
    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_does_not_move_for_a_minute_with_work_to_do_ends() {
        let queues = InMemoryQueues::default();
        let subscriber = InMemoryEventSubscriber::new(&queues, Queue::Feeds);
        let store = SqliteStore::in_memory(Arc::new(SystemClock), Handover::default()).expect("SQLite is built in");
        let progress = Arc::new(Progress::default());
        let pauses = Pauses::default();
        let watch = async |within_s| {
            let watched = watch_progress(&store, &subscriber, &progress, || pauses.holds(Queue::Feeds));
            timeout(Duration::from_secs(within_s), watched).await
        };
        assert!(watch(600).await.is_err(), "an empty queue needs no progress");

        let entry = [("key".to_owned(), "entry".to_owned())];
        InMemoryEventPublisher::new(queues.clone()).publish(Queue::Feeds, &entry).await.unwrap();
        let moves = progress.clone();
        let moving = tokio::spawn(async move {
            loop {
                sleep(Duration::from_secs(50)).await;
                moves.processed.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert!(watch(600).await.is_err(), "slow is not stuck");
        moving.abort();

        pauses.learn([Queue::Feeds].into());
        assert!(watch(600).await.is_err(), "paused is not stuck");
        pauses.learn([].into());

        let error = watch(80).await.expect("it ends in time").unwrap_err();
        assert_eq!(error.to_string(), "no progress for 60 s although the queue is not empty");
    }
}
