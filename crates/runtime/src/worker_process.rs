//! A process that works off one queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, bail};
use cardwire_domain::{Clock as _, SystemClock};
use cardwire_events::registry::{WorkerId, WorkerInfo};
use cardwire_events::worker::Progress;
use cardwire_events::{EventSubscriber, Queue};
use cardwire_saga::FlushLoop;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::VERSION;
use crate::adapters::Adapters;
use crate::launch::Process;

/// How often a worker says that it is alive.
const BEAT_EVERY: Duration = Duration::from_secs(5);
/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A worker that has not moved for this long, with something to do and everything it needs, is stuck. No supervisor restarts a
/// machine because of a failing check, so it ends by itself.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// Works until told to stop, then finishes what is in flight. Open windows stay for the other feed-workers.
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
    tasks.spawn(async move {
        worker.run(stopped).await;
        Ok(())
    });
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
    }
    let mut watching = JoinSet::new();
    let (beating, seen) = (adapters.clone(), progress.clone());
    watching.spawn(async move { heartbeat(&beating, queue, &seen).await });
    watching.spawn(async move { watch_progress(&adapters, subscriber, &progress).await });
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
    health.stop().await.context("stopping the health server")
}

/// Tells the registry, until dropped, that this worker is alive.
async fn heartbeat(adapters: &Adapters, queue: Queue, progress: &Progress) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let mut info = WorkerInfo {
        id: WorkerId::generate(),
        queue,
        host: host_name(),
        pid: std::process::id(),
        version: VERSION.to_owned(),
        started_at: now,
        last_seen: now,
        processed: 0,
    };
    let mut tick = interval(BEAT_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        info.processed = progress.processed.load(Ordering::Relaxed);
        if let Err(error) = adapters.registry.beat(&info).await {
            tracing::debug!(%error, "could not say that this worker is alive");
        }
    }
}

/// Fails when the worker is stuck.
async fn watch_progress(
    adapters: &Adapters,
    subscriber: Arc<dyn EventSubscriber>,
    progress: &Progress,
) -> anyhow::Result<()> {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        tick.tick().await;
        let processed = progress.processed.load(Ordering::Relaxed);
        let idle = match subscriber.depth().await {
            Ok(depth) => depth.waiting + depth.suspects == 0,
            // Redis is away: nothing can move.
            Err(_) => true,
        };
        if processed != last || idle || adapters.store.ping().await.is_err() {
            (last, moved) = (processed, Instant::now());
        } else if moved.elapsed() >= STUCK_AFTER {
            bail!("no progress for {} s although the queue is not empty", STUCK_AFTER.as_secs());
        }
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "unknown".to_owned() } else { name.trim().to_owned() }
}
