//! What each part of the store keeps.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use cardwire_domain::accounts::{Account, TokenHash};
use cardwire_domain::feed::StreamCursor;
use cardwire_domain::imports::{ImportRow, ImportView, RowOutcome};
use cardwire_domain::metadata::PageInfo;
use cardwire_domain::{Activity, ActivityId, CardId, CollectionId, EventId, ImportId, UserId};
use cardwire_events::operations::{AuditEntry, Pause, Rebuild, RebuildLease, Sample, Step};
use cardwire_events::{Envelope, Queue};
use jiff::Timestamp;
use jiff::civil::Date;
use ulid::Ulid;

use super::fetch_line::FetchLine;

/// Sorted by a time in microseconds; the id breaks ties.
pub(super) type Timeline<I> = BTreeSet<(i64, I)>;

pub(super) type Pair = (CardId, UserId);

#[derive(Default)]
pub(super) struct Accounts {
    pub(super) by_handle: HashMap<String, Account>,
    pub(super) handles: HashMap<UserId, String>,
    pub(super) sessions: HashMap<u64, Session>,
    pub(super) by_access: HashMap<TokenHash, u64>,
    /// Live and spent refresh tokens.
    pub(super) by_refresh: HashMap<TokenHash, u64>,
    pub(super) opened: u64,
}

pub(super) struct Session {
    pub(super) user: UserId,
    pub(super) signed_in: Timestamp,
    pub(super) access: TokenHash,
    pub(super) access_until: Timestamp,
    pub(super) refresh: TokenHash,
    pub(super) refresh_until: Timestamp,
    pub(super) spent: Vec<TokenHash>,
}

#[derive(Default)]
pub(super) struct Rollups {
    pub(super) days: BTreeMap<Date, Day>,
}

#[derive(Default)]
pub(super) struct Day {
    pub(super) saves: u64,
    pub(super) new_cards: u64,
    pub(super) curators: HashSet<UserId>,
}

#[derive(Default)]
pub(super) struct Feed {
    pub(super) activities: HashMap<ActivityId, Activity>,
    pub(super) by_pair: HashMap<Pair, BTreeSet<(Timestamp, ActivityId)>>,
    pub(super) timeline: Timeline<ActivityId>,
    pub(super) by_actor: HashMap<UserId, Timeline<ActivityId>>,
    /// In the order in which activities became known.
    pub(super) stream: BTreeSet<StreamCursor>,
    /// Counts the transactions that made activities known.
    pub(super) epoch: u64,
}

#[derive(Default)]
pub(super) struct Imports {
    pub(super) imports: BTreeMap<ImportId, StoredImport>,
}

pub(super) struct StoredImport {
    pub(super) owner: UserId,
    pub(super) collection: Option<CollectionId>,
    pub(super) view: ImportView,
    pub(super) rows: Vec<(ImportRow, Option<RowOutcome>)>,
    pub(super) lease: Option<Ulid>,
    pub(super) next_at: Timestamp,
}

/// An entry of a queue that was no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedEntry {
    pub queue: Queue,
    /// Cut after 4,096 characters.
    pub raw: String,
    pub reason: String,
    pub rejected_at: Timestamp,
}

#[derive(Default)]
pub(super) struct Ledger {
    pub(super) events: BTreeMap<EventId, Envelope>,
    pub(super) queues: BTreeMap<Queue, Deliveries>,
    pub(super) rejected: VecDeque<RejectedEntry>,
    pub(super) last_id: Option<Ulid>,
    /// Events from before may have been pruned.
    pub(super) pruned_until: Option<Timestamp>,
}

#[derive(Default)]
pub(super) struct Deliveries {
    pub(super) rows: BTreeMap<EventId, Delivery>,
    /// Those of `rows` that are not dead, by when they are due.
    pub(super) due: BTreeSet<(Timestamp, EventId)>,
}

#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) due_at: Timestamp,
    pub(super) published_at: Option<Timestamp>,
    pub(super) sweeps: u32,
    pub(super) tries: u32,
    /// When it died, and of what.
    pub(super) dead: Option<(Timestamp, String)>,
    /// The last [`cardwire_events::operations::MAX_STEPS`].
    pub(super) steps: VecDeque<Step>,
}

/// By normalised URL.
#[derive(Default)]
pub(super) struct Pages {
    pub(super) pages: BTreeMap<String, StoredPage>,
    pub(super) line: FetchLine,
}

pub(super) struct StoredPage {
    pub(super) host: String,
    pub(super) info: PageInfo,
    pub(super) tries: u32,
    pub(super) next_fetch_at: Timestamp,
    pub(super) lease: Option<Ulid>,
}

#[derive(Default)]
pub(super) struct Desk {
    pub(super) audit: VecDeque<AuditEntry>,
    pub(super) last_entry: i64,
    pub(super) pauses: BTreeMap<Queue, Pause>,
    /// What was processed, and what failed.
    pub(super) totals: BTreeMap<Queue, (u64, u64)>,
    pub(super) turn: Option<Timestamp>,
    pub(super) samples: VecDeque<Sample>,
    pub(super) rebuild: Option<Rebuild>,
    pub(super) lease: Option<(RebuildLease, Timestamp)>,
}

#[derive(Default)]
pub(super) struct Index {
    /// By id, so that the oldest card of a URL comes first.
    pub(super) documents: BTreeMap<CardId, Document>,
}

pub(super) struct Document {
    pub(super) owner: UserId,
    pub(super) url: String,
    pub(super) normalised: String,
    pub(super) note: Option<Vec<String>>,
}
