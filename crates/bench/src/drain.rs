//! The scenarios `queue` and `saga`: a full queue, and workers that drain it.
//!
//! Workers are started and ready before they see the first event, so that starting up is not measured: the full list is
//! put aside under another name and comes back in one step.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use cardwire_events::redis::{RedisEventPublisher, RedisEventSubscriber, keys};
use cardwire_events::worker::LEASE;
use cardwire_events::{EventSubscriber as _, Queue};
use cardwire_testkit::history::check_feed;
use cardwire_testkit::process::{PATIENCE, Process};
use cardwire_testkit::proxy::{Fault, Proxy};
use nix::sys::signal::Signal;
use tokio::time::sleep;

use crate::accounting;
use crate::cli::Keys;
use crate::noop;
use crate::processes::{environment, port_of, run_on, with_port};
use crate::report::{CpuSplit, Figures, Progress, per_s};
use crate::servers::{Ground, ServerCpu};
use crate::workload::Workload;

/// How often to look whether the queue is empty.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often to look whether everything is in PostgreSQL: a look costs it something.
const LOOK_AT_POSTGRES_EVERY: Duration = Duration::from_millis(25);
/// Without any progress for this long a run has failed.
const STALLED: Duration = Duration::from_secs(60);
/// How long a window is kept open.
const WINDOW: Duration = Duration::from_secs(3);

/// A queue that is filled and out of its workers' sight.
struct Filled {
    workload: Workload,
    subscriber: RedisEventSubscriber,
    publish: Duration,
    bytes_per_event: f64,
    before: ServerCpu,
}

pub async fn queue(ground: &Ground, count: usize, workers: usize) -> anyhow::Result<Figures> {
    let filled = fill(ground, Workload::new(Keys::Distinct, count)?).await?;
    let environment = BTreeMap::new();
    let arguments = ["worker", "--redis-url", &ground.redis.url];
    let mut processes: Vec<Process> =
        (0..workers).map(|_| Process::start_with("cardwire-bench", &arguments, &environment)).collect();
    for process in &mut processes {
        said(process, |log| Ok(log.lines().any(|line| line == noop::READY).then_some(()))).await?;
    }
    let drain = drain(ground, &filled, &mut processes).await?;
    let servers = (filled.before, ground.cpu());
    let used = usage(&processes);
    let mut seen = noop::Tally::default();
    for process in &mut processes {
        process.signal(Signal::SIGTERM);
        seen.merge(&said(process, noop::find_tally).await?);
    }
    let expected = noop::Tally::of(&filled.workload.events);
    ensure!(seen == expected, "published {} events, handled {}, or not the same ones", expected.count, seen.count);
    Ok(figures(&filled, workers, drain, servers, used))
}

pub async fn saga(
    ground: &Ground,
    keys: Keys,
    count: usize,
    workers: usize,
    delay: Duration,
) -> anyhow::Result<Figures> {
    let workload = Workload::new(keys, count)?;
    workload.insert(&ground.pool).await?;
    ground.settle_postgres().await?;
    let filled = fill(ground, workload).await?;
    let mut database_url = ground.database.url().to_owned();
    let mut _proxy = None;
    if !delay.is_zero() {
        let proxy = Proxy::start(port_of(&database_url)?).await;
        proxy.set(Fault::Delay(delay));
        database_url = with_port(&database_url, proxy.port())?;
        _proxy = Some(proxy);
    }
    let environment = environment(&database_url, &ground.redis.url);
    let mut processes: Vec<Process> = (0..workers).map(|_| Process::start("feed-worker", &environment)).collect();
    for process in &mut processes {
        process.ready().await;
    }
    let started = Instant::now();
    let drain = drain(ground, &filled, &mut processes).await?;
    written(ground, count, &mut processes).await?;
    let visible = started.elapsed();
    let servers = (filled.before, ground.cpu());
    let used = usage(&processes);
    for process in &mut processes {
        process.signal(Signal::SIGTERM);
        let status = process.ended().await;
        ensure!(status.success(), "a worker ended with {status}:\n{}", process.log());
    }
    eprintln!("  checking that each event is in one activity …");
    let activities = check_feed(&ground.pool).await?;
    Ok(Figures {
        visible_s: Some(visible.as_secs_f64()),
        // Full windows are written before their time.
        visible_per_s: visible.checked_sub(WINDOW).filter(|rest| !rest.is_zero()).map(|rest| per_s(count, rest)),
        activities: Some(activities),
        ..figures(&filled, workers, drain, servers, used)
    })
}

fn figures(
    filled: &Filled,
    workers: usize,
    drain: Duration,
    servers: (ServerCpu, ServerCpu),
    (worker_cpu, rss_mib): (Duration, Option<f64>),
) -> Figures {
    let events = filled.workload.events.len();
    Figures {
        events,
        workers,
        publish_per_s: Some(per_s(events, filled.publish)),
        drain_per_s: Some(per_s(events, drain)),
        rss_mib,
        redis_bytes_per_queued_event: Some(filled.bytes_per_event),
        cpu_us_per_event: CpuSplit::over(events, servers, Duration::ZERO, worker_cpu),
        ..Figures::default()
    }
}

/// Publishes everything, then puts the list aside.
async fn fill(ground: &Ground, workload: Workload) -> anyhow::Result<Filled> {
    eprintln!("  publishing {} events …", workload.events.len());
    let connection = &ground.redis.connection;
    let publisher = RedisEventPublisher::new(connection.clone(), 1);
    let subscriber = RedisEventSubscriber::new(connection.clone(), Queue::Feeds, 1, LEASE)?;
    subscriber.agree().await?;
    let (before, memory) = (ground.cpu(), ground.redis.used_memory().await?);
    let started = Instant::now();
    workload.publish(&publisher).await?;
    let publish = started.elapsed();
    let bytes = ground.redis.used_memory().await?.saturating_sub(memory);
    ground.redis.rename(&keys::wait(Queue::Feeds, 0), &aside()).await?;
    let bytes_per_event = bytes as f64 / workload.events.len() as f64;
    Ok(Filled { workload, subscriber, publish, bytes_per_event, before })
}

/// In the same slot of a cluster.
fn aside() -> String {
    format!("{}:aside", keys::wait(Queue::Feeds, 0))
}

/// From the return of the list until no entry waits or is in flight.
async fn drain(ground: &Ground, filled: &Filled, workers: &mut [Process]) -> anyhow::Result<Duration> {
    let count = filled.workload.events.len();
    let mut progress = Progress::of("draining");
    let started = Instant::now();
    ground.redis.rename(&aside(), &keys::wait(Queue::Feeds, 0)).await?;
    ground.redis.push(&keys::bell(Queue::Feeds, 0), "1").await?;
    let (mut least, mut moved) = (count, Instant::now());
    loop {
        let depth = filled.subscriber.depth().await?;
        let left = depth.waiting + depth.suspects + depth.in_flight;
        if left == 0 {
            return Ok(started.elapsed());
        }
        if left < least {
            (least, moved) = (left, Instant::now());
        }
        progress.at(count.saturating_sub(left), count);
        run_on(workers)?;
        ensure!(moved.elapsed() < STALLED, "{left} events stay in the queue");
        sleep(LOOK_EVERY).await;
    }
}

/// Until nothing is owed to feeds any more.
async fn written(ground: &Ground, count: usize, workers: &mut [Process]) -> anyhow::Result<()> {
    let mut progress = Progress::of("waiting for the activities");
    let (mut seen, mut moved, mut counted) = (0, Instant::now(), Instant::now());
    loop {
        let owed: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM deliveries WHERE dead_at IS NULL)")
            .fetch_one(&ground.pool)
            .await?;
        if !owed {
            return Ok(());
        }
        if counted.elapsed() > Duration::from_secs(2) {
            counted = Instant::now();
            let owed: i64 = sqlx::query_scalar("SELECT count(*) FROM deliveries").fetch_one(&ground.pool).await?;
            let done = count.saturating_sub(usize::try_from(owed)?);
            progress.at(done, count);
            if done > seen {
                (seen, moved) = (done, Instant::now());
            }
        }
        run_on(workers)?;
        ensure!(moved.elapsed() < STALLED, "{} events have no activity", count - seen);
        sleep(LOOK_AT_POSTGRES_EVERY).await;
    }
}

/// Processor time of all, peak memory of the largest.
pub fn usage(processes: &[Process]) -> (Duration, Option<f64>) {
    let cpu = processes.iter().map(|process| accounting::cpu(process.id())).sum();
    let rss = processes.iter().filter_map(|process| accounting::peak_rss_mib(process.id())).reduce(f64::max);
    (cpu, rss)
}

/// Waits until a process has written something.
async fn said<T>(process: &mut Process, find: impl Fn(&str) -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Whether it runs is asked before what it wrote, so that its last words are not missed.
        let running = process.is_running();
        if let Some(found) = find(&process.log()).context("a worker's output")? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("a worker {} and says nothing:\n{}", if running { "runs" } else { "ended" }, process.log());
        }
        sleep(Duration::from_millis(5)).await;
    }
}
