//! Records in people's own repositories: what is published, what is owed, and whose turn it is.
//!
//! People are locked before what is owed to them, several in the order of their ids. So the end of a turn sees
//! everything that was owed meanwhile.

mod content;
mod failing;
pub(super) mod people;
mod turns;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use cardwire_domain::records::{
    Attempt, Done, Ending, FailingPerson, FailingTotals, PublishingState, RecordCounts, RecordRepository, RecordTotals,
    Subject, Todo, Touched, Turn, rest,
};
use cardwire_domain::{CardId, EventId, RecordedEvent, Result, UserId};
use cardwire_events::Queue;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use self::people::{connect, disconnect, maybe_time, spent, state_of};
use super::error::Failure;
use super::log::{recorded, take};
use super::pool::Session;
use super::store::PostgresStore;
use super::values::{get, get_count, get_time, time, uuid};

/// Stand-ins for repositories.
const CONNECT_ALL: &str = "\
INSERT INTO record_people AS p (person_id, did, due_at)
SELECT n.id, 'did:fake:' || substr(n.id, 5), now() FROM unnest($1::text[]) AS n(id) ORDER BY n.id
ON CONFLICT (person_id) DO UPDATE SET did = excluded.did, is_new = true, due_at = now() WHERE p.did IS NULL";

const AGAIN: &str = "\
UPDATE record_people SET is_new = true, state = 'ok', reason = NULL, failures = 0, paused_until = NULL, due_at = to_timestamp(0)
WHERE person_id = $1 AND did IS NOT NULL";

const COUNTS: &str = "\
SELECT p.did, p.state, p.reason, p.paused_until, p.hour_at, p.hour_points, p.day_at, p.day_points, now() AS now,
       (SELECT count(*) FROM records r WHERE r.person_id = p.person_id AND r.cid IS NOT NULL) AS published,
       (SELECT count(*) FROM record_owed o WHERE o.person_id = p.person_id) AS waiting
FROM record_people p WHERE p.person_id = $1 AND p.did IS NOT NULL";

const TOTALS: &str = "\
SELECT count(*) AS people, count(*) FILTER (WHERE state = 'failing') AS failing,
       (SELECT count(*) FROM record_owed) AS waiting
FROM record_people WHERE did IS NOT NULL";

const REMOVED_BY_AUTHOR: &str = "\
INSERT INTO record_removals (link_id, owner_id, adder_id, collection_id, link_uri, link_cid, removed_at)
SELECT r.subject_id, k.author_id, r.person_id, k.id, 'at://' || r.did || '/' || r.nsid || '/' || r.rkey, r.cid, $4
FROM records r JOIN collections k ON k.id = $2 AND k.author_id = $3 AND k.deleted_at IS NULL
WHERE r.subject_id = $1 AND r.kind = 2 AND r.cid IS NOT NULL AND r.person_id <> k.author_id
ON CONFLICT (link_id) DO NOTHING";

/// Removals of links added by somebody who is gone: there is nothing left to remove.
const MOOT: &str = "DELETE FROM record_removals WHERE adder_id = ANY($1) RETURNING owner_id, link_id";

const FORGET: [&str; 4] = [
    "DELETE FROM record_removals WHERE owner_id = ANY($1)",
    "DELETE FROM record_people WHERE person_id = ANY($1)",
    "DELETE FROM record_owed WHERE person_id = ANY($1)",
    "DELETE FROM records WHERE person_id = ANY($1)",
];

#[async_trait]
impl RecordRepository for PostgresStore {
    async fn owe(&self, events: &[RecordedEvent], connects: bool) -> Result<usize> {
        let mut session = self.batch_session().await.map_err(Failure::of_effect)?;
        settle(&mut session, events, connects).await.map_err(Failure::of_effect)
    }

    async fn connect(&self, person: &UserId, did: &str) -> Result<()> {
        let mut session = self.session().await?;
        session.begin().await?;
        connect(&mut session, person.as_str(), did).await?;
        Ok(session.commit().await?)
    }

    async fn disconnect(&self, person: &UserId) -> Result<()> {
        let mut session = self.session().await?;
        session.begin().await?;
        disconnect(&mut session, person).await?;
        Ok(session.commit().await?)
    }

    async fn publish_again(&self, person: &UserId) -> Result<()> {
        self.session().await?.execute(sqlx::query(AGAIN).bind(person.as_str())).await?;
        Ok(())
    }

    async fn record_counts(&self, person: &UserId) -> Result<Option<RecordCounts>> {
        let rows = self.session().await?.fetch_all(sqlx::query(COUNTS).bind(person.as_str())).await?;
        Ok(rows.first().map(counts).transpose()?)
    }

    async fn record_totals(&self) -> Result<RecordTotals> {
        let rows = self.session().await?.fetch_all(sqlx::query(TOTALS)).await?;
        let totals = |row: &PgRow| {
            Ok::<_, Failure>(RecordTotals {
                people: get_count(row, "people")?,
                failing: get_count(row, "failing")?,
                waiting: get_count(row, "waiting")?,
            })
        };
        Ok(rows.first().map(totals).transpose()?.unwrap_or_default())
    }

    async fn failing_totals(&self) -> Result<FailingTotals> {
        Ok(failing::totals(&mut self.session().await?).await?)
    }

    async fn failing_people(
        &self,
        state: PublishingState,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<FailingPerson>> {
        Ok(failing::people(&mut self.session().await?, state, after, limit).await?)
    }

    async fn begin_turn(&self, lease: std::time::Duration) -> Result<Option<Turn>> {
        Ok(turns::begin(&mut self.batch_session().await?, lease).await?)
    }

    async fn owe_everything(&self, turn: &Turn) -> Result<()> {
        Ok(turns::owe_everything(&mut self.batch_session().await?, turn).await?)
    }

    async fn todo(&self, turn: &Turn, limit: usize) -> Result<Vec<Todo>> {
        Ok(content::todo(&mut self.batch_session().await?, turn, limit).await?)
    }

    async fn taken(&self, turn: &Turn, keys: &[(String, String)]) -> Result<Vec<(String, String)>> {
        Ok(turns::taken(&mut self.batch_session().await?, turn, keys).await?)
    }

    async fn attempt(
        &self,
        turn: &Turn,
        attempts: &[Attempt],
        points: u32,
        lease: std::time::Duration,
    ) -> Result<bool> {
        Ok(turns::attempt(&mut self.batch_session().await?, turn, attempts, points, lease).await?)
    }

    async fn end_turn(&self, turn: &Turn, done: &[Done], ending: &Ending) -> Result<bool> {
        Ok(turns::end(&mut self.batch_session().await?, turn, done, ending).await?)
    }
}

async fn settle(session: &mut Session, events: &[RecordedEvent], connects: bool) -> Result<usize, Failure> {
    if events.is_empty() {
        return Ok(0);
    }
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    let known = recorded(session, &ids).await?;
    let ids: Vec<EventId> = known.iter().map(|event| event.id).collect();
    session.begin().await?;
    let taken: BTreeSet<EventId> = take(session, Queue::Records, &ids).await?.into_iter().collect();
    let ours: Vec<&RecordedEvent> = known.iter().filter(|event| taken.contains(&event.id)).collect();
    let owners = owners(session, &ours).await?;
    let mut owed = Owed::default();
    let mut gone = BTreeSet::new();
    for event in &ours {
        match Touched::by(&event.event) {
            Touched::Of(person, subject) => owed.add(person.as_str(), subject),
            Touched::Ended { card, collection, link, by } => {
                let Some(owner) = owners.get(&card) else { continue };
                owed.add(owner, Subject::link(link));
                if owner != by.as_str() {
                    let query = sqlx::query(REMOVED_BY_AUTHOR)
                        .bind(uuid(link.ulid()))
                        .bind(uuid(collection.ulid()))
                        .bind(by.as_str())
                        .bind(time(event.occurred_at));
                    if session.execute(query).await? > 0 {
                        owed.add(by.as_str(), Subject::removal(link));
                    }
                }
            }
            Touched::Everything(person) => {
                gone.insert(person.to_string());
            }
        }
    }
    if connects {
        let people: BTreeSet<&String> = owed.people.iter().filter(|person| !gone.contains(*person)).collect();
        let people: Vec<&String> = people.into_iter().collect();
        session.execute(sqlx::query(CONNECT_ALL).bind(people)).await?;
    }
    if !gone.is_empty() {
        forget(session, &gone.into_iter().collect::<Vec<_>>(), &mut owed).await?;
    }
    owed.owe(session).await?;
    session.commit().await?;
    Ok(taken.len())
}

/// What is left of somebody who is gone, in the session's transaction. Usually nothing: their last event has deleted
/// it, unless it was discarded.
pub(super) async fn forget_person(session: &mut Session, person: &UserId) -> Result<(), Failure> {
    let mut owed = Owed::default();
    forget(session, &[person.to_string()], &mut owed).await?;
    owed.owe(session).await
}

async fn forget(session: &mut Session, people: &[String], owed: &mut Owed) -> Result<(), Failure> {
    for row in session.fetch_all(sqlx::query(MOOT).bind(people)).await? {
        owed.add(get(&row, "owner_id")?, Subject::removal(super::values::link_id(get(&row, "link_id")?)));
    }
    for sql in FORGET {
        session.execute(sqlx::query(sql).bind(people)).await?;
    }
    Ok(())
}

/// For the cards whose stays ended.
async fn owners(session: &mut Session, events: &[&RecordedEvent]) -> Result<BTreeMap<CardId, String>, Failure> {
    let ended = events.iter().filter_map(|event| match Touched::by(&event.event) {
        Touched::Ended { card, .. } => Some(uuid(card.ulid())),
        _ => None,
    });
    let cards: Vec<Uuid> = ended.collect();
    if cards.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = "SELECT id, owner_id FROM cards WHERE id = ANY($1)";
    let rows = session.fetch_all(sqlx::query(sql).bind(cards)).await?;
    rows.iter().map(|row| Ok((super::values::card_id(get(row, "id")?), get(row, "owner_id")?))).collect()
}

/// What is owed, as columns.
#[derive(Default)]
struct Owed {
    people: Vec<String>,
    kinds: Vec<i16>,
    subjects: Vec<Uuid>,
}

impl Owed {
    fn add(&mut self, person: &str, subject: Subject) {
        self.people.push(person.to_owned());
        self.kinds.push(subject.kind.number());
        self.subjects.push(uuid(subject.id));
    }

    async fn owe(self, session: &mut Session) -> Result<(), Failure> {
        if !self.people.is_empty() {
            let sql = "SELECT owe_records($1, $2, $3, to_timestamp(0))";
            session.execute(sqlx::query(sql).bind(self.people).bind(self.kinds).bind(self.subjects)).await?;
        }
        Ok(())
    }
}

fn counts(row: &PgRow) -> Result<RecordCounts, Failure> {
    let (now, waiting) = (get_time(row, "now")?, get_count(row, "waiting")?);
    Ok(RecordCounts {
        did: get(row, "did")?,
        state: state_of(get(row, "state")?)?,
        last_error: get(row, "reason")?,
        published: get_count(row, "published")?,
        waiting,
        paused_until: maybe_time(row, "paused_until")?.filter(|until| *until > now),
        rest: rest(waiting, spent(row)?, now),
    })
}
