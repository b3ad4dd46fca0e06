//! Trends: the URLs, domains and page types that people saved lately and still keep, visible to everybody.
//!
//! The cards decide, not the events: each event about a card has its URL recounted, so neither the order of events nor
//! their number matters. If two count the same URL at once, the second waits for the first and sees what it wrote.
//!
//! A running total for n days covers at least today and the n days before. It may be too large until [`roll`] has
//! subtracted the oldest days. So the totals give the order of candidates, and the days give the figures.

use cardwire_domain::analytics::{KindCount, TopDomain, TopUrl};
use sqlx::postgres::PgRow;

use super::error::Failure;
use super::page_rows::get_kind;
use super::pool::Session;
use super::values::{get, get_count};

/// Shared by code that adds to the totals; exclusive for code that moves or replaces them.
const SHARE: &str = "SELECT pg_advisory_xact_lock_shared(20771, 2)";
const HAVE_ALONE: &str = "SELECT pg_advisory_xact_lock(20771, 2)";

/// Locks existing rows without changing them.
const HOLD_URLS: &str = "\
INSERT INTO trends AS t (subject, key) SELECT 'url', u.key FROM unnest($1::bytea[]) AS u(key) ORDER BY u.key
ON CONFLICT (subject, key) DO UPDATE SET total = t.total WHERE false";

/// `OFFSET 0` makes the old counts a look-up by full keys, URL by URL. A join would read all URLs as long as the
/// statistics say that there are few.
const REFRESH: &str = "\
WITH asked AS (SELECT u.key FROM unnest($1::bytea[]) AS u(key)), now AS MATERIALIZED (
    SELECT k.key, d.day, d.saves, d.domain, g.kind
    FROM asked k
    CROSS JOIN LATERAL (
        SELECT (c.library_at AT TIME ZONE 'UTC')::date AS day, count(*) AS saves, min(url_domain(c.normalised_url)) AS domain
        FROM cards c
        WHERE c.url_digest = k.key AND c.library_link IS NOT NULL AND NOT c.private AND NOT c.hidden GROUP BY 1
    ) d
    LEFT JOIN pages g ON g.url_digest = k.key
), before AS (
    SELECT k.key, b.day, b.saves, b.domain, b.kind
    FROM asked k CROSS JOIN LATERAL (
        SELECT d.day, d.saves, t.domain, t.kind FROM trends t JOIN trend_days d ON d.subject = 'url' AND d.key = k.key
        WHERE t.subject = 'url' AND t.key = k.key OFFSET 0
    ) b
), change AS MATERIALIZED (
    SELECT s.subject, s.key, x.day, sum(x.saves)::bigint AS saves
    FROM (SELECT * FROM now UNION ALL SELECT key, day, -saves, domain, kind FROM before) x
    CROSS JOIN LATERAL (VALUES ('url', x.key), ('domain', convert_to(x.domain, 'UTF8')),
                               ('type', convert_to(coalesce(x.kind, ''), 'UTF8'))) AS s(subject, key)
    GROUP BY 1, 2, 3 HAVING sum(x.saves) <> 0
), days AS (
    INSERT INTO trend_days AS d (subject, key, day, saves)
    SELECT subject, key, day, saves FROM change ORDER BY subject COLLATE \"C\" DESC, key, day
    ON CONFLICT (subject, key, day) DO UPDATE SET saves = d.saves + excluded.saves
)
INSERT INTO trends AS t (subject, key, total, d7, d30, d90, d366, domain, kind)
SELECT s.subject, s.key, s.total, s.d7, s.d30, s.d90, s.d366, n.domain, n.kind
FROM (
    SELECT c.subject, c.key, sum(c.saves) AS total,
           coalesce(sum(c.saves) FILTER (WHERE c.day > w.d7), 0) AS d7,
           coalesce(sum(c.saves) FILTER (WHERE c.day > w.d30), 0) AS d30,
           coalesce(sum(c.saves) FILTER (WHERE c.day > w.d90), 0) AS d90,
           coalesce(sum(c.saves) FILTER (WHERE c.day > w.d366), 0) AS d366
    FROM (SELECT subject, key, day, saves FROM change UNION ALL SELECT 'url', key, NULL, 0 FROM asked) c, (
        SELECT min(from_day) FILTER (WHERE days = 7) AS d7, min(from_day) FILTER (WHERE days = 30) AS d30,
               min(from_day) FILTER (WHERE days = 90) AS d90, min(from_day) FILTER (WHERE days = 366) AS d366
        FROM trend_windows
    ) w
    GROUP BY c.subject, c.key
) s
LEFT JOIN (SELECT DISTINCT key, domain, kind FROM now) n ON s.subject = 'url' AND n.key = s.key
ORDER BY s.subject COLLATE \"C\" DESC, s.key
ON CONFLICT (subject, key) DO UPDATE
SET total = t.total + excluded.total, d7 = t.d7 + excluded.d7, d30 = t.d30 + excluded.d30, d90 = t.d90 + excluded.d90,
    d366 = t.d366 + excluded.d366, domain = excluded.domain, kind = excluded.kind";

/// Only our own rows: any transaction that sets a row to zero deletes it before its commit.
const DROP_VOID: [&str; 2] = ["DELETE FROM trend_days WHERE saves = 0", "DELETE FROM trends WHERE total = 0"];

/// Recounts these URLs in the session's transaction. `digests` are sorted.
pub(super) async fn refresh(session: &mut Session, digests: &[Vec<u8>]) -> Result<(), Failure> {
    if digests.is_empty() {
        return Ok(());
    }
    session.execute(sqlx::query(SHARE)).await?;
    session.execute(sqlx::query(HOLD_URLS).bind(digests)).await?;
    session.execute(sqlx::query(REFRESH).bind(digests)).await?;
    for sql in DROP_VOID {
        session.execute(sqlx::query(sql)).await?;
    }
    Ok(())
}

macro_rules! roll {
    ($column:literal) => {
        concat!(
            "WITH moved AS ( \
                 SELECT w.days, w.from_day AS before, least(w.from_day + 1, (now() AT TIME ZONE 'UTC')::date - w.days) AS after FROM trend_windows w \
                 WHERE w.days = $1 \
             ), gone AS ( \
                 SELECT d.subject, d.key, sum(d.saves) AS saves FROM moved JOIN trend_days d ON d.day > moved.before AND d.day <= moved.after \
                 GROUP BY d.subject, d.key \
             ), less AS ( \
                 UPDATE trends t SET ", $column, " = t.", $column, " - gone.saves FROM gone \
                 WHERE t.subject = gone.subject AND t.key = gone.key \
             ) \
             UPDATE trend_windows w SET from_day = moved.after FROM moved WHERE w.days = moved.days AND w.from_day < moved.after"
        )
    };
}

const BEHIND: &str =
    "SELECT days FROM trend_windows WHERE from_day < (now() AT TIME ZONE 'UTC')::date - days ORDER BY days";

/// Subtracts a past day from each running total, one transaction each. The rest waits for the next call: figures do not
/// depend on it.
pub(super) async fn roll(session: &mut Session) -> Result<(), Failure> {
    for row in session.fetch_all(sqlx::query(BEHIND)).await? {
        let days: i32 = get(&row, "days")?;
        let sql = match days {
            7 => roll!("d7"),
            30 => roll!("d30"),
            90 => roll!("d90"),
            _ => roll!("d366"),
        };
        session.start_again();
        session.begin().await?;
        session.execute(sqlx::query(HAVE_ALONE)).await?;
        session.execute(sqlx::query(sql).bind(days)).await?;
        session.commit().await?;
    }
    session.start_again();
    Ok(())
}

/// Rebuilds everything from the cards, in one transaction. Counting waits meanwhile.
pub(super) async fn rebuild(session: &mut Session) -> Result<(), Failure> {
    session.begin().await?;
    for sql in [
        "SET LOCAL statement_timeout = 0",
        "SET LOCAL lock_timeout = 0",
        "SET LOCAL enable_seqscan = on",
        "SET LOCAL enable_hashjoin = on",
        "SET LOCAL work_mem = '64MB'",
        HAVE_ALONE,
        "SELECT count_trends_anew()",
    ] {
        session.execute(sqlx::query(sql)).await?;
    }
    session.commit().await
}

/// How many are looked at together.
const LOOK_AT: usize = 500;
/// How often. If the period has no running total, only the first 2,000 of the next longer one are checked, so that a
/// period without saves does not walk through everything.
const LOOKS: usize = 4;

macro_rules! candidates {
    ($column:literal) => {
        concat!(
            "SELECT t.key, t.bound, s.saves, u.url, g.title FROM ( \
                 SELECT subject, key, ", $column, " AS bound FROM trends \
                 WHERE subject = $1 AND ", $column, " > 0 AND ($3::bigint IS NULL OR (-", $column, ", key) > (-$3, $4)) \
                 ORDER BY -", $column, ", key LIMIT $5 \
             ) t \
             CROSS JOIN LATERAL ( \
                 SELECT coalesce(sum(d.saves), 0)::bigint AS saves FROM trend_days d \
                 WHERE d.subject = t.subject AND d.key = t.key \
                   AND d.day BETWEEN (now() AT TIME ZONE 'UTC')::date - ($2::int - 1) AND (now() AT TIME ZONE 'UTC')::date \
             ) s \
             LEFT JOIN LATERAL ( \
                 SELECT c.url FROM cards c WHERE t.subject = 'url' AND c.url_digest = t.key \
                 AND c.library_link IS NOT NULL AND NOT c.private AND NOT c.hidden ORDER BY c.id LIMIT 1 \
             ) u ON true \
             LEFT JOIN pages g ON t.subject = 'url' AND g.url_digest = t.key \
             ORDER BY -t.bound, t.key"
        )
    };
}

struct Candidate {
    saves: u64,
    key: Vec<u8>,
    url: Option<String>,
    title: Option<String>,
}

/// The first `limit` by saves, then by key. `shown`: which of the candidates still have a name.
async fn top(
    session: &mut Session,
    subject: &str,
    days: u16,
    limit: usize,
    shown: fn(&Candidate) -> bool,
) -> Result<Vec<Candidate>, Failure> {
    // The shortest running total that covers the days.
    let sql = match days {
        0..8 => candidates!("d7"),
        8..31 => candidates!("d30"),
        31..91 => candidates!("d90"),
        91.. => candidates!("d366"),
    };
    let mut best: Vec<Candidate> = Vec::new();
    let mut after: Option<(i64, Vec<u8>)> = None;
    let looks = if limit == 0 { 0 } else { LOOKS };
    for _look in 0..looks {
        let query = sqlx::query(sql)
            .bind(subject)
            .bind(i32::from(days))
            .bind(after.as_ref().map(|(bound, _)| *bound))
            .bind(after.as_ref().map(|(_, key)| key.clone()))
            .bind(LOOK_AT as i64);
        let rows = session.fetch_all(query).await?;
        for row in &rows {
            let url = get(row, "url")?;
            let candidate =
                Candidate { saves: get_count(row, "saves")?, key: get(row, "key")?, url, title: get(row, "title")? };
            if candidate.saves > 0 && shown(&candidate) {
                best.push(candidate);
            }
        }
        best.sort_by(|a, b| b.saves.cmp(&a.saves).then_with(|| a.key.cmp(&b.key)));
        best.truncate(limit);
        let Some(last) = rows.last().filter(|_| rows.len() == LOOK_AT) else { break };
        let bound: i64 = get(last, "bound")?;
        let key: Vec<u8> = get(last, "key")?;
        // Nothing after this has more than its bound.
        let settled = |worst: &Candidate| {
            let saves = i64::try_from(worst.saves).unwrap_or(i64::MAX);
            saves > bound || (saves == bound && worst.key <= key)
        };
        if best.len() == limit && best.last().is_some_and(settled) {
            break;
        }
        after = Some((bound, key));
    }
    Ok(best)
}

/// A URL is spelled as on the oldest card that everybody sees now.
pub(super) async fn top_urls(session: &mut Session, days: u16, limit: usize) -> Result<Vec<TopUrl>, Failure> {
    let top = top(session, "url", days, limit, |candidate| candidate.url.is_some()).await?;
    let told = |Candidate { saves, url, title, .. }| Some(TopUrl { url: url?, title, saves });
    Ok(top.into_iter().filter_map(told).collect())
}

pub(super) async fn top_domains(session: &mut Session, days: u16, limit: usize) -> Result<Vec<TopDomain>, Failure> {
    let top = top(session, "domain", days, limit, |_| true).await?;
    let told = |candidate: Candidate| {
        let domain = String::from_utf8(candidate.key).map_err(|_| Failure::Nonsense("a domain is no text".into()))?;
        Ok(TopDomain { domain, saves: candidate.saves })
    };
    top.into_iter().map(told).collect()
}

const BY_KIND: &str = "\
SELECT nullif(convert_from(key, 'UTF8'), '') AS kind, sum(saves)::bigint AS saves FROM trend_days
WHERE subject = 'type' AND day BETWEEN (now() AT TIME ZONE 'UTC')::date - ($1::int - 1) AND (now() AT TIME ZONE 'UTC')::date
GROUP BY key ORDER BY key = '', sum(saves) DESC, key";

pub(super) async fn by_kind(session: &mut Session, days: u16) -> Result<Vec<KindCount>, Failure> {
    let rows = session.fetch_all(sqlx::query(BY_KIND).bind(i32::from(days))).await?;
    let count = |row: &PgRow| Ok(KindCount { kind: get_kind(row)?, saves: get_count(row, "saves")? });
    rows.iter().map(count).collect()
}
