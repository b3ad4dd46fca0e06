//! How long events took, and what each worker did, over time.

use std::time::Duration;

use cardwire_events::latency::Histogram;
use cardwire_events::operations::{KEEP_SAMPLES, SAMPLE_EVERY, Sample, Took, WorkerSample};
use cardwire_events::registry::WorkerId;
use cardwire_events::{Queue, WorkerInfo};
use jiff::Timestamp;
use sqlx::postgres::PgRow;

use crate::postgres::error::Failure;
use crate::postgres::pool::Session;
use crate::postgres::values::{get, get_count, get_queue, get_time, time, ulid, uuid};

/// Processes that add at once write their rows in the same order.
const ADD: &str = "\
INSERT INTO queue_latencies AS known (queue, at, up_to_ms, events)
SELECT $1, date_bin(make_interval(secs => $2), now(), to_timestamp(0)), b.up_to_ms, b.events
FROM unnest($3::bigint[], $4::bigint[]) AS b(up_to_ms, events) ORDER BY b.up_to_ms
ON CONFLICT (queue, at, up_to_ms) DO UPDATE SET events = known.events + excluded.events";

const DROP: &str = "DELETE FROM queue_latencies WHERE queue = $1 AND at < now() - make_interval(secs => $2)";

const OVER: &str = "\
SELECT max(s.at) OVER (PARTITION BY s.stretch) AS at, s.up_to_ms, s.events FROM (
    SELECT date_bin(make_interval(secs => $3), at, to_timestamp(0)) AS stretch, max(at) AS at, up_to_ms,
           sum(events)::bigint AS events
    FROM queue_latencies WHERE queue = $1 AND at > now() - make_interval(secs => $2) GROUP BY 1, up_to_ms
) s ORDER BY s.stretch, s.up_to_ms";

const KEEP_WORKERS: &str = "\
INSERT INTO worker_samples (worker, at, queue, host, pid, processed, in_flight)
SELECT w.worker, $1, w.queue, w.host, w.pid, w.processed, w.in_flight
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[])
     AS w(worker, queue, host, pid, processed, in_flight)
ON CONFLICT DO NOTHING";

const DROP_WORKERS: &str = "DELETE FROM worker_samples WHERE at < now() - make_interval(secs => $1)";

const WORKERS: &str = "\
SELECT worker, queue, host, pid, max(at) AS at, max(processed) AS processed, max(in_flight) AS in_flight
FROM worker_samples WHERE at > now() - make_interval(secs => $1)
GROUP BY worker, queue, host, pid, date_bin(make_interval(secs => $2), at, to_timestamp(0)) ORDER BY worker, 5";

pub(super) async fn add(session: &mut Session, queue: Queue, took: &Histogram) -> Result<(), Failure> {
    let buckets = took.buckets().map(|(bound, events)| (bound.unwrap_or(0).cast_signed(), events.cast_signed()));
    let (bounds, events): (Vec<i64>, Vec<i64>) = buckets.unzip();
    // Adding comes last: if something failed after it, it would be added again.
    session.execute(sqlx::query(DROP).bind(queue.name()).bind(KEEP_SAMPLES.as_secs_f64())).await?;
    let query = sqlx::query(ADD).bind(queue.name()).bind(SAMPLE_EVERY.as_secs_f64()).bind(bounds).bind(events);
    session.execute(query).await?;
    Ok(())
}

pub(super) async fn over(
    session: &mut Session,
    queue: Queue,
    period: Duration,
    points: u32,
) -> Result<Vec<Took>, Failure> {
    let query = sqlx::query(OVER)
        .bind(queue.name())
        .bind(period.as_secs_f64())
        .bind(Sample::stretch(period, points).as_secs_f64());
    let mut found: Vec<Took> = Vec::new();
    for row in session.fetch_all(query).await? {
        let at = get_time(&row, "at")?;
        if found.last().is_none_or(|last| last.at != at) {
            found.push(Took { at, events: Histogram::default() });
        }
        let (bound, events) = (get_count(&row, "up_to_ms")?, get_count(&row, "events")?);
        if let Some(last) = found.last_mut() {
            last.events.add_up_to((bound > 0).then_some(bound), events);
        }
    }
    Ok(found)
}

pub(super) async fn keep_workers(session: &mut Session, at: Timestamp, workers: &[WorkerInfo]) -> Result<(), Failure> {
    let counted = |figure: fn(&WorkerInfo) -> u64| -> Vec<i64> {
        workers.iter().map(|worker| figure(worker).cast_signed()).collect()
    };
    let query = sqlx::query(KEEP_WORKERS)
        .bind(time(at))
        .bind(workers.iter().map(|worker| uuid(worker.id.ulid())).collect::<Vec<_>>())
        .bind(workers.iter().map(|worker| worker.queue.name()).collect::<Vec<_>>())
        .bind(workers.iter().map(|worker| worker.host.as_str()).collect::<Vec<_>>())
        .bind(counted(|worker| u64::from(worker.pid)))
        .bind(counted(|worker| worker.processed))
        .bind(counted(|worker| worker.in_flight));
    session.execute(query).await?;
    session.execute(sqlx::query(DROP_WORKERS).bind(KEEP_SAMPLES.as_secs_f64())).await?;
    Ok(())
}

pub(super) async fn workers(
    session: &mut Session,
    period: Duration,
    points: u32,
) -> Result<Vec<WorkerSample>, Failure> {
    let stretch = Sample::stretch(period, points).as_secs_f64();
    let rows = session.fetch_all(sqlx::query(WORKERS).bind(period.as_secs_f64()).bind(stretch)).await?;
    // Skip workers of queues that only newer builds have.
    rows.iter().filter(|row| get_queue(row).is_ok()).map(read_worker).collect()
}

fn read_worker(row: &PgRow) -> Result<WorkerSample, Failure> {
    Ok(WorkerSample {
        worker: WorkerId::from_ulid(ulid(get(row, "worker")?)),
        queue: get_queue(row)?,
        host: get(row, "host")?,
        pid: u32::try_from(get_count(row, "pid")?).unwrap_or_default(),
        at: get_time(row, "at")?,
        processed: get_count(row, "processed")?,
        in_flight: get_count(row, "in_flight")?,
    })
}
