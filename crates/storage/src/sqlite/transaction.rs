//! Commands: each read sees one state of the data, and one job writes the whole command.
//!
//! The commit checks that cards and collections have not changed since they were read. Commands on an existing card
//! also take turns, so that none has to run again for that. There are no turns for a card that does not exist yet: its
//! unique constraint decides, and the loser runs again.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::changes::IdempotencyKey;
use cardwire_domain::collection::{Description, Name};
use cardwire_domain::membership::Invitee;
use cardwire_domain::quotas::Quota;
use cardwire_domain::store::{
    DeletedCollection, Leaver, Left, LeftToUndo, MadeCard, OutdatedCard, Recall, Store, Transaction, UndoneImport,
};
use cardwire_domain::title::Title;
use cardwire_domain::url::CardUrl;
use cardwire_domain::{Card, CardId, Changes, Collection, CollectionId, CollectionLink, Error, Result, UserId};
use rusqlite::{Connection, Row, ToSql};

use super::command_turns::Turn;
use super::error::Failure;
use super::identity;
use super::leaving;
use super::store::SqliteStore;
use super::undoing;
use super::values::{
    blob, card_id, collection_id, earlier, first, get, get_access, get_count, get_note, get_time, get_visibility,
    link_id, rows, run, signed, url_digest, user_id,
};
use super::write::write;
use crate::answers::KEEP_ANSWERS;
use crate::seen::{sees_card, sees_collection};

/// This many deleted collections are looked at to find one that nobody else is emptying.
const DELETED_AT_ONCE: i64 = 100;

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(SqliteTransaction { store: self.clone(), versions: Versions::default(), turns: Vec::new() }))
    }

    async fn ping(&self) -> Result<()> {
        // Changes nothing, but writes pages, which a full or read-only disk refuses.
        let write = |connection: &Connection, _| {
            run(connection, "INSERT INTO idempotency_keys VALUES ('', '', '', '', 0)", &[])?;
            run(connection, "DELETE FROM idempotency_keys WHERE user_id = ''", &[])
        };
        self.write(write).await?;
        Ok(())
    }
}

struct SqliteTransaction {
    store: SqliteStore,
    versions: Versions,
    turns: Vec<Turn>,
}

/// The first state, if something was read twice.
#[derive(Default)]
struct Versions {
    cards: BTreeMap<CardId, i64>,
    collections: BTreeMap<CollectionId, i64>,
}

const CARD: &str = "\
SELECT c.owner_id, c.url, c.normalised_url, c.via, c.title, c.private, c.hidden, c.library_link, c.created_at, c.version,
       n.id AS note_id, n.text AS note_text
FROM cards c LEFT JOIN notes n ON n.card_id = c.id WHERE c.id = ?1";

const LINKS: &str = concat!(
    "SELECT l.id, l.collection_id, ",
    sees_collection!("k", "?2"),
    " AS is_seen FROM links l JOIN collections k ON k.id = l.collection_id AND k.deleted_at IS NULL \
     WHERE l.card_id = ?1 ORDER BY l.added_at, l.id"
);

const COLLECTION: &str = "\
SELECT author_id, name, description, access, private, version FROM collections WHERE id = ?1 AND deleted_at IS NULL";

const INVITEE: &str = "\
SELECT count(*) AS open, count(*) FILTER (WHERE c.author_id = ?2) AS open_by_author,
       EXISTS (SELECT 1 FROM blocks WHERE user_id = ?1 AND blocked_id = ?2) AS has_blocked_author
FROM invitations i JOIN collections c ON c.id = i.collection_id AND c.deleted_at IS NULL WHERE i.user_id = ?1";

/// A person has few invitations, but an author may have many collections: CROSS says where to begin.
const INVITATIONS: &str = "\
SELECT c.id FROM invitations i CROSS JOIN collections c ON c.id = i.collection_id WHERE i.user_id = ?1 AND c.author_id = ?2";

const NAMED: &str = "\
SELECT id FROM collections WHERE author_id = ?1 AND name = ?2 AND deleted_at IS NULL ORDER BY created_at, id LIMIT 1";

impl Versions {
    fn check(&self, connection: &Connection) -> Result<(), Failure> {
        let cards = self.cards.iter().map(|(id, version)| (blob(id.ulid()), version));
        let collections = self.collections.iter().map(|(id, version)| (blob(id.ulid()), version));
        let check = |sql, id: [u8; 16], version: &i64| {
            first(connection, sql, &[&id, version], |_| Ok(()))?.ok_or(Failure::Changed)
        };
        for (id, version) in cards {
            check("SELECT 1 FROM cards WHERE id = ?1 AND version = ?2", id, version)?;
        }
        for (id, version) in collections {
            check("SELECT 1 FROM collections WHERE id = ?1 AND version = ?2 AND deleted_at IS NULL", id, version)?;
        }
        Ok(())
    }
}

impl SqliteTransaction {
    /// A command with a turn never waits for another turn, to avoid deadlocks. Versions show if that goes wrong.
    async fn take_turn(&mut self, card: CardId) -> Result<()> {
        let turns = &self.store.turns;
        if !self.turns.is_empty() {
            self.turns.extend(turns.ask(card.ulid()));
            return Ok(());
        }
        let turn = turns.wait(card.ulid()).await;
        let turn = turn.ok_or_else(|| Error::Unavailable("too many people are changing the same thing".into()))?;
        self.turns.push(turn);
        Ok(())
    }

    fn read_before(&mut self, found: Vec<(Collection, i64)>) -> Vec<Collection> {
        let note = |(collection, version): (Collection, i64)| {
            self.versions.collections.entry(collection.id).or_insert(version);
            collection
        };
        found.into_iter().map(note).collect()
    }
}

#[async_trait]
impl Transaction for SqliteTransaction {
    async fn recall(&mut self, person: &UserId, key: &IdempotencyKey) -> Result<Option<Recall>> {
        let (person, key) = (person.clone(), key.clone());
        let recall = move |connection: &Connection, now| {
            let sql =
                "SELECT fingerprint, answer FROM idempotency_keys WHERE user_id = ?1 AND key = ?2 AND created_at > ?3";
            let expired = earlier(now, KEEP_ANSWERS);
            first(connection, sql, &[&person.as_str(), &key.as_str(), &expired], read_recall)
        };
        Ok(self.store.look(recall)?)
    }

    async fn card(&mut self, id: CardId) -> Result<Option<Card>> {
        // Take the turn first, then read: data read before the wait would be older than the turn.
        self.take_turn(id).await?;
        let Some((card, version)) = self.store.look(|connection, _| read_card(connection, id))? else {
            return Ok(None);
        };
        self.versions.cards.entry(id).or_insert(version);
        Ok(Some(card))
    }

    async fn card_exists(&mut self, id: CardId, person: &UserId) -> Result<bool> {
        // Cards are deleted only with their owner's account, so somebody else's card needs no turn here.
        let (id, person) = (blob(id.ulid()), person.clone());
        let find = move |connection: &Connection, _| {
            let sql = concat!("SELECT 1 FROM cards c WHERE c.id = ?1 AND ", sees_card!("c", "?2"));
            first(connection, sql, &[&id, &person.as_str()], |_| Ok(()))
        };
        Ok(self.store.look(find)?.is_some())
    }

    async fn card_by_url(&mut self, owner: &UserId, normalised_url: &str) -> Result<Option<Card>> {
        let (owner, digest) = (owner.clone(), url_digest(normalised_url));
        let find = move |connection: &Connection, _| {
            let sql = "SELECT id FROM cards WHERE owner_id = ?1 AND url_digest = ?2";
            first(connection, sql, &[&owner.as_str(), &digest], |row| Ok(card_id(get(row, "id")?)))
        };
        match self.store.look(find)? {
            Some(id) => {
                let card = self.card(id).await?;
                // The previous holder of the turn may have given its place to another one.
                match card.as_ref().is_none_or(|card| card.url.normalised() == normalised_url) {
                    true => Ok(card),
                    false => Err(Error::Stale),
                }
            }
            None => Ok(None),
        }
    }

    async fn collections(&mut self, ids: &[CollectionId]) -> Result<Vec<Collection>> {
        let ids = ids.to_vec();
        let read = move |connection: &Connection, _| read_collections(connection, ids);
        let found = self.store.look(read)?;
        Ok(self.read_before(found))
    }

    async fn collections_named(&mut self, author: &UserId, names: &[String]) -> Result<Vec<Collection>> {
        let (author, names) = (author.clone(), names.to_vec());
        let read = move |connection: &Connection, _| {
            let mut ids = Vec::new();
            for name in &names {
                let id = |row: &Row<'_>| Ok(collection_id(get(row, "id")?));
                ids.extend(first(connection, NAMED, &[&author.as_str(), name], id)?);
            }
            read_collections(connection, ids)
        };
        let found = self.store.look(read)?;
        Ok(self.read_before(found))
    }

    async fn invitees(&mut self, people: &[UserId], author: &UserId) -> Result<Vec<Invitee>> {
        let (people, author) = (people.to_vec(), author.clone());
        let read = move |connection: &Connection, _| {
            let invitee = |person: UserId| {
                let counted = first(connection, INVITEE, &[&person.as_str(), &author.as_str()], |row| {
                    Ok((count(row, "open")?, count(row, "open_by_author")?, get(row, "has_blocked_author")?))
                })?;
                let (open, open_by_author, has_blocked_author) = counted.unwrap_or_default();
                Ok(Invitee { person, open, open_by_author, has_blocked_author })
            };
            people.into_iter().map(invitee).collect::<Result<_, Failure>>()
        };
        Ok(self.store.read(read).await?)
    }

    async fn invitations(&mut self, person: &UserId, author: &UserId) -> Result<Vec<Collection>> {
        let (person, author) = (person.clone(), author.clone());
        let read = move |connection: &Connection, _| {
            let id = |row: &Row<'_>| Ok(collection_id(get(row, "id")?));
            let ids = rows(connection, INVITATIONS, &[&person.as_str(), &author.as_str()], id)?;
            read_collections(connection, ids)
        };
        let found = self.store.read(read).await?;
        Ok(self.read_before(found))
    }

    async fn collaborations(&mut self, person: &UserId) -> Result<usize> {
        let person = person.clone();
        let read = move |connection: &Connection, _| {
            let sql = "SELECT count(*) AS count FROM collaborators x JOIN collections c ON c.id = x.collection_id \
                       WHERE x.user_id = ?1 AND c.deleted_at IS NULL";
            first(connection, sql, &[&person.as_str()], |row| count(row, "count"))
        };
        Ok(self.store.read(read).await?.unwrap_or_default())
    }

    async fn deleted_collection(&mut self, limit: usize) -> Result<Option<DeletedCollection>> {
        let list = |connection: &Connection, _| {
            // Any of them, so that one that cannot be emptied does not hold up the others.
            let sql = "SELECT id FROM collections WHERE deleted_at IS NOT NULL ORDER BY random() LIMIT ?1";
            rows(connection, sql, &[&DELETED_AT_ONCE], |row| Ok(collection_id(get(row, "id")?)))
        };
        for id in self.store.read(list).await? {
            let Some(turn) = self.store.turns.ask(id.ulid()) else { continue };
            // The previous holder of the turn may have forgotten it.
            let deleted = self.store.read(move |connection, _| read_deleted(connection, id, limit)).await?;
            if deleted.is_some() {
                self.turns.push(turn);
                return Ok(deleted);
            }
        }
        Ok(None)
    }

    async fn leaver(&mut self, limit: usize) -> Result<Option<Leaver>> {
        for person in self.store.read(|connection, _| leaving::leavers(connection)).await? {
            let Some(turn) = self.store.turns.ask(leaving::turn_at(&person)) else { continue };
            let asked = person.clone();
            let looked = self.store.read(move |connection, now| leaving::look(connection, now, &asked, limit)).await?;
            // The previous holder of the turn may have finished it.
            let Some((stage, kept, mut left)) = looked else { continue };
            self.turns.push(turn);
            if !kept.is_empty() {
                let mut cards = Vec::new();
                for id in kept {
                    cards.extend(self.card(id).await?);
                }
                left = Left::Cards(cards);
            }
            return Ok(Some(Leaver { person, stage, left }));
        }
        Ok(None)
    }

    async fn outdated_cards(&mut self, after: Option<CardId>, limit: usize) -> Result<Vec<OutdatedCard>> {
        Ok(self.store.read(move |connection, _| identity::outdated(connection, after, limit)).await?)
    }

    async fn undone_import(&mut self, limit: usize) -> Result<Option<UndoneImport>> {
        for import in self.store.read(|connection, _| undoing::undone(connection)).await? {
            let Some(turn) = self.store.turns.ask(import.ulid()) else { continue };
            // The previous holder of the turn may have finished it.
            let looked = self.store.read(move |connection, _| undoing::next(connection, import, limit)).await?;
            let Some(undoing::Next { behind, made, empty }) = looked else { continue };
            self.turns.push(turn);
            let mut cards = Vec::new();
            for undoing::Made { number, card, left_as } in made {
                cards.push(MadeCard { number, card: self.card(card).await?, left_as });
            }
            let left = match (cards.is_empty(), empty.is_empty()) {
                (false, _) => LeftToUndo::Cards(cards),
                (true, false) => LeftToUndo::Collections(empty),
                (true, true) => LeftToUndo::Nothing,
            };
            return Ok(Some(UndoneImport { import, behind, left }));
        }
        Ok(None)
    }

    async fn used_up(&mut self, quota: Quota, person: &UserId, most: NonZeroU32) -> Result<Option<Duration>> {
        let person = person.clone();
        let read = move |connection: &Connection, now| {
            let since = earlier(now, Quota::PERIOD);
            let before: [&dyn ToSql; 3] = [&person.as_str(), &since, &(i64::from(most.get()) - 1)];
            let oldest = first(connection, used_up(quota), &before, |row| Ok(row.get::<_, i64>(0)?))?;
            Ok(oldest.map(|at| Duration::from_micros(at.abs_diff(since))))
        };
        Ok(self.store.look(read)?)
    }

    async fn commit(self: Box<Self>, changes: Changes) -> Result<()> {
        let Self { store, versions, turns } = *self;
        let handover = store.handover.clone();
        let write = move |connection: &Connection, now| {
            versions.check(connection)?;
            write(connection, now, changes, &handover)
        };
        let accepted = store.write(write).await?;
        drop(turns);
        store.handover.give(accepted.handed);
        accepted.due.into_iter().for_each(|queue| store.handover.ring(queue));
        Ok(())
    }
}

/// Reads as many index entries as somebody added within the period, at most their quota.
const fn used_up(quota: Quota) -> &'static str {
    match quota {
        Quota::Cards => {
            "SELECT created_at FROM cards WHERE owner_id = ?1 AND imported = 0 AND created_at > ?2 \
             ORDER BY created_at DESC LIMIT 1 OFFSET ?3"
        }
        Quota::Collections => {
            "SELECT created_at FROM collections WHERE author_id = ?1 AND deleted_at IS NULL AND import_id IS NULL \
               AND created_at > ?2 ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET ?3"
        }
        Quota::Imports => {
            "SELECT begun_at FROM imports WHERE owner_id = ?1 AND begun_at > ?2 ORDER BY begun_at DESC, id DESC LIMIT 1 OFFSET ?3"
        }
    }
}

fn count(row: &Row<'_>, column: &str) -> Result<usize, Failure> {
    Ok(usize::try_from(get_count(row, column)?).unwrap_or(usize::MAX))
}

fn read_recall(row: &Row<'_>) -> Result<Recall, Failure> {
    let answer = serde_json::from_str(&get::<String>(row, "answer")?);
    let answer = answer.map_err(|error| Failure::Nonsense(format!("an answer is no JSON: {error}")))?;
    Ok(Recall { fingerprint: get(row, "fingerprint")?, answer })
}

/// With its version.
fn read_card(connection: &Connection, id: CardId) -> Result<Option<(Card, i64)>, Failure> {
    let key = blob(id.ulid());
    let link = |row: &Row<'_>| {
        Ok(CollectionLink {
            id: link_id(get(row, "id")?),
            collection_id: collection_id(get(row, "collection_id")?),
            is_seen: get(row, "is_seen")?,
        })
    };
    first(connection, CARD, &[&key], |row| {
        let owner: String = get(row, "owner_id")?;
        let card = Card {
            id,
            owner: user_id(&owner)?,
            url: CardUrl::from_stored(get(row, "url")?, get(row, "normalised_url")?),
            via: get::<Option<[u8; 16]>>(row, "via")?.map(card_id),
            note: get_note(row)?,
            title: get::<Option<String>>(row, "title")?.map(Title::from_stored),
            visibility: get_visibility(row)?,
            is_hidden: get(row, "hidden")?,
            library_link: get::<Option<[u8; 16]>>(row, "library_link")?.map(link_id),
            collection_links: rows(connection, LINKS, &[&key, &owner], link)?,
            created_at: Some(get_time(row, "created_at")?),
        };
        Ok((card, get(row, "version")?))
    })
}

/// In the order of `ids`, each with its version.
fn read_collections(connection: &Connection, ids: Vec<CollectionId>) -> Result<Vec<(Collection, i64)>, Failure> {
    let mut found = Vec::new();
    for id in ids {
        let key = blob(id.ulid());
        let people = |sql| rows(connection, sql, &[&key], |row| user_id(&get::<String>(row, "user_id")?));
        let collection = first(connection, COLLECTION, &[&key], |row| {
            let collection = Collection {
                id,
                author: user_id(&get::<String>(row, "author_id")?)?,
                name: Name::from_stored(get(row, "name")?),
                description: Description::from_stored(get(row, "description")?),
                access: get_access(row)?,
                visibility: get_visibility(row)?,
                collaborators: people("SELECT user_id FROM collaborators WHERE collection_id = ?1")?
                    .into_iter()
                    .collect(),
                invited: people("SELECT user_id FROM invitations WHERE collection_id = ?1")?.into_iter().collect(),
            };
            Ok((collection, get(row, "version")?))
        })?;
        found.extend(collection);
    }
    Ok(found)
}

fn read_deleted(connection: &Connection, id: CollectionId, limit: usize) -> Result<Option<DeletedCollection>, Failure> {
    let key = blob(id.ulid());
    let sql = "SELECT author_id FROM collections WHERE id = ?1 AND deleted_at IS NOT NULL";
    let author = first(connection, sql, &[&key], |row| user_id(&get::<String>(row, "author_id")?))?;
    let Some(author) = author else { return Ok(None) };
    let sql = "SELECT card_id, id FROM links WHERE collection_id = ?1 ORDER BY added_at DESC, card_id DESC LIMIT ?2";
    let link = |row: &Row<'_>| Ok((card_id(get(row, "card_id")?), link_id(get(row, "id")?)));
    Ok(Some(DeletedCollection { id, author, links: rows(connection, sql, &[&key, &signed(limit)], link)? }))
}
