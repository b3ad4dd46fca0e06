//! Conversion between domain values and columns.

use cardwire_domain::note::{Note, NoteText};
use cardwire_domain::page::no_cursor;
use cardwire_domain::user::User;
use cardwire_domain::{AccessType, CardId, CollectionId, Error, EventId, LinkId, Position, Result, UserId, Visibility};
use cardwire_events::{Envelope, Queue};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use sqlx::{Decode, Postgres, Row, Type};
use ulid::Ulid;

use super::error::Failure;

pub(super) fn uuid(ulid: Ulid) -> Uuid {
    Uuid::from_u128(ulid.0)
}

pub(super) fn ulid(uuid: Uuid) -> Ulid {
    Ulid(uuid.as_u128())
}

pub(super) fn card_id(uuid: Uuid) -> CardId {
    CardId::from_ulid(ulid(uuid))
}

pub(super) fn collection_id(uuid: Uuid) -> CollectionId {
    CollectionId::from_ulid(ulid(uuid))
}

pub(super) fn link_id(uuid: Uuid) -> LinkId {
    LinkId::from_ulid(ulid(uuid))
}

pub(super) fn event_id(uuid: Uuid) -> EventId {
    EventId::from_ulid(ulid(uuid))
}

pub(super) fn event_uuids(ids: &[EventId]) -> Vec<Uuid> {
    ids.iter().map(|id| uuid(id.ulid())).collect()
}

pub(super) fn user_id(text: &str) -> Result<UserId, Failure> {
    UserId::parse(text).map_err(|_| Failure::Nonsense(format!("{text:?} is stored as a person's id")))
}

pub(super) fn time(at: Timestamp) -> jiff_sqlx::Timestamp {
    at.to_sqlx()
}

/// A column of a row.
pub(super) fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, column: &str) -> Result<T, Failure> {
    Ok(row.try_get(column)?)
}

pub(super) fn get_time(row: &PgRow, column: &str) -> Result<Timestamp, Failure> {
    Ok(get::<jiff_sqlx::Timestamp>(row, column)?.to_jiff())
}

/// A count, which is never negative.
pub(super) fn get_count(row: &PgRow, column: &str) -> Result<u64, Failure> {
    let count: i64 = get(row, column)?;
    u64::try_from(count).map_err(|_| Failure::Nonsense(format!("{column} is {count}")))
}

/// From `access`.
pub(super) fn get_access(row: &PgRow) -> Result<AccessType, Failure> {
    get::<&str>(row, "access")?.parse().map_err(|error: Error| Failure::Nonsense(error.to_string()))
}

/// From `private`.
pub(super) fn get_visibility(row: &PgRow) -> Result<Visibility, Failure> {
    Ok(Visibility::of(get(row, "private")?))
}

/// From the columns of the person's id and, if they have an account, handle.
pub(super) fn get_user(row: &PgRow, id: &str, handle: &str) -> Result<User, Failure> {
    let id = user_id(get(row, id)?)?;
    Ok(match get::<Option<String>>(row, handle)? {
        Some(handle) => User { id, handle },
        None => User::unregistered(id),
    })
}

/// From `note_id` and `note_text`.
pub(super) fn get_note(row: &PgRow) -> Result<Option<Note>, Failure> {
    let id: Option<Uuid> = get(row, "note_id")?;
    let text: Option<String> = get(row, "note_text")?;
    Ok(id.zip(text).map(|(id, text)| Note { id: card_id(id), text: NoteText::from_stored(text) }))
}

/// The time in a position.
pub(super) fn key_time(key: i64) -> Result<jiff_sqlx::Timestamp> {
    // PostgreSQL's range of dates BC is shorter than jiff's; we have none.
    Timestamp::from_microsecond(key).ok().filter(|_| key >= 0).map(time).ok_or_else(no_cursor)
}

/// The position after which a list by (time, id) continues.
pub(super) fn behind(after: Option<&Position>) -> Result<(Option<jiff_sqlx::Timestamp>, Option<Uuid>)> {
    let Some(position) = after else {
        return Ok((None, None));
    };
    let at = key_time(position.key)?;
    let id = Ulid::from_string(&position.id).map_err(|_| no_cursor())?;
    Ok((Some(at), Some(uuid(id))))
}

pub(super) fn url_digest(normalised_url: &str) -> Vec<u8> {
    Sha256::digest(normalised_url.as_bytes()).to_vec()
}

pub(super) fn signed(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn get_queue(row: &PgRow) -> Result<Queue, Failure> {
    get::<&str>(row, "queue")?.parse().map_err(Failure::Nonsense)
}

/// From `id`, `type`, `envelope` and `occurred_at`. An incomplete envelope is still returned, so that it becomes a dead
/// letter instead of blocking its queue.
pub(super) fn get_envelope(row: &PgRow) -> Result<Envelope, Failure> {
    let mut stored: Value = get(row, "envelope")?;
    let text = |stored: &Value, name: &str| stored.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Envelope {
        specversion: text(&stored, "specversion").unwrap_or_default(),
        id: EventId::from_ulid(ulid(get(row, "id")?)),
        source: text(&stored, "source").unwrap_or_default(),
        kind: get(row, "type")?,
        subject: text(&stored, "subject").unwrap_or_default(),
        time: match text(&stored, "time").and_then(|time| time.parse().ok()) {
            Some(time) => time,
            None => get_time(row, "occurred_at")?,
        },
        datacontenttype: text(&stored, "datacontenttype").unwrap_or_default(),
        traceparent: text(&stored, "traceparent"),
        partitionkey: text(&stored, "partitionkey").unwrap_or_default(),
        data: stored.get_mut("data").map(Value::take).unwrap_or_default(),
    })
}
