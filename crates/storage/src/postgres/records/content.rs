//! What has to be checked, and the contents of its records according to the current rows.

use std::collections::BTreeMap;

use cardwire_domain::records::{
    CardContent, CollectionContent, KeptRecord, LinkContent, RecordKind, RemovalContent, StrongRef, Subject, Todo,
    Turn, Wanted, record_uri,
};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use crate::postgres::error::Failure;
use crate::postgres::pool::Session;
use crate::postgres::values::{card_id, collection_id, get, get_access, get_time, signed, ulid};

/// Published records that have to change come first: what became private cannot wait.
const OWED: &str = "\
SELECT o.kind, o.subject_id, o.stamp, r.person_id IS NOT NULL AS is_kept, r.nsid, r.rkey, r.cid, r.digest, r.in_doubt
FROM record_owed o LEFT JOIN records r ON r.person_id = o.person_id AND r.kind = o.kind AND r.subject_id = o.subject_id
WHERE o.person_id = $1 AND o.not_before <= now()
ORDER BY r.person_id IS NULL, o.kind, o.subject_id LIMIT $2";

const CARDS: &str = "\
SELECT c.id, c.url, coalesce(c.title, g.title) AS title, g.description, g.author, g.site_name, g.image, g.kind, c.library_at AS at
FROM cards c LEFT JOIN pages g ON g.url_digest = c.url_digest
WHERE c.id = ANY($2) AND c.owner_id = $1 AND c.library_link IS NOT NULL AND NOT c.private AND NOT c.hidden";

const COLLECTIONS: &str = "\
SELECT k.id, k.name, k.description, k.access, k.created_at, k.updated_at, ARRAY(
    SELECT coalesce(p.did, b.user_id) FROM collaborators b LEFT JOIN record_people p ON p.person_id = b.user_id
    WHERE b.collection_id = k.id
) AS collaborators
FROM collections k WHERE k.id = ANY($2) AND k.author_id = $1 AND NOT k.private AND k.deleted_at IS NULL";

const LINKS: &str = "\
SELECT l.id, l.card_id, l.collection_id, l.added_at AS at, rc.did AS card_did, rc.nsid AS card_nsid, rc.rkey AS card_rkey, rc.cid AS card_cid,
       rk.did AS collection_did, rk.nsid AS collection_nsid, rk.rkey AS collection_rkey, rk.cid AS collection_cid,
       p.did IS NOT NULL AS is_author_connected
FROM links l
JOIN cards c ON c.id = l.card_id AND c.owner_id = $1 AND c.library_link IS NOT NULL AND NOT c.private AND NOT c.hidden
JOIN collections k ON k.id = l.collection_id AND NOT k.private AND k.deleted_at IS NULL
LEFT JOIN records rc ON rc.person_id = $1 AND rc.kind = 0 AND rc.subject_id = l.card_id AND rc.cid IS NOT NULL
LEFT JOIN records rk ON rk.person_id = k.author_id AND rk.kind = 1 AND rk.subject_id = k.id AND rk.cid IS NOT NULL
LEFT JOIN record_people p ON p.person_id = k.author_id
WHERE l.id = ANY($2)";

const REMOVALS: &str = "\
SELECT m.link_id AS id, m.link_uri, m.link_cid, m.removed_at AS at,
       rk.did AS collection_did, rk.nsid AS collection_nsid, rk.rkey AS collection_rkey, rk.cid AS collection_cid
FROM record_removals m JOIN collections k ON k.id = m.collection_id AND NOT k.private AND k.deleted_at IS NULL
LEFT JOIN records rk ON rk.person_id = $1 AND rk.kind = 1 AND rk.subject_id = k.id AND rk.cid IS NOT NULL
WHERE m.owner_id = $1 AND m.link_id = ANY($2)";

pub(super) async fn todo(session: &mut Session, turn: &Turn, limit: usize) -> Result<Vec<Todo>, Failure> {
    let rows = session.fetch_all(sqlx::query(OWED).bind(turn.person.as_str()).bind(signed(limit))).await?;
    let mut todo = rows.iter().map(owed).collect::<Result<Vec<_>, _>>()?;
    let mut wanted: BTreeMap<(RecordKind, Uuid), Wanted> = BTreeMap::new();
    for (kind, sql) in RecordKind::ALL.into_iter().zip([CARDS, COLLECTIONS, LINKS, REMOVALS]) {
        let of_kind = todo.iter().filter(|todo| todo.subject.kind == kind);
        let ids: Vec<Uuid> = of_kind.map(|todo| Uuid::from_u128(todo.subject.id.0)).collect();
        if ids.is_empty() {
            continue;
        }
        for row in session.fetch_all(sqlx::query(sql).bind(turn.person.as_str()).bind(ids)).await? {
            wanted.insert((kind, get(&row, "id")?), read(kind, &row)?);
        }
    }
    for item in &mut todo {
        item.wanted = wanted.remove(&(item.subject.kind, Uuid::from_u128(item.subject.id.0)));
    }
    Ok(todo)
}

fn owed(row: &PgRow) -> Result<Todo, Failure> {
    let number: i16 = get(row, "kind")?;
    let kind =
        RecordKind::numbered(number).ok_or_else(|| Failure::Nonsense(format!("a record is of kind {number}")))?;
    let kept = match get(row, "is_kept")? {
        false => None,
        true => Some(KeptRecord {
            nsid: get(row, "nsid")?,
            rkey: get(row, "rkey")?,
            cid: get(row, "cid")?,
            digest: get(row, "digest")?,
            is_in_doubt: get(row, "in_doubt")?,
        }),
    };
    Ok(Todo {
        subject: Subject { kind, id: ulid(get(row, "subject_id")?) },
        stamp: get(row, "stamp")?,
        kept,
        wanted: None,
    })
}

fn read(kind: RecordKind, row: &PgRow) -> Result<Wanted, Failure> {
    Ok(match kind {
        RecordKind::Card => Wanted::Card(CardContent {
            url: get(row, "url")?,
            title: get(row, "title")?,
            description: get(row, "description")?,
            author: get(row, "author")?,
            site_name: get(row, "site_name")?,
            image: get(row, "image")?,
            kind: get(row, "kind")?,
            created_at: get_time(row, "at")?,
        }),
        RecordKind::Collection => Wanted::Collection(CollectionContent {
            name: get(row, "name")?,
            description: get(row, "description")?,
            access: get_access(row)?,
            collaborators: get(row, "collaborators")?,
            created_at: get_time(row, "created_at")?,
            updated_at: get_time(row, "updated_at")?,
        }),
        RecordKind::Link => Wanted::Link(LinkContent {
            card: card_id(get(row, "card_id")?),
            card_at: place(row, ["card_did", "card_nsid", "card_rkey", "card_cid"])?,
            collection: collection_id(get(row, "collection_id")?),
            collection_at: collection_at(row)?,
            is_author_connected: get(row, "is_author_connected")?,
            added_at: get_time(row, "at")?,
        }),
        RecordKind::Removal => Wanted::Removal(RemovalContent {
            collection_at: collection_at(row)?,
            link_at: StrongRef { uri: get(row, "link_uri")?, cid: get(row, "link_cid")? },
            removed_at: get_time(row, "at")?,
        }),
    })
}

fn collection_at(row: &PgRow) -> Result<Option<StrongRef>, Failure> {
    place(row, ["collection_did", "collection_nsid", "collection_rkey", "collection_cid"])
}

fn place(row: &PgRow, [did, nsid, rkey, cid]: [&str; 4]) -> Result<Option<StrongRef>, Failure> {
    let Some(cid) = get::<Option<String>>(row, cid)? else { return Ok(None) };
    Ok(Some(StrongRef { uri: record_uri(get(row, did)?, get(row, nsid)?, get(row, rkey)?), cid }))
}
