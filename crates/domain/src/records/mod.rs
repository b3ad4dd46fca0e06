//! Records of what is public here, in people's own repositories elsewhere.
//!
//! What a record has to say follows from the rows as they are now, never from an event: an event only says what to look at. So what is owed
//! can be looked at any number of times, and by anyone.

pub mod budget;
mod progress;
mod tid;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use ulid::Ulid;

pub use self::budget::Spent;
pub use self::progress::{FailingPerson, FailingTotals, PublishingState, RecordCounts, RecordTotals};
pub use self::tid::Tid;
use crate::collection::AccessType;
use crate::error::Result;
use crate::event::{DomainEvent, RecordedEvent};
use crate::ids::{CardId, CollectionId, LinkId, UserId};

/// What a record is about. In this order they are written: what refers to others comes behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    Card,
    Collection,
    /// A card is in a collection.
    Link,
    /// The author of a collection took somebody's card out of it.
    Removal,
}

impl RecordKind {
    pub const ALL: [Self; 4] = [Self::Card, Self::Collection, Self::Link, Self::Removal];

    /// As it is stored.
    pub const fn number(self) -> i16 {
        match self {
            Self::Card => 0,
            Self::Collection => 1,
            Self::Link => 2,
            Self::Removal => 3,
        }
    }

    pub fn numbered(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The end of the name of its collection in a repository.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Collection => "collection",
            Self::Link => "collectionLink",
            Self::Removal => "collectionLinkRemoval",
        }
    }
}

/// What one record is about: the card, the collection, or the stay of a card in a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    pub kind: RecordKind,
    pub id: Ulid,
}

impl Subject {
    pub const fn card(id: CardId) -> Self {
        Self { kind: RecordKind::Card, id: id.ulid() }
    }

    pub const fn collection(id: CollectionId) -> Self {
        Self { kind: RecordKind::Collection, id: id.ulid() }
    }

    pub const fn link(id: LinkId) -> Self {
        Self { kind: RecordKind::Link, id: id.ulid() }
    }

    pub const fn removal(id: LinkId) -> Self {
        Self { kind: RecordKind::Removal, id: id.ulid() }
    }
}

/// What an event gives reason to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched<'a> {
    /// Of this person.
    Of(&'a UserId, Subject),
    /// The stay of a card in a collection, which ended. It is its owner's, whoever ended it.
    Ended { card: CardId, collection: CollectionId, link: LinkId, by: &'a UserId },
    /// Everything of somebody who is gone.
    Everything(&'a UserId),
}

impl<'a> Touched<'a> {
    pub const fn by(event: &'a DomainEvent) -> Self {
        match event {
            DomainEvent::CardAddedToLibrary { card_id, actor_id, .. }
            | DomainEvent::CardRemovedFromLibrary { card_id, actor_id, .. }
            | DomainEvent::CardNoteChanged { card_id, actor_id }
            | DomainEvent::CardUrlChanged { card_id, actor_id } => Self::Of(actor_id, Subject::card(*card_id)),
            DomainEvent::CardAddedToCollection { actor_id, link_id, .. } => Self::Of(actor_id, Subject::link(*link_id)),
            DomainEvent::CardRemovedFromCollection { card_id, actor_id, collection_id, link_id } => {
                Self::Ended { card: *card_id, collection: *collection_id, link: *link_id, by: actor_id }
            }
            DomainEvent::CollectionCreated { collection_id, actor_id } => {
                Self::Of(actor_id, Subject::collection(*collection_id))
            }
            DomainEvent::AccountDeleted { actor_id } => Self::Everything(actor_id),
        }
    }
}

/// A record at a place, in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrongRef {
    pub uri: String,
    pub cid: String,
}

pub fn record_uri(did: &str, nsid: &str, rkey: &str) -> String {
    format!("at://{did}/{nsid}/{rkey}")
}

/// What a record has to say, as the rows are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Card(CardContent),
    Collection(CollectionContent),
    Link(LinkContent),
    Removal(RemovalContent),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardContent {
    pub url: String,
    /// Its owner's own, or else the page's.
    pub title: Option<String>,
    pub description: Option<String>,
    pub author: Option<String>,
    pub site_name: Option<String>,
    pub image: Option<String>,
    pub kind: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionContent {
    pub name: String,
    pub description: String,
    pub access: AccessType,
    /// Those who have accepted, as the network knows them.
    pub collaborators: Vec<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkContent {
    pub card: CardId,
    /// Where the card's record is, if it is published.
    pub card_at: Option<StrongRef>,
    pub collection: CollectionId,
    pub collection_at: Option<StrongRef>,
    /// Whether its author has a repository, so that the collection's record is there or will be.
    pub is_author_connected: bool,
    pub added_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovalContent {
    pub collection_at: Option<StrongRef>,
    pub link_at: StrongRef,
    pub removed_at: Timestamp,
}

/// What is known of a record that is published, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRecord {
    pub nsid: String,
    pub rkey: String,
    /// `None`: no server has confirmed it yet.
    pub cid: Option<String>,
    pub digest: Option<Vec<u8>>,
    /// Something was sent whose answer is not known.
    pub is_in_doubt: bool,
}

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Todo {
    pub subject: Subject,
    /// Another one if it is owed again meanwhile.
    pub stamp: i64,
    pub kept: Option<KeptRecord>,
    /// `None`: there must be no record.
    pub wanted: Option<Wanted>,
}

/// One person's turn: nobody else publishes for them until it ends, or its lease runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    pub person: UserId,
    pub did: String,
    pub lease: Ulid,
    /// By the store's clock.
    pub now: Timestamp,
    /// What is public still has to be compared with what is published.
    pub is_new: bool,
    /// False: nothing is published that is not deleted, since the person is suspended.
    pub may_add: bool,
    pub spent: Spent,
    /// In a row.
    pub failures: u32,
}

/// A record that is about to be written or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub subject: Subject,
    pub nsid: String,
    pub rkey: String,
    /// Of a [`RecordKind::Link`].
    pub link: Option<(CardId, CollectionId)>,
}

/// What became of something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub subject: Subject,
    pub stamp: i64,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Published {
        cid: String,
        digest: Vec<u8>,
    },
    Deleted,
    /// It is as it should be.
    Unchanged,
    /// The server will never take it. It is not tried again until it changes.
    Refused(String),
    /// It has to wait for something else.
    Later(Duration),
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What is left may be done at once.
    Further,
    /// The budget is used up. New work is still looked at.
    OutOfBudget(Duration),
    /// Nothing is sent for so long. `is_asked`: the server asks for it.
    Paused { pause: Duration, reason: String, is_asked: bool },
    /// The session has ended; its owner has to connect again.
    Ended(String),
    /// There is no repository.
    NotConnected,
}

#[async_trait]
pub trait RecordRepository: Send + Sync {
    /// Takes the events off the `records` ledger and owes what they touch to those who have a repository, in one transaction. Returns how
    /// many were still owed. `connects`: who has none yet is given one of no network, for stand-ins.
    async fn owe(&self, events: &[RecordedEvent], connects: bool) -> Result<usize>;

    /// This person's records are published in the repository of `did` from now on, first of all what is public already. Connecting the same
    /// repository again compares everything if publishing had failed, and otherwise nothing.
    async fn connect(&self, person: &UserId, did: &str) -> Result<()>;
    /// Nothing is published any more. What is published stays.
    async fn disconnect(&self, person: &UserId) -> Result<()>;
    /// Publishing goes on at once, and everything is compared again.
    async fn publish_again(&self, person: &UserId) -> Result<()>;
    /// `None`: this person has no repository.
    async fn record_counts(&self, person: &UserId) -> Result<Option<RecordCounts>>;
    async fn record_totals(&self) -> Result<RecordTotals>;
    /// For operators, who look often: it costs nothing while nothing fails.
    async fn failing_totals(&self) -> Result<FailingTotals>;
    /// Up to `limit` people in this state behind `after`, in the order of their ids. Only [`PublishingState::Failing`] and
    /// [`PublishingState::Ended`] are listed; of other states there is nobody.
    async fn failing_people(
        &self,
        state: PublishingState,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<FailingPerson>>;

    /// The turn of somebody for whom something is due; of several, of the one who has waited longest since their last turn.
    async fn begin_turn(&self, lease: Duration) -> Result<Option<Turn>>;
    /// Owes all that is public and all that is published, if the turn is still this one's. Public collections of others in which this person
    /// collaborates are owed to their authors, since their records name the repository.
    async fn owe_everything(&self, turn: &Turn) -> Result<()>;
    /// Up to `limit` of what is due: first what is published and has to change, then what is new.
    async fn todo(&self, turn: &Turn, limit: usize) -> Result<Vec<Todo>>;
    /// Those of these keys that other records of the person have.
    async fn taken(&self, turn: &Turn, keys: &[(String, String)]) -> Result<Vec<(String, String)>>;
    /// Keeps what is about to be sent, and what it costs, and holds the turn for `lease` more. False: somebody else has the turn now.
    async fn attempt(&self, turn: &Turn, attempts: &[Attempt], points: u32, lease: Duration) -> Result<bool>;
    /// Keeps what became of it, and ends the turn. False: somebody else has it now, and nothing is kept.
    async fn end_turn(&self, turn: &Turn, done: &[Done], ending: &Ending) -> Result<bool>;
}

/// How long the deletion of an account waits for its records to be deleted.
pub const DELETE_WITHIN: Duration = Duration::from_secs(7 * 86_400);

/// About how long it takes to write so many records.
pub fn rest(waiting: u64, spent: Spent, now: Timestamp) -> Duration {
    /// What one person's turn writes in a second, roughly.
    const A_SECOND: u64 = 50;
    let paced = spent.time_for(waiting.saturating_mul(u64::from(budget::CREATE_POINTS)), now);
    paced.saturating_add(Duration::from_secs(waiting.div_ceil(A_SECOND)))
}
