//! Workers are listed while they report that they are alive.

use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::Clock;
use cardwire_events::Queue;
use cardwire_events::memory::InMemoryWorkerRegistry;
use cardwire_events::redis::RedisWorkerRegistry;
use cardwire_events::registry::{WorkerId, WorkerInfo, WorkerRegistry};
use cardwire_testkit::TokioClock;
use cardwire_testkit::redis::RedisServer;
use jiff::Timestamp;

use crate::support::{connect, eventually};

const REMEMBERED: Duration = Duration::from_millis(500);

fn worker(queue: Queue, pid: u32) -> WorkerInfo {
    WorkerInfo {
        id: WorkerId::generate(),
        queue,
        host: "h|ost".into(),
        pid,
        version: "0.1.0".into(),
        started_at: Timestamp::UNIX_EPOCH,
        last_seen: Timestamp::UNIX_EPOCH,
        processed: 0,
        in_flight: 0,
    }
}

async fn check(registry: &dyn WorkerRegistry) {
    assert!(registry.list().await.unwrap().is_empty());
    let (mut feeds, search) = (worker(Queue::Feeds, 1), worker(Queue::Search, 2));
    registry.beat(&feeds).await.unwrap();
    registry.beat(&search).await.unwrap();
    feeds.processed = 7;
    registry.beat(&feeds).await.unwrap();
    let listed = registry.list().await.unwrap();
    assert!(listed.iter().all(|worker| worker.last_seen > Timestamp::UNIX_EPOCH), "{listed:?}");
    let shown: Vec<_> = listed.into_iter().map(|one| WorkerInfo { last_seen: Timestamp::UNIX_EPOCH, ..one }).collect();
    let mut expected = vec![feeds.clone(), search.clone()];
    expected.sort_by_key(|worker| worker.id);
    assert_eq!(shown, expected);
    registry.leave(Queue::Search, search.id).await.unwrap();
    assert_eq!(registry.list().await.unwrap().len(), 1);
    eventually("a silent worker is forgotten", || async { registry.list().await.unwrap().is_empty().then_some(()) })
        .await;
    let silent = registry.with_silent().await.unwrap();
    assert_eq!(silent.iter().map(|worker| worker.id).collect::<Vec<_>>(), [feeds.id], "it did not say that it ends");
    registry.leave(Queue::Feeds, feeds.id).await.unwrap();
    assert!(registry.with_silent().await.unwrap().is_empty());
}

#[tokio::test]
async fn in_memory() {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::new());
    check(&InMemoryWorkerRegistry::new(clock, REMEMBERED)).await;
}

#[tokio::test]
async fn in_redis_even_when_full() {
    let server = RedisServer::start();
    let registry = RedisWorkerRegistry::new(connect(&server), REMEMBERED);
    check(&registry).await;
    server.command(&["HSET", "{feeds}:workers", "somebody", "else"]);
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    check(&registry).await;
}
