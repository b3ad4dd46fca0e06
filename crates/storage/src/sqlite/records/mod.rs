//! Records in people's own repositories: what is published, what is owed, and whose turn it is.

mod content;
mod failing;
pub(super) mod people;
mod turns;

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::records::{
    Attempt, Done, Ending, FailingPerson, FailingTotals, PublishingState, RecordCounts, RecordRepository, RecordTotals,
    Subject, Todo, Touched, Turn, rest,
};
use cardwire_domain::{EventId, LinkId, RecordedEvent, Result, UserId};
use cardwire_events::Queue;
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use self::people::{connect, disconnect, maybe_time, spent, state_of};
use super::error::Failure;
use super::log::{recorded, take};
use super::store::SqliteStore;
use super::values::{blob, first, get, get_count, link_id, rows, run, us};

/// A stand-in for a repository.
const CONNECT_FAKE: &str = "\
INSERT INTO record_people (person_id, did, due_at, connected_at) VALUES (?1, 'did:fake:' || substr(?1, 5), ?2, ?2)
ON CONFLICT (person_id) DO UPDATE SET did = excluded.did, is_new = 1, due_at = excluded.due_at WHERE did IS NULL";

const AGAIN: &str = "\
UPDATE record_people SET is_new = 1, state = 'ok', reason = NULL, failures = 0, paused_until = NULL, due_at = 0
WHERE person_id = ?1 AND did IS NOT NULL";

const COUNTS: &str = "\
SELECT p.did, p.state, p.reason, p.paused_until, p.hour_at, p.hour_points, p.day_at, p.day_points,
       (SELECT count(*) FROM records r WHERE r.person_id = p.person_id AND r.cid IS NOT NULL) AS published,
       (SELECT count(*) FROM record_owed o WHERE o.person_id = p.person_id) AS waiting
FROM record_people p WHERE p.person_id = ?1 AND p.did IS NOT NULL";

const TOTALS: &str = "\
SELECT count(*) AS people, count(*) FILTER (WHERE state = 'failing') AS failing,
       (SELECT count(*) FROM record_owed) AS waiting
FROM record_people WHERE did IS NOT NULL";

const OWE: &str = "\
INSERT INTO record_owed (person_id, kind, subject_id, stamp, not_before)
SELECT person_id, ?2, ?3, random(), 0 FROM record_people WHERE person_id = ?1 AND did IS NOT NULL
ON CONFLICT (person_id, kind, subject_id) DO UPDATE SET stamp = excluded.stamp, not_before = 0";

const REMOVED_BY_AUTHOR: &str = "\
INSERT INTO record_removals (link_id, owner_id, adder_id, collection_id, link_uri, link_cid, removed_at)
SELECT r.subject_id, k.author_id, r.person_id, k.id, 'at://' || r.did || '/' || r.nsid || '/' || r.rkey, r.cid, ?4
FROM records r CROSS JOIN collections k
WHERE r.subject_id = ?1 AND r.kind = 2 AND r.cid IS NOT NULL
  AND k.id = ?2 AND k.author_id = ?3 AND k.deleted_at IS NULL AND r.person_id <> k.author_id
ON CONFLICT (link_id) DO NOTHING";

/// Removals of links added by somebody who is gone: there is nothing left to remove.
const MOOT: &str = "DELETE FROM record_removals WHERE adder_id = ?1 RETURNING owner_id, link_id";

const FORGET: [&str; 4] = [
    "DELETE FROM record_removals WHERE owner_id = ?1",
    "DELETE FROM record_people WHERE person_id = ?1",
    "DELETE FROM record_owed WHERE person_id = ?1",
    "DELETE FROM records WHERE person_id = ?1",
];

#[async_trait]
impl RecordRepository for SqliteStore {
    async fn owe(&self, events: &[RecordedEvent], connects: bool) -> Result<usize> {
        if events.is_empty() {
            return Ok(0);
        }
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        self.write(move |connection, now| settle(connection, now, &ids, connects)).await.map_err(Failure::of_effect)
    }

    async fn connect(&self, person: &UserId, did: &str) -> Result<()> {
        let (person, did) = (person.to_string(), did.to_owned());
        Ok(self.write(move |connection, now| connect(connection, &person, &did, now)).await?)
    }

    async fn disconnect(&self, person: &UserId) -> Result<()> {
        let person = person.clone();
        Ok(self.write(move |connection, _| disconnect(connection, &person)).await?)
    }

    async fn publish_again(&self, person: &UserId) -> Result<()> {
        let person = person.to_string();
        Ok(self.write(move |connection, _| run(connection, AGAIN, &[&person]).map(drop)).await?)
    }

    async fn record_counts(&self, person: &UserId) -> Result<Option<RecordCounts>> {
        let person = person.to_string();
        let read = move |connection: &Connection, now| first(connection, COUNTS, &[&person], |row| counts(row, now));
        Ok(self.read(read).await?)
    }

    async fn record_totals(&self) -> Result<RecordTotals> {
        let totals = |row: &Row<'_>| {
            Ok(RecordTotals {
                people: get_count(row, "people")?,
                failing: get_count(row, "failing")?,
                waiting: get_count(row, "waiting")?,
            })
        };
        let read = self.read(move |connection, _| first(connection, TOTALS, &[], totals)).await?;
        Ok(read.unwrap_or_default())
    }

    async fn failing_totals(&self) -> Result<FailingTotals> {
        Ok(self.read(|connection, _| failing::totals(connection)).await?)
    }

    async fn failing_people(
        &self,
        state: PublishingState,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<FailingPerson>> {
        let after = after.map(UserId::to_string).unwrap_or_default();
        let read = move |connection: &Connection, now| failing::people(connection, now, state, &after, limit);
        Ok(self.read(read).await?)
    }

    async fn begin_turn(&self, lease: Duration) -> Result<Option<Turn>> {
        // Most looks find nothing, so nothing is written.
        if !self.read(turns::is_due).await? {
            return Ok(None);
        }
        Ok(self.write(move |connection, now| turns::begin(connection, now, lease)).await?)
    }

    async fn owe_everything(&self, turn: &Turn) -> Result<()> {
        let turn = turn.clone();
        Ok(self.write(move |connection, _| turns::owe_everything(connection, &turn)).await?)
    }

    async fn todo(&self, turn: &Turn, limit: usize) -> Result<Vec<Todo>> {
        let turn = turn.clone();
        Ok(self.read(move |connection, now| content::todo(connection, now, &turn, limit)).await?)
    }

    async fn taken(&self, turn: &Turn, keys: &[(String, String)]) -> Result<Vec<(String, String)>> {
        let (person, keys) = (turn.person.to_string(), keys.to_vec());
        let read = move |connection: &Connection, _| {
            let sql = "SELECT 1 FROM records WHERE person_id = ?1 AND nsid = ?2 AND rkey = ?3";
            let mut taken = Vec::new();
            for (nsid, rkey) in keys {
                if first(connection, sql, &[&person, &nsid, &rkey], |_| Ok(()))?.is_some() {
                    taken.push((nsid, rkey));
                }
            }
            Ok(taken)
        };
        Ok(self.read(read).await?)
    }

    async fn attempt(&self, turn: &Turn, attempts: &[Attempt], points: u32, lease: Duration) -> Result<bool> {
        let (turn, attempts) = (turn.clone(), attempts.to_vec());
        Ok(self.write(move |connection, now| turns::attempt(connection, now, &turn, &attempts, points, lease)).await?)
    }

    async fn end_turn(&self, turn: &Turn, done: &[Done], ending: &Ending) -> Result<bool> {
        let (turn, done, ending) = (turn.clone(), done.to_vec(), ending.clone());
        Ok(self.write(move |connection, now| turns::end(connection, now, &turn, &done, &ending)).await?)
    }
}

fn owe(connection: &Connection, person: &str, subject: Subject) -> Result<(), Failure> {
    run(connection, OWE, &[&person, &subject.kind.number(), &blob(subject.id)]).map(drop)
}

fn settle(connection: &Connection, now: Timestamp, ids: &[EventId], connects: bool) -> Result<usize, Failure> {
    let mut known = recorded(connection, ids)?;
    let ids: Vec<EventId> = known.iter().map(|event| event.id).collect();
    let taken: BTreeSet<EventId> = take(connection, Queue::Records, &ids)?.into_iter().collect();
    known.retain(|event| taken.contains(&event.id));
    let mut owed: Vec<(String, Subject)> = Vec::new();
    let mut gone = BTreeSet::new();
    for event in &known {
        match Touched::by(&event.event) {
            Touched::Of(person, subject) => owed.push((person.to_string(), subject)),
            Touched::Ended { card, collection, link, by } => {
                let sql = "SELECT owner_id FROM cards WHERE id = ?1";
                let owner = first(connection, sql, &[&blob(card.ulid())], |row| get::<String>(row, "owner_id"))?;
                let Some(owner) = owner else { continue };
                if owner != by.as_str() {
                    let (link, collection) = (blob(link.ulid()), blob(collection.ulid()));
                    let values: [&dyn rusqlite::ToSql; 4] = [&link, &collection, &by.as_str(), &us(event.occurred_at)];
                    if run(connection, REMOVED_BY_AUTHOR, &values)? > 0 {
                        owed.push((by.to_string(), Subject::removal(link_id(link))));
                    }
                }
                owed.push((owner, Subject::link(link)));
            }
            Touched::Everything(person) => {
                gone.insert(person.to_string());
            }
        }
    }
    if connects {
        let people: BTreeSet<&String> = owed.iter().map(|(person, _)| person).collect();
        for person in people.difference(&gone.iter().collect()) {
            run(connection, CONNECT_FAKE, &[person, &us(now)])?;
        }
    }
    for person in &gone {
        owed.extend(forget(connection, person)?.into_iter().map(|(owner, link)| (owner, Subject::removal(link))));
    }
    for (person, subject) in owed {
        owe(connection, &person, subject)?;
    }
    Ok(taken.len())
}

/// What is left of somebody who is gone. Usually nothing: their last event has deleted it, unless it was discarded.
pub(super) fn forget_person(connection: &Connection, person: &UserId) -> Result<(), Failure> {
    for (owner, link) in forget(connection, person.as_str())? {
        owe(connection, &owner, Subject::removal(link))?;
    }
    Ok(())
}

/// Returns the removals that are no longer needed.
fn forget(connection: &Connection, person: &str) -> Result<Vec<(String, LinkId)>, Failure> {
    let moot =
        rows(connection, MOOT, &[&person], |row| Ok((get::<String>(row, "owner_id")?, link_id(get(row, "link_id")?))))?;
    for sql in FORGET {
        run(connection, sql, &[&person])?;
    }
    Ok(moot)
}

fn counts(row: &Row<'_>, now: Timestamp) -> Result<RecordCounts, Failure> {
    let waiting = get_count(row, "waiting")?;
    Ok(RecordCounts {
        did: get(row, "did")?,
        state: state_of(&get::<String>(row, "state")?)?,
        last_error: get(row, "reason")?,
        published: get_count(row, "published")?,
        waiting,
        paused_until: maybe_time(row, "paused_until")?.filter(|until| *until > now),
        rest: rest(waiting, spent(row)?, now),
    })
}
