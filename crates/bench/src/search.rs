//! The scenario `search`: searches of a large library over HTTP, kind by kind.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use cardwire_domain::CardId;
use cardwire_domain::search::SearchIndex;
use cardwire_events::Handover;
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::PoolSettings;
use cardwire_testkit::process::Process;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rusqlite::{Transaction, params};
use sha2::{Digest as _, Sha256};
use sqlx::types::Uuid;

use crate::accounting;
use crate::cli::Store;
use crate::corpus::{self, Page};
use crate::http::Client;
use crate::one_file::{self, OneFile};
use crate::processes::environment;
use crate::report::{CpuSplit, Figures, Latency, Progress, aligned, per_s};
use crate::servers::Ground;

/// How many cards a URL has on average.
const CARDS_PER_URL: usize = 2;
const PORTION: usize = 2_000;

pub async fn run(ground: &Ground, cards: usize, count: usize, store: Store) -> anyhow::Result<Figures> {
    let pages = corpus::pages(cards / CARDS_PER_URL);
    match store {
        Store::Postgres => {
            fill_postgres(ground, &pages).await?;
            let store = PostgresStore::connect(ground.database.url(), PoolSettings::default(), Handover::default())?;
            index(&store, cards).await?;
            drop(store);
            ground.settle_postgres().await?;
            sizes(ground, cards).await?;
            let mut web = Process::start("web", &environment(ground.database.url(), &ground.redis.url));
            web.ready().await;
            measure(ground, &web, &pages, count).await
        }
        Store::Sqlite => {
            let folder = one_file::filled(|transaction| fill_file(transaction, &pages)).await?;
            let store = one_file::open(&folder)?;
            index(&store, cards).await?;
            store.close().await?;
            drop(store);
            let one = OneFile::start_over(folder).await?;
            measure(ground, &one.web, &pages, count).await
        }
    }
}

/// What search alone needs. Prints it as progress does.
async fn sizes(ground: &Ground, cards: usize) -> anyhow::Result<()> {
    let sql = "SELECT relname::text, pg_relation_size(c.oid) FROM pg_class c \
               WHERE c.relkind IN ('r', 'i') AND relname LIKE 'search\\_%' AND relname NOT LIKE 'search\\_rebuilds%' ORDER BY relname";
    let sizes: Vec<(String, i64)> = sqlx::query_as(sql).fetch_all(&ground.pool).await.context("asking for sizes")?;
    let all: i64 = sizes.iter().map(|(_, bytes)| bytes).sum();
    let mut rows = vec![vec!["of search".to_owned(), "KiB".to_owned()]];
    rows.extend(sizes.into_iter().map(|(name, bytes)| vec![name, (bytes / 1_024).to_string()]));
    rows.push(vec!["bytes for each card".to_owned(), format!("{:.0}", all as f64 / cards as f64)]);
    eprintln!("{}", aligned(&rows));
    Ok(())
}

/// Prints a table of the kinds, as progress does.
async fn measure(ground: &Ground, web: &Process, pages: &[Page], count: usize) -> anyhow::Result<Figures> {
    let mut client = Client::connect(web.port).await?;
    let mut kinds: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    // Connections to PostgreSQL and statements are known then.
    for text in corpus::searches(pages, 10).into_values().flatten() {
        search(&mut client, &text).await?;
    }
    let before = (ground.cpu(), accounting::cpu(web.id()));
    let started = Instant::now();
    for (kind, texts) in corpus::searches(pages, count) {
        for text in texts {
            let (took, is_found) = search(&mut client, &text).await?;
            kinds.entry(kind).or_default().push(took);
            *found.entry(kind).or_default() += usize::from(is_found);
        }
    }
    let took = started.elapsed();
    let after = (ground.cpu(), accounting::cpu(web.id()));
    let row = |cells: [String; 5]| cells.to_vec();
    let mut rows = vec![row(["search", "median ms", "p95 ms", "max ms", "found something"].map(str::to_owned))];
    for (kind, times) in &mut kinds {
        times.sort_unstable();
        let at =
            |percent: usize| format!("{:.1}", times[((times.len() - 1) * percent).div_ceil(100)].as_secs_f64() * 1e3);
        rows.push(row([(*kind).to_owned(), at(50), at(95), at(100), format!("{} of {}", found[kind], times.len())]));
    }
    eprintln!("{}", aligned(&rows));
    let all: Vec<Duration> = kinds.into_values().flatten().collect();
    let searches = all.len();
    Ok(Figures {
        events: searches,
        workers: 0,
        drain_per_s: Some(per_s(searches, took)),
        latency_ms: Latency::of(all),
        rss_mib: accounting::peak_rss_mib(web.id()),
        cpu_us_per_event: CpuSplit::over(
            searches,
            (before.0, after.0),
            after.1.saturating_sub(before.1),
            Duration::ZERO,
        ),
        ..Figures::default()
    })
}

/// How long it took, and whether it found something.
async fn search(client: &mut Client, text: &str) -> anyhow::Result<(Duration, bool)> {
    let path = format!("/api/search?q={}", utf8_percent_encode(text, NON_ALPHANUMERIC));
    let started = Instant::now();
    let (status, body) = client.get(&path).await?;
    let took = started.elapsed();
    ensure!(status == 200, "a search for {text:?} was answered {status}: {body}");
    Ok((took, !body["items"].as_array().context("an answer without items")?.is_empty()))
}

async fn index(store: &dyn SearchIndex, cards: usize) -> anyhow::Result<()> {
    let mut progress = Progress::of("indexing");
    let (started, mut after, mut done) = (Instant::now(), None, 0);
    while let Some(portion) = store.reindex(after, 500).await? {
        ensure!(portion.failed.is_empty(), "{} cards were not indexed", portion.failed.len());
        after = Some(portion.last);
        done += 500;
        progress.at(done.min(cards), cards);
    }
    eprintln!("  indexed {:.0} cards/s", per_s(cards, started.elapsed()));
    Ok(())
}

fn owner(number: usize, page: usize) -> String {
    format!("did:plc:p{number}-{}", page % 500)
}

/// Cards and fetched pages, as the workers would have stored them.
async fn fill_postgres(ground: &Ground, pages: &[Page]) -> anyhow::Result<()> {
    for (portion, pages) in pages.chunks(PORTION).enumerate() {
        let column = |of: fn(&Page) -> String| -> Vec<String> { pages.iter().map(of).collect() };
        let urls = column(|page| page.url.clone());
        let digests: Vec<Vec<u8>> = urls.iter().map(|url| Sha256::digest(url.as_bytes()).to_vec()).collect();
        sqlx::query(
            "INSERT INTO pages (url_digest, url, host, state, next_fetch_at, title, description, kind) \
             SELECT d, u, 'a.example', 'ready', now() + interval '7 days', t, s, 'article' \
             FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[]) AS n(d, u, t, s)",
        )
        .bind(&digests)
        .bind(&urls)
        .bind(column(|page| page.title.clone()))
        .bind(column(|page| page.description.clone()))
        .execute(&ground.pool)
        .await
        .context("inserting pages")?;
        for number in 0..CARDS_PER_URL {
            let owners: Vec<String> = (0..urls.len()).map(|at| owner(number, portion * PORTION + at)).collect();
            let ids: Vec<Uuid> = urls.iter().map(|_| Uuid::from_u128(CardId::generate().ulid().0)).collect();
            sqlx::query(
                "INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, library_link, library_at, identity_version) \
                 SELECT id, owner, url, url, digest, id, now(), 1 \
                 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[]) AS n(id, owner, url, digest)",
            )
            .bind(ids)
            .bind(owners)
            .bind(&urls)
            .bind(&digests)
            .execute(&ground.pool)
            .await
            .context("inserting cards")?;
        }
    }
    Ok(())
}

fn fill_file(transaction: &Transaction<'_>, pages: &[Page]) -> anyhow::Result<()> {
    let mut page_row = transaction.prepare(
        "INSERT INTO pages (url_digest, url, host, state, next_fetch_at, title, description, kind) \
         VALUES (?1, ?2, 'a.example', 'ready', ?3, ?4, ?5, 'article')",
    )?;
    let mut card_row = transaction.prepare(
        "INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, library_link, library_at, created_at, identity_version) \
         VALUES (?1, ?2, ?3, ?3, ?4, ?1, ?5, ?5, 1)",
    )?;
    let now = jiff::Timestamp::now().as_microsecond();
    let in_a_week = now + 7 * 86_400_000_000;
    for (at, page) in pages.iter().enumerate() {
        let digest = Sha256::digest(page.url.as_bytes());
        page_row.execute(params![digest.as_slice(), page.url, in_a_week, page.title, page.description])?;
        for number in 0..CARDS_PER_URL {
            let id = CardId::generate().ulid().0.to_be_bytes();
            card_row.execute(params![id, owner(number, at), page.url, digest.as_slice(), now])?;
        }
    }
    Ok(())
}
