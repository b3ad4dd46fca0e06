//! What a command changes, as it is handed to the store.

use jiff::Timestamp;

use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::event::DomainEvent;
use crate::ids::{CardId, CollectionId, EventId, ImportId, LinkId, UserId};
use crate::imports::Fingerprint;
use crate::leaving::Stage;
use crate::note::Note;
use crate::title::Title;
use crate::url::CardUrl;
use crate::visibility::Visibility;

/// One row to write. A use case lists them in an order in which they can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the card itself: links and note come as changes of their own.
    InsertCard {
        card_id: CardId,
        owner: UserId,
        url: CardUrl,
        via: Option<CardId>,
    },
    SetNote {
        card_id: CardId,
        note: Option<Note>,
    },
    /// Of a card that is in the library by this link.
    SetTitle {
        card_id: CardId,
        link_id: LinkId,
        title: Option<Title>,
    },
    AddToLibrary {
        card_id: CardId,
        link_id: LinkId,
        visibility: Visibility,
        /// Since when it is there; `None`: since now.
        at: Option<Timestamp>,
    },
    /// Who sees the card changes. It stays in the library, with its date; `after` is `before` where others see no difference.
    RenewStay {
        card_id: CardId,
        before: LinkId,
        after: LinkId,
        visibility: Visibility,
        is_hidden: bool,
    },
    RemoveFromLibrary {
        card_id: CardId,
        link_id: LinkId,
    },
    AddToCollection {
        card_id: CardId,
        link_id: LinkId,
        collection_id: CollectionId,
        /// What others see of the card.
        visibility: Visibility,
        /// Since when it is there; `None`: since now.
        at: Option<Timestamp>,
    },
    /// The same stay under another id, with its date.
    RenewLink {
        card_id: CardId,
        before: LinkId,
        after: LinkId,
        /// What others see of the card from now on.
        visibility: Visibility,
    },
    RemoveFromCollection {
        card_id: CardId,
        link_id: LinkId,
    },
    /// The stay goes over from one card to another, under another id and with its date.
    MoveLink {
        from: CardId,
        to: CardId,
        before: LinkId,
        after: LinkId,
        /// What others see of the card that it goes over to.
        visibility: Visibility,
    },
    /// No URL leads to the card any more: another one has its place. Listed before the [`Self::Identify`] of that one.
    Retire {
        card_id: CardId,
        url: CardUrl,
    },
    /// The card's URL as [`CardUrl::RULES`] have it. Nobody else's card of this owner has its normalised form.
    Identify {
        card_id: CardId,
        url: CardUrl,
    },
    InsertCollection(Collection),
    /// Name, description, access, visibility, collaborators and invited people; the author never changes.
    UpdateCollection(Collection),
    /// It is gone for everybody. Its cards leave it afterwards: see [`crate::use_cases::let_cards_go`].
    DeleteCollection(CollectionId),
    /// The same, if no card is in it. If one is, nothing changes.
    DeleteEmptyCollection(CollectionId),
    /// What is left of a deleted collection that no card is in any more.
    ForgetCollection(CollectionId),
    /// `person` cannot invite `by` any more. Blocking again changes nothing.
    Block {
        by: UserId,
        person: UserId,
    },
    Unblock {
        by: UserId,
        person: UserId,
    },
    /// Somebody no longer collaborates anywhere; their invitations and blocks go, those of others to or against them included.
    CutTies(UserId),
    /// Deleting somebody's account has come this far: see [`crate::use_cases::let_person_go`].
    Leave {
        person: UserId,
        before: Stage,
        after: Stage,
        /// What is behind this event is still to be looked through.
        behind: Option<EventId>,
    },
    /// Deletes up to about `limit` rows of what is left of somebody, in the end their account.
    Forget {
        person: UserId,
        limit: usize,
    },
    /// This row of an import saved its card, and leaves it so.
    LeftAs {
        import: ImportId,
        number: u32,
        card_id: CardId,
        fingerprint: Fingerprint,
        /// The first row with the same link, if that is another one. What it or others saved of it is gone: somebody removed it meanwhile.
        same_as: Option<u32>,
    },
    /// A later row with the link of row `first` changed the card that a row of that link had left as `before`. If it was changed by others since
    /// that row, nothing changes: it is theirs.
    LeftByLaterRow {
        import: ImportId,
        first: u32,
        before: Fingerprint,
        after: Fingerprint,
    },
    /// An import is undone up to and with the row `after`.
    UndoRows {
        import: ImportId,
        before: u32,
        after: u32,
        /// Rows whose cards are removed.
        removed: Vec<u32>,
        /// How many cards stay because somebody changed them.
        kept: u32,
    },
    /// Nothing is left to undo.
    FinishUndo(ImportId),
}

/// Everything a command changes: committed whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub rows: Vec<Change>,
    /// The store gives each an id and its time, and owes it to every queue of its route.
    pub events: Vec<DomainEvent>,
    /// They come of this import: its cards and collections count towards no [`crate::quotas::Quota`].
    pub import: Option<ImportId>,
    /// What they add is no news: the feed is not told of it.
    pub is_untold: bool,
    /// They are part of leaving. Otherwise whatever somebody does whose account is being deleted, or has been, is [`Error::Forbidden`]. What
    /// is committed at the same time as the deletion is requested comes before it, and is deleted with the rest, or is refused.
    pub is_parting: bool,
    pub remember: Option<Remember>,
    /// W3C trace context of the request, carried along by the events.
    pub traceparent: Option<String>,
}

impl Changes {
    /// Those who do it, as far as the changes tell: whose cards, collections and events they are, and whose answer is kept.
    pub fn people(&self) -> impl Iterator<Item = &UserId> {
        let rows = self.rows.iter().filter_map(|row| match row {
            Change::InsertCard { owner, .. } => Some(owner),
            Change::InsertCollection(collection) => Some(&collection.author),
            Change::Block { by, .. } | Change::Unblock { by, .. } => Some(by),
            _ => None,
        });
        let kept = self.remember.iter().map(|kept| &kept.person);
        rows.chain(self.events.iter().map(DomainEvent::actor_id)).chain(kept)
    }
}

/// What an answer is kept under, for one person. Clients choose theirs freely; ours hold a space, which theirs cannot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    const MAX_LEN: usize = 255;

    /// One that a client chose.
    pub fn of_client(text: &str) -> Result<Self> {
        if (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::invalid("Idempotency-Key", "Use 1 to 255 visible ASCII characters."))
        }
    }

    /// Of a form of our pages, by a digest of what it asks.
    pub fn of_form(digest: &str) -> Self {
        Self(format!("page {digest}"))
    }

    /// Of these rows of an import, which are saved together: as many as are left from the first to the last. What is left only shrinks, so as
    /// many are the same ones.
    pub fn of_rows(import: ImportId, first: u32, last: u32, count: usize) -> Self {
        if last.abs_diff(first) as usize + 1 == count {
            Self(format!("import {import} {first}-{last}"))
        } else {
            Self(format!("import {import} {first}-{last} ({count})"))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A client's promise that a request is the same one again, and its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    pub key: IdempotencyKey,
    /// A digest of what was asked.
    pub fingerprint: String,
}

/// An answer to be kept for 24 hours.
#[derive(Clone, Debug)]
pub struct Remember {
    pub person: UserId,
    pub idempotency: Idempotency,
    pub answer: serde_json::Value,
}
