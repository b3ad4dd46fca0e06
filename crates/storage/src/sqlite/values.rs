//! Conversion between domain values and columns.

use std::time::Duration;

use cardwire_domain::note::{Note, NoteText};
use cardwire_domain::page::no_cursor;
use cardwire_domain::user::User;
use cardwire_domain::{AccessType, CardId, CollectionId, Error, EventId, LinkId, Position, Result, UserId, Visibility};
use cardwire_events::{Envelope, Queue};
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::types::FromSql;
use rusqlite::{Row, ToSql};
use serde_json::Value;
use sha2::{Digest, Sha256};
use ulid::Ulid;

use super::error::Failure;
use super::functions::DAY_US;

/// An id, as it is stored.
pub(super) fn blob(ulid: Ulid) -> [u8; 16] {
    ulid.0.to_be_bytes()
}

pub(super) fn ulid(bytes: [u8; 16]) -> Ulid {
    Ulid(u128::from_be_bytes(bytes))
}

pub(super) fn card_id(bytes: [u8; 16]) -> CardId {
    CardId::from_ulid(ulid(bytes))
}

pub(super) fn collection_id(bytes: [u8; 16]) -> CollectionId {
    CollectionId::from_ulid(ulid(bytes))
}

pub(super) fn link_id(bytes: [u8; 16]) -> LinkId {
    LinkId::from_ulid(ulid(bytes))
}

pub(super) fn event_id(bytes: [u8; 16]) -> EventId {
    EventId::from_ulid(ulid(bytes))
}

pub(super) fn user_id(text: &str) -> Result<UserId, Failure> {
    UserId::parse(text).map_err(|_| Failure::Nonsense(format!("{text:?} is stored as a person's id")))
}

/// A time, as it is stored.
pub(super) fn us(at: Timestamp) -> i64 {
    at.as_microsecond()
}

pub(super) fn time(us: i64) -> Result<Timestamp, Failure> {
    Timestamp::from_microsecond(us).map_err(|_| Failure::Nonsense(format!("{us} is stored as a time")))
}

/// The UTC day of a time, as it is stored.
pub(super) fn utc_day(at: Timestamp) -> i64 {
    us(at).div_euclid(DAY_US)
}

/// The time after that much has passed, as stored.
pub(super) fn later(at: Timestamp, by: Duration) -> i64 {
    us(at).saturating_add(micros(by))
}

/// The time that much earlier, as stored.
pub(super) fn earlier(at: Timestamp, by: Duration) -> i64 {
    us(at).saturating_sub(micros(by))
}

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A UTC day, as it is stored.
pub(super) fn day_number(day: Date) -> i64 {
    i64::from((day - Date::constant(1970, 1, 1)).get_days())
}

pub(super) fn day(number: i64) -> Result<Date, Failure> {
    let nonsense = || Failure::Nonsense(format!("{number} is stored as a day"));
    Date::constant(1970, 1, 1)
        .checked_add(jiff::Span::new().try_days(number).map_err(|_| nonsense())?)
        .map_err(|_| nonsense())
}

/// A column of a row.
pub(super) fn get<T: FromSql>(row: &Row<'_>, column: &str) -> Result<T, Failure> {
    Ok(row.get(column)?)
}

pub(super) fn get_time(row: &Row<'_>, column: &str) -> Result<Timestamp, Failure> {
    time(get(row, column)?)
}

/// A count, which is never negative.
pub(super) fn get_count(row: &Row<'_>, column: &str) -> Result<u64, Failure> {
    let count: i64 = get(row, column)?;
    u64::try_from(count).map_err(|_| Failure::Nonsense(format!("{column} is {count}")))
}

/// From `access`.
pub(super) fn get_access(row: &Row<'_>) -> Result<AccessType, Failure> {
    get::<String>(row, "access")?.parse().map_err(|error: Error| Failure::Nonsense(error.to_string()))
}

/// From `private`.
pub(super) fn get_visibility(row: &Row<'_>) -> Result<Visibility, Failure> {
    Ok(Visibility::of(get(row, "private")?))
}

/// From the columns of the person's id and, if they have an account, handle.
pub(super) fn get_user(row: &Row<'_>, id: &str, handle: &str) -> Result<User, Failure> {
    let id = user_id(&get::<String>(row, id)?)?;
    Ok(match get::<Option<String>>(row, handle)? {
        Some(handle) => User { id, handle },
        None => User::unregistered(id),
    })
}

/// From `note_id` and `note_text`.
pub(super) fn get_note(row: &Row<'_>) -> Result<Option<Note>, Failure> {
    let id: Option<[u8; 16]> = get(row, "note_id")?;
    let text: Option<String> = get(row, "note_text")?;
    Ok(id.zip(text).map(|(id, text)| Note { id: card_id(id), text: NoteText::from_stored(text) }))
}

/// Before the start of a list by (time, id), newest first.
pub(super) const NEWEST: (i64, [u8; 16]) = (i64::MAX, [u8::MAX; 16]);

/// The position after which a list by (time, id) continues.
pub(super) fn behind(after: Option<&Position>) -> Result<Option<(i64, [u8; 16])>> {
    let Some(position) = after else {
        return Ok(None);
    };
    let id = Ulid::from_string(&position.id).map_err(|_| no_cursor())?;
    Ok(Some((position.key, blob(id))))
}

pub(super) fn url_digest(normalised_url: &str) -> [u8; 32] {
    Sha256::digest(normalised_url.as_bytes()).into()
}

pub(super) fn signed(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn get_queue(row: &Row<'_>) -> Result<Queue, Failure> {
    get::<String>(row, "queue")?.parse().map_err(Failure::Nonsense)
}

/// From `id`, `type`, `envelope` and `occurred_at`. An incomplete envelope is still returned, so that it becomes a dead
/// letter instead of blocking its queue.
pub(super) fn get_envelope(row: &Row<'_>) -> Result<Envelope, Failure> {
    let mut stored: Value = serde_json::from_str(&get::<String>(row, "envelope")?)
        .map_err(|error| Failure::Nonsense(format!("an envelope is no JSON: {error}")))?;
    let text = |stored: &Value, name: &str| stored.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Envelope {
        specversion: text(&stored, "specversion").unwrap_or_default(),
        id: event_id(get(row, "id")?),
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

/// All rows of a statement, each read by `read`.
pub(super) fn rows<T>(
    connection: &rusqlite::Connection,
    sql: &str,
    values: &[&dyn ToSql],
    mut read: impl FnMut(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query(values)?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// The first row of a statement, if it has one.
pub(super) fn first<T>(
    connection: &rusqlite::Connection,
    sql: &str,
    values: &[&dyn ToSql],
    read: impl FnOnce(&Row<'_>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query(values)?;
    found.next()?.map(read).transpose()
}

/// Runs a statement. Returns how many rows it changed.
pub(super) fn run(connection: &rusqlite::Connection, sql: &str, values: &[&dyn ToSql]) -> Result<usize, Failure> {
    Ok(connection.prepare_cached(sql)?.execute(values)?)
}
