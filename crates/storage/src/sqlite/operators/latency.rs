//! How long events took, and what each worker did, over time.

use std::time::Duration;

use cardwire_events::latency::Histogram;
use cardwire_events::operations::{KEEP_SAMPLES, SAMPLE_EVERY, Sample, Took, WorkerSample};
use cardwire_events::registry::WorkerId;
use cardwire_events::{Queue, WorkerInfo};
use jiff::Timestamp;
use rusqlite::{Connection, Row, ToSql};

use crate::sqlite::error::Failure;
use crate::sqlite::values::{blob, earlier, get, get_count, get_queue, get_time, micros, rows, run, ulid, us};

const ADD: &str = "\
INSERT INTO queue_latencies (queue, at, up_to_ms, events) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (queue, at, up_to_ms) DO UPDATE SET events = events + excluded.events";

const OVER: &str = "\
SELECT max(s.at) OVER (PARTITION BY s.stretch) AS at, s.up_to_ms, s.events FROM (
    SELECT q.at / ?3 AS stretch, max(q.at) AS at, up_to_ms, sum(events) AS events
    FROM queue_latencies q WHERE q.queue = ?1 AND q.at > ?2 GROUP BY 1, up_to_ms
) s ORDER BY s.stretch, s.up_to_ms";

const KEEP_WORKER: &str = "\
INSERT INTO worker_samples (worker, at, queue, host, pid, processed, in_flight) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO NOTHING";

const WORKERS: &str = "\
SELECT worker, queue, host, pid, max(s.at) AS at, max(processed) AS processed, max(in_flight) AS in_flight
FROM worker_samples s WHERE s.at > ?1 GROUP BY worker, queue, host, pid, s.at / ?2 ORDER BY worker, 5";

pub(super) fn add(connection: &Connection, now: Timestamp, queue: Queue, took: &Histogram) -> Result<(), Failure> {
    let at = us(now) - us(now).rem_euclid(micros(SAMPLE_EVERY));
    for (bound, events) in took.buckets() {
        let bound = bound.unwrap_or(0).cast_signed();
        run(connection, ADD, &[&queue.name(), &at, &bound, &events.cast_signed()])?;
    }
    let drop = "DELETE FROM queue_latencies WHERE queue = ?1 AND at < ?2";
    run(connection, drop, &[&queue.name(), &earlier(now, KEEP_SAMPLES)])?;
    Ok(())
}

pub(super) fn over(
    connection: &Connection,
    now: Timestamp,
    queue: Queue,
    (period, points): (Duration, u32),
) -> Result<Vec<Took>, Failure> {
    let values: [&dyn ToSql; 3] = [&queue.name(), &earlier(now, period), &micros(Sample::stretch(period, points))];
    let read = |row: &Row<'_>| Ok((get_time(row, "at")?, get_count(row, "up_to_ms")?, get_count(row, "events")?));
    let mut found: Vec<Took> = Vec::new();
    for (at, bound, events) in rows(connection, OVER, &values, read)? {
        if found.last().is_none_or(|last| last.at != at) {
            found.push(Took { at, events: Histogram::default() });
        }
        if let Some(last) = found.last_mut() {
            last.events.add_up_to((bound > 0).then_some(bound), events);
        }
    }
    Ok(found)
}

pub(super) fn keep_workers(
    connection: &Connection,
    now: Timestamp,
    at: Timestamp,
    workers: &[WorkerInfo],
) -> Result<(), Failure> {
    for worker in workers {
        let values: [&dyn ToSql; 7] = [
            &blob(worker.id.ulid()),
            &us(at),
            &worker.queue.name(),
            &worker.host,
            &worker.pid,
            &worker.processed.cast_signed(),
            &worker.in_flight.cast_signed(),
        ];
        run(connection, KEEP_WORKER, &values)?;
    }
    run(connection, "DELETE FROM worker_samples WHERE at < ?1", &[&earlier(now, KEEP_SAMPLES)])?;
    Ok(())
}

pub(super) fn workers(
    connection: &Connection,
    now: Timestamp,
    (period, points): (Duration, u32),
) -> Result<Vec<WorkerSample>, Failure> {
    let values: [&dyn ToSql; 2] = [&earlier(now, period), &micros(Sample::stretch(period, points))];
    rows(connection, WORKERS, &values, read_worker)
}

fn read_worker(row: &Row<'_>) -> Result<WorkerSample, Failure> {
    Ok(WorkerSample {
        worker: WorkerId::from_ulid(ulid(get(row, "worker")?)),
        queue: get_queue(row)?,
        host: get(row, "host")?,
        pid: get(row, "pid")?,
        at: get_time(row, "at")?,
        processed: get_count(row, "processed")?,
        in_flight: get_count(row, "in_flight")?,
    })
}
