//! Finding single events.

use std::collections::BTreeSet;

use async_trait::async_trait;
use cardwire_domain::{ActivityId, CardId, EventId, UserId};
use cardwire_events::operations::{Carrier, DeliveryNow, Finder, FoundCard, LOOKED_THROUGH, Step, Track, WrittenTo};
use cardwire_events::{Envelope, Queue, Result};
use jiff::Timestamp;
use rusqlite::{Connection, Row, ToSql};

use super::way;
use crate::sqlite::error::Failure;
use crate::sqlite::page_rows::get_state;
use crate::sqlite::store::SqliteStore;
use crate::sqlite::values::{
    blob, card_id, first, get, get_count, get_envelope, get_queue, get_time, rows, signed, time, ulid, url_digest, us,
    user_id,
};

/// The newest times of events about a card, according to its rows. Two more than requested: an import may set the
/// card's own.
const TIMES: &str = "\
SELECT created_at AS at FROM cards WHERE id = ?1
UNION SELECT library_at FROM cards WHERE id = ?1 AND library_at IS NOT NULL
UNION SELECT added_at FROM links WHERE card_id = ?1
ORDER BY at DESC LIMIT ?2 + 2";

const AT_TIME: &str = "\
SELECT id, type, envelope, occurred_at FROM events WHERE occurred_at = ?1 AND envelope->>'subject' = ?2 ORDER BY id";

const IN_ACTIVITIES: &str = "\
SELECT e.id, e.type, e.envelope, e.occurred_at
FROM activities a JOIN activity_members m ON m.activity_id = a.id JOIN events e ON e.id = m.event_id WHERE a.card_id = ?1
ORDER BY e.id DESC LIMIT ?2";

const AMONG_THE_NEWEST: &str = "\
SELECT * FROM (SELECT id, type, envelope, occurred_at FROM events ORDER BY id DESC LIMIT ?2) e
WHERE e.envelope->>'subject' = ?1";

const EVENT: &str = "SELECT id, type, envelope, occurred_at FROM events WHERE id = ?1";

const DELIVERIES: &str = "\
SELECT queue, due_at, published_at, sweeps, tries, dead_at, error FROM deliveries WHERE event_id = ?1 ORDER BY queue";

const STEPS: &str = "\
SELECT at, kind, detail FROM delivery_steps WHERE queue = ?1 AND event_id = ?2 ORDER BY id";

const CARRIER: &str = "\
SELECT a.id, a.created_at FROM activities a JOIN activity_members m ON m.activity_id = a.id
WHERE a.card_id = ?1 AND m.event_id = ?2";

const WRITTEN_TO: &str = "\
SELECT c.id, c.owner_id, c.url, c.private OR c.hidden AS private, c.created_at, c.library_at, p.state, p.reason, p.retryable, p.fetched_at,
       EXISTS (SELECT 1 FROM search_documents d WHERE d.card_id = c.id) AS is_indexed
FROM cards c LEFT JOIN pages p ON p.url_digest = c.url_digest AND NOT (c.private OR c.hidden) WHERE c.id = ?1";

const OF_URL: &str = "\
SELECT id, owner_id, url, private, created_at, library_at FROM cards
WHERE url_digest = ?1 AND library_link IS NOT NULL AND NOT (private OR hidden) ORDER BY id LIMIT ?2";

const OF_PERSON: &str = "\
SELECT id, owner_id, url, private, created_at, library_at FROM cards
WHERE owner_id = ?1 AND library_link IS NOT NULL AND NOT (private OR hidden) ORDER BY library_at DESC, id DESC LIMIT ?2";

const RESENT: &str = "\
SELECT queue, count(*) AS events FROM deliveries WHERE sweeps > 0 AND dead_at IS NULL GROUP BY queue ORDER BY queue";

#[async_trait]
impl Finder for SqliteStore {
    async fn events_of_card(&self, card: CardId, limit: usize) -> Result<Vec<Envelope>> {
        let find = move |connection: &Connection, _| {
            let (id, subject) = (blob(card.ulid()), card.to_string());
            let mut found = Vec::new();
            for at in rows(connection, TIMES, &[&id, &signed(limit)], |row| get_time(row, "at"))? {
                found.extend(at_time(connection, at, &subject)?);
            }
            found.extend(rows(connection, IN_ACTIVITIES, &[&id, &signed(limit)], get_envelope)?);
            found.extend(rows(connection, AMONG_THE_NEWEST, &[&subject, &signed(LOOKED_THROUGH)], get_envelope)?);
            found.sort_by_key(|envelope| std::cmp::Reverse(envelope.id));
            found.dedup_by_key(|envelope| envelope.id);
            found.truncate(limit);
            Ok(found)
        };
        Ok(self.read(find).await?)
    }

    async fn accepted_with(&self, event: EventId) -> Result<Vec<Envelope>> {
        let find = move |connection: &Connection, _| {
            let read = |row: &Row<'_>| Ok((get_envelope(row)?, get_time(row, "occurred_at")?));
            match first(connection, EVENT, &[&blob(event.ulid())], read)? {
                Some((envelope, at)) => at_time(connection, at, &envelope.subject),
                None => Ok(Vec::new()),
            }
        };
        Ok(self.read(find).await?)
    }

    async fn cards_of_url(&self, normalised_url: &str, limit: usize) -> Result<Vec<FoundCard>> {
        let digest = url_digest(normalised_url);
        Ok(self.read(move |connection, _| rows(connection, OF_URL, &[&digest, &signed(limit)], read_card)).await?)
    }

    async fn cards_of_person(&self, person: &UserId, limit: usize) -> Result<Vec<FoundCard>> {
        let person = person.clone();
        let find = move |connection: &Connection, _| {
            rows(connection, OF_PERSON, &[&person.as_str(), &signed(limit)], read_card)
        };
        Ok(self.read(find).await?)
    }

    async fn tracks(&self, events: &[EventId]) -> Result<Vec<Track>> {
        let events: BTreeSet<EventId> = events.iter().copied().collect();
        let find = move |connection: &Connection, _| {
            let found = events.into_iter().map(|event| track(connection, event));
            found.filter_map(Result::transpose).collect()
        };
        Ok(self.read(find).await?)
    }

    async fn resent(&self) -> Result<Vec<(Queue, u64)>> {
        let read = |row: &Row<'_>| Ok((get_queue(row)?, get_count(row, "events")?));
        Ok(self.read(move |connection, _| rows(connection, RESENT, &[], read)).await?)
    }
}

fn at_time(connection: &Connection, at: Timestamp, subject: &str) -> Result<Vec<Envelope>, Failure> {
    rows(connection, AT_TIME, &[&us(at), &subject], get_envelope)
}

fn read_card(row: &Row<'_>) -> Result<FoundCard, Failure> {
    let (url, is_private): (String, bool) = (get(row, "url")?, get(row, "private")?);
    Ok(FoundCard {
        id: card_id(get(row, "id")?),
        owner: user_id(&get::<String>(row, "owner_id")?)?,
        url: (!is_private).then_some(url),
        created_at: get_time(row, "created_at")?,
        library_at: maybe_time(row, "library_at")?,
    })
}

fn maybe_time(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>, Failure> {
    get::<Option<i64>>(row, column)?.map(time).transpose()
}

fn track(connection: &Connection, id: EventId) -> Result<Option<Track>, Failure> {
    let event = blob(id.ulid());
    let read = |row: &Row<'_>| Ok((get_envelope(row)?, get_time(row, "occurred_at")?));
    let Some((envelope, accepted_at)) = first(connection, EVENT, &[&event], read)? else { return Ok(None) };
    let mut steps: Vec<(Queue, Step)> = Vec::new();
    for queue in Queue::ALL {
        let of_queue = rows(connection, STEPS, &[&queue.name(), &event], way::read)?;
        steps.extend(of_queue.into_iter().map(|step| (queue, step)));
    }
    steps.sort_by_key(|(_, step)| step.at);
    let card = envelope.subject.parse().ok().map(|card: CardId| blob(card.ulid()));
    let carrier = |row: &Row<'_>| {
        Ok(Carrier { id: ActivityId::from_ulid(ulid(get(row, "id")?)), created_at: get_time(row, "created_at")? })
    };
    let (activity, card) = match card {
        Some(card) => {
            let values: [&dyn ToSql; 2] = [&card, &event];
            let activity = first(connection, CARRIER, &values, carrier)?;
            (activity, first(connection, WRITTEN_TO, &[&card], read_written)?)
        }
        None => (None, None),
    };
    let deliveries = rows(connection, DELIVERIES, &[&event], read_delivery)?;
    Ok(Some(Track { envelope, accepted_at, deliveries, steps, activity, card }))
}

fn read_delivery(row: &Row<'_>) -> Result<DeliveryNow, Failure> {
    Ok(DeliveryNow {
        queue: get_queue(row)?,
        due_at: get_time(row, "due_at")?,
        published_at: maybe_time(row, "published_at")?,
        sweeps: get(row, "sweeps")?,
        tries: get(row, "tries")?,
        dead_at: maybe_time(row, "dead_at")?,
        error: get(row, "error")?,
    })
}

fn read_written(row: &Row<'_>) -> Result<WrittenTo, Failure> {
    let page = match get::<Option<String>>(row, "state")? {
        Some(_) => Some((get_state(row)?, maybe_time(row, "fetched_at")?)),
        None => None,
    };
    Ok(WrittenTo { card: read_card(row)?, is_indexed: get(row, "is_indexed")?, page })
}
