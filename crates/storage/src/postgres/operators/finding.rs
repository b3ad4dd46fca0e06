//! Finding single events.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::{ActivityId, CardId, EventId, UserId};
use cardwire_events::operations::{
    CLOCKS_DIFFER, Carrier, DeliveryNow, Finder, FoundCard, LOOKED_THROUGH, Step, Track, WrittenTo,
};
use cardwire_events::{Envelope, Queue, Result};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use ulid::Ulid;

use super::way;
use crate::postgres::error::Failure;
use crate::postgres::page_rows::get_state;
use crate::postgres::pool::Session;
use crate::postgres::store::PostgresStore;
use crate::postgres::values::{
    card_id, event_id, event_uuids, get, get_count, get_envelope, get_queue, get_time, signed, time, ulid, url_digest,
    user_id, uuid,
};

/// The newest times of events about a card, according to its rows. Two more than requested: an import may set the
/// card's own.
const TIMES: &str = "\
SELECT created_at AS at FROM cards WHERE id = $1
UNION SELECT library_at FROM cards WHERE id = $1 AND library_at IS NOT NULL
UNION SELECT added_at FROM links WHERE card_id = $1
ORDER BY at DESC LIMIT $2::bigint + 2";

/// What occurred at these times about `$4`, by the key: an id begins with its time.
const AT_TIMES: &str = "\
SELECT e.id, e.type, e.envelope, e.occurred_at
FROM unnest($1::timestamptz[], $2::uuid[], $3::uuid[]) AS m(at, low, high)
CROSS JOIN LATERAL (
    SELECT * FROM events e WHERE e.id BETWEEN m.low AND m.high OFFSET 0
) e
WHERE e.occurred_at = m.at AND e.envelope->>'subject' = $4";

const IN_ACTIVITIES: &str = "\
SELECT e.id, e.type, e.envelope, e.occurred_at
FROM activities a CROSS JOIN LATERAL unnest(a.event_ids) AS m(id) JOIN events e ON e.id = m.id WHERE a.card_id = $1
ORDER BY e.id DESC LIMIT $2";

const AMONG_THE_NEWEST: &str = "\
SELECT * FROM (SELECT id, type, envelope, occurred_at FROM events ORDER BY id DESC LIMIT $2) e
WHERE e.envelope->>'subject' = $1";

const EVENTS: &str = "SELECT id, type, envelope, occurred_at FROM events WHERE id = ANY($1) ORDER BY id";

const DELIVERIES: &str = "\
SELECT queue, event_id, due_at, published_at, sweeps, tries, dead_at, error FROM deliveries
WHERE queue = ANY($1) AND event_id = ANY($2) ORDER BY queue";

const STEPS: &str = "\
SELECT queue, event_id, at, kind, detail FROM delivery_steps WHERE queue = ANY($1) AND event_id = ANY($2) ORDER BY id";

const CARRIERS: &str = "\
SELECT id, created_at, event_ids FROM activities WHERE card_id = ANY($1) AND event_ids && $2";

const WRITTEN_TO: &str = "\
SELECT c.id, c.owner_id, c.url, c.private OR c.hidden AS private, c.created_at, c.library_at, p.state, p.reason, p.retryable, p.fetched_at,
       EXISTS (SELECT 1 FROM search_documents d WHERE d.card_id = c.id) AS is_indexed
FROM cards c LEFT JOIN pages p ON p.url_digest = c.url_digest AND NOT (c.private OR c.hidden) WHERE c.id = ANY($1)";

const OF_URL: &str = "\
SELECT id, owner_id, url, private, created_at, library_at FROM cards
WHERE url_digest = $1 AND library_link IS NOT NULL AND NOT (private OR hidden) ORDER BY id LIMIT $2";

const OF_PERSON: &str = "\
SELECT id, owner_id, url, private, created_at, library_at FROM cards
WHERE owner_id = $1 AND library_link IS NOT NULL AND NOT (private OR hidden) ORDER BY library_at DESC, id DESC LIMIT $2";

const RESENT: &str = "\
SELECT queue, count(*) AS events FROM deliveries WHERE sweeps > 0 AND dead_at IS NULL GROUP BY queue ORDER BY queue";

#[async_trait]
impl Finder for PostgresStore {
    async fn events_of_card(&self, card: CardId, limit: usize) -> Result<Vec<Envelope>> {
        let mut session = self.session().await?;
        let times = session.fetch_all(sqlx::query(TIMES).bind(uuid(card.ulid())).bind(signed(limit))).await?;
        let times = times.iter().map(|row| get_time(row, "at")).collect::<Result<Vec<_>, Failure>>()?;
        let moments: Vec<_> = times.into_iter().map(|at| (at, at)).collect();
        let mut found = at_times(&mut session, &moments, &card.to_string()).await?;
        let query = sqlx::query(IN_ACTIVITIES).bind(uuid(card.ulid())).bind(signed(limit));
        found.extend(read_all(&session.fetch_all(query).await?)?);
        let query = sqlx::query(AMONG_THE_NEWEST).bind(card.to_string()).bind(signed(LOOKED_THROUGH));
        found.extend(read_all(&session.fetch_all(query).await?)?);
        found.sort_by_key(|envelope| std::cmp::Reverse(envelope.id));
        found.dedup_by_key(|envelope| envelope.id);
        found.truncate(limit);
        Ok(found)
    }

    async fn accepted_with(&self, event: EventId) -> Result<Vec<Envelope>> {
        let mut session = self.session().await?;
        let rows = session.fetch_all(sqlx::query(EVENTS).bind(vec![uuid(event.ulid())])).await?;
        let Some(row) = rows.first() else { return Ok(Vec::new()) };
        let (envelope, at) = (get_envelope(row)?, get_time(row, "occurred_at")?);
        let mut found = at_times(&mut session, &[(made_at(event), at)], &envelope.subject).await?;
        found.sort_by_key(|envelope| envelope.id);
        Ok(found)
    }

    async fn cards_of_url(&self, normalised_url: &str, limit: usize) -> Result<Vec<FoundCard>> {
        let query = sqlx::query(OF_URL).bind(url_digest(normalised_url)).bind(signed(limit));
        let rows = self.session().await?.fetch_all(query).await?;
        Ok(rows.iter().map(read_card).collect::<Result<_, Failure>>()?)
    }

    async fn cards_of_person(&self, person: &UserId, limit: usize) -> Result<Vec<FoundCard>> {
        let query = sqlx::query(OF_PERSON).bind(person.as_str()).bind(signed(limit));
        let rows = self.session().await?.fetch_all(query).await?;
        Ok(rows.iter().map(read_card).collect::<Result<_, Failure>>()?)
    }

    async fn tracks(&self, events: &[EventId]) -> Result<Vec<Track>> {
        Ok(tracks(&mut self.session().await?, events).await?)
    }

    async fn resent(&self) -> Result<Vec<(Queue, u64)>> {
        let rows = self.session().await?.fetch_all(sqlx::query(RESENT)).await?;
        // Skip the queues of newer builds.
        let known = rows.iter().filter(|row| get_queue(row).is_ok());
        let of = |row: &PgRow| Ok((get_queue(row)?, get_count(row, "events")?));
        Ok(known.map(of).collect::<Result<_, Failure>>()?)
    }
}

/// When the event was created, by its process's clock.
fn made_at(event: EventId) -> Timestamp {
    let ms = i64::try_from(event.ulid().timestamp_ms()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

/// Events about this subject that were made about the first and occurred exactly at the second of these times.
async fn at_times(
    session: &mut Session,
    moments: &[(Timestamp, Timestamp)],
    subject: &str,
) -> Result<Vec<Envelope>, Failure> {
    if moments.is_empty() {
        return Ok(Vec::new());
    }
    let bound = |at: Timestamp, random: u128| {
        uuid(Ulid::from_parts(u64::try_from(at.as_millisecond()).unwrap_or_default(), random))
    };
    let earlier = |at: Timestamp| at.checked_sub(CLOCKS_DIFFER).unwrap_or(Timestamp::MIN);
    let later = |at: Timestamp| at.checked_add(CLOCKS_DIFFER + Duration::from_millis(1)).unwrap_or(Timestamp::MAX);
    let query = sqlx::query(AT_TIMES)
        .bind(moments.iter().map(|(_, at)| time(*at)).collect::<Vec<_>>())
        .bind(moments.iter().map(|(made, _)| bound(earlier(*made), 0)).collect::<Vec<_>>())
        .bind(moments.iter().map(|(made, _)| bound(later(*made), 0)).collect::<Vec<_>>())
        .bind(subject);
    read_all(&session.fetch_all(query).await?)
}

fn read_all(rows: &[PgRow]) -> Result<Vec<Envelope>, Failure> {
    rows.iter().map(get_envelope).collect()
}

fn read_card(row: &PgRow) -> Result<FoundCard, Failure> {
    let (url, is_private): (String, bool) = (get(row, "url")?, get(row, "private")?);
    let library_at: Option<jiff_sqlx::Timestamp> = get(row, "library_at")?;
    Ok(FoundCard {
        id: card_id(get(row, "id")?),
        owner: user_id(get(row, "owner_id")?)?,
        url: (!is_private).then_some(url),
        created_at: get_time(row, "created_at")?,
        library_at: library_at.map(jiff_sqlx::Timestamp::to_jiff),
    })
}

async fn tracks(session: &mut Session, ids: &[EventId]) -> Result<Vec<Track>, Failure> {
    let uuids = event_uuids(ids);
    let queues: Vec<&str> = Queue::ALL.iter().map(|queue| queue.name()).collect();
    let events = session.fetch_all(sqlx::query(EVENTS).bind(&uuids)).await?;
    let mut tracks = Vec::with_capacity(events.len());
    for row in &events {
        tracks.push(Track {
            envelope: get_envelope(row)?,
            accepted_at: get_time(row, "occurred_at")?,
            deliveries: Vec::new(),
            steps: Vec::new(),
            activity: None,
            card: None,
        });
    }
    let of = |tracks: &mut Vec<Track>, id: EventId, change: &mut dyn FnMut(&mut Track)| {
        tracks.iter_mut().filter(|track| track.envelope.id == id).for_each(change);
    };
    for row in session.fetch_all(sqlx::query(DELIVERIES).bind(&queues).bind(&uuids)).await? {
        let delivery = read_delivery(&row)?;
        of(&mut tracks, event_id(get(&row, "event_id")?), &mut |track| track.deliveries.push(delivery.clone()));
    }
    for row in session.fetch_all(sqlx::query(STEPS).bind(&queues).bind(&uuids)).await? {
        let step: (Queue, Step) = (get_queue(&row)?, way::read(&row)?);
        of(&mut tracks, event_id(get(&row, "event_id")?), &mut |track| track.steps.push(step.clone()));
    }
    let cards: BTreeSet<Uuid> = tracks.iter().filter_map(card_of).map(|card| uuid(card.ulid())).collect();
    let cards: Vec<Uuid> = cards.into_iter().collect();
    for row in session.fetch_all(sqlx::query(CARRIERS).bind(&cards).bind(&uuids)).await? {
        let carrier =
            Carrier { id: ActivityId::from_ulid(ulid(get(&row, "id")?)), created_at: get_time(&row, "created_at")? };
        for id in get::<Vec<Uuid>>(&row, "event_ids")? {
            of(&mut tracks, event_id(id), &mut |track| track.activity = Some(carrier));
        }
    }
    for row in session.fetch_all(sqlx::query(WRITTEN_TO).bind(&cards)).await? {
        let written = read_written(&row)?;
        for track in tracks.iter_mut().filter(|track| card_of(track) == Some(written.card.id)) {
            track.card = Some(written.clone());
        }
    }
    Ok(tracks)
}

fn card_of(track: &Track) -> Option<CardId> {
    track.envelope.subject.parse().ok()
}

fn read_delivery(row: &PgRow) -> Result<DeliveryNow, Failure> {
    let at = |column: &str| -> Result<Option<Timestamp>, Failure> {
        Ok(get::<Option<jiff_sqlx::Timestamp>>(row, column)?.map(jiff_sqlx::Timestamp::to_jiff))
    };
    let count = |column: &str| -> Result<u32, Failure> {
        u32::try_from(get::<i32>(row, column)?).map_err(|_| Failure::Nonsense(format!("{column} is negative")))
    };
    Ok(DeliveryNow {
        queue: get_queue(row)?,
        due_at: get_time(row, "due_at")?,
        published_at: at("published_at")?,
        sweeps: count("sweeps")?,
        tries: count("tries")?,
        dead_at: at("dead_at")?,
        error: get(row, "error")?,
    })
}

fn read_written(row: &PgRow) -> Result<WrittenTo, Failure> {
    let fetched_at: Option<jiff_sqlx::Timestamp> = get(row, "fetched_at")?;
    let has_page = get::<Option<&str>>(row, "state")?.is_some();
    Ok(WrittenTo {
        card: read_card(row)?,
        is_indexed: get(row, "is_indexed")?,
        page: has_page
            .then(|| Ok::<_, Failure>((get_state(row)?, fetched_at.map(jiff_sqlx::Timestamp::to_jiff))))
            .transpose()?,
    })
}
