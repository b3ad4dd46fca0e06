//! The events of a run, and their rows as they are once the relay has published them.

use anyhow::Context as _;
use cardwire_domain::{CardId, CollectionId, DomainEvent, EventId, LinkId, RecordedEvent, UserId, Visibility};
use cardwire_events::redis::RedisEventPublisher;
use cardwire_events::{Envelope, EventPublisher as _, Queue};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sqlx::PgPool;
use sqlx::types::Uuid;
use ulid::Ulid;

use crate::cli::Keys;
use crate::report::Progress;

/// Entries pushed by one call. The relay carries up to 512 at once.
const PUBLISHED_AT_ONCE: usize = 500;
/// Rows inserted by one statement.
const ROWS_AT_ONCE: usize = 5_000;
pub const ACTOR: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
/// As every request has one.
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

pub struct Workload {
    pub events: Vec<RecordedEvent>,
}

impl Workload {
    /// `count` events that occurred 1 ms after each other, the last one now. With [`Keys::Distinct`] each is a card of its own that
    /// came into the library; with [`Keys::Same`] one card came into the library and then into a collection after the other.
    pub fn new(keys: Keys, count: usize) -> anyhow::Result<Self> {
        let actor = UserId::parse(ACTOR)?;
        let one_card = CardId::generate();
        let last = i64::try_from(count)?;
        let start = Timestamp::now() - SignedDuration::from_millis(last);
        let event = |n: i64| {
            let occurred_at = start + SignedDuration::from_millis(n);
            let (actor_id, link_id, visibility) = (actor.clone(), LinkId::generate(), Visibility::Public);
            let card_id = if keys == Keys::Distinct { CardId::generate() } else { one_card };
            let event = if keys == Keys::Distinct || n == 0 {
                DomainEvent::CardAddedToLibrary { card_id, actor_id, link_id, visibility }
            } else {
                let collection_id = CollectionId::generate();
                DomainEvent::CardAddedToCollection { card_id, actor_id, collection_id, link_id, visibility }
            };
            RecordedEvent { id: id_at(occurred_at), occurred_at, event }
        };
        Ok(Self { events: (0..last).map(event).collect() })
    }

    /// Into the feeds queue, one call after the other, as the relay does. Writing the entries is part of it.
    pub async fn publish(&self, publisher: &RedisEventPublisher) -> anyhow::Result<()> {
        for events in self.events.chunks(PUBLISHED_AT_ONCE) {
            let entries: Vec<(String, String)> = events
                .iter()
                .map(|event| {
                    let envelope = Envelope::wrap(event, Some(TRACEPARENT.into()));
                    let entry = envelope.to_entry();
                    (envelope.partitionkey, entry)
                })
                .collect();
            publisher.publish(Queue::Feeds, &entries).await?;
        }
        Ok(())
    }

    /// Cards, events, and a published delivery to feeds for each event, which is not due for the next hour.
    pub async fn insert(&self, pool: &PgPool) -> anyhow::Result<()> {
        let mut progress = Progress::of("preparing rows");
        for (portion, events) in self.events.chunks(ROWS_AT_ONCE).enumerate() {
            insert(pool, events).await.context("preparing rows")?;
            progress.at(portion * ROWS_AT_ONCE, self.events.len());
        }
        Ok(())
    }
}

/// Ids sort by time, as those of real events do.
fn id_at(at: Timestamp) -> EventId {
    let millis = u128::try_from(at.as_millisecond()).unwrap_or_default();
    let random = Ulid::generate().0 & ((1 << 80) - 1);
    EventId::from_ulid(Ulid(millis << 80 | random))
}

pub fn uuid(ulid: Ulid) -> Uuid {
    Uuid::from_u128(ulid.0)
}

async fn insert(pool: &PgPool, events: &[RecordedEvent]) -> anyhow::Result<()> {
    let (mut ids, mut kinds, mut envelopes, mut micros) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut cards, mut links) = (Vec::new(), Vec::new());
    for recorded in events {
        let envelope = Envelope::wrap(recorded, Some(TRACEPARENT.into()));
        ids.push(uuid(recorded.id.ulid()));
        kinds.push(envelope.kind.clone());
        envelopes.push(serde_json::to_value(&envelope)?);
        micros.push(recorded.occurred_at.as_microsecond());
        if let DomainEvent::CardAddedToLibrary { card_id, link_id, .. } = &recorded.event {
            cards.push(uuid(card_id.ulid()));
            links.push(uuid(link_id.ulid()));
        }
    }
    insert_cards(pool, &cards, &links).await?;
    let sql = "WITH e AS ( \
                   SELECT id, type, envelope, 'epoch'::timestamptz + at * interval '1 microsecond' AS at \
                   FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::bigint[]) AS e(id, type, envelope, at) \
               ), logged AS ( \
                   INSERT INTO events (id, type, envelope, occurred_at) SELECT * FROM e \
               ) \
               INSERT INTO deliveries (queue, event_id, occurred_at, published_at, due_at) \
               SELECT 'feeds', id, at, now(), now() + interval '1 hour' FROM e";
    let query = sqlx::query(sql).bind(ids).bind(kinds).bind::<Vec<Value>>(envelopes).bind(micros);
    query.execute(pool).await?;
    Ok(())
}

/// Cards in their owner's library, so that their activities are shown.
pub async fn insert_cards(pool: &PgPool, cards: &[Uuid], links: &[Uuid]) -> anyhow::Result<()> {
    let sql = "INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, library_link, library_at, identity_version) \
               SELECT id, $3, url, url, sha256(convert_to(url, 'UTF8')), link, now(), 1 \
               FROM (SELECT id, link, 'https://example.com/articles/' || id AS url \
                     FROM unnest($1::uuid[], $2::uuid[]) AS c(id, link)) c";
    sqlx::query(sql).bind(cards).bind(links).bind(ACTOR).execute(pool).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn events_are_of_distinct_keys_or_of_one() {
        let keys = |keys| -> BTreeSet<String> {
            let workload = Workload::new(keys, 50).unwrap();
            let ids: BTreeSet<EventId> = workload.events.iter().map(|event| event.id).collect();
            assert_eq!(ids.len(), 50);
            assert!(workload.events.is_sorted_by_key(|event| event.id), "ids follow time");
            workload.events.iter().map(|event| event.event.partition_key()).collect()
        };
        assert_eq!(keys(Keys::Distinct).len(), 50);
        assert_eq!(keys(Keys::Same).len(), 1);
    }
}
