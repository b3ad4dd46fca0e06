//! How long searches take over 200,000 cards, and how large what they read is, in a PostgreSQL server of its own.
//!
//! `cargo run --release -p cardwire-storage --example search_figures [cards]`

// The table is what it is for.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cardwire_domain::search::{SearchIndex, SearchRequest};
use cardwire_domain::url::CardUrl;
use cardwire_domain::{CardId, Limit, PageRequest};
use cardwire_events::Handover;
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::PoolSettings;
use cardwire_testkit::postgres::Postgres;
use cardwire_testkit::store_suite::scene::Draws;
use sha2::{Digest, Sha256};
use sqlx::types::Uuid;

/// How many cards a URL has on average.
const CARDS_PER_URL: usize = 2;
const VOCABULARY: usize = 40_000;
const SEARCHES: usize = 200;
const PORTION: usize = 2_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cards: usize = std::env::args().nth(1).map_or(Ok(200_000), |text| text.parse())?;
    let server = Postgres::start()?;
    let database = server.database().await?;
    let store = PostgresStore::connect(database.url(), PoolSettings::default(), Handover::default())?;
    let mut draws = Draws::seeded(7);
    let urls = fill(&store, cards, &mut draws).await?;
    let pages = urls.len();

    let started = Instant::now();
    let mut after = None;
    while let Some(portion) = store.reindex(after, 500).await? {
        after = Some(portion.last);
    }
    let took = started.elapsed();
    eprintln!("indexed {cards} cards, {pages} pages in {took:.1?}: {:.0}/s", cards as f64 / took.as_secs_f64());
    sqlx::raw_sql("VACUUM ANALYZE").execute(store.pool()).await?;
    sizes(&store, cards).await?;

    println!("| search | median ms | p95 ms | max ms | found something |");
    println!("|---|---|---|---|---|");
    let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for _ in 0..SEARCHES {
        let title = plain_title(&mut draws);
        let words: Vec<&str> = title.split(' ').collect();
        kinds.entry("1 one word").or_default().push(words[0].into());
        kinds.entry("2 two words").or_default().push(format!("{} {}", words[0], words[1]));
        kinds.entry("3 phrase").or_default().push(format!("\"{} {}\"", words[0], words[1]));
        kinds.entry("4 prefix").or_default().push(words[2].chars().take(4).collect());
        kinds.entry("5 typo").or_default().push(slip(words[3]));
        kinds.entry("6 two words, one typo").or_default().push(format!("{} {}", words[0], slip(words[3])));
        kinds.entry("7 nothing").or_default().push(format!("{}qqqq", words[4]));
        kinds.entry("8 part of a word").or_default().push(words[1].chars().skip(2).take(4).collect());
        kinds.entry("9 word that is written with an accent").or_default().push(words[2].into());
        kinds.entry("A word of two Chinese characters").or_default().push(unspaced(&mut draws, 2));
        kinds.entry("B title of twelve Chinese characters").or_default().push(unspaced(&mut draws, 12));
        let number = draws.below(pages);
        kinds.entry("C pasted URL").or_default().push(format!("{}?utm_source=x#top", urls[number]));
        kinds.entry("D pasted title of six words").or_default().push(title);
    }
    for (kind, texts) in kinds {
        measure(&store, &kind[2..], texts).await?;
    }
    measure(&store, "the most frequent word", vec![word(0); SEARCHES]).await
}

/// What search alone needs, and what a library was filtered by before it used the words of search.
async fn sizes(store: &PostgresStore, cards: usize) -> anyhow::Result<()> {
    let sql = "SELECT relname::text, pg_relation_size(c.oid) FROM pg_class c \
               WHERE c.relkind IN ('r', 'i') AND (relname LIKE 'search\\_%' OR relname LIKE '%\\_trigrams') \
               AND relname NOT LIKE 'search\\_rebuilds%' ORDER BY relname";
    let sizes: Vec<(String, i64)> = sqlx::query_as(sql).fetch_all(store.pool()).await?;
    for (name, bytes) in &sizes {
        eprintln!("{name}: {} KiB", bytes / 1_024);
    }
    let all: i64 = sizes.iter().map(|(_, bytes)| bytes).sum();
    eprintln!("{all} bytes in all, {:.0} for each card", all as f64 / cards as f64);
    Ok(())
}

async fn measure(store: &PostgresStore, kind: &str, texts: Vec<String>) -> anyhow::Result<()> {
    let page = PageRequest { limit: Limit::default(), after: None };
    let (mut times, mut found) = (Vec::new(), 0);
    let count = texts.len();
    for text in texts {
        let request = SearchRequest { text, ..SearchRequest::default() };
        let started = Instant::now();
        found += usize::from(!store.search(&request, &page).await?.items.is_empty());
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| ms(times[((count as f64 * share) as usize).min(count - 1)]);
    println!("| {kind} | {:.1} | {:.1} | {:.1} | {found} of {count} |", at(0.5), at(0.95), at(1.0));
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Cards and fetched pages, as the worker would have stored them. Returns the URLs.
async fn fill(store: &PostgresStore, cards: usize, draws: &mut Draws) -> anyhow::Result<Vec<String>> {
    let (pages, mut all) = (cards / CARDS_PER_URL, Vec::new());
    for first in (0..pages).step_by(PORTION) {
        let (mut digests, mut urls, mut titles, mut descriptions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for number in first..(first + PORTION).min(pages) {
            let url = CardUrl::parse(&format!("https://{}.example/{}/{number}", drawn(draws), drawn(draws)))?;
            digests.push(Sha256::digest(url.normalised().as_bytes()).to_vec());
            urls.push(url.normalised().to_owned());
            titles.push(title(number, draws));
            descriptions.push((0..20).map(|_| drawn(draws)).collect::<Vec<_>>().join(" "));
        }
        all.extend(urls.iter().cloned());
        sqlx::query(
            "INSERT INTO pages (url_digest, url, host, state, next_fetch_at, title, description, kind) \
             SELECT n.*, 'article' FROM (SELECT d, u, 'a.example', 'ready', now() + interval '7 days', t, s \
             FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[]) AS n(d, u, t, s)) n",
        )
        .bind(&digests)
        .bind(&urls)
        .bind(titles)
        .bind(descriptions)
        .execute(store.pool())
        .await?;
        for owner in 0..CARDS_PER_URL {
            let ids: Vec<Uuid> = urls.iter().map(|_| Uuid::from_u128(CardId::generate().ulid().0)).collect();
            sqlx::query(
                "INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, library_link, library_at) \
                 SELECT n.id, 'did:plc:p' || $4 || '-' || (n.at % 500), n.url, n.url, n.digest, n.id, now() \
                 FROM unnest($1::uuid[], $2::bytea[], $3::text[]) WITH ORDINALITY AS n(id, digest, url, at)",
            )
            .bind(ids)
            .bind(&digests)
            .bind(&urls)
            .bind(owner.to_string())
            .execute(store.pool())
            .await?;
        }
    }
    Ok(all)
}

/// One of ten is Chinese, one has accents.
fn title(number: usize, draws: &mut Draws) -> String {
    match number % 10 {
        0 => unspaced(draws, 12),
        1 => plain_title(draws).replace('a', "á").replace('u', "ü"),
        _ => plain_title(draws),
    }
}

fn plain_title(draws: &mut Draws) -> String {
    (0..6).map(|_| drawn(draws)).collect::<Vec<_>>().join(" ")
}

/// Of 3,000 characters, frequent ones far more often.
fn unspaced(draws: &mut Draws, length: usize) -> String {
    let character = |_| {
        let share = draws.below(1 << 20) as f64 / f64::from(1 << 20);
        char::from_u32(0x4e00 + 3_000_f64.powf(share) as u32).unwrap_or('一')
    };
    (0..length).map(character).collect()
}

/// Frequent words are drawn much more often than rare ones, roughly as in a language (Zipf).
fn drawn(draws: &mut Draws) -> String {
    let share = draws.below(1 << 20) as f64 / f64::from(1 << 20);
    word((VOCABULARY as f64).powf(share) as usize - 1)
}

/// Three to five syllables that tell the number.
fn word(number: usize) -> String {
    const SYLLABLES: [&str; 20] = [
        "ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "pra", "ste", "gli", "cho", "fru", "dal", "wen",
        "rik", "tos", "mur",
    ];
    let mut rest = number.wrapping_mul(7_919) % VOCABULARY;
    let mut word = String::new();
    for _ in 0..4 {
        word.push_str(SYLLABLES[rest % SYLLABLES.len()]);
        rest /= SYLLABLES.len();
    }
    word
}

/// Two letters in the middle swapped.
fn slip(word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let middle = letters.len() / 2;
    letters.swap(middle - 1, middle);
    letters.into_iter().collect()
}
