//! Figures over time.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_events::latency::Histogram;
use cardwire_events::operations::{Gauges, KEEP_SAMPLES, SAMPLE_EVERY, Sample, Took, WorkHistory, WorkerSample};
use cardwire_events::{Queue, Result, WorkerInfo};
use jiff::Timestamp;
use sqlx::postgres::PgRow;

use super::latency;
use crate::postgres::error::Failure;
use crate::postgres::store::PostgresStore;
use crate::postgres::values::{get, get_count, get_time, time};

const ADD: &str = "\
INSERT INTO queue_totals (queue, processed, failed) VALUES ($1, $2, $3)
ON CONFLICT (queue) DO UPDATE SET processed = queue_totals.processed + excluded.processed,
                                  failed = queue_totals.failed + excluded.failed";

const TURN: &str = "\
UPDATE sample_turn SET at = date_bin(make_interval(secs => $1), now(), to_timestamp(0))
WHERE at < date_bin(make_interval(secs => $1), now(), to_timestamp(0)) RETURNING at";

const KEEP: &str = "\
INSERT INTO queue_samples (queue, at, waiting, in_flight, suspects, workers, owed, unpublished, dead, oldest_age_s,
                           processed, failed)
SELECT g.queue, $1, g.waiting, g.in_flight, g.suspects, g.workers, g.owed, g.unpublished, g.dead, g.oldest_age_s,
       coalesce(t.processed, 0), coalesce(t.failed, 0)
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
            $10::bigint[])
     AS g(queue, waiting, in_flight, suspects, workers, owed, unpublished, dead, oldest_age_s)
LEFT JOIN queue_totals t ON t.queue = g.queue COLLATE \"C\"
ON CONFLICT DO NOTHING";

const DROP: &str = "\
DELETE FROM queue_samples WHERE queue = ANY($1) AND at < now() - make_interval(secs => $2)";

const HISTORY: &str = "\
SELECT max(at) AS at, max(waiting) AS waiting, max(in_flight) AS in_flight, max(suspects) AS suspects,
       max(workers) AS workers, max(owed) AS owed, max(unpublished) AS unpublished, max(dead) AS dead,
       max(oldest_age_s) AS oldest_age_s, max(processed) AS processed, max(failed) AS failed
FROM queue_samples WHERE queue = $1 AND at > now() - make_interval(secs => $2)
GROUP BY date_bin(make_interval(secs => $3), at, to_timestamp(0)) ORDER BY 1";

#[async_trait]
impl WorkHistory for PostgresStore {
    async fn add_work(&self, queue: Queue, processed: u64, failed: u64) -> Result<()> {
        let query = sqlx::query(ADD).bind(queue.name()).bind(processed.cast_signed()).bind(failed.cast_signed());
        self.session().await?.execute(query).await?;
        Ok(())
    }

    async fn take_turn(&self) -> Result<Option<Timestamp>> {
        let query = sqlx::query(TURN).bind(SAMPLE_EVERY.as_secs_f64());
        let rows = self.session().await?.fetch_all(query).await?;
        Ok(rows.first().map(|row| get_time(row, "at")).transpose()?)
    }

    async fn keep(&self, at: Timestamp, measured: &[Gauges]) -> Result<()> {
        let known = |figure: fn(&Gauges) -> Option<u64>| -> Vec<Option<i64>> {
            measured.iter().map(|gauges| figure(gauges).map(u64::cast_signed)).collect()
        };
        let counted = |figure: fn(&Gauges) -> u64| -> Vec<i64> {
            measured.iter().map(|gauges| figure(gauges).cast_signed()).collect()
        };
        let queues: Vec<&str> = measured.iter().map(|gauges| gauges.queue.name()).collect();
        let query = sqlx::query(KEEP)
            .bind(time(at))
            .bind(&queues)
            .bind(known(|gauges| gauges.waiting))
            .bind(known(|gauges| gauges.in_flight))
            .bind(known(|gauges| gauges.suspects))
            .bind(known(|gauges| gauges.workers))
            .bind(counted(|gauges| gauges.owed))
            .bind(counted(|gauges| gauges.unpublished))
            .bind(counted(|gauges| gauges.dead))
            .bind(counted(|gauges| gauges.oldest_age_s));
        let mut session = self.session().await?;
        session.execute(query).await?;
        session.execute(sqlx::query(DROP).bind(&queues).bind(KEEP_SAMPLES.as_secs_f64())).await?;
        Ok(())
    }

    async fn history(&self, queue: Queue, period: Duration, points: u32) -> Result<Vec<Sample>> {
        let query = sqlx::query(HISTORY)
            .bind(queue.name())
            .bind(period.as_secs_f64())
            .bind(Sample::stretch(period, points).as_secs_f64());
        let rows = self.session().await?.fetch_all(query).await?;
        Ok(rows.iter().map(|row| read(queue, row)).collect::<Result<_, Failure>>()?)
    }

    async fn add_latencies(&self, queue: Queue, took: &Histogram) -> Result<()> {
        Ok(latency::add(&mut self.session().await?, queue, took).await?)
    }

    async fn latencies(&self, queue: Queue, period: Duration, points: u32) -> Result<Vec<Took>> {
        Ok(latency::over(&mut self.session().await?, queue, period, points).await?)
    }

    async fn keep_workers(&self, at: Timestamp, workers: &[WorkerInfo]) -> Result<()> {
        Ok(latency::keep_workers(&mut self.session().await?, at, workers).await?)
    }

    async fn worker_history(&self, period: Duration, points: u32) -> Result<Vec<WorkerSample>> {
        Ok(latency::workers(&mut self.session().await?, period, points).await?)
    }
}

fn read(queue: Queue, row: &PgRow) -> Result<Sample, Failure> {
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
