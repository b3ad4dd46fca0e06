//! What clients were answered, held against what PostgreSQL has in the end.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use cardwire_domain::activity::{Member, WINDOW, regroup};
use cardwire_domain::{CardId, CollectionId, EventId, LinkId, UserId};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::types::Uuid;
use sqlx::{PgPool, Row as _};
use ulid::Ulid;

/// What the saves of a run were answered. Only saves with an answer count; others may or may not have happened.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Card ids by (person, URL), with whether the answer said that it was created.
    accepted: BTreeMap<(String, String), (String, bool)>,
    /// How often a card came into its library again, or others began or ceased to see it.
    begun_anew: BTreeMap<String, usize>,
    /// Of accounts that are gone.
    forgotten: usize,
}

/// What a green check has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    pub accepted: usize,
    pub events: usize,
    pub activities: usize,
}

type Pair = (CardId, UserId);

impl History {
    /// Books an answer to a save.
    pub fn accept(&mut self, person: &str, url: &str, answer: &Value) {
        let card = answer["urlCardId"].as_str().unwrap_or_default().to_owned();
        let created = answer["created"].as_bool().unwrap_or_default();
        let known = self.accepted.entry((person.to_owned(), url.to_owned())).or_insert((card.clone(), created));
        known.1 |= created;
        assert_eq!(known.0, card, "one URL of one person is one card");
    }

    /// Records that an accepted command gave this card a new stay in its library.
    pub fn begun_anew(&mut self, card: &str) {
        *self.begun_anew.entry(card.to_owned()).or_default() += 1;
    }

    /// Books that an account is gone which had saved this many links for everybody to see, each once: they stay counted.
    pub fn forgot(&mut self, saves: usize) {
        self.forgotten += saves;
    }

    pub fn len(&self) -> usize {
        self.accepted.len()
    }

    pub fn is_empty(&self) -> bool {
        self.accepted.is_empty()
    }

    pub fn merge(&mut self, other: Self) {
        self.accepted.extend(other.accepted);
        for (card, times) in other.begun_anew {
            *self.begun_anew.entry(card).or_default() += times;
        }
        self.forgotten += other.forgotten;
    }

    /// Everything that was accepted had its effect, once: in the feed, in search, in the counts; and nothing is owed any more.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub async fn check(&self, pool: &PgPool) -> anyhow::Result<Checked> {
        let owed: i64 = sqlx::query_scalar("SELECT count(*) FROM deliveries").fetch_one(pool).await?;
        ensure!(owed == 0, "{owed} deliveries are left, dead letters among them");
        let events = added_events(pool).await?;
        self.check_accepted(pool).await?;
        let activities = check_activities(pool, &events).await?;
        check_search(pool).await?;
        check_counts(pool, self.forgotten).await?;
        let count = events.values().map(Vec::len).sum();
        Ok(Checked { accepted: self.accepted.len(), events: count, activities })
    }

    async fn check_accepted(&self, pool: &PgPool) -> anyhow::Result<()> {
        let added: Vec<String> =
            sqlx::query_scalar("SELECT envelope->'data'->>'cardId' FROM events WHERE type LIKE 'CardAddedToLibrary.%'")
                .fetch_all(pool)
                .await?;
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for card in &added {
            *times.entry(card).or_default() += 1;
        }
        for ((person, url), (card, _)) in &self.accepted {
            let count = times.get(card.as_str()).copied().unwrap_or_default();
            let expected = 1 + self.begun_anew.get(card).copied().unwrap_or_default();
            ensure!(
                count == expected,
                "{person} was told that {url} is saved as {card}, which has {count} events instead of {expected}"
            );
        }
        Ok(())
    }
}

/// Every addition in the event log had its effect on the feed, once, and nothing is owed any more. Returns the number of activities.
///
/// # Errors
/// The first thing that is wrong.
pub async fn check_feed(pool: &PgPool) -> anyhow::Result<usize> {
    let owed: i64 = sqlx::query_scalar("SELECT count(*) FROM deliveries").fetch_one(pool).await?;
    ensure!(owed == 0, "{owed} deliveries are left, dead letters among them");
    check_activities(pool, &added_events(pool).await?).await
}

/// Every addition in the event log that others see, by card and person.
async fn added_events(pool: &PgPool) -> anyhow::Result<BTreeMap<Pair, Vec<Member>>> {
    let rows = sqlx::query(
        "SELECT id, (extract(epoch FROM occurred_at) * 1000000)::bigint AS at, envelope->'data' AS data FROM events \
         WHERE type LIKE 'CardAddedTo%' AND coalesce(envelope->'data'->>'visibility', 'PUBLIC') = 'PUBLIC'",
    )
    .fetch_all(pool)
    .await?;
    let mut events: BTreeMap<Pair, Vec<Member>> = BTreeMap::new();
    for row in rows {
        let data: Value = row.try_get("data")?;
        let text = |name: &str| data[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {data}"));
        let member = Member {
            occurred_at: Timestamp::from_microsecond(row.try_get("at")?)?,
            event_id: EventId::from_ulid(ulid(row.try_get("id")?)),
            link_id: text("linkId")?.parse::<LinkId>()?,
            collection_id: data["collectionId"].as_str().map(str::parse::<CollectionId>).transpose()?,
        };
        let pair = (text("cardId")?.parse::<CardId>()?, UserId::parse(&text("actorId")?)?);
        events.entry(pair).or_default().push(member);
    }
    Ok(events)
}

/// The activities are exactly what the cut makes of all events at once: so each event is in one, unions are right, and no two
/// windows of a pair overlap.
async fn check_activities(pool: &PgPool, events: &BTreeMap<Pair, Vec<Member>>) -> anyhow::Result<usize> {
    let rows =
        sqlx::query("SELECT card_id, actor_id, event_ids, collection_ids FROM activities").fetch_all(pool).await?;
    let mut found: BTreeMap<Pair, BTreeSet<BTreeSet<EventId>>> = BTreeMap::new();
    let mut unions: BTreeMap<Uuid, Option<Uuid>> = BTreeMap::new();
    let count = rows.len();
    for row in rows {
        let pair = (CardId::from_ulid(ulid(row.try_get("card_id")?)), UserId::parse(row.try_get("actor_id")?)?);
        let ids: Vec<Uuid> = row.try_get("event_ids")?;
        let collections: Vec<Option<Uuid>> = row.try_get("collection_ids")?;
        unions.extend(ids.iter().copied().zip(collections));
        let set: BTreeSet<EventId> = ids.iter().map(|id| EventId::from_ulid(ulid(*id))).collect();
        ensure!(set.len() == ids.len(), "an activity of {pair:?} has an event twice");
        ensure!(found.entry(pair.clone()).or_default().insert(set), "{pair:?} has the same activity twice");
    }
    for member in events.values().flatten() {
        let expected = member.collection_id.map(|id| Uuid::from_u128(id.ulid().0));
        let actual = unions.get(&Uuid::from_u128(member.event_id.ulid().0));
        ensure!(actual == Some(&expected), "{member:?} is in the feed with collection {actual:?}");
    }
    for (pair, members) in events {
        let expected: BTreeSet<BTreeSet<EventId>> = regroup(pair.0, &pair.1, Vec::new(), members.clone())
            .inserted
            .iter()
            .map(|activity| activity.members.iter().map(|member| member.event_id).collect())
            .collect();
        let actual = found.remove(pair).unwrap_or_default();
        ensure!(
            actual == expected,
            "{pair:?} has activities {actual:?} where its events, cut by {WINDOW:?}, make {expected:?}"
        );
    }
    ensure!(found.is_empty(), "activities without events: {found:?}");
    Ok(count)
}

async fn check_search(pool: &PgPool) -> anyhow::Result<()> {
    let wrong: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT id FROM cards WHERE library_link IS NOT NULL) c \
         FULL JOIN search_documents d ON d.card_id = c.id WHERE c.id IS NULL OR d.card_id IS NULL",
    )
    .fetch_one(pool)
    .await?;
    ensure!(wrong == 0, "{wrong} cards are in the library and not in search, or the other way round");
    Ok(())
}

/// The days are what the event log says, but for the saves that it has forgotten.
async fn check_counts(pool: &PgPool, forgotten: usize) -> anyhow::Result<()> {
    let (wrong, more): (i64, i64) = sqlx::query_as(
        "WITH truth AS (SELECT (occurred_at AT TIME ZONE 'UTC')::date AS day, count(*) AS saves, \
                               count(DISTINCT envelope->'data'->>'actorId') AS curators \
                        FROM events WHERE type LIKE 'CardAddedToLibrary.%' \
                                     AND coalesce(envelope->'data'->>'visibility', 'PUBLIC') = 'PUBLIC' GROUP BY 1) \
         SELECT count(*) FILTER (WHERE coalesce(truth.saves, 0) > coalesce(t.saves, 0) \
                                    OR coalesce(truth.curators, 0) <> coalesce(t.active_curators, 0)), \
                coalesce(sum(coalesce(t.saves, 0) - coalesce(truth.saves, 0)), 0)::bigint \
         FROM truth FULL JOIN daily_totals t USING (day)",
    )
    .fetch_one(pool)
    .await?;
    ensure!(wrong == 0, "the counts of {wrong} days are not what the event log says");
    let forgotten = i64::try_from(forgotten)?;
    ensure!(more == forgotten, "{more} saves are counted that the event log does not have, instead of {forgotten}");
    Ok(())
}

fn ulid(id: Uuid) -> Ulid {
    Ulid(id.as_u128())
}
