//! Writing a command: all its changes, however many, as columns of one statement.

use std::collections::{BTreeMap, BTreeSet};

use cardwire_domain::changes::Changes;
use cardwire_domain::leaving::Stage;
use cardwire_domain::url::CardUrl;
use cardwire_domain::{
    Change, Collection, CollectionId, DomainEvent, Error, EventId, LinkId, RecordedEvent, Result, UserId, Visibility,
};
use cardwire_events::log::FIRST_LOOK_AFTER;
use cardwire_events::{Envelope, Handover, Owed, Queue, owed_to};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::types::Uuid;
use ulid::Ulid;

use super::error::Failure;
use super::forgetting::forget;
use super::identity::identify;
use super::leaving::{cut_ties, leave, nobody_leaves};
use super::pool::Session;
use super::undoing::{Undoing, undo};
use super::values::{get_time, time, url_digest, uuid};
use super::write_statements::{SAVE, WRITE};

/// The columns of the statement. Rows about the same card are in the command's order.
#[derive(Default)]
pub(super) struct Batch {
    inserted: Vec<Collection>,
    /// With the version that was read; `None`: it was not read.
    updated: Vec<(Collection, Option<i64>)>,
    deleted: Vec<(CollectionId, Option<i64>)>,
    /// For an import.
    undoing: Vec<Undoing>,
    forgotten: Vec<Uuid>,
    /// Who blocks whom; false: no longer.
    blocks: Vec<(UserId, UserId, bool)>,
    leaving: Vec<Leaving>,
    /// The people who act, as far as known: nothing is written if one of them is leaving or has left.
    people: BTreeSet<String>,
    held: (Vec<Uuid>, Vec<i64>),
    cards: Cards,
    import: Option<Uuid>,
    /// For existing cards: one change each, since a statement changes a row once.
    library: BTreeMap<Uuid, Stay>,
    notes: BTreeMap<Uuid, Option<(Uuid, String)>>,
    linked: Vec<Link>,
    /// The same for existing links, by their ids.
    relinked: BTreeMap<Uuid, Relinked>,
    unlinked: Vec<Uuid>,
    /// Links that give up their place come first.
    retired: Vec<(Uuid, CardUrl)>,
    identified: Vec<(Uuid, CardUrl)>,
    events: (Vec<Uuid>, Vec<String>, Vec<Value>),
    is_untold: bool,
    deliveries: (Vec<&'static str>, Vec<Uuid>, Vec<bool>),
    /// The `deliveries` that are born published, and the queues of the others.
    handed: Vec<Owed>,
    due: BTreeSet<Queue>,
    remember: Option<(String, String, String, Value)>,
}

/// A change on behalf of somebody who is leaving.
enum Leaving {
    CutTies(UserId),
    Leave { person: UserId, before: Stage, after: Stage, behind: Option<EventId> },
    Forget { person: UserId, limit: usize },
}

/// The change for a card.
struct Stay {
    before: Option<Uuid>,
    after: Option<Uuid>,
    /// It begins: now, or at this time.
    is_new: bool,
    at: Option<jiff_sqlx::Timestamp>,
    /// `None`: as it was.
    private: Option<bool>,
    hidden: Option<bool>,
    title: Option<Option<String>>,
}

/// The change for a stay in a collection.
struct Relinked {
    id: Uuid,
    private: bool,
    /// The card that it moves to; `None`: it stays.
    card: Option<Uuid>,
}

/// A card is added to a collection.
struct Link {
    id: Uuid,
    card: Uuid,
    collection: Uuid,
    private: bool,
    at: Option<jiff_sqlx::Timestamp>,
}

#[derive(Default)]
struct Cards {
    ids: Vec<Uuid>,
    owners: Vec<String>,
    urls: Vec<String>,
    normalised: Vec<String>,
    digests: Vec<Vec<u8>>,
    vias: Vec<Option<Uuid>>,
    library_links: Vec<Option<Uuid>>,
    private: Vec<bool>,
    /// When they came into the library; `None`: now.
    since: Vec<Option<jiff_sqlx::Timestamp>>,
    titles: Vec<Option<String>>,
}

impl Cards {
    fn entitle(&mut self, card: Uuid, title: Option<String>) {
        if let Some(index) = self.ids.iter().position(|id| *id == card) {
            self.titles[index] = title;
        }
    }
}

impl Batch {
    /// Whether [`SAVE`] is enough.
    fn is_save(&self) -> bool {
        let changes_cards = !(self.library.is_empty() && self.unlinked.is_empty() && self.relinked.is_empty());
        let removes_notes = self.notes.values().any(Option::is_none);
        self.held.0.is_empty() && self.people.len() == 1 && !changes_cards && !removes_notes
    }

    /// [`Error::Stale`] if changes contradict each other.
    pub(super) fn of(changes: Changes, versions: &BTreeMap<CollectionId, i64>, handover: &Handover) -> Result<Self> {
        let people =
            if changes.is_parting { BTreeSet::new() } else { changes.people().map(ToString::to_string).collect() };
        let import = changes.import.map(|import| uuid(import.ulid()));
        let mut batch = Self { import, people, ..Self::default() };
        let mut checked = versions.clone();
        for change in changes.rows {
            match change {
                Change::InsertCollection(collection) => batch.inserted.push(collection),
                Change::UpdateCollection(collection) => {
                    let version = checked.remove(&collection.id);
                    batch.updated.push((collection, version));
                }
                Change::DeleteCollection(id) => batch.deleted.push((id, checked.remove(&id))),
                Change::DeleteEmptyCollection(id) => batch.undoing.push(Undoing::DeleteEmpty(id)),
                Change::LeftAs { import, number, card_id, fingerprint, same_as } => {
                    let card = uuid(card_id.ulid());
                    batch.undoing.push(Undoing::LeftAs { import, number, card, fingerprint, same_as });
                }
                Change::LeftByLaterRow { import, first, before, after } => {
                    batch.undoing.push(Undoing::LeftByLaterRow { import, first, before, after });
                }
                Change::UndoRows { import, before, after, removed, kept } => {
                    batch.undoing.push(Undoing::Rows { import, before, after, removed, kept });
                }
                Change::FinishUndo(import) => batch.undoing.push(Undoing::Finish(import)),
                Change::ForgetCollection(id) => batch.forgotten.push(uuid(id.ulid())),
                Change::Block { by, person } => batch.blocks.push((by, person, true)),
                Change::Unblock { by, person } => batch.blocks.push((by, person, false)),
                Change::CutTies(person) => batch.leaving.push(Leaving::CutTies(person)),
                Change::Leave { person, before, after, behind } => {
                    batch.leaving.push(Leaving::Leave { person, before, after, behind });
                }
                Change::Forget { person, limit } => batch.leaving.push(Leaving::Forget { person, limit }),
                Change::Retire { card_id, url } => batch.retired.push((uuid(card_id.ulid()), url)),
                Change::Identify { card_id, url } => batch.identified.push((uuid(card_id.ulid()), url)),
                change => batch.change_card(change)?,
            }
        }
        batch.held = checked.into_iter().map(|(id, version)| (uuid(id.ulid()), version)).unzip();
        batch.is_untold = changes.is_untold;
        batch.raise(changes.events, changes.traceparent, handover);
        batch.remember = changes.remember.map(|kept| {
            (
                kept.person.to_string(),
                kept.idempotency.key.as_str().to_owned(),
                kept.idempotency.fingerprint,
                kept.answer,
            )
        });
        Ok(batch)
    }

    /// The queues for which some deliveries are born due.
    pub(super) fn due(&self) -> BTreeSet<Queue> {
        self.due.clone()
    }

    fn change_card(&mut self, change: Change) -> Result<()> {
        match change {
            Change::InsertCard { card_id, owner, url, via } => {
                self.cards.ids.push(uuid(card_id.ulid()));
                self.cards.owners.push(owner.to_string());
                self.cards.urls.push(url.given().to_owned());
                self.cards.normalised.push(url.normalised().to_owned());
                self.cards.digests.push(url_digest(url.normalised()));
                self.cards.vias.push(via.map(|via| uuid(via.ulid())));
                self.cards.library_links.push(None);
                self.cards.private.push(false);
                self.cards.since.push(None);
                self.cards.titles.push(None);
            }
            Change::SetNote { card_id, note } => {
                let note = note.map(|note| (uuid(note.id.ulid()), note.text.as_str().to_owned()));
                self.notes.insert(uuid(card_id.ulid()), note);
            }
            Change::SetTitle { card_id, link_id, title } => {
                let (card, title) = (uuid(card_id.ulid()), title.map(|title| title.as_str().to_owned()));
                match self.move_card(card, Some(link_id), Some(link_id), None)? {
                    Some(stay) => stay.title = Some(title),
                    None => self.cards.entitle(card, title),
                }
            }
            Change::AddToLibrary { card_id, link_id, visibility, at } => {
                let (card, at) = (uuid(card_id.ulid()), at.map(time));
                if let Some(stay) = self.move_card(card, None, Some(link_id), Some(visibility))? {
                    (stay.is_new, stay.at) = (true, at);
                } else if let Some(index) = self.cards.ids.iter().position(|id| *id == card) {
                    self.cards.since[index] = at;
                }
            }
            Change::RenewStay { card_id, before, after, visibility, is_hidden } => {
                let card = uuid(card_id.ulid());
                if let Some(stay) = self.move_card(card, Some(before), Some(after), Some(visibility))? {
                    stay.hidden = Some(is_hidden);
                }
            }
            Change::RemoveFromLibrary { card_id, link_id } => {
                self.move_card(uuid(card_id.ulid()), Some(link_id), None, None)?;
            }
            Change::AddToCollection { card_id, link_id, collection_id, visibility, at } => self.linked.push(Link {
                id: uuid(link_id.ulid()),
                card: uuid(card_id.ulid()),
                collection: uuid(collection_id.ulid()),
                private: visibility.is_private(),
                at: at.map(time),
            }),
            Change::RenewLink { before, after, visibility, .. } => {
                let renewed = Relinked { id: uuid(after.ulid()), private: visibility.is_private(), card: None };
                self.renew_link(uuid(before.ulid()), renewed);
            }
            Change::MoveLink { to, before, after, visibility, .. } => {
                let card = Some(uuid(to.ulid()));
                let moved = Relinked { id: uuid(after.ulid()), private: visibility.is_private(), card };
                self.relinked.insert(uuid(before.ulid()), moved);
            }
            Change::RemoveFromCollection { link_id, .. } => self.unlink(uuid(link_id.ulid())),
            Change::InsertCollection(_)
            | Change::UpdateCollection(_)
            | Change::DeleteCollection(_)
            | Change::DeleteEmptyCollection(_)
            | Change::ForgetCollection(_)
            | Change::Block { .. }
            | Change::Unblock { .. }
            | Change::CutTies(_)
            | Change::Leave { .. }
            | Change::Forget { .. }
            | Change::Retire { .. }
            | Change::Identify { .. }
            | Change::LeftAs { .. }
            | Change::LeftByLaterRow { .. }
            | Change::UndoRows { .. }
            | Change::FinishUndo(_) => {}
        }
        Ok(())
    }

    /// Into the library, out of it, or from one stay to the next. `None`: the card is new.
    fn move_card(
        &mut self,
        card: Uuid,
        before: Option<LinkId>,
        after: Option<LinkId>,
        visibility: Option<Visibility>,
    ) -> Result<Option<&mut Stay>> {
        let (before, after) = (before.map(|link| uuid(link.ulid())), after.map(|link| uuid(link.ulid())));
        let private = visibility.map(Visibility::is_private);
        if let Some(index) = self.cards.ids.iter().position(|id| *id == card) {
            let link = &mut self.cards.library_links[index];
            if *link != before {
                return Err(Error::Stale);
            }
            *link = after;
            self.cards.private[index] = private.unwrap_or(self.cards.private[index]);
            return Ok(None);
        }
        let unchanged =
            Stay { before, after: before, is_new: false, at: None, private: None, hidden: None, title: None };
        let stay = self.library.entry(card).or_insert(unchanged);
        if stay.after != before {
            return Err(Error::Stale);
        }
        stay.after = after;
        stay.private = private.or(stay.private);
        Ok(Some(stay))
    }

    /// The same stay in a collection under another id.
    fn renew_link(&mut self, before: Uuid, after: Relinked) {
        if let Some(link) = self.linked.iter_mut().find(|link| link.id == before) {
            (link.id, link.private) = (after.id, after.private);
        } else if let Some(renewed) = self.relinked.values_mut().find(|renewed| renewed.id == before) {
            (renewed.id, renewed.private) = (after.id, after.private);
        } else {
            self.relinked.insert(before, after);
        }
    }

    fn unlink(&mut self, link: Uuid) {
        if let Some(index) = self.linked.iter().position(|linked| linked.id == link) {
            self.linked.swap_remove(index);
            return;
        }
        let stored = self.relinked.iter().find(|(_, renewed)| renewed.id == link).map(|(before, _)| *before);
        if let Some(before) = stored {
            self.relinked.remove(&before);
        }
        self.unlinked.push(stored.unwrap_or(link));
    }

    fn raise(&mut self, events: Vec<DomainEvent>, traceparent: Option<String>, handover: &Handover) {
        // Ids sort in the order in which the events were raised.
        let mut id = Ulid::generate();
        for event in events {
            // The server sets the time.
            let recorded = RecordedEvent { id: EventId::from_ulid(id), occurred_at: Timestamp::UNIX_EPOCH, event };
            let envelope = Envelope::wrap(&recorded, traceparent.clone());
            for queue in owed_to(&recorded.event, self.is_untold) {
                let is_handed = handover.is_open(queue);
                self.deliveries.0.push(queue.name());
                self.deliveries.1.push(uuid(id));
                self.deliveries.2.push(is_handed);
                if is_handed {
                    self.handed.push(Owed { queue, envelope: envelope.clone() });
                } else {
                    self.due.insert(queue);
                }
            }
            self.events.0.push(uuid(id));
            self.events.1.push(envelope.kind.clone());
            // A derived serializer of strings and JSON cannot fail.
            self.events.2.push(serde_json::to_value(envelope).unwrap_or_default());
            id = id.increment().unwrap_or_else(|_| Ulid::generate());
        }
    }
}

/// Somebody whose account is deleted can no longer be blocked.
const BLOCK: &str = concat!(
    "INSERT INTO blocks (user_id, blocked_id) SELECT $1, $2 WHERE ",
    nobody_leaves!("ARRAY[$2]"),
    " ON CONFLICT DO NOTHING"
);

const UNBLOCK: &str = "DELETE FROM blocks WHERE user_id = $1 AND blocked_id = $2";

/// People who stay are left unchanged, with the time of their invitation. Nobody whose account is deleted is added.
const REPLACE_PEOPLE: &str = concat!(
    "\
WITH gone AS (
    DELETE FROM collaborators WHERE collection_id = $1 AND user_id <> ALL($2)
), withdrawn AS (
    DELETE FROM invitations WHERE collection_id = $1 AND user_id <> ALL($3)
), invited AS (
    INSERT INTO invitations (collection_id, user_id) SELECT $1, p FROM unnest($3::text[]) p
    WHERE NOT EXISTS (SELECT FROM invitations i WHERE i.collection_id = $1 AND i.user_id = p) AND ",
    nobody_leaves!("ARRAY[p]"),
    " ON CONFLICT DO NOTHING
)
INSERT INTO collaborators (collection_id, user_id) SELECT $1, p FROM unnest($2::text[]) p
WHERE NOT EXISTS (SELECT FROM collaborators c WHERE c.collection_id = $1 AND c.user_id = p) AND ",
    nobody_leaves!("ARRAY[p]"),
    " ON CONFLICT DO NOTHING"
);

/// Does not commit. But if no transaction was begun, it is a single statement and so its own transaction. Returns what
/// to publish once it is committed.
pub(super) async fn write(session: &mut Session, batch: Batch) -> Result<Vec<Owed>, Failure> {
    let collections_too = !(batch.inserted.is_empty() && batch.updated.is_empty());
    let more_too = !(batch.deleted.is_empty() && batch.forgotten.is_empty() && batch.blocks.is_empty());
    let cards_too = !(batch.retired.is_empty() && batch.identified.is_empty());
    if collections_too || more_too || cards_too || !batch.leaving.is_empty() || !batch.undoing.is_empty() {
        session.begin().await?;
    }
    identify(session, &batch.retired).await?;
    identify(session, &batch.identified).await?;
    for collection in &batch.inserted {
        insert_collection(session, collection, batch.import).await?;
    }
    for (collection, version) in &batch.updated {
        update_collection(session, collection, *version).await?;
    }
    let statement = if batch.is_save() { SAVE } else { WRITE };
    let (held, versions) = batch.held;
    let (moved, stays): (Vec<Uuid>, Vec<Stay>) = batch.library.into_iter().unzip();
    let (relinked, renewed): (Vec<Uuid>, Vec<Relinked>) = batch.relinked.into_iter().unzip();
    let (mut noted, mut note_ids, mut texts, mut unnoted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (card, note) in batch.notes {
        match note {
            Some((id, text)) => {
                noted.push(card);
                note_ids.push(id);
                texts.push(text);
            }
            None => unnoted.push(card),
        }
    }
    let (events, kinds, envelopes) = batch.events;
    let (queues, owed, is_handed) = batch.deliveries;
    let (person, key, fingerprint, answer) = match batch.remember {
        Some((person, key, fingerprint, answer)) => (Some(person), Some(key), Some(fingerprint), Some(answer)),
        None => (None, None, None, None),
    };
    let query = sqlx::query(statement)
        .bind(held)
        .bind(versions)
        .bind(batch.cards.ids)
        .bind(batch.cards.owners)
        .bind(batch.cards.urls)
        .bind(batch.cards.normalised)
        .bind(batch.cards.digests)
        .bind(batch.cards.vias)
        .bind(batch.cards.library_links)
        .bind(moved)
        .bind(stays.iter().map(|stay| stay.before).collect::<Vec<_>>())
        .bind(stays.iter().map(|stay| stay.after).collect::<Vec<_>>())
        .bind(noted)
        .bind(note_ids)
        .bind(texts)
        .bind(unnoted)
        .bind(batch.unlinked)
        .bind(batch.linked.iter().map(|link| link.id).collect::<Vec<_>>())
        .bind(batch.linked.iter().map(|link| link.card).collect::<Vec<_>>())
        .bind(batch.linked.iter().map(|link| link.collection).collect::<Vec<_>>())
        .bind(events)
        .bind(kinds)
        .bind(envelopes)
        .bind(queues)
        .bind(owed)
        .bind(person)
        .bind(key)
        .bind(fingerprint)
        .bind(answer)
        .bind(batch.import.is_some())
        .bind(is_handed)
        .bind(FIRST_LOOK_AFTER.as_secs_f64())
        .bind(batch.cards.private)
        .bind(stays.iter().map(|stay| stay.is_new).collect::<Vec<_>>())
        .bind(stays.iter().map(|stay| stay.private).collect::<Vec<_>>())
        .bind(stays.iter().map(|stay| stay.hidden).collect::<Vec<_>>())
        .bind(batch.linked.iter().map(|link| link.private).collect::<Vec<_>>())
        .bind(relinked)
        .bind(renewed.iter().map(|renewed| renewed.id).collect::<Vec<_>>())
        .bind(renewed.iter().map(|renewed| renewed.private).collect::<Vec<_>>())
        .bind(batch.people.into_iter().collect::<Vec<_>>())
        .bind(CardUrl::RULES)
        .bind(renewed.iter().map(|renewed| renewed.card).collect::<Vec<_>>())
        .bind(batch.cards.since)
        .bind(stays.iter().map(|stay| stay.at).collect::<Vec<_>>())
        .bind(batch.linked.iter().map(|link| link.at).collect::<Vec<_>>())
        .bind(batch.cards.titles)
        .bind(stays.iter().map(|stay| stay.title.is_some()).collect::<Vec<_>>())
        .bind(stays.into_iter().map(|stay| stay.title.flatten()).collect::<Vec<_>>())
        .bind(batch.is_untold);
    let rows = session.fetch_all(query).await?;
    let at = rows.first().map_or(Err(Failure::Changed), |row| get_time(row, "at"))?;
    let mut handed = batch.handed;
    handed.iter_mut().for_each(|owed| owed.envelope.time = at);
    for (id, version) in &batch.deleted {
        let sql = "UPDATE collections SET deleted_at = now(), version = version + 1 \
                   WHERE id = $1 AND version = coalesce($2, version) AND deleted_at IS NULL";
        let done = session.execute(sqlx::query(sql).bind(uuid(id.ulid())).bind(version)).await?;
        one(done)?;
    }
    for id in &batch.forgotten {
        // The foreign key of the links ensures that no card is left in it.
        let sql = "DELETE FROM collections WHERE id = $1 AND deleted_at IS NOT NULL";
        one(session.execute(sqlx::query(sql).bind(id)).await?)?;
    }
    for (by, person, is_blocked) in &batch.blocks {
        let sql = if *is_blocked { BLOCK } else { UNBLOCK };
        session.execute(sqlx::query(sql).bind(by.as_str()).bind(person.as_str())).await?;
    }
    for step in &batch.leaving {
        match step {
            Leaving::CutTies(person) => cut_ties(session, person).await?,
            Leaving::Leave { person, before, after, behind } => {
                leave(session, person, *before, *after, *behind).await?;
            }
            Leaving::Forget { person, limit } => forget(session, person, *limit).await?,
        }
    }
    undo(session, batch.undoing).await?;
    Ok(handed)
}

async fn insert_collection(session: &mut Session, new: &Collection, import: Option<Uuid>) -> Result<(), Failure> {
    let sql = "INSERT INTO collections (id, author_id, name, description, access, private, import_id) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let query = sqlx::query(sql)
        .bind(uuid(new.id.ulid()))
        .bind(new.author.as_str())
        .bind(new.name.as_str())
        .bind(new.description.as_str())
        .bind(new.access.name())
        .bind(new.visibility.is_private())
        .bind(import);
    session.execute(query).await?;
    if new.collaborators.is_empty() && new.invited.is_empty() { Ok(()) } else { replace_people(session, new).await }
}

async fn update_collection(session: &mut Session, to: &Collection, version: Option<i64>) -> Result<(), Failure> {
    let sql = "UPDATE collections SET name = $2, description = $3, access = $4, private = $6, version = version + 1, \
               updated_at = now() WHERE id = $1 AND version = coalesce($5, version) AND deleted_at IS NULL";
    let query = sqlx::query(sql)
        .bind(uuid(to.id.ulid()))
        .bind(to.name.as_str())
        .bind(to.description.as_str())
        .bind(to.access.name())
        .bind(version)
        .bind(to.visibility.is_private());
    one(session.execute(query).await?)?;
    replace_people(session, to).await
}

async fn replace_people(session: &mut Session, of: &Collection) -> Result<(), Failure> {
    let ids = |people: &BTreeSet<UserId>| people.iter().map(ToString::to_string).collect::<Vec<_>>();
    let query = sqlx::query(REPLACE_PEOPLE).bind(uuid(of.id.ulid()));
    session.execute(query.bind(ids(&of.collaborators)).bind(ids(&of.invited))).await?;
    Ok(())
}

/// Checks that the row has not changed since it was read.
fn one(done: u64) -> Result<(), Failure> {
    if done == 1 { Ok(()) } else { Err(Failure::Changed) }
}
