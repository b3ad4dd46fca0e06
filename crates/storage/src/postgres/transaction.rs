//! Commands: reads, and the single statement that writes a whole command.
//!
//! An existing card is locked when it is read, so commands on one card take turns. Collections are read without a lock,
//! since many people add to one at once; the commit checks that they have not changed. A card that does not exist yet
//! cannot be locked; its unique constraint decides, and the loser runs again.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::changes::IdempotencyKey;
use cardwire_domain::collection::{Description, Name};
use cardwire_domain::imports::Fingerprint;
use cardwire_domain::membership::Invitee;
use cardwire_domain::quotas::Quota;
use cardwire_domain::store::{
    DeletedCollection, Leaver, Left, LeftToUndo, MadeCard, OutdatedCard, Recall, Store, Transaction, UndoneImport,
};
use cardwire_domain::title::Title;
use cardwire_domain::url::CardUrl;
use cardwire_domain::{
    Card, CardId, Changes, Collection, CollectionId, CollectionLink, Error, ImportId, Result, UserId,
};
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::types::Uuid;

use super::error::Failure;
use super::identity;
use super::leaving;
use super::pool::Session;
use super::store::PostgresStore;
use super::undoing;
use super::values::{
    card_id, collection_id, get, get_access, get_count, get_note, get_time, get_visibility, link_id, signed, ulid,
    url_digest, user_id, uuid,
};
use super::write;
use crate::answers::KEEP_ANSWERS_HOURS;
use crate::seen::{sees_card, sees_collection};

#[async_trait]
impl Store for PostgresStore {
    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        let session = self.session().await?;
        Ok(Box::new(PostgresTransaction { store: self.clone(), session, versions: BTreeMap::new() }))
    }

    async fn ping(&self) -> Result<()> {
        // An empty write: a read-only server refuses it, and its session is then dropped.
        self.session().await?.execute(sqlx::query("DELETE FROM deployment WHERE false")).await?;
        Ok(())
    }
}

/// The one read of a save of a new URL.
pub const CARD_BY_URL: &str = "SELECT id FROM cards WHERE owner_id = $1 AND url_digest = $2";

/// Begins a transaction of the server only when there is something to lock or several statements to write.
struct PostgresTransaction {
    store: PostgresStore,
    session: Session,
    /// Of the collections that were read.
    versions: BTreeMap<CollectionId, i64>,
}

macro_rules! select_cards {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.owner_id, c.url, c.normalised_url, c.via, c.title, c.private, c.hidden, c.library_link, c.created_at, \
                    n.id AS note_id, n.text AS note_text, l.ids AS links, l.collections, l.seen \
             FROM cards c LEFT JOIN notes n ON n.card_id = c.id \
             LEFT JOIN LATERAL (SELECT array_agg(links.id ORDER BY added_at, links.id) AS ids, \
                                       array_agg(collection_id ORDER BY added_at, links.id) AS collections, \
                                       array_agg(",
            sees_collection!("k", "c.owner_id"),
            " ORDER BY added_at, links.id) AS seen \
                                FROM links JOIN collections k ON k.id = links.collection_id AND k.deleted_at IS NULL \
                                WHERE links.card_id = c.id) l ON true ",
            $rest
        )
    };
}

macro_rules! select_collections {
    ($condition:literal) => {
        concat!(
            "SELECT c.id, c.author_id, c.name, c.description, c.access, c.private, c.version, \
                    ARRAY(SELECT user_id FROM collaborators WHERE collection_id = c.id) AS collaborators, \
                    ARRAY(SELECT user_id FROM invitations WHERE collection_id = c.id) AS invited \
             FROM collections c WHERE c.deleted_at IS NULL AND ",
            $condition
        )
    };
}

const INVITEES: &str = "\
SELECT p AS person, count(c.id) AS open, count(c.id) FILTER (WHERE c.author_id = $2) AS open_by_author,
       EXISTS (SELECT FROM blocks WHERE user_id = p AND blocked_id = $2) AS has_blocked_author
FROM unnest($1::text[]) p LEFT JOIN invitations i ON i.user_id = p
LEFT JOIN collections c ON c.id = i.collection_id AND c.deleted_at IS NULL
GROUP BY p";

impl PostgresTransaction {
    async fn read_collections(
        &mut self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<BTreeMap<CollectionId, Collection>, Failure> {
        let mut found = BTreeMap::new();
        for row in &self.session.fetch_all(query).await? {
            let collection = read_collection(row)?;
            self.versions.insert(collection.id, get(row, "version")?);
            found.insert(collection.id, collection);
        }
        Ok(found)
    }

    /// Lock first, then read: a row read in the same statement as a lock that had to wait may be older than the lock.
    async fn lock_cards(&mut self, ids: &[Uuid]) -> Result<Vec<Card>, Failure> {
        self.session.begin().await?;
        let lock = "SELECT 1 FROM cards WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";
        self.session.execute(sqlx::query(lock).bind(ids)).await?;
        let rows =
            self.session.fetch_all(sqlx::query(select_cards!("WHERE c.id = ANY($1) ORDER BY c.id")).bind(ids)).await?;
        rows.iter().map(read_card).collect()
    }
}

#[async_trait]
impl Transaction for PostgresTransaction {
    async fn recall(&mut self, person: &UserId, key: &IdempotencyKey) -> Result<Option<Recall>> {
        // An expired answer makes room for the next one with its key.
        let sql = "WITH expired AS (DELETE FROM idempotency_keys WHERE user_id = $1 AND key = $2 \
                                    AND created_at <= now() - make_interval(hours => $3)) \
                   SELECT fingerprint, answer FROM idempotency_keys WHERE user_id = $1 AND key = $2 \
                   AND created_at > now() - make_interval(hours => $3)";
        let query = sqlx::query(sql).bind(person.as_str()).bind(key.as_str()).bind(KEEP_ANSWERS_HOURS);
        let rows = self.session.fetch_all(query).await?;
        let recall =
            |row| Ok::<_, Failure>(Recall { fingerprint: get(row, "fingerprint")?, answer: get(row, "answer")? });
        Ok(rows.first().map(recall).transpose()?)
    }

    async fn card(&mut self, id: CardId) -> Result<Option<Card>> {
        Ok(self.lock_cards(&[uuid(id.ulid())]).await?.pop())
    }

    async fn card_exists(&mut self, id: CardId, person: &UserId) -> Result<bool> {
        // Cards are deleted only with their owner's account, so somebody else's card needs no lock here.
        let sql = concat!("SELECT 1 FROM cards c WHERE c.id = $1 AND ", sees_card!("c", "$2"));
        let query = sqlx::query(sql).bind(uuid(id.ulid())).bind(person.as_str());
        Ok(!self.session.fetch_all(query).await?.is_empty())
    }

    async fn card_by_url(&mut self, owner: &UserId, normalised_url: &str) -> Result<Option<Card>> {
        let query = sqlx::query(CARD_BY_URL).bind(owner.as_str()).bind(url_digest(normalised_url));
        match self.session.fetch_all(query).await?.first() {
            Some(row) => {
                let card = self.lock_cards(&[get(row, "id")?]).await?.pop();
                // The previous holder of the lock may have given its place to another one.
                match card.as_ref().is_none_or(|card| card.url.normalised() == normalised_url) {
                    true => Ok(card),
                    false => Err(Error::Stale),
                }
            }
            None => Ok(None),
        }
    }

    async fn collections(&mut self, ids: &[CollectionId]) -> Result<Vec<Collection>> {
        let uuids: Vec<Uuid> = ids.iter().map(|id| uuid(id.ulid())).collect();
        let query = sqlx::query(select_collections!("c.id = ANY($1)")).bind(uuids);
        let mut found = self.read_collections(query).await?;
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }

    async fn collections_named(&mut self, author: &UserId, names: &[String]) -> Result<Vec<Collection>> {
        const NAMED: &str = select_collections!(
            "c.id = ANY(ARRAY(SELECT DISTINCT ON (k.name) k.id FROM collections k WHERE k.author_id = $1 \
                              AND k.deleted_at IS NULL AND k.name = ANY($2) ORDER BY k.name, k.created_at, k.id))"
        );
        let query = sqlx::query(NAMED).bind(author.as_str()).bind(names);
        Ok(self.read_collections(query).await?.into_values().collect())
    }

    async fn invitees(&mut self, people: &[UserId], author: &UserId) -> Result<Vec<Invitee>> {
        let people: Vec<&str> = people.iter().map(UserId::as_str).collect();
        let rows = self.session.fetch_all(sqlx::query(INVITEES).bind(people).bind(author.as_str())).await?;
        let count = |row, column| Ok::<_, Failure>(usize::try_from(get_count(row, column)?).unwrap_or(usize::MAX));
        let invitee = |row| {
            Ok(Invitee {
                person: user_id(get(row, "person")?)?,
                open: count(row, "open")?,
                open_by_author: count(row, "open_by_author")?,
                has_blocked_author: get(row, "has_blocked_author")?,
            })
        };
        Ok(rows.iter().map(invitee).collect::<Result<_, Failure>>()?)
    }

    async fn invitations(&mut self, person: &UserId, author: &UserId) -> Result<Vec<Collection>> {
        const INVITATIONS: &str = select_collections!(
            "c.author_id = $2 AND c.id IN (SELECT collection_id FROM invitations WHERE user_id = $1)"
        );
        let query = sqlx::query(INVITATIONS).bind(person.as_str()).bind(author.as_str());
        Ok(self.read_collections(query).await?.into_values().collect())
    }

    async fn collaborations(&mut self, person: &UserId) -> Result<usize> {
        let sql = "SELECT count(*) AS count FROM collaborators x JOIN collections c ON c.id = x.collection_id \
                   WHERE x.user_id = $1 AND c.deleted_at IS NULL";
        let rows = self.session.fetch_all(sqlx::query(sql).bind(person.as_str())).await?;
        let count = rows.first().map_or(Ok(0), |row| get_count(row, "count"))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    async fn deleted_collection(&mut self, limit: usize) -> Result<Option<DeletedCollection>> {
        self.session.begin().await?;
        // Any of them, so that one that cannot be emptied does not hold up the others.
        let sql = "SELECT id, author_id FROM collections WHERE deleted_at IS NOT NULL ORDER BY random() LIMIT 1 \
                   FOR UPDATE SKIP LOCKED";
        let rows = self.session.fetch_all(sqlx::query(sql)).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let id: Uuid = get(row, "id")?;
        let sql =
            "SELECT card_id, id FROM links WHERE collection_id = $1 ORDER BY added_at DESC, card_id DESC LIMIT $2";
        let links = self.session.fetch_all(sqlx::query(sql).bind(id).bind(signed(limit))).await?;
        let link = |row| Ok((card_id(get(row, "card_id")?), link_id(get(row, "id")?)));
        Ok(Some(DeletedCollection {
            id: collection_id(id),
            author: user_id(get(row, "author_id")?)?,
            links: links.iter().map(link).collect::<Result<_, Failure>>()?,
        }))
    }

    async fn leaver(&mut self, limit: usize) -> Result<Option<Leaver>> {
        let Some(held) = leaving::hold(&mut self.session).await? else { return Ok(None) };
        let kept = leaving::kept(&mut self.session, &held.person, limit).await?;
        let left = match kept.is_empty() {
            true => leaving::left(&mut self.session, &held, limit).await?,
            false => Left::Cards(self.lock_cards(&kept).await?),
        };
        Ok(Some(Leaver { person: held.person, stage: held.stage, left }))
    }

    async fn outdated_cards(&mut self, after: Option<CardId>, limit: usize) -> Result<Vec<OutdatedCard>> {
        Ok(identity::outdated(&mut self.session, after, limit).await?)
    }

    async fn undone_import(&mut self, limit: usize) -> Result<Option<UndoneImport>> {
        let Some(held) = undoing::hold(&mut self.session).await? else { return Ok(None) };
        let made = undoing::made(&mut self.session, &held, limit).await?;
        let left = if made.is_empty() {
            match undoing::empty(&mut self.session, &held, limit).await? {
                ids if ids.is_empty() => LeftToUndo::Nothing,
                ids => LeftToUndo::Collections(ids),
            }
        } else {
            let ids: Vec<Uuid> = made.iter().map(|made| made.card).collect();
            let cards = self.lock_cards(&ids).await?;
            let cards: HashMap<CardId, Card> = cards.into_iter().map(|card| (card.id, card)).collect();
            let cards = made.into_iter().map(|made| {
                Ok(MadeCard {
                    number: row_number(made.number)?,
                    card: cards.get(&card_id(made.card)).cloned(),
                    left_as: made.left_as.map(Fingerprint::from_stored),
                })
            });
            LeftToUndo::Cards(cards.collect::<Result<_, Failure>>()?)
        };
        Ok(Some(UndoneImport { import: ImportId::from_ulid(ulid(held.id)), behind: row_number(held.behind)?, left }))
    }

    async fn used_up(&mut self, quota: Quota, person: &UserId, most: NonZeroU32) -> Result<Option<Duration>> {
        let query = sqlx::query(used_up(quota))
            .bind(person.as_str())
            .bind(Quota::PERIOD.as_secs_f64())
            .bind(i64::from(most.get()) - 1);
        let rows = self.session.fetch_all(query).await?;
        let seconds = rows.first().map(|row| get::<f64>(row, "free_in")).transpose()?;
        Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
    }

    async fn commit(mut self: Box<Self>, changes: Changes) -> Result<()> {
        let handover = &self.store.handover;
        let batch = write::Batch::of(changes, &self.versions, handover)?;
        let due = batch.due();
        let handed = write::write(&mut self.session, batch).await?;
        self.session.commit().await?;
        handover.give(handed);
        due.into_iter().for_each(|queue| handover.ring(queue));
        Ok(())
    }
}

/// Reads as many index entries as somebody added within the period, at most their quota.
const fn used_up(quota: Quota) -> &'static str {
    match quota {
        Quota::Cards => {
            "SELECT extract(epoch FROM created_at + make_interval(secs => $2) - now())::float8 AS free_in FROM cards \
             WHERE owner_id = $1 AND NOT imported AND created_at > now() - make_interval(secs => $2) \
             ORDER BY created_at DESC OFFSET $3 LIMIT 1"
        }
        Quota::Collections => {
            "SELECT extract(epoch FROM created_at + make_interval(secs => $2) - now())::float8 AS free_in FROM collections \
             WHERE author_id = $1 AND deleted_at IS NULL AND import_id IS NULL \
               AND created_at > now() - make_interval(secs => $2) ORDER BY created_at DESC, id DESC OFFSET $3 LIMIT 1"
        }
        Quota::Imports => {
            "SELECT extract(epoch FROM begun_at + make_interval(secs => $2) - now())::float8 AS free_in FROM imports \
             WHERE owner_id = $1 AND begun_at > now() - make_interval(secs => $2) \
             ORDER BY begun_at DESC, id DESC OFFSET $3 LIMIT 1"
        }
    }
}

/// For an import.
fn row_number(number: i32) -> Result<u32, Failure> {
    u32::try_from(number).map_err(|_| Failure::Nonsense(format!("row {number} of an import")))
}

fn read_card(row: &PgRow) -> Result<Card, Failure> {
    let ids: Option<Vec<Uuid>> = get(row, "links")?;
    let collections: Option<Vec<Uuid>> = get(row, "collections")?;
    let seen: Option<Vec<bool>> = get(row, "seen")?;
    let links = ids.unwrap_or_default().into_iter().zip(collections.unwrap_or_default()).zip(seen.unwrap_or_default());
    let link = |((id, collection), is_seen)| CollectionLink {
        id: link_id(id),
        collection_id: collection_id(collection),
        is_seen,
    };
    let via: Option<Uuid> = get(row, "via")?;
    let library_link: Option<Uuid> = get(row, "library_link")?;
    Ok(Card {
        id: card_id(get(row, "id")?),
        owner: user_id(get(row, "owner_id")?)?,
        url: CardUrl::from_stored(get(row, "url")?, get(row, "normalised_url")?),
        via: via.map(card_id),
        note: get_note(row)?,
        title: get::<Option<String>>(row, "title")?.map(Title::from_stored),
        visibility: get_visibility(row)?,
        is_hidden: get(row, "hidden")?,
        library_link: library_link.map(link_id),
        collection_links: links.map(link).collect(),
        created_at: Some(get_time(row, "created_at")?),
    })
}

fn read_collection(row: &PgRow) -> Result<Collection, Failure> {
    let people = |column| get::<Vec<String>>(row, column)?.iter().map(|id| user_id(id)).collect::<Result<_, Failure>>();
    Ok(Collection {
        id: collection_id(get(row, "id")?),
        author: user_id(get(row, "author_id")?)?,
        name: Name::from_stored(get(row, "name")?),
        description: Description::from_stored(get(row, "description")?),
        access: get_access(row)?,
        visibility: get_visibility(row)?,
        collaborators: people("collaborators")?,
        invited: people("invited")?,
    })
}
