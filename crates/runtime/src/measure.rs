//! How many events are where, for dashboards and alerts: the figures that no single worker knows. Every web process
//! measures them. All see the same servers, so the figures of any one will do.

use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::Clock;
use cardwire_events::{EventLog, EventSubscriber, Queue, WorkerRegistry};
use cardwire_saga::SagaStateStore;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// As often as metrics are usually scraped.
pub const MEASURE_EVERY: Duration = Duration::from_secs(15);
/// How long one source may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the log, the queues, the workers' registry and the saga, and sets gauges. If something cannot be asked, its
/// gauge becomes NaN, because an old figure would look like a current one.
pub struct Measurements {
    pub log: Arc<dyn EventLog>,
    /// Every queue once.
    pub queues: Vec<(Queue, Arc<dyn EventSubscriber>)>,
    /// `None` if the workers are not separate processes.
    pub workers: Option<Arc<dyn WorkerRegistry>>,
    pub saga: Arc<dyn SagaStateStore>,
    /// For the age of events, which the log stamped by its own clock.
    pub clock: Arc<dyn Clock>,
}

impl Measurements {
    /// Measures until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut tick = interval(MEASURE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.measure() => {}
            }
        }
    }

    /// Measures once. If dropped, some gauges are not set.
    pub async fn measure(&self) {
        tokio::join!(self.log(), self.queues(), self.workers(), self.saga());
    }

    async fn log(&self) {
        let backlog = told("log", self.log.backlog()).await;
        let now = self.clock.now();
        for queue in Queue::ALL {
            // If the log lists no figures for a queue, it owes it nothing.
            let of = |figure: fn(&cardwire_events::Backlog) -> u64| {
                let backlog = backlog.as_ref()?;
                Some(backlog.iter().find(|backlog| backlog.queue == queue).map_or(0, figure))
            };
            let oldest = backlog.as_ref().map(|backlog| {
                let oldest = backlog.iter().find(|backlog| backlog.queue == queue).and_then(|backlog| backlog.oldest);
                oldest.map_or(0.0, |oldest| now.duration_since(oldest).as_secs_f64().max(0.0))
            });
            let name = queue.name();
            metrics::gauge!("cardwire_owed_events", "queue" => name).set(count(of(|backlog| backlog.owed)));
            metrics::gauge!("cardwire_unpublished_events", "queue" => name)
                .set(count(of(|backlog| backlog.unpublished)));
            metrics::gauge!("cardwire_dead_letters", "queue" => name).set(count(of(|backlog| backlog.dead)));
            metrics::gauge!("cardwire_oldest_owed_seconds", "queue" => name).set(oldest.unwrap_or(f64::NAN));
        }
    }

    async fn queues(&self) {
        for (queue, subscriber) in &self.queues {
            let depth = told("queue", subscriber.depth()).await;
            let figures = [
                ("waiting", depth.map(|depth| depth.waiting)),
                ("suspect", depth.map(|depth| depth.suspects)),
                ("in_flight", depth.map(|depth| depth.in_flight)),
            ];
            for (state, figure) in figures {
                metrics::gauge!("cardwire_queue_entries", "queue" => queue.name(), "state" => state)
                    .set(count(figure.map(|figure| figure as u64)));
            }
        }
    }

    async fn workers(&self) {
        let Some(registry) = &self.workers else { return };
        let workers = told("workers", registry.list()).await;
        for queue in Queue::ALL {
            let alive = workers.as_ref().map(|all| all.iter().filter(|worker| worker.queue == queue).count() as u64);
            metrics::gauge!("cardwire_workers_alive", "queue" => queue.name()).set(count(alive));
        }
    }

    async fn saga(&self) {
        let open = told("saga", self.saga.open_count()).await;
        metrics::gauge!("cardwire_saga_windows_open").set(count(open));
    }
}

fn count(figure: Option<u64>) -> f64 {
    figure.map_or(f64::NAN, |figure| figure as f64)
}

async fn told<T, E: std::fmt::Display>(source: &'static str, asked: impl Future<Output = Result<T, E>>) -> Option<T> {
    let why = match timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => return Some(answer),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer in {} s", PATIENCE.as_secs()),
    };
    metrics::counter!("cardwire_measurements_failed_total", "source" => source).increment(1);
    tracing::debug!(source, error = why, "cannot be measured");
    None
}

#[cfg(test)]
mod tests {
    use cardwire_domain::SystemClock;
    use cardwire_events::Handover;
    use cardwire_events::memory::{
        InMemoryEventPublisher, InMemoryEventSubscriber, InMemoryQueues, InMemoryWorkerRegistry,
    };
    use cardwire_events::registry::{WorkerId, WorkerInfo};
    use cardwire_events::{EventPublisher as _, WorkerRegistry};
    use cardwire_saga::{InMemorySagaStateStore, PendingEvent, Timing};
    use cardwire_storage::SqliteStore;

    use super::*;

    struct Away;

    #[async_trait::async_trait]
    impl WorkerRegistry for Away {
        async fn beat(&self, _: &WorkerInfo) -> cardwire_events::Result<()> {
            std::future::pending().await
        }
        async fn leave(&self, _: Queue, _: WorkerId) -> cardwire_events::Result<()> {
            std::future::pending().await
        }
        async fn list(&self) -> cardwire_events::Result<Vec<WorkerInfo>> {
            std::future::pending().await
        }
    }

    fn person() -> cardwire_domain::UserId {
        cardwire_domain::UserId::parse("did:plc:alice").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn figures_are_measured_and_what_cannot_be_asked_is_not_a_number() {
        use cardwire_domain::use_cases::{AddUrlToLibrary, Request, execute};

        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Arc::new(SqliteStore::in_memory(clock.clone(), Handover::default()).expect("SQLite is built in"));
        let save = AddUrlToLibrary { url: "https://example.com/".into(), ..AddUrlToLibrary::default() };
        execute(&*store, &Request::by(person()), &save).await.unwrap();
        let queues = InMemoryQueues::default();
        let entry = [(String::new(), "entry".to_owned())];
        InMemoryEventPublisher::new(queues.clone()).publish(Queue::Search, &entry).await.unwrap();
        let saga = Arc::new(InMemorySagaStateStore::new(clock.clone(), Timing::default()));
        let recorded = cardwire_domain::RecordedEvent {
            id: cardwire_domain::EventId::generate(),
            occurred_at: clock.now(),
            event: cardwire_domain::DomainEvent::CardAddedToLibrary {
                card_id: cardwire_domain::CardId::generate(),
                actor_id: person(),
                link_id: cardwire_domain::LinkId::generate(),
                visibility: cardwire_domain::Visibility::Public,
            },
        };
        saga.merge(&[PendingEvent::from_recorded(&recorded).unwrap()]).await.unwrap();
        let registry = Arc::new(InMemoryWorkerRegistry::new(clock.clone(), Duration::from_secs(30)));
        let now = clock.now();
        let worker = WorkerInfo {
            id: WorkerId::generate(),
            queue: Queue::Feeds,
            host: "here".into(),
            pid: 1,
            version: "1".into(),
            started_at: now,
            last_seen: now,
            in_flight: 0,
            processed: 0,
        };
        registry.beat(&worker).await.unwrap();
        let subscriber = |queue| Arc::new(InMemoryEventSubscriber::new(&queues, queue)) as Arc<dyn EventSubscriber>;
        let mut measurements = Measurements {
            log: store,
            queues: Queue::ALL.map(|queue| (queue, subscriber(queue))).into(),
            workers: Some(registry),
            saga,
            clock,
        };
        let recorder = crate::telemetry::recorder().unwrap();
        // Metrics go to the recorder of the thread, and this test has one thread.
        let _recording = metrics::set_default_local_recorder(&recorder);
        let check = |name: &str, expected: &str| {
            let text = recorder.handle().render();
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
            assert_eq!(found.as_deref(), Some(expected), "{name}:\n{text}");
        };

        measurements.measure().await;
        check(r#"cardwire_owed_events{queue="feeds"}"#, "1");
        check(r#"cardwire_unpublished_events{queue="analytics"}"#, "1");
        check(r#"cardwire_dead_letters{queue="feeds"}"#, "0");
        check(r#"cardwire_queue_entries{queue="search",state="waiting"}"#, "1");
        check(r#"cardwire_queue_entries{queue="feeds",state="waiting"}"#, "0");
        check(r#"cardwire_workers_alive{queue="feeds"}"#, "1");
        check(r#"cardwire_workers_alive{queue="search"}"#, "0");
        check("cardwire_saga_windows_open", "1");

        measurements.workers = Some(Arc::new(Away));
        measurements.measure().await;
        check(r#"cardwire_workers_alive{queue="feeds"}"#, "NaN");
        check(r#"cardwire_measurements_failed_total{source="workers"}"#, "1");
        check("cardwire_saga_windows_open", "1");
    }
}
