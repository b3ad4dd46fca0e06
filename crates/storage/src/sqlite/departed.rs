//! What is removed from the feed and the counts with a deleted account.

use std::collections::{BTreeMap, BTreeSet};

use cardwire_domain::{CardId, DomainEvent, EventId, RecordedEvent, UserId};
use cardwire_events::Queue;
use rusqlite::{Connection, Row};

use super::error::Failure;
use super::log::{recorded, take};
use super::portions::PORTION;
use super::values::{card_id, get, rows, run, signed};

/// Positions are counted separately, so theirs are not given out again.
const DELETE_ACTIVITIES: &str = "\
DELETE FROM activities WHERE id IN (SELECT id FROM activities WHERE actor_id = ?1 LIMIT ?2)";

const DELETE_CURATORS: &str = "DELETE FROM daily_curators WHERE user_id = ?1 RETURNING day";

const FEWER_CURATORS: &str = "UPDATE daily_totals SET active_curators = active_curators - ?2 WHERE day = ?1";

const INDEXED: &str = "SELECT card_id FROM search_documents WHERE owner_id = ?1";

/// The people of the events that report a deleted account.
pub(super) fn people<'a>(events: impl IntoIterator<Item = &'a RecordedEvent>) -> BTreeSet<UserId> {
    let gone = |event: &'a RecordedEvent| match &event.event {
        DomainEvent::AccountDeleted { actor_id } => Some(actor_id.clone()),
        _ => None,
    };
    events.into_iter().filter_map(gone).collect()
}

/// Deletes some of their activities; the last ones together with the events. `None`: there are more. Otherwise how many
/// of the events were still owed.
pub(super) fn forget_people(connection: &Connection, ids: &[EventId]) -> Result<Option<usize>, Failure> {
    let mut events = recorded(connection, ids)?;
    events.retain(|event| matches!(event.event, DomainEvent::AccountDeleted { .. }));
    for person in people(&events) {
        if delete_activities(connection, &person)? {
            return Ok(None);
        }
    }
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    Ok(Some(take(connection, Queue::Feeds, &ids)?.len()))
}

/// Some of them. Returns whether there may be more.
pub(super) fn delete_activities(connection: &Connection, person: &UserId) -> Result<bool, Failure> {
    Ok(run(connection, DELETE_ACTIVITIES, &[&person.as_str(), &signed(PORTION)])? == PORTION)
}

/// Removes them from every day's active curators.
pub(super) fn delete_curators(connection: &Connection, people: &BTreeSet<UserId>) -> Result<(), Failure> {
    let mut fewer: BTreeMap<i64, i64> = BTreeMap::new();
    for person in people {
        let days = rows(connection, DELETE_CURATORS, &[&person.as_str()], |row| get::<i64>(row, "day"))?;
        days.into_iter().for_each(|day| *fewer.entry(day).or_default() += 1);
    }
    for (day, curators) in fewer {
        run(connection, FEWER_CURATORS, &[&day, &curators])?;
    }
    Ok(())
}

/// Their cards in the index.
pub(super) fn indexed(connection: &Connection, people: &BTreeSet<UserId>) -> Result<Vec<CardId>, Failure> {
    let mut cards = Vec::new();
    for person in people {
        let card = |row: &Row<'_>| Ok(card_id(get(row, "card_id")?));
        cards.extend(rows(connection, INDEXED, &[&person.as_str()], card)?);
    }
    Ok(cards)
}
