//! The flush: events off the ledger and into the activities of their card and person, in one transaction.

use std::collections::{BTreeMap, HashSet};

use cardwire_domain::activity::{regroup, regroup_from};
use cardwire_domain::{Activity, ActivityId, CardId, CollectedWindow, EventId, Member, UserId};
use cardwire_events::Queue;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::types::Uuid;

use super::error::Failure;
use super::log::{recorded, take};
use super::pool::Session;
use super::values::{card_id, collection_id, event_id, get, get_time, link_id, time, ulid, user_id, uuid};

type Pair = (CardId, UserId);

/// What a flush did.
#[derive(Default)]
pub(super) struct Flushed {
    pub(super) taken: usize,
    /// New activities.
    pub(super) inserted: usize,
}

/// Seven statements, or nine if activities exist already, for any number of windows. Concurrent flushes of one pair
/// take turns; otherwise each would miss the activity the other is about to write.
pub(super) async fn flush(session: &mut Session, windows: &[CollectedWindow]) -> Result<Flushed, Failure> {
    let mut ids: Vec<EventId> = windows.iter().flat_map(|window| &window.members).map(|m| m.event_id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Flushed::default());
    }
    // The windows come from a place where others may write, so the events are read here. They never change, so that
    // needs no lock.
    let events = recorded(session, &ids).await?;
    let mut pairs: BTreeMap<Pair, Vec<Member>> = BTreeMap::new();
    ids.clear();
    for event in &events {
        if let (Some(member), Some(card_id)) = (Member::of(event), event.event.card_id()) {
            ids.push(event.id);
            pairs.entry((card_id, event.event.actor_id().clone())).or_default().push(member);
        }
    }
    session.begin().await?;
    lock_pairs(session, pairs.keys()).await?;
    let taken: HashSet<EventId> = take(session, Queue::Feeds, &ids).await?.into_iter().collect();
    for members in pairs.values_mut() {
        members.retain(|member| taken.contains(&member.event_id));
    }
    pairs.retain(|_, members| !members.is_empty());
    let count = taken.len();
    let mut inserted = Vec::new();
    let mut updated = Vec::new();
    let mut known = load(session, &pairs).await?;
    for (pair, members) in pairs {
        let existing = known.remove(&pair).unwrap_or_default();
        let regrouped = regroup(pair.0, &pair.1, existing, members);
        inserted.extend(regrouped.inserted);
        updated.extend(regrouped.updated);
    }
    if !updated.is_empty() {
        update(session, &updated).await?;
    }
    if !inserted.is_empty() {
        insert(session, &inserted).await?;
    }
    session.commit().await?;
    Ok(Flushed { taken: count, inserted: inserted.len() })
}

async fn lock_pairs(session: &mut Session, pairs: impl Iterator<Item = &Pair>) -> Result<(), Failure> {
    let mut keys: Vec<i64> = pairs.map(|(card, actor)| pair_key(*card, actor)).collect();
    keys.sort_unstable();
    keys.dedup();
    // Locked one by one in the order of the array, which every flush sorts the same way.
    session
        .execute(sqlx::query("SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key").bind(keys))
        .await?;
    Ok(())
}

/// Pairs that happen to share a key just wait for each other.
fn pair_key(card: CardId, actor: &UserId) -> i64 {
    let digest = Sha256::new().chain_update(card.ulid().to_bytes()).chain_update(actor.as_str()).finalize();
    let mut key = [0; 8];
    key.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(key)
}

/// The activities that the members may touch.
async fn load(
    session: &mut Session,
    pairs: &BTreeMap<Pair, Vec<Member>>,
) -> Result<BTreeMap<Pair, Vec<Activity>>, Failure> {
    let mut known: BTreeMap<Pair, Vec<Activity>> = BTreeMap::new();
    if pairs.is_empty() {
        return Ok(known);
    }
    let (mut cards, mut actors, mut from) = (Vec::new(), Vec::new(), Vec::new());
    for ((card, actor), members) in pairs {
        cards.push(uuid(card.ulid()));
        actors.push(actor.as_str());
        from.push(time(regroup_from(members).unwrap_or(Timestamp::UNIX_EPOCH)));
    }
    let sql = "SELECT a.id, a.card_id, a.actor_id, a.created_at, a.event_ids, a.occurred_ats, a.link_ids, a.collection_ids \
               FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS p(card_id, actor_id, start) \
               JOIN activities a ON a.card_id = p.card_id AND a.actor_id = p.actor_id COLLATE \"C\" \
                                AND a.window_start >= p.start \
               ORDER BY a.window_start, a.id";
    for row in session.fetch_all(sqlx::query(sql).bind(cards).bind(actors).bind(from)).await? {
        let activity = read(&row)?;
        known.entry((activity.card_id, activity.actor_id.clone())).or_default().push(activity);
    }
    Ok(known)
}

fn read(row: &PgRow) -> Result<Activity, Failure> {
    let events: Vec<Uuid> = get(row, "event_ids")?;
    let times: Vec<jiff_sqlx::Timestamp> = get(row, "occurred_ats")?;
    let links: Vec<Uuid> = get(row, "link_ids")?;
    let collections: Vec<Option<Uuid>> = get(row, "collection_ids")?;
    let members = events.into_iter().zip(times).zip(links).zip(collections);
    Ok(Activity {
        id: ActivityId::from_ulid(ulid(get(row, "id")?)),
        card_id: card_id(get(row, "card_id")?),
        actor_id: user_id(get(row, "actor_id")?)?,
        created_at: get_time(row, "created_at")?,
        members: members
            .map(|(((event, at), link), collection)| Member {
                occurred_at: at.to_jiff(),
                event_id: event_id(event),
                link_id: link_id(link),
                collection_id: collection.map(collection_id),
            })
            .collect(),
    })
}

/// The members of several activities, as columns of equal length; `activity` says which one each belongs to.
#[derive(Default)]
struct Members {
    activity: Vec<Uuid>,
    events: Vec<Uuid>,
    times: Vec<jiff_sqlx::Timestamp>,
    links: Vec<Uuid>,
    collections: Vec<Option<Uuid>>,
}

impl Members {
    fn of(activities: &[Activity]) -> Self {
        let mut columns = Self::default();
        for activity in activities {
            for member in &activity.members {
                columns.activity.push(uuid(activity.id.ulid()));
                columns.events.push(uuid(member.event_id.ulid()));
                columns.times.push(time(member.occurred_at));
                columns.links.push(uuid(member.link_id.ulid()));
                columns.collections.push(member.collection_id.map(|id| uuid(id.ulid())));
            }
        }
        columns
    }

    /// To a statement made with [`from_members`].
    fn bind(self, sql: &'static str) -> Query<'static, Postgres, PgArguments> {
        let query = sqlx::query(sql).bind(self.activity).bind(self.events).bind(self.times);
        query.bind(self.links).bind(self.collections)
    }
}

/// A statement over `m`: what each activity has of its [`Members`].
macro_rules! from_members {
    ($then:literal) => {
        concat!(
            "WITH m AS ( \
                 SELECT activity, min(at) AS start, array_agg(event ORDER BY n) AS events, array_agg(at ORDER BY n) AS times, \
                        array_agg(link ORDER BY n) AS links, array_agg(collection ORDER BY n) AS collections \
                 FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::uuid[], $5::uuid[]) \
                      WITH ORDINALITY AS m(activity, event, at, link, collection, n) GROUP BY activity) ",
            $then
        )
    };
}

/// Last, because every flush waits for the lock under which a position in the live feed is taken.
async fn insert(session: &mut Session, activities: &[Activity]) -> Result<(), Failure> {
    let sql = from_members!(
        "INSERT INTO activities (id, card_id, actor_id, created_at, window_start, epoch, \
                                       event_ids, occurred_ats, link_ids, collection_ids) \
               SELECT a.id, a.card_id, a.actor_id, a.created_at, m.start, (SELECT next_position()), \
                      m.events, m.times, m.links, m.collections \
               FROM unnest($6::uuid[], $7::uuid[], $8::text[], $9::timestamptz[]) AS a(id, card_id, actor_id, created_at) \
               JOIN m ON m.activity = a.id"
    );
    let query = Members::of(activities)
        .bind(sql)
        .bind(activities.iter().map(|a| uuid(a.id.ulid())).collect::<Vec<_>>())
        .bind(activities.iter().map(|a| uuid(a.card_id.ulid())).collect::<Vec<_>>())
        .bind(activities.iter().map(|a| a.actor_id.as_str()).collect::<Vec<_>>())
        .bind(activities.iter().map(|a| time(a.created_at)).collect::<Vec<_>>());
    session.execute(query).await?;
    Ok(())
}

/// Only the members and the window that follows from them.
async fn update(session: &mut Session, activities: &[Activity]) -> Result<(), Failure> {
    let sql = from_members!(
        "UPDATE activities a SET window_start = m.start, event_ids = m.events, occurred_ats = m.times, \
                                       link_ids = m.links, collection_ids = m.collections \
               FROM m WHERE a.id = m.activity"
    );
    let query = Members::of(activities).bind(sql);
    session.execute(query).await?;
    Ok(())
}
