//! The statements that write a command.

use super::leaving::nobody_leaves;

/// What is new, and what is owed for it, after `$others`. Fails unless `$checks` hold and none of `$people` is leaving.
macro_rules! write {
    ($others:literal, $checks:literal, $people:literal) => {
        concat!(
            "WITH ",
            $others,
            "\
new_cards AS (
    INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, via, library_link, private, title, library_at, imported,
                       identity_version)
    SELECT n.id, n.owner_id, n.url, n.normalised_url, n.url_digest, n.via, n.library_link, n.private, n.title,
           CASE WHEN n.library_link IS NOT NULL THEN coalesce(n.since, now()) END, $30, $42
    FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::uuid[], $9::uuid[], $33::bool[],
                $44::timestamptz[], $47::text[])
        AS n(id, owner_id, url, normalised_url, url_digest, via, library_link, private, since, title)
), noted AS (
    INSERT INTO notes (card_id, id, text) SELECT * FROM unnest($13::uuid[], $14::uuid[], $15::text[])
    ON CONFLICT (card_id) DO UPDATE SET id = excluded.id, text = excluded.text
), linked AS (
    INSERT INTO links (id, card_id, collection_id, private, added_at)
    SELECT l.id, l.card_id, l.collection_id, l.private, coalesce(l.at, now())
    FROM unnest($18::uuid[], $19::uuid[], $20::uuid[], $37::bool[], $46::timestamptz[])
        AS l(id, card_id, collection_id, private, at)
), raised AS (
    INSERT INTO events (id, type, envelope, occurred_at, told)
    SELECT e.id, e.type, e.envelope || jsonb_build_object('time',
               to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')), now(), NOT $50
    FROM unnest($21::uuid[], $22::text[], $23::jsonb[]) AS e(id, type, envelope)
), owed AS (
    INSERT INTO deliveries (queue, event_id, occurred_at, published_at, due_at, resend_at)
    SELECT d.queue, d.event_id, now(), CASE WHEN d.handed THEN now() END,
           now() + CASE WHEN d.handed THEN make_interval(secs => $32) ELSE '0' END,
           CASE WHEN d.handed THEN now() + make_interval(secs => $32) END
    FROM unnest($24::text[], $25::uuid[], $31::bool[]) AS d(queue, event_id, handed)
), kept AS (
    INSERT INTO idempotency_keys (user_id, key, fingerprint, answer)
    SELECT $26, $27, $28, $29 WHERE $27 IS NOT NULL
)
SELECT ",
            $checks,
            "expect_nobody_leaves(NOT ",
            nobody_leaves!($people),
            ") AS held, now() AS at"
        )
    };
}

/// The one write of a command.
pub(super) const WRITE: &str = write!(
    "\
held AS (
    SELECT k.id, k.version FROM collections k WHERE k.id = ANY($1) ORDER BY k.id FOR SHARE
), moved AS (
    UPDATE cards c SET library_link = m.after,
        library_at = CASE WHEN m.after IS NULL THEN NULL WHEN m.is_new THEN coalesce(m.at, now()) ELSE c.library_at END,
        private = coalesce(m.private, c.private), hidden = coalesce(m.hidden, c.hidden),
        title = CASE WHEN m.is_retitled THEN m.title ELSE c.title END
    FROM unnest($10::uuid[], $11::uuid[], $12::uuid[], $34::bool[], $35::bool[], $36::bool[], $45::timestamptz[],
                $48::bool[], $49::text[])
        AS m(id, before, after, is_new, private, hidden, at, is_retitled, title)
    WHERE c.id = m.id AND c.library_link IS NOT DISTINCT FROM m.before
    RETURNING 1
), unnoted AS (
    DELETE FROM notes WHERE card_id = ANY($16)
), unlinked AS (
    DELETE FROM links WHERE id = ANY($17) RETURNING 1
), relinked AS (
    UPDATE links l SET id = r.after, private = r.private, card_id = coalesce(r.card_id, l.card_id)
    FROM unnest($38::uuid[], $39::uuid[], $40::bool[], $43::uuid[]) AS r(before, after, private, card_id)
    WHERE l.id = r.before RETURNING 1
), ",
    "\
expect_rows((SELECT count(*) FROM held JOIN unnest($1, $2) AS was(id, version) USING (id, version)), cardinality($1))
    AND expect_rows((SELECT count(*) FROM moved), cardinality($10))
    AND expect_rows((SELECT count(*) FROM relinked), cardinality($38))
    AND expect_rows((SELECT count(*) FROM unlinked), cardinality($17))
    AND ",
    "$41::text[]"
);

/// The same for one person who only adds, and to no collection, as when a link is saved. It has the same parameters.
///
/// PostgreSQL assumes that an array it does not know has ten elements, and keeps a plan only if it costs little more than plans made for the arrays
/// at hand. So it plans `WRITE` each time, which takes a millisecond, but this statement only once, however large the tables are.
pub const SAVE: &str = write!("", "", "ARRAY[($41::text[])[1]]");
