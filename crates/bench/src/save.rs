//! The scenario `save`: links saved over HTTP as fast as web takes them, then the same statements by pgbench.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use cardwire_testkit::process::Process;
use serde_json::Value;
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::http::Client;
use crate::processes::environment;
use crate::report::{CpuSplit, Figures, Latency, Progress, per_s};
use crate::servers::{Ground, Servers};
use crate::{accounting, pgbench};

pub const PATH: &str = "/api/cards/library/urls";

/// One save that was accepted.
pub struct Saved {
    pub person: String,
    pub url: String,
    pub answer: Value,
    /// When it was to be sent.
    pub due: Instant,
    pub took: Duration,
}

/// Whoever has this number.
pub fn person(number: usize) -> String {
    format!("did:plc:person{number}")
}

/// The `n`th save of all: some people, each a new URL.
pub async fn save(client: &mut Client, n: usize, number: usize, due: Instant) -> anyhow::Result<Saved> {
    let (person, url) = (person(number), format!("https://example.com/articles/{number}/{n}"));
    let (status, answer) = client.post(PATH, &person, &format!("{{\"url\":\"{url}\"}}")).await?;
    ensure!(status == 201 && answer["created"] == true, "a save of a new URL was answered {status}: {answer}");
    Ok(Saved { person, url, answer, due, took: due.elapsed() })
}

pub async fn run(servers: &Servers, ground: &Ground, count: usize, concurrency: usize) -> anyhow::Result<Figures> {
    let mut web = Process::start("web", &environment(ground.database.url(), &ground.redis.url));
    web.ready().await;
    warm_up(&mut Client::connect(web.port).await?).await?;
    ground.settle_postgres().await?;
    let before = (ground.cpu(), accounting::cpu(web.id()));
    let (saved, took) = load(&web, count, concurrency).await?;
    let after = (ground.cpu(), accounting::cpu(web.id()));
    let rss_mib = accounting::peak_rss_mib(web.id());
    drop(web);
    check(&ground.pool, &saved).await?;
    let pgbench_per_s = pgbench::run(&servers.database().await?, count, concurrency).await?;
    Ok(Figures {
        events: count,
        workers: 0,
        drain_per_s: Some(per_s(count, took)),
        latency_ms: Latency::of(saved.iter().map(|saved| saved.took).collect()),
        rss_mib,
        cpu_us_per_event: CpuSplit::over(count, (before.0, after.0), after.1.saturating_sub(before.1), Duration::ZERO),
        pgbench_per_s,
        ..Figures::default()
    })
}

/// Until connections and statements are known on both sides.
pub async fn warm_up(client: &mut Client) -> anyhow::Result<()> {
    for n in 0..200 {
        save(client, n, usize::MAX, Instant::now()).await?;
    }
    Ok(())
}

pub async fn load(web: &Process, count: usize, concurrency: usize) -> anyhow::Result<(Vec<Saved>, Duration)> {
    let mut clients = Vec::new();
    for _ in 0..concurrency {
        clients.push(Client::connect(web.port).await?);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let mut savers = JoinSet::new();
    for (person, mut client) in clients.into_iter().enumerate() {
        let next = next.clone();
        savers.spawn(async move {
            let mut saved = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return anyhow::Ok(saved);
                }
                saved.push(save(&mut client, n, person, Instant::now()).await?);
            }
        });
    }
    let mut progress = Progress::of("saving");
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let mut saved = Vec::with_capacity(count);
    loop {
        tokio::select! {
            done = savers.join_next() => match done {
                Some(done) => saved.extend(done.context("a saver")??),
                None => return Ok((saved, started.elapsed())),
            },
            _ = tick.tick() => progress.at(next.load(Ordering::Relaxed).min(count), count),
        }
    }
}

/// Each accepted save has one card, one event, and is owed to its four queues or was; nothing else is there.
async fn check(pool: &PgPool, saved: &[Saved]) -> anyhow::Result<()> {
    let ids: Vec<&str> = saved.iter().filter_map(|saved| saved.answer["urlCardId"].as_str()).collect();
    ensure!(ids.len() == saved.len(), "a save was answered without a card");
    let sql = "SELECT count(*), count(DISTINCT card), count(*) FILTER (WHERE owed <> 4) FROM ( \
                   SELECT e.envelope->'data'->>'cardId' AS card, \
                          (SELECT count(*) FROM deliveries d WHERE d.event_id = e.id AND d.dead_at IS NULL) AS owed \
                   FROM events e WHERE e.envelope->'data'->>'cardId' = ANY($1) \
               ) c";
    let (events, cards, wrong): (i64, i64, i64) = sqlx::query_as(sql).bind(ids).fetch_one(pool).await?;
    let expected = i64::try_from(saved.len())?;
    ensure!(
        events == expected && cards == expected && wrong == 0,
        "{expected} saves were accepted; there are {events} events of {cards} cards, {wrong} not owed to four queues"
    );
    Ok(())
}
