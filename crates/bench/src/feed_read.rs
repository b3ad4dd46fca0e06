//! The scenario `feed-read`: pages of the global feed over HTTP, the first ones and those behind them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use cardwire_testkit::process::Process;
use jiff::Timestamp;
use rusqlite::{Transaction, params};
use sha2::{Digest as _, Sha256};
use sqlx::types::Uuid;
use tokio::task::JoinSet;
use ulid::Ulid;

use crate::accounting;
use crate::http::Client;
use crate::one_file::{self, OneFile};
use crate::processes::environment;
use crate::report::{CpuSplit, Figures, Latency, Progress, per_s};
use crate::servers::Ground;
use crate::workload::{ACTOR, insert_cards, uuid};

/// In the feed that is read.
const ACTIVITIES: usize = 100_000;
const ROWS_AT_ONCE: usize = 10_000;
/// Of a page.
const ITEMS: usize = 20;
/// How far a reader follows the cursor before it starts again at the newest.
const PAGES: usize = 4;

pub async fn run(ground: &Ground, count: usize, concurrency: usize) -> anyhow::Result<Figures> {
    prepare(ground).await?;
    let mut web = Process::start("web", &environment(ground.database.url(), &ground.redis.url));
    web.ready().await;
    measure(ground, &web, count, concurrency).await
}

pub async fn run_on_one_file(ground: &Ground, count: usize, concurrency: usize) -> anyhow::Result<Figures> {
    let one = OneFile::start_over(one_file::filled(fill).await?).await?;
    measure(ground, &one.web, count, concurrency).await
}

async fn measure(ground: &Ground, web: &Process, count: usize, concurrency: usize) -> anyhow::Result<Figures> {
    let mut clients = Vec::new();
    for _ in 0..concurrency {
        let mut client = Client::connect(web.port).await?;
        // Connections to PostgreSQL and statements are known then.
        read(&mut client, PAGES).await?;
        clients.push(client);
    }
    let before = (ground.cpu(), accounting::cpu(web.id()));
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let mut readers = JoinSet::new();
    for mut client in clients {
        let next = next.clone();
        readers.spawn(async move {
            let mut took = Vec::new();
            loop {
                let first = next.fetch_add(PAGES, Ordering::Relaxed);
                if first >= count {
                    return anyhow::Ok(took);
                }
                took.extend(read(&mut client, PAGES.min(count - first)).await?);
            }
        });
    }
    let mut progress = Progress::of("reading");
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let mut took = Vec::with_capacity(count);
    loop {
        tokio::select! {
            done = readers.join_next() => match done {
                Some(done) => took.extend(done.context("a reader")??),
                None => break,
            },
            _ = tick.tick() => progress.at(next.load(Ordering::Relaxed).min(count), count),
        }
    }
    let elapsed = started.elapsed();
    let after = (ground.cpu(), accounting::cpu(web.id()));
    let rss_mib = accounting::peak_rss_mib(web.id());
    ensure!(took.len() == count, "{} of {count} reads", took.len());
    Ok(Figures {
        events: count,
        workers: 0,
        drain_per_s: Some(per_s(count, elapsed)),
        activities: Some(ACTIVITIES),
        latency_ms: Latency::of(took),
        rss_mib,
        cpu_us_per_event: CpuSplit::over(count, (before.0, after.0), after.1.saturating_sub(before.1), Duration::ZERO),
        ..Figures::default()
    })
}

/// Follows the cursor from the newest on. Fails when a page is not full, or repeats an activity.
async fn read(client: &mut Client, pages: usize) -> anyhow::Result<Vec<Duration>> {
    let (mut took, mut seen, mut cursor) = (Vec::with_capacity(pages), BTreeSet::new(), String::new());
    for page in 1..=pages {
        let started = Instant::now();
        let (status, body) = client.get(&format!("/api/feeds/global?limit={ITEMS}{cursor}")).await?;
        took.push(started.elapsed());
        ensure!(status == 200, "a page was answered {status}: {body}");
        let items = body["items"].as_array().context("a page without items")?;
        seen.extend(items.iter().filter_map(|item| item["id"].as_str()).map(str::to_owned));
        ensure!(seen.len() == page * ITEMS, "{page} pages hold {} activities", seen.len());
        cursor = format!("&cursor={}", body["nextCursor"].as_str().context("a page without a cursor")?);
    }
    Ok(took)
}

/// Activities a second apart, each of a card of its own.
async fn prepare(ground: &Ground) -> anyhow::Result<()> {
    let mut progress = Progress::of("preparing the feed");
    for first in (0..ACTIVITIES).step_by(ROWS_AT_ONCE) {
        let ids = || -> Vec<Uuid> { (0..ROWS_AT_ONCE).map(|_| uuid(Ulid::generate())).collect() };
        let (cards, links) = (ids(), ids());
        insert_cards(&ground.pool, &cards, &links).await?;
        let sql = "INSERT INTO activities (id, card_id, actor_id, created_at, window_start, event_ids, occurred_ats, \
                                           link_ids, collection_ids) \
                   SELECT a.id, a.card, c.owner_id, a.at, a.at, ARRAY[a.event], ARRAY[a.at], ARRAY[a.link], ARRAY[NULL::uuid] \
                   FROM (SELECT *, now() - (n + $5) * interval '1 second' AS at \
                         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) WITH ORDINALITY \
                              AS a(id, card, link, event, n)) a \
                   JOIN cards c ON c.id = a.card";
        let query = sqlx::query(sql).bind(ids()).bind(cards).bind(links).bind(ids()).bind(i64::try_from(first)?);
        query.execute(&ground.pool).await.context("preparing activities")?;
        progress.at(first, ACTIVITIES);
    }
    ground.settle_postgres().await
}

/// The same in a file.
fn fill(transaction: &Transaction<'_>) -> anyhow::Result<()> {
    let id = || Ulid::generate().0.to_be_bytes();
    let mut card = transaction.prepare(
        "INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, library_link, library_at, created_at, identity_version) \
         VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?6, 1)",
    )?;
    let mut activity = transaction.prepare("INSERT INTO activities VALUES (?1, ?2, ?3, ?4, ?4, ?5)")?;
    let mut member = transaction.prepare("INSERT INTO activity_members VALUES (?1, ?2, ?3, ?4, NULL)")?;
    let now = Timestamp::now().as_microsecond();
    // The newest has the highest position.
    for position in 1..=i64::try_from(ACTIVITIES)? {
        let at = now - (i64::try_from(ACTIVITIES)? - position + 1) * 1_000_000;
        let (card_id, link, activity_id) = (id(), id(), id());
        let url = format!("https://example.com/articles/{position}");
        let digest = Sha256::digest(url.as_bytes());
        card.execute(params![card_id, ACTOR, url, digest.as_slice(), link, at])?;
        activity.execute(params![activity_id, card_id, ACTOR, at, position])?;
        member.execute(params![activity_id, id(), at, link])?;
    }
    transaction.execute("UPDATE stream_position SET position = ?", [i64::try_from(ACTIVITIES)?])?;
    Ok(())
}
