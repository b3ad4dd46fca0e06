//! Trends: the URLs, domains and page types that people saved lately and still keep, visible to everybody.
//!
//! The cards decide, not the events: each event about a card has its URL recounted, so neither the order of events nor
//! their number matters.
//!
//! A running total for n days covers at least today and the n days before. It may be too large until [`roll`] has
//! subtracted the oldest days. So the totals give the order of candidates, and the days give the figures.

use std::collections::BTreeMap;

use cardwire_domain::analytics::{KindCount, TopDomain, TopUrl};
use cardwire_domain::url::CardUrl;
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::error::Failure;
use super::values::{first, get, get_count, rows, run, utc_day};

/// Days of the running totals: `d7` to `d366`.
const WINDOWS: [i64; 4] = [7, 30, 90, 366];

/// URLs that are read together when all are counted.
const PORTION: i64 = 500;

/// What is known about a URL that somebody keeps.
#[derive(PartialEq, Eq)]
struct Facts {
    domain: String,
    kind: Option<String>,
}

/// How many saves each day has more than before.
type Days = BTreeMap<i64, i64>;

/// What changes for domains and types of pages, by subject and key.
#[derive(Default)]
struct Changes(BTreeMap<(&'static str, Vec<u8>), Days>);

impl Changes {
    fn add(&mut self, facts: &Facts, day: i64, saves: i64) {
        let kind = facts.kind.as_deref().unwrap_or_default();
        for (subject, key) in [("domain", facts.domain.as_str()), ("type", kind)] {
            *self.0.entry((subject, key.into())).or_default().entry(day).or_default() += saves;
        }
    }

    fn write(&self, connection: &Connection, from_days: [i64; 4]) -> Result<(), Failure> {
        self.0.iter().try_for_each(|((subject, key), days)| add(connection, from_days, subject, key, days))
    }
}

/// Recounts these URLs.
pub(super) fn refresh(connection: &Connection, now: Timestamp, digests: &[[u8; 32]]) -> Result<(), Failure> {
    if digests.is_empty() {
        return Ok(());
    }
    let from_days = from_days(connection, now)?;
    let mut changes = Changes::default();
    for digest in digests {
        count(connection, from_days, digest, &mut changes)?;
    }
    changes.write(connection, from_days)
}

/// Recounts one URL, and finds out what that changes.
fn count(
    connection: &Connection,
    from_days: [i64; 4],
    digest: &[u8; 32],
    changes: &mut Changes,
) -> Result<(), Failure> {
    let mut days = Days::default();
    let before = facts_before(connection, digest)?;
    if let Some(facts) = &before {
        for (day, saves) in days_before(connection, digest)? {
            *days.entry(day).or_default() -= saves;
            changes.add(facts, day, -saves);
        }
    }
    let now = facts_now(connection, digest)?;
    if let Some(facts) = &now {
        for (day, saves) in days_now(connection, digest)? {
            *days.entry(day).or_default() += saves;
            changes.add(facts, day, saves);
        }
    }
    add(connection, from_days, "url", digest, &days)?;
    if let Some(facts) = now
        && before.as_ref() != Some(&facts)
    {
        let sql = "UPDATE trends SET domain = ?2, kind = ?3 WHERE subject = 'url' AND key = ?1";
        run(connection, sql, &[digest, &facts.domain, &facts.kind])?;
    }
    Ok(())
}

fn facts_before(connection: &Connection, digest: &[u8; 32]) -> Result<Option<Facts>, Failure> {
    let sql = "SELECT domain, kind FROM trends WHERE subject = 'url' AND key = ?1";
    first(connection, sql, &[digest], |row| Ok(Facts { domain: get(row, "domain")?, kind: get(row, "kind")? }))
}

fn days_before(connection: &Connection, digest: &[u8; 32]) -> Result<Vec<(i64, i64)>, Failure> {
    let sql = "SELECT day, saves FROM trend_days WHERE subject = 'url' AND key = ?1";
    rows(connection, sql, &[digest], read_day)
}

fn facts_now(connection: &Connection, digest: &[u8; 32]) -> Result<Option<Facts>, Failure> {
    let sql = "SELECT c.normalised_url, g.kind FROM cards c LEFT JOIN pages g ON g.url_digest = c.url_digest \
               WHERE c.url_digest = ?1 AND c.library_link IS NOT NULL AND c.private = 0 AND c.hidden = 0 LIMIT 1";
    first(connection, sql, &[digest], |row| {
        let url = CardUrl::from_stored(String::new(), get(row, "normalised_url")?);
        Ok(Facts { domain: url.domain().to_owned(), kind: get(row, "kind")? })
    })
}

fn days_now(connection: &Connection, digest: &[u8; 32]) -> Result<Vec<(i64, i64)>, Failure> {
    let sql = "SELECT utc_day(library_at) AS day, count(*) AS saves FROM cards \
               WHERE url_digest = ?1 AND library_link IS NOT NULL AND private = 0 AND hidden = 0 GROUP BY 1";
    rows(connection, sql, &[digest], read_day)
}

fn read_day(row: &Row<'_>) -> Result<(i64, i64), Failure> {
    Ok((get(row, "day")?, get(row, "saves")?))
}

/// Zeros have no row.
fn add(connection: &Connection, from_days: [i64; 4], subject: &str, key: &[u8], days: &Days) -> Result<(), Failure> {
    let mut total = 0;
    let mut windows = [0; 4];
    let mut is_changed = false;
    for (day, saves) in days.iter().filter(|(_, saves)| **saves != 0) {
        is_changed = true;
        total += saves;
        for (window, from_day) in windows.iter_mut().zip(from_days) {
            *window += if *day > from_day { *saves } else { 0 };
        }
        let sql = "INSERT INTO trend_days AS d (subject, key, day, saves) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (subject, key, day) DO UPDATE SET saves = d.saves + excluded.saves";
        run(connection, sql, &[&subject, &key, day, saves])?;
        if *saves < 0 {
            let sql = "DELETE FROM trend_days WHERE subject = ?1 AND key = ?2 AND day = ?3 AND saves = 0";
            run(connection, sql, &[&subject, &key, day])?;
        }
    }
    if !is_changed {
        return Ok(());
    }
    let sql = "INSERT INTO trends AS t (subject, key, total, d7, d30, d90, d366) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
               ON CONFLICT (subject, key) DO UPDATE SET total = t.total + excluded.total, d7 = t.d7 + excluded.d7, \
               d30 = t.d30 + excluded.d30, d90 = t.d90 + excluded.d90, d366 = t.d366 + excluded.d366";
    let [d7, d30, d90, d366] = windows;
    run(connection, sql, &[&subject, &key, &total, &d7, &d30, &d90, &d366])?;
    if total < 0 {
        run(connection, "DELETE FROM trends WHERE subject = ?1 AND key = ?2 AND total = 0", &[&subject, &key])?;
    }
    Ok(())
}

/// The day after which each running total begins. If nothing was counted yet, it starts today.
fn from_days(connection: &Connection, now: Timestamp) -> Result<[i64; 4], Failure> {
    let mut from_days = [0; 4];
    for (from_day, days) in from_days.iter_mut().zip(WINDOWS) {
        let sql = "SELECT from_day FROM trend_windows WHERE days = ?1";
        *from_day = match first(connection, sql, &[&days], |row| get(row, "from_day"))? {
            Some(known) => known,
            None => {
                let made = utc_day(now) - days;
                run(connection, "INSERT INTO trend_windows (days, from_day) VALUES (?1, ?2)", &[&days, &made])?;
                made
            }
        };
    }
    Ok(from_days)
}

macro_rules! roll {
    ($column:literal) => {
        concat!(
            "UPDATE trends AS t SET ",
            $column,
            " = ",
            $column,
            " - gone.saves FROM trend_days AS gone \
             WHERE gone.day = ?1 AND t.subject = gone.subject AND t.key = gone.key"
        )
    };
}

const ROLL: [&str; 4] = [roll!("d7"), roll!("d30"), roll!("d90"), roll!("d366")];

/// Subtracts a past day from each running total. The rest waits for the next call: figures do not depend on it.
pub(super) fn roll(connection: &Connection, now: Timestamp) -> Result<(), Failure> {
    let from_days = from_days(connection, now)?;
    for ((days, from_day), sql) in WINDOWS.into_iter().zip(from_days).zip(ROLL) {
        if from_day < utc_day(now) - days {
            let over = from_day + 1;
            run(connection, sql, &[&over])?;
            run(connection, "UPDATE trend_windows SET from_day = ?2 WHERE days = ?1", &[&days, &over])?;
        }
    }
    Ok(())
}

/// Rebuilds everything from the cards. All other writes wait meanwhile.
pub(super) fn rebuild(connection: &Connection, now: Timestamp) -> Result<(), Failure> {
    for sql in ["DELETE FROM trend_days", "DELETE FROM trends", "DELETE FROM trend_windows"] {
        run(connection, sql, &[])?;
    }
    let from_days = from_days(connection, now)?;
    let mut changes = Changes::default();
    // Below every digest.
    let mut after = Vec::new();
    loop {
        let sql = "SELECT DISTINCT url_digest FROM cards \
                   WHERE library_link IS NOT NULL AND private = 0 AND hidden = 0 AND url_digest > ?1 \
                   ORDER BY url_digest LIMIT ?2";
        let digests: Vec<[u8; 32]> = rows(connection, sql, &[&after, &PORTION], |row| get(row, "url_digest"))?;
        let Some(last) = digests.last() else { break };
        after = last.to_vec();
        for digest in &digests {
            count(connection, from_days, digest, &mut changes)?;
        }
    }
    changes.write(connection, from_days)
}

/// If the period has no running total, only the first 2,000 of the next longer one are checked, so that a period
/// without saves does not walk through everything. The key of a domain or a type is not a digest, so it finds neither
/// URL nor title.
macro_rules! candidates {
    ($column:literal) => {
        concat!(
            "SELECT t.key, t.",
            $column,
            " AS bound, ( \
                 SELECT coalesce(sum(d.saves), 0) FROM trend_days d \
                 WHERE d.subject = t.subject AND d.key = t.key AND d.day BETWEEN ?2 AND ?3 \
             ) AS saves, ( \
                 SELECT c.url FROM cards c WHERE c.url_digest = t.key AND c.library_link IS NOT NULL \
                 AND c.private = 0 AND c.hidden = 0 ORDER BY c.id LIMIT 1 \
             ) AS url, (SELECT g.title FROM pages g WHERE g.url_digest = t.key) AS title \
             FROM trends t WHERE t.subject = ?1 AND t.",
            $column,
            " > 0 ORDER BY t.",
            $column,
            " DESC, t.key LIMIT 2000"
        )
    };
}

struct Candidate {
    saves: u64,
    key: Vec<u8>,
    url: Option<String>,
    title: Option<String>,
}

/// The first and the last day of the period.
fn period(now: Timestamp, days: u16) -> (i64, i64) {
    let today = utc_day(now);
    (today + 1 - i64::from(days), today)
}

/// The first `limit` by saves, then by key. `shown`: which of the candidates still have a name.
fn top(
    connection: &Connection,
    subject: &str,
    (first_day, today): (i64, i64),
    limit: usize,
    shown: fn(&Candidate) -> bool,
) -> Result<Vec<Candidate>, Failure> {
    // The shortest running total that covers the days.
    let sql = match today - first_day {
        ..7 => candidates!("d7"),
        7..30 => candidates!("d30"),
        30..90 => candidates!("d90"),
        90.. => candidates!("d366"),
    };
    let mut best: Vec<Candidate> = Vec::new();
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query((subject, first_day, today))?;
    // Rows are made one by one, as they are asked for.
    while let Some(row) = found.next()? {
        let (bound, key) = (get_count(row, "bound")?, get(row, "key")?);
        // Nothing from here on has more than its bound.
        let settled = |worst: &Candidate| worst.saves > bound || (worst.saves == bound && worst.key < key);
        if limit == 0 || (best.len() == limit && best.last().is_some_and(settled)) {
            break;
        }
        let (url, title) = (get(row, "url")?, get(row, "title")?);
        let candidate = Candidate { saves: get_count(row, "saves")?, key, url, title };
        if candidate.saves > 0 && shown(&candidate) {
            let is_before = |other: &Candidate| {
                other.saves > candidate.saves || (other.saves == candidate.saves && other.key < candidate.key)
            };
            best.insert(best.partition_point(is_before), candidate);
            best.truncate(limit);
        }
    }
    Ok(best)
}

/// A URL is spelled as on the oldest card that everybody sees now.
pub(super) fn top_urls(
    connection: &Connection,
    now: Timestamp,
    days: u16,
    limit: usize,
) -> Result<Vec<TopUrl>, Failure> {
    let top = top(connection, "url", period(now, days), limit, |candidate| candidate.url.is_some())?;
    let told = |Candidate { saves, url, title, .. }| Some(TopUrl { url: url?, title, saves });
    Ok(top.into_iter().filter_map(told).collect())
}

pub(super) fn top_domains(
    connection: &Connection,
    now: Timestamp,
    days: u16,
    limit: usize,
) -> Result<Vec<TopDomain>, Failure> {
    let told = |candidate: Candidate| Ok(TopDomain { domain: text(candidate.key)?, saves: candidate.saves });
    top(connection, "domain", period(now, days), limit, |_| true)?.into_iter().map(told).collect()
}

pub(super) fn by_kind(connection: &Connection, now: Timestamp, days: u16) -> Result<Vec<KindCount>, Failure> {
    let (first_day, today) = period(now, days);
    // The plus keeps it off the index by day, which has all URLs.
    let sql = "SELECT key, sum(saves) AS saves FROM trend_days WHERE subject = 'type' AND +day BETWEEN ?1 AND ?2 \
               GROUP BY key ORDER BY key = x'', sum(saves) DESC, key";
    rows(connection, sql, &[&first_day, &today], |row| {
        // One that a newer build has stored is not known here.
        Ok(KindCount { kind: text(get(row, "key")?)?.parse().ok(), saves: get_count(row, "saves")? })
    })
}

fn text(key: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(key).map_err(|_| Failure::Nonsense("what is trending is no text".into()))
}
