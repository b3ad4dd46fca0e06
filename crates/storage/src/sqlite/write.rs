//! Writing a command in one job.

use std::collections::BTreeSet;

use cardwire_domain::accounts::is_leaving;
use cardwire_domain::changes::Remember;
use cardwire_domain::title::Title;
use cardwire_domain::url::CardUrl;
use cardwire_domain::{CardId, Change, Changes, Collection, DomainEvent, EventId, ImportId, RecordedEvent, UserId};
use cardwire_events::log::FIRST_LOOK_AFTER;
use cardwire_events::{Envelope, Handover, Owed, Queue, owed_to};
use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::Value;
use ulid::Ulid;

use super::error::Failure;
use super::forgetting::forget;
use super::identity::identify;
use super::leaving::{cut_ties, leave, leaves};
use super::undoing::{delete_empty, finish, left_anew, left_as, undo_rows};
use super::values::{blob, earlier, first, later, run, ulid, url_digest, us};
use crate::answers::KEEP_ANSWERS;

/// What remains to be done after the commit.
#[derive(Default)]
pub(super) struct Accepted {
    /// Born published: publish them now.
    pub(super) handed: Vec<Owed>,
    /// The queues for which some deliveries are born due.
    pub(super) due: BTreeSet<Queue>,
}

/// [`Failure::Changed`] if something that a change depends on is missing, or exists already.
pub(super) fn write(
    connection: &Connection,
    now: Timestamp,
    changes: Changes,
    handover: &Handover,
) -> Result<Accepted, Failure> {
    if !changes.is_parting {
        for person in changes.people().collect::<BTreeSet<_>>() {
            if leaves(connection, person)? {
                return Err(Failure::Refused(is_leaving()));
            }
        }
    }
    let mut rows = Rows { connection, at: now, now: us(now), import: changes.import, touched: BTreeSet::new() };
    for change in changes.rows {
        rows.apply(change)?;
    }
    for card in rows.touched {
        run(connection, "UPDATE cards SET version = version + 1 WHERE id = ?1", &[&blob(card.ulid())])?;
    }
    if let Some(remember) = changes.remember {
        keep_answer(connection, now, &remember)?;
    }
    raise(connection, now, changes.events, (changes.traceparent.as_deref(), changes.is_untold), handover)
}

struct Rows<'a> {
    connection: &'a Connection,
    at: Timestamp,
    now: i64,
    import: Option<ImportId>,
    /// Cards whose note or links changed.
    touched: BTreeSet<CardId>,
}

impl Rows<'_> {
    fn apply(&mut self, change: Change) -> Result<(), Failure> {
        let Self { connection, now, .. } = *self;
        match change {
            Change::InsertCard { card_id, owner, url, via } => {
                let sql = "INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, via, imported, created_at, identity_version) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
                let (id, digest) = (blob(card_id.ulid()), url_digest(url.normalised()));
                let via = via.map(|via| blob(via.ulid()));
                let (owner, given, normalised) = (owner.as_str(), url.given(), url.normalised());
                let (imported, rules) = (self.import.is_some(), CardUrl::RULES);
                run(connection, sql, &[&id, &owner, &given, &normalised, &digest, &via, &imported, &now, &rules])?;
                Ok(())
            }
            Change::SetNote { card_id, note } => {
                self.touched.insert(card_id);
                let card = blob(card_id.ulid());
                let Some(note) = note else {
                    run(connection, "DELETE FROM notes WHERE card_id = ?1", &[&card])?;
                    return Ok(());
                };
                let sql = "INSERT INTO notes (card_id, id, text) VALUES (?1, ?2, ?3) \
                           ON CONFLICT (card_id) DO UPDATE SET id = excluded.id, text = excluded.text";
                run(connection, sql, &[&card, &blob(note.id.ulid()), &note.text.as_str()])?;
                Ok(())
            }
            Change::SetTitle { card_id, link_id, title } => {
                let sql = "UPDATE cards SET title = ?3, version = version + 1 WHERE id = ?1 AND library_link = ?2";
                let title = title.as_ref().map(Title::as_str);
                one(run(connection, sql, &[&blob(card_id.ulid()), &blob(link_id.ulid()), &title])?)
            }
            Change::AddToLibrary { card_id, link_id, visibility, at } => {
                let sql = "UPDATE cards SET library_link = ?2, library_at = ?3, private = ?4, version = version + 1 \
                           WHERE id = ?1 AND library_link IS NULL";
                let (id, link, private) = (blob(card_id.ulid()), blob(link_id.ulid()), visibility.is_private());
                one(run(connection, sql, &[&id, &link, &at.map_or(now, us), &private])?)
            }
            Change::RenewStay { card_id, before, after, visibility, is_hidden } => {
                let sql = "UPDATE cards SET library_link = ?3, private = ?4, hidden = ?5, version = version + 1 \
                           WHERE id = ?1 AND library_link = ?2";
                let (id, before, after) = (blob(card_id.ulid()), blob(before.ulid()), blob(after.ulid()));
                one(run(connection, sql, &[&id, &before, &after, &visibility.is_private(), &is_hidden])?)
            }
            Change::RemoveFromLibrary { card_id, link_id } => {
                let sql = "UPDATE cards SET library_link = NULL, library_at = NULL, version = version + 1 \
                           WHERE id = ?1 AND library_link = ?2";
                one(run(connection, sql, &[&blob(card_id.ulid()), &blob(link_id.ulid())])?)
            }
            Change::AddToCollection { card_id, link_id, collection_id, visibility, at } => {
                self.touched.insert(card_id);
                let sql =
                    "INSERT INTO links (id, card_id, collection_id, added_at, private) VALUES (?1, ?2, ?3, ?4, ?5)";
                let (id, card, collection) = (blob(link_id.ulid()), blob(card_id.ulid()), blob(collection_id.ulid()));
                let at = at.map_or(now, us);
                run(connection, sql, &[&id, &card, &collection, &at, &visibility.is_private()])?;
                Ok(())
            }
            Change::RenewLink { card_id, before, after, visibility } => {
                self.touched.insert(card_id);
                let sql = "UPDATE links SET id = ?3, private = ?4 WHERE id = ?2 AND card_id = ?1";
                let (card, before, after) = (blob(card_id.ulid()), blob(before.ulid()), blob(after.ulid()));
                one(run(connection, sql, &[&card, &before, &after, &visibility.is_private()])?)
            }
            Change::RemoveFromCollection { card_id, link_id } => {
                self.touched.insert(card_id);
                let sql = "DELETE FROM links WHERE id = ?1 AND card_id = ?2";
                one(run(connection, sql, &[&blob(link_id.ulid()), &blob(card_id.ulid())])?)
            }
            Change::MoveLink { from, to, before, after, visibility } => {
                self.touched.extend([from, to]);
                let sql = "UPDATE links SET id = ?3, card_id = ?4, private = ?5 WHERE id = ?2 AND card_id = ?1";
                let (from, to) = (blob(from.ulid()), blob(to.ulid()));
                let (before, after) = (blob(before.ulid()), blob(after.ulid()));
                one(run(connection, sql, &[&from, &before, &after, &to, &visibility.is_private()])?)
            }
            Change::Retire { card_id, url } | Change::Identify { card_id, url } => identify(connection, card_id, &url),
            Change::InsertCollection(collection) => insert_collection(connection, now, &collection, self.import),
            Change::UpdateCollection(collection) => update_collection(connection, now, &collection),
            Change::DeleteCollection(id) => {
                let sql = "UPDATE collections SET deleted_at = ?2, version = version + 1 WHERE id = ?1 AND deleted_at IS NULL";
                one(run(connection, sql, &[&blob(id.ulid()), &now])?)
            }
            Change::DeleteEmptyCollection(id) => delete_empty(connection, now, id),
            Change::ForgetCollection(id) => {
                // The foreign key of the links ensures that no card is left in it.
                let sql = "DELETE FROM collections WHERE id = ?1 AND deleted_at IS NOT NULL";
                one(run(connection, sql, &[&blob(id.ulid())])?)
            }
            // Somebody whose account is deleted can no longer be blocked.
            Change::Block { person, .. } if leaves(connection, &person)? => Ok(()),
            Change::Block { by, person } => {
                let sql =
                    "INSERT INTO blocks (user_id, blocked_id, blocked_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
                run(connection, sql, &[&by.as_str(), &person.as_str(), &now])?;
                Ok(())
            }
            Change::Unblock { by, person } => {
                let sql = "DELETE FROM blocks WHERE user_id = ?1 AND blocked_id = ?2";
                run(connection, sql, &[&by.as_str(), &person.as_str()])?;
                Ok(())
            }
            Change::CutTies(person) => cut_ties(connection, &person),
            Change::Leave { person, before, after, behind } => leave(connection, &person, before, after, behind),
            Change::Forget { person, limit } => forget(connection, self.at, &person, limit),
            Change::LeftAs { import, number, card_id, fingerprint, same_as } => {
                left_as(connection, import, (number, same_as), card_id, fingerprint)
            }
            Change::LeftByLaterRow { import, first, before, after } => {
                left_anew(connection, import, first, (before, after))
            }
            Change::UndoRows { import, before, after, removed, kept } => {
                undo_rows(connection, import, (before, after), &removed, kept)
            }
            Change::FinishUndo(import) => finish(connection, now, import),
        }
    }
}

fn insert_collection(
    connection: &Connection,
    now: i64,
    new: &Collection,
    import: Option<ImportId>,
) -> Result<(), Failure> {
    let sql = "INSERT INTO collections (id, author_id, name, description, access, private, created_at, updated_at, import_id) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)";
    let import = import.map(|import| blob(import.ulid()));
    let (id, author, access) = (blob(new.id.ulid()), new.author.as_str(), new.access.name());
    let (name, description, private) = (new.name.as_str(), new.description.as_str(), new.visibility.is_private());
    run(connection, sql, &[&id, &author, &name, &description, &access, &private, &now, &import])?;
    if new.collaborators.is_empty() && new.invited.is_empty() { Ok(()) } else { replace_people(connection, now, new) }
}

fn update_collection(connection: &Connection, now: i64, to: &Collection) -> Result<(), Failure> {
    let sql = "UPDATE collections SET name = ?2, description = ?3, access = ?4, private = ?5, version = version + 1, \
               updated_at = ?6 WHERE id = ?1 AND deleted_at IS NULL";
    let (id, access) = (blob(to.id.ulid()), to.access.name());
    let (name, description, private) = (to.name.as_str(), to.description.as_str(), to.visibility.is_private());
    one(run(connection, sql, &[&id, &name, &description, &access, &private, &now])?)?;
    replace_people(connection, now, to)
}

/// People who stay are left unchanged, with the time of their invitation. None of them has a deleted account.
fn replace_people(connection: &Connection, now: i64, of: &Collection) -> Result<(), Failure> {
    let list = |people: &BTreeSet<UserId>| {
        let mut staying = Vec::new();
        for person in people {
            if !leaves(connection, person)? {
                staying.push(person.as_str());
            }
        }
        Ok::<_, Failure>(Value::from(staying).to_string())
    };
    let (id, collaborators, invited) = (blob(of.id.ulid()), list(&of.collaborators)?, list(&of.invited)?);
    let gone =
        "DELETE FROM collaborators WHERE collection_id = ?1 AND user_id NOT IN (SELECT value FROM json_each(?2))";
    run(connection, gone, &[&id, &collaborators])?;
    let withdrawn =
        "DELETE FROM invitations WHERE collection_id = ?1 AND user_id NOT IN (SELECT value FROM json_each(?2))";
    run(connection, withdrawn, &[&id, &invited])?;
    // WHERE tells the conflict's ON from that of a join.
    let come = "INSERT INTO collaborators (collection_id, user_id) SELECT ?1, value FROM json_each(?2) WHERE true \
                ON CONFLICT DO NOTHING";
    run(connection, come, &[&id, &collaborators])?;
    let asked = "INSERT INTO invitations (collection_id, user_id, invited_at) SELECT ?1, value, ?3 FROM json_each(?2) WHERE true \
                 ON CONFLICT DO NOTHING";
    run(connection, asked, &[&id, &invited, &now])?;
    Ok(())
}

/// Replaces an expired one. If there is a younger one, the command has been answered already.
fn keep_answer(connection: &Connection, now: Timestamp, kept: &Remember) -> Result<(), Failure> {
    let sql = "INSERT INTO idempotency_keys (user_id, key, fingerprint, answer, created_at) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (user_id, key) DO UPDATE SET \
                   fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = excluded.created_at \
               WHERE created_at <= ?6";
    let (person, key, fingerprint) =
        (kept.person.as_str(), kept.idempotency.key.as_str(), &kept.idempotency.fingerprint);
    let (answer, expired) = (kept.answer.to_string(), earlier(now, KEEP_ANSWERS));
    one(run(connection, sql, &[&person, &key, fingerprint, &answer, &us(now), &expired])?)
}

/// Stores the events, and owes each to the queues of its route.
fn raise(
    connection: &Connection,
    now: Timestamp,
    events: Vec<DomainEvent>,
    (traceparent, is_untold): (Option<&str>, bool),
    handover: &Handover,
) -> Result<Accepted, Failure> {
    let mut accepted = Accepted::default();
    if events.is_empty() {
        return Ok(accepted);
    }
    let mut id = next_id(connection, now)?;
    for event in events {
        let recorded = RecordedEvent { id: EventId::from_ulid(id), occurred_at: now, event };
        let envelope = Envelope::wrap(&recorded, traceparent.map(str::to_owned));
        let text = serde_json::to_string(&envelope).map_err(|error| Failure::Nonsense(error.to_string()))?;
        let sql = "INSERT INTO events (id, type, envelope, occurred_at, told) VALUES (?1, ?2, ?3, ?4, ?5)";
        run(connection, sql, &[&blob(id), &envelope.kind, &text, &us(now), &!is_untold])?;
        for queue in owed_to(&recorded.event, is_untold) {
            let (published_at, due_at) = if handover.is_open(queue) {
                accepted.handed.push(Owed { queue, envelope: envelope.clone() });
                (Some(us(now)), later(now, FIRST_LOOK_AFTER))
            } else {
                accepted.due.insert(queue);
                (None, us(now))
            };
            let sql = "INSERT INTO deliveries (event_id, queue, occurred_at, due_at, published_at) VALUES (?1, ?2, ?3, ?4, ?5)";
            run(connection, sql, &[&blob(id), &queue.name(), &us(now), &due_at, &published_at])?;
        }
        id = after(id);
    }
    Ok(accepted)
}

/// Ids sort in the order in which events were accepted, even if the clock is turned back.
fn next_id(connection: &Connection, now: Timestamp) -> Result<Ulid, Failure> {
    let ms = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let fresh = Ulid::from_parts(ms, rand::random());
    let last = first(connection, "SELECT max(id) FROM events", &[], |row| Ok(row.get::<_, Option<[u8; 16]>>(0)?))?;
    Ok(last.flatten().map_or(fresh, |last| fresh.max(after(ulid(last)))))
}

fn after(id: Ulid) -> Ulid {
    Ulid(id.0.saturating_add(1))
}

/// Checks that the row has not changed since it was read.
fn one(changed: usize) -> Result<(), Failure> {
    if changed == 1 { Ok(()) } else { Err(Failure::Changed) }
}
