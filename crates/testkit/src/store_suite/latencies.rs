//! How long events took, and what each worker did, over time.

use std::time::Duration;

use anyhow::Context as _;
use cardwire_events::latency::Histogram;
use cardwire_events::operations::{KEEP_SAMPLES, SAMPLE_EVERY};
use cardwire_events::registry::{WorkerId, WorkerInfo};
use cardwire_events::{Queue, WorkHistory};
use jiff::Timestamp;

use super::{Stores, Tested};

const HOUR: Duration = Duration::from_secs(3_600);

fn took(ms: &[u64]) -> Histogram {
    let mut histogram = Histogram::default();
    ms.iter().for_each(|ms| histogram.record(Duration::from_millis(*ms)));
    histogram
}

async fn kept(history: &dyn WorkHistory, queue: Queue, points: u32) -> anyhow::Result<Vec<Histogram>> {
    let over = history.latencies(queue, HOUR, points).await?;
    assert!(over.windows(2).all(|pair| pair[0].at < pair[1].at), "oldest first: {over:?}");
    Ok(over.into_iter().map(|took| took.events).collect())
}

pub async fn how_long_events_took_is_added_up_over_time(stores: Stores) -> Tested {
    let history = &stores.history;
    assert!(kept(&**history, Queue::Search, 240).await?.is_empty());
    let first = took(&[4, 40, 40, 4_000, 9_000_000]);
    history.add_latencies(Queue::Search, &first).await?;
    history.add_latencies(Queue::Feeds, &took(&[3_050])).await?;
    stores.time.advance(4 * SAMPLE_EVERY).await;
    // Two processes.
    let (one, other) = (took(&[7, 40]), took(&[40]));
    history.add_latencies(Queue::Search, &one).await?;
    history.add_latencies(Queue::Search, &other).await?;
    let parts = kept(&**history, Queue::Search, 240).await?;
    let (mut second, mut all) = (one, first);
    second.merge(&other);
    all.merge(&second);
    let mut sum = Histogram::default();
    parts.iter().for_each(|part| sum.merge(part));
    assert_eq!(sum, all, "nothing is lost, and buckets stay apart");
    assert_eq!(parts[0], first);
    // Two, or three if a stretch ended between the last two.
    assert!((2..=3).contains(&parts.len()), "{parts:?}");
    assert_eq!(kept(&**history, Queue::Feeds, 240).await?, [took(&[3_050])], "each queue for itself");
    assert!(kept(&**history, Queue::Search, 1).await?.len() <= 2, "an hour in one or, around its turn, two");

    stores.time.advance(KEEP_SAMPLES + SAMPLE_EVERY).await;
    history.add_latencies(Queue::Search, &took(&[1])).await?;
    let everything = history.latencies(Queue::Search, 10 * KEEP_SAMPLES, 1_000_000).await?;
    assert_eq!(everything.iter().map(|took| took.events.total()).sum::<u64>(), 1, "what is too old is dropped");
    Ok(())
}

fn worker(queue: Queue, pid: u32, processed: u64, at: Timestamp) -> WorkerInfo {
    WorkerInfo {
        id: WorkerId::generate(),
        queue,
        host: "here".into(),
        pid,
        version: "1".into(),
        started_at: at,
        last_seen: at,
        processed,
        in_flight: 2,
    }
}

pub async fn what_each_worker_did_is_kept_over_time(stores: Stores) -> Tested {
    let history = &stores.history;
    assert!(history.worker_history(HOUR, 240).await?.is_empty());
    let at = history.take_turn().await?.context("a turn")?;
    let (stays, goes) = (worker(Queue::Search, 1, 10, at), worker(Queue::Feeds, 2, 7, at));
    history.keep_workers(at, &[stays.clone(), goes.clone()]).await?;
    history.keep_workers(at, &[WorkerInfo { processed: 99, ..stays.clone() }]).await?;
    stores.time.advance(4 * SAMPLE_EVERY).await;
    let later = history.take_turn().await?.context("another turn")?;
    history.keep_workers(later, &[WorkerInfo { processed: 25, ..stays.clone() }]).await?;
    let samples = history.worker_history(HOUR, 240).await?;
    let of = |id: WorkerId| -> Vec<(u64, u64)> {
        samples.iter().filter(|sample| sample.worker == id).map(|one| (one.processed, one.in_flight)).collect()
    };
    assert_eq!(of(stays.id), [(10, 2), (25, 2)], "kept once for each moment, oldest first");
    assert_eq!(of(goes.id), [(7, 2)], "one that ended is still there");
    let gone = samples.iter().find(|sample| sample.worker == goes.id).context("the one that ended")?;
    assert_eq!((gone.queue, gone.host.as_str(), gone.pid), (Queue::Feeds, "here", 2));

    stores.time.advance(KEEP_SAMPLES + SAMPLE_EVERY).await;
    let last = history.take_turn().await?.context("a last turn")?;
    history.keep_workers(last, &[WorkerInfo { processed: 30, ..stays }]).await?;
    assert_eq!(history.worker_history(10 * KEEP_SAMPLES, 1_000_000).await?.len(), 1, "what is too old is dropped");
    Ok(())
}
