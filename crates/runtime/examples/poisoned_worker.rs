//! A feed-worker that aborts on every event of `did:plc:poison`: what a defect that takes the whole process down looks like.
//! The tests run it as a process of its own.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use cardwire_domain::RecordedEvent;
use cardwire_events::{EventHandler, EventWorker, Outcome, Queue};
use cardwire_runtime::adapters::Adapters;
use cardwire_runtime::{Cli, Process, Role, Rounds, launch};
use cardwire_saga::FlushLoop;
use tokio::task::JoinSet;

const POISON: &str = "did:plc:poison";

struct AbortsOnPoison(Arc<dyn EventHandler>);

#[async_trait]
impl EventHandler for AbortsOnPoison {
    async fn handle(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        if events.iter().any(|event| event.event.actor_id().as_str() == POISON) {
            std::process::abort();
        }
        self.0.handle(events).await
    }
}

fn main() -> ExitCode {
    launch::<Cli, _, _>(Role::FeedWorker, |_, process| run(process))
}

async fn run(process: Process) -> anyhow::Result<()> {
    let health = process.serve_health()?;
    let (settings, stop) = (&process.settings, process.shutdown.token());
    let adapters = Adapters::plug(settings)?;
    adapters.verify(settings, stop).await?;
    let handler = Arc::new(AbortsOnPoison(adapters.handler(Queue::Feeds)));
    let subscriber = adapters.subscriber(Queue::Feeds)?;
    let worker =
        EventWorker::new(Queue::Feeds, settings.queue(Queue::Feeds), subscriber, handler, adapters.log.clone());
    let (relay, flush) = (adapters.relay(settings), FlushLoop::new(adapters.saga.clone()));
    let rounds = Rounds::new(&adapters)?;
    let mut going = JoinSet::new();
    going.spawn(async move { rounds.run().await });
    let mut tasks = JoinSet::new();
    let stopped = stop.clone();
    tasks.spawn(async move { Ok(worker.run(stopped).await?) });
    let stopped = stop.clone();
    tasks.spawn(async move {
        relay.run(stopped).await;
        anyhow::Ok(())
    });
    let stopped = stop.clone();
    tasks.spawn(async move {
        flush.run(stopped).await;
        Ok(())
    });
    process.readiness.serve();
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(health.stop().await?)
}
