//! The line in which due pages wait for their fetch.
//!
//! A page waits in two lines: that of the person who asked for it, and that of its registrable domain. The later of its
//! two places is its turn. Both lines continue from the turn that is next, so somebody with nothing waiting comes next,
//! and each turn holds about one page of each person and of each domain. Two that line up at once may get the same
//! place; then time decides.

use cardwire_domain::url::registrable_domain;
use jiff::Timestamp;

use super::error::Failure;
use super::pool::Session;
use super::values::{get, get_time, signed, time};

/// How many due pages are lined up again at once.
const AGAIN: i64 = 500;

/// In the domain's line, a page comes after the pages that have its place in other people's lines, not after everything
/// that one person has waiting there. A page already in line moves only if that makes its turn earlier.
const JOIN: &str = "\
WITH head AS (
    SELECT coalesce((SELECT turn FROM pages WHERE turn IS NOT NULL AND next_fetch_at <= now() ORDER BY turn LIMIT 1), 0) AS turn
), asked AS (
    SELECT n.url_digest, n.asked_by, n.domain, p.next_fetch_at
    FROM unnest($1::bytea[], $2::text[], $3::text[]) AS n (url_digest, asked_by, domain) JOIN pages p ON p.url_digest = n.url_digest
    WHERE p.next_fetch_at <= now() AND p.asked_by IS DISTINCT FROM n.asked_by
), of_people AS (
    SELECT a.*, head.turn AS head, greatest(head.turn, (
        SELECT q.by_person + 1 FROM pages q WHERE q.asked_by = a.asked_by AND q.turn IS NOT NULL ORDER BY q.by_person DESC LIMIT 1
    )) + row_number() OVER (PARTITION BY a.asked_by ORDER BY a.next_fetch_at, a.url_digest) - 1 AS by_person
    FROM head, asked a
), of_domains AS (
    SELECT o.*, greatest(o.head, (
        SELECT q.by_domain + 1 FROM pages q WHERE q.domain = o.domain AND q.by_person <= o.by_person AND q.turn IS NOT NULL
        ORDER BY q.by_person DESC, q.by_domain DESC LIMIT 1
    )) + row_number() OVER (PARTITION BY o.domain ORDER BY o.by_person) - 1 AS by_domain
    FROM of_people o
)
UPDATE pages p SET asked_by = n.asked_by, domain = n.domain, by_person = n.by_person, by_domain = n.by_domain, turn = n.turn
FROM (
    SELECT DISTINCT ON (d.url_digest) d.*, greatest(d.by_person, d.by_domain) AS turn
    FROM of_domains d ORDER BY d.url_digest, greatest(d.by_person, d.by_domain)
) n
WHERE p.url_digest = n.url_digest AND (p.turn IS NULL OR n.turn <= p.turn)";

/// To be tried or refreshed again, or leased by a lost process: for the keeper who has had the page longest. Due from
/// `$2` on. There is always one row, for the server's time.
const DUE_AGAIN: &str = "\
WITH due AS (
    SELECT p.url_digest, p.host, k.owner_id, p.next_fetch_at FROM pages p
    CROSS JOIN LATERAL (
        SELECT coalesce(p.keeper, (
            SELECT d.owner_id FROM search_documents d WHERE d.url_digest = p.url_digest AND NOT d.private ORDER BY d.card_id LIMIT 1
        )) AS owner_id OFFSET 0
    ) k
    WHERE p.turn IS NULL AND p.next_fetch_at <= now() AND p.next_fetch_at >= coalesce($2, '-infinity') AND k.owner_id IS NOT NULL
    ORDER BY p.next_fetch_at LIMIT $1 FOR UPDATE OF p SKIP LOCKED
)
SELECT now() AS looked_at, due.* FROM (VALUES (1)) one LEFT JOIN due ON true";

const LEAVE: &str = "\
UPDATE pages p SET turn = NULL, asked_by = NULL, domain = NULL, by_person = NULL, by_domain = NULL
FROM unnest($1::bytea[], $2::text[]) AS n (url_digest, asked_by)
WHERE p.url_digest = n.url_digest AND p.asked_by = n.asked_by";

/// Pages, by their keys, and who asks for each, as columns.
#[derive(Default)]
pub(super) struct Asked {
    keys: Vec<Vec<u8>>,
    people: Vec<String>,
    domains: Vec<String>,
}

impl Asked {
    pub(super) fn add(&mut self, key: Vec<u8>, asked_by: String, host: &str) {
        self.keys.push(key);
        self.people.push(asked_by);
        self.domains.push(registrable_domain(host).into_owned());
    }
}

/// Lines up those that are due. In the session's transaction, which holds the pages.
pub(super) async fn join(session: &mut Session, asked: Asked) -> Result<(), Failure> {
    if asked.keys.is_empty() {
        return Ok(());
    }
    session.execute(sqlx::query(JOIN).bind(asked.keys).bind(asked.people).bind(asked.domains)).await?;
    Ok(())
}

/// They no longer keep these pages, so the pages line up again for others who do. In the session's transaction, which
/// holds the pages.
pub(super) async fn leave(session: &mut Session, keys: &[Vec<u8>], people: &[String]) -> Result<(), Failure> {
    session.execute(sqlx::query(LEAVE).bind(keys).bind(people)).await?;
    Ok(())
}

/// What a look for due pages saw. Pass it to [`Look`](super::looks::Look) once it is committed.
pub(super) struct Seen {
    pub(super) looked_at: Timestamp,
    /// When the last one was due, if there may be more.
    pub(super) up_to: Option<Timestamp>,
}

/// Lines up some of the pages that are due again, from `from` on. In the session's transaction.
pub(super) async fn join_again(session: &mut Session, from: Option<Timestamp>) -> Result<Seen, Failure> {
    let rows = session.fetch_all(sqlx::query(DUE_AGAIN).bind(AGAIN).bind(from.map(time))).await?;
    let first = rows.first().ok_or_else(|| Failure::Nonsense("no answer to what is due again".into()))?;
    let mut seen = Seen { looked_at: get_time(first, "looked_at")?, up_to: None };
    let mut asked = Asked::default();
    for row in &rows {
        let Some(key) = get::<Option<Vec<u8>>>(row, "url_digest")? else { continue };
        asked.add(key, get(row, "owner_id")?, get(row, "host")?);
        seen.up_to = Some(get_time(row, "next_fetch_at")?).filter(|_| signed(rows.len()) == AGAIN);
    }
    join(session, asked).await?;
    Ok(seen)
}
