//! Figures over time.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_events::latency::Histogram;
use cardwire_events::operations::{Gauges, KEEP_SAMPLES, SAMPLE_EVERY, Sample, Took, WorkHistory, WorkerSample};
use cardwire_events::{Queue, Result, WorkerInfo};
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::latency;
use crate::sqlite::error::Failure;
use crate::sqlite::store::SqliteStore;
use crate::sqlite::values::{earlier, get, get_count, get_time, micros, rows, run, time, us};

const ADD: &str = "\
INSERT INTO queue_totals (queue, processed, failed) VALUES (?1, ?2, ?3)
ON CONFLICT (queue) DO UPDATE SET processed = processed + excluded.processed, failed = failed + excluded.failed";

const TURN: &str = "\
INSERT INTO sample_turn (only_row, at) VALUES (1, ?1)
ON CONFLICT (only_row) DO UPDATE SET at = excluded.at WHERE sample_turn.at < excluded.at";

const KEEP: &str = "\
INSERT INTO queue_samples (queue, at, waiting, in_flight, suspects, workers, owed, unpublished, dead, oldest_age_s,
                           processed, failed)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
        coalesce((SELECT t.processed FROM queue_totals t WHERE t.queue = ?1), 0),
        coalesce((SELECT t.failed FROM queue_totals t WHERE t.queue = ?1), 0))
ON CONFLICT DO NOTHING";

const DROP: &str = "DELETE FROM queue_samples WHERE queue = ?1 AND at < ?2";

const HISTORY: &str = "\
SELECT max(s.at) AS at, max(waiting) AS waiting, max(in_flight) AS in_flight, max(suspects) AS suspects,
       max(workers) AS workers, max(owed) AS owed, max(unpublished) AS unpublished, max(dead) AS dead,
       max(oldest_age_s) AS oldest_age_s, max(processed) AS processed, max(failed) AS failed
FROM queue_samples s WHERE s.queue = ?1 AND s.at > ?2 GROUP BY s.at / ?3 ORDER BY 1";

#[async_trait]
impl WorkHistory for SqliteStore {
    async fn add_work(&self, queue: Queue, processed: u64, failed: u64) -> Result<()> {
        Ok(self.write(move |connection, _| add_work(connection, queue, processed, failed)).await?)
    }

    async fn take_turn(&self) -> Result<Option<Timestamp>> {
        let take = |connection: &Connection, now| {
            let at = us(now) - us(now).rem_euclid(micros(SAMPLE_EVERY));
            let is_mine = run(connection, TURN, &[&at])? == 1;
            is_mine.then(|| time(at)).transpose()
        };
        Ok(self.write(take).await?)
    }

    async fn keep(&self, at: Timestamp, measured: &[Gauges]) -> Result<()> {
        let measured = measured.to_vec();
        let keep = move |connection: &Connection, now| {
            for gauges in &measured {
                keep(connection, at, gauges)?;
                run(connection, DROP, &[&gauges.queue.name(), &earlier(now, KEEP_SAMPLES)])?;
            }
            Ok(())
        };
        Ok(self.write(keep).await?)
    }

    async fn history(&self, queue: Queue, period: Duration, points: u32) -> Result<Vec<Sample>> {
        let history = move |connection: &Connection, now| {
            let stretch = micros(Sample::stretch(period, points));
            let values: [&dyn rusqlite::ToSql; 3] = [&queue.name(), &earlier(now, period), &stretch];
            rows(connection, HISTORY, &values, |row| read(queue, row))
        };
        Ok(self.read(history).await?)
    }

    async fn add_latencies(&self, queue: Queue, took: &Histogram) -> Result<()> {
        let took = *took;
        Ok(self.write(move |connection, now| latency::add(connection, now, queue, &took)).await?)
    }

    async fn latencies(&self, queue: Queue, period: Duration, points: u32) -> Result<Vec<Took>> {
        Ok(self.read(move |connection, now| latency::over(connection, now, queue, (period, points))).await?)
    }

    async fn keep_workers(&self, at: Timestamp, workers: &[WorkerInfo]) -> Result<()> {
        let workers = workers.to_vec();
        Ok(self.write(move |connection, now| latency::keep_workers(connection, now, at, &workers)).await?)
    }

    async fn worker_history(&self, period: Duration, points: u32) -> Result<Vec<WorkerSample>> {
        Ok(self.read(move |connection, now| latency::workers(connection, now, (period, points))).await?)
    }
}

/// Adds processed and failed events to the queue's totals.
pub(in crate::sqlite) fn add_work(
    connection: &Connection,
    queue: Queue,
    processed: u64,
    failed: u64,
) -> Result<(), Failure> {
    run(connection, ADD, &[&queue.name(), &processed.cast_signed(), &failed.cast_signed()])?;
    Ok(())
}

fn keep(connection: &Connection, at: Timestamp, gauges: &Gauges) -> Result<(), Failure> {
    let Gauges { queue, waiting, in_flight, suspects, owed, unpublished, dead, oldest_age_s, workers } = *gauges;
    let values: [&dyn rusqlite::ToSql; 10] = [
        &queue.name(),
        &us(at),
        &waiting.map(u64::cast_signed),
        &in_flight.map(u64::cast_signed),
        &suspects.map(u64::cast_signed),
        &workers.map(u64::cast_signed),
        &owed.cast_signed(),
        &unpublished.cast_signed(),
        &dead.cast_signed(),
        &oldest_age_s.cast_signed(),
    ];
    run(connection, KEEP, &values)?;
    Ok(())
}

fn read(queue: Queue, row: &Row<'_>) -> Result<Sample, Failure> {
    let known = |column: &str| -> Result<Option<u64>, Failure> {
        let figure: Option<i64> = get(row, column)?;
        figure.map(|_| get_count(row, column)).transpose()
    };
    Ok(Sample {
        at: get_time(row, "at")?,
        gauges: Gauges {
            queue,
            waiting: known("waiting")?,
            in_flight: known("in_flight")?,
            suspects: known("suspects")?,
            workers: known("workers")?,
            owed: get_count(row, "owed")?,
            unpublished: get_count(row, "unpublished")?,
            dead: get_count(row, "dead")?,
            oldest_age_s: get_count(row, "oldest_age_s")?,
        },
        processed: get_count(row, "processed")?,
        failed: get_count(row, "failed")?,
    })
}
