//! How often two workers want the same window shows in the metrics.

use std::sync::Arc;

use cardwire_saga::{DistributedLock, InMemorySagaStateStore, SagaStateStore, Timing};
use cardwire_testkit::TokioClock;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::redis::{Redis, TIMING, event, key};

/// Windows that are due: two behind somebody's lock, one free.
async fn check(store: &dyn SagaStateStore, lock: &dyn DistributedLock) {
    let recorder = PrometheusBuilder::new().build_recorder();
    // Of this thread, which is the only one of the test's runtime.
    let _recording = metrics::set_default_local_recorder(&recorder);
    let contended = || {
        let text = recorder.handle().render();
        let found = text.lines().find_map(|line| line.strip_prefix("cardwire_saga_lock_contended_total "));
        found.map(|count| count.parse::<u64>().unwrap())
    };
    for actor in ["held", "held too", "free"].map(|name| name.replace(' ', "-")) {
        let key = key(&actor);
        store.merge(&[event(&key)]).await.unwrap();
        assert!(store.flush_now(&key).await.unwrap());
        if actor != "free" {
            lock.acquire(&key).await.unwrap().expect("it is free");
        }
    }
    assert_eq!(store.claim_due(10).await.unwrap().len(), 1);
    assert_eq!(contended(), Some(2));
    // They are put off, so nobody runs into them again at once.
    assert!(store.claim_due(10).await.unwrap().is_empty());
    assert_eq!(contended(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn windows_that_somebody_else_flushes_are_counted_in_memory() {
    let store = InMemorySagaStateStore::new(Arc::new(TokioClock::new()), Timing::default());
    let lock = store.locks();
    check(&store, &*lock).await;
}

#[tokio::test]
async fn windows_that_somebody_else_flushes_are_counted_in_redis() {
    let redis = Redis::start(1, TIMING).await;
    check(&redis.store, &redis.lock).await;
}
