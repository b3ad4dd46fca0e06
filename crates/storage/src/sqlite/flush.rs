//! The flush: events off the ledger and into the activities of their card and person, in one transaction.

use std::collections::{BTreeMap, HashSet};

use cardwire_domain::activity::{regroup, regroup_from};
use cardwire_domain::{Activity, ActivityId, CardId, EventId, Member, UserId};
use cardwire_events::Queue;
use rusqlite::{Connection, Row};

use super::error::Failure;
use super::log::{recorded, take};
use super::store::SqliteStore;
use super::values::{blob, card_id, collection_id, event_id, get, get_time, link_id, rows, run, ulid, us, user_id};

type Pair = (CardId, UserId);

/// What a flush did.
#[derive(Default)]
pub(super) struct Flushed {
    pub(super) taken: usize,
    /// New activities.
    pub(super) inserted: usize,
}

/// Those of the events that are still owed and make activities.
pub(super) fn flush(connection: &Connection, mut ids: Vec<EventId>) -> Result<Flushed, Failure> {
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Flushed::default());
    }
    let mut pairs: BTreeMap<Pair, Vec<Member>> = BTreeMap::new();
    let events = recorded(connection, &ids)?;
    ids.clear();
    for event in &events {
        if let (Some(member), Some(card_id)) = (Member::of(event), event.event.card_id()) {
            ids.push(event.id);
            pairs.entry((card_id, event.event.actor_id().clone())).or_default().push(member);
        }
    }
    let taken: HashSet<EventId> = take(connection, Queue::Feeds, &ids)?.into_iter().collect();
    let mut inserted = 0;
    for (pair, mut members) in pairs {
        members.retain(|member| taken.contains(&member.event_id));
        if members.is_empty() {
            continue;
        }
        let regrouped = regroup(pair.0, &pair.1, load(connection, &pair, &members)?, members);
        for activity in &regrouped.updated {
            update(connection, activity)?;
        }
        for activity in &regrouped.inserted {
            insert(connection, activity)?;
        }
        inserted += regrouped.inserted.len();
    }
    Ok(Flushed { taken: taken.len(), inserted })
}

/// The activities that the members may touch.
fn load(connection: &Connection, (card, actor): &Pair, members: &[Member]) -> Result<Vec<Activity>, Failure> {
    let from = regroup_from(members).map_or(i64::MIN, us);
    let sql = "SELECT id, card_id, actor_id, created_at FROM activities \
               WHERE card_id = ?1 AND actor_id = ?2 AND window_start >= ?3 ORDER BY window_start, id";
    rows(connection, sql, &[&blob(card.ulid()), &actor.as_str(), &from], |row| read(connection, row))
}

fn read(connection: &Connection, row: &Row<'_>) -> Result<Activity, Failure> {
    let id = ActivityId::from_ulid(ulid(get(row, "id")?));
    let sql = "SELECT occurred_at, event_id, link_id, collection_id FROM activity_members \
               WHERE activity_id = ?1 ORDER BY occurred_at, event_id";
    let members = rows(connection, sql, &[&blob(id.ulid())], |row| {
        Ok(Member {
            occurred_at: get_time(row, "occurred_at")?,
            event_id: event_id(get(row, "event_id")?),
            link_id: link_id(get(row, "link_id")?),
            collection_id: get::<Option<_>>(row, "collection_id")?.map(collection_id),
        })
    });
    Ok(Activity {
        id,
        card_id: card_id(get(row, "card_id")?),
        actor_id: user_id(&get::<String>(row, "actor_id")?)?,
        created_at: get_time(row, "created_at")?,
        members: members?,
    })
}

fn insert(connection: &Connection, activity: &Activity) -> Result<(), Failure> {
    run(connection, "UPDATE stream_position SET position = position + 1", &[])?;
    let sql = "INSERT INTO activities (id, card_id, actor_id, created_at, window_start, position) \
               SELECT ?1, ?2, ?3, ?4, ?5, position FROM stream_position";
    run(
        connection,
        sql,
        &[
            &blob(activity.id.ulid()),
            &blob(activity.card_id.ulid()),
            &activity.actor_id.as_str(),
            &us(activity.created_at),
            &us(activity.window_start()),
        ],
    )?;
    insert_members(connection, activity)
}

/// Only the members and the window that follows from them.
fn update(connection: &Connection, activity: &Activity) -> Result<(), Failure> {
    let id = blob(activity.id.ulid());
    let sql = "UPDATE activities SET window_start = ?2 WHERE id = ?1";
    run(connection, sql, &[&id, &us(activity.window_start())])?;
    run(connection, "DELETE FROM activity_members WHERE activity_id = ?1", &[&id])?;
    insert_members(connection, activity)
}

fn insert_members(connection: &Connection, activity: &Activity) -> Result<(), Failure> {
    let sql = "INSERT INTO activity_members (activity_id, event_id, occurred_at, link_id, collection_id) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    for member in &activity.members {
        let (event, link) = (blob(member.event_id.ulid()), blob(member.link_id.ulid()));
        let collection = member.collection_id.map(|id| blob(id.ulid()));
        run(connection, sql, &[&blob(activity.id.ulid()), &event, &us(member.occurred_at), &link, &collection])?;
    }
    Ok(())
}

impl SqliteStore {
    /// Every activity with all its members, shown or not, in no order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn activities(&self) -> cardwire_domain::Result<Vec<Activity>> {
        let sql = "SELECT id, card_id, actor_id, created_at FROM activities";
        let read = self.read(move |connection, _| rows(connection, sql, &[], |row| read(connection, row)));
        Ok(read.await?)
    }
}
