//! What is gathered for one card and one person until it is flushed. Pure: no clock, no store.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use cardwire_domain::{CardId, CollectedWindow, CollectionId, EventId, Member, RecordedEvent, UserId};
use jiff::Timestamp;

/// Names a window. Written `{cardId}-{actorId}`; the order of keys is the order of their text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SagaKey {
    pub card_id: CardId,
    pub actor_id: UserId,
}

impl fmt::Display for SagaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.card_id, self.actor_id)
    }
}

/// Text that is no `{cardId}-{actorId}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no window: it must be cardId-actorId")]
pub struct InvalidKey(pub(crate) String);

impl FromStr for SagaKey {
    type Err = InvalidKey;

    /// The card's id holds no `-`, so the first one ends it.
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let parse = || {
            let (card_id, actor_id) = text.split_once('-')?;
            Some(Self { card_id: card_id.parse().ok()?, actor_id: UserId::parse(actor_id).ok()? })
        };
        parse().ok_or_else(|| InvalidKey(text.to_owned()))
    }
}

/// An event on its way into a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingEvent {
    pub card_id: CardId,
    pub actor_id: UserId,
    pub member: Member,
}

impl PendingEvent {
    /// `None`: an event that makes no activity.
    pub fn from_recorded(recorded: &RecordedEvent) -> Option<Self> {
        let (member, card_id) = (Member::of(recorded)?, recorded.event.card_id()?);
        Some(Self { card_id, actor_id: recorded.event.actor_id().clone(), member })
    }

    pub fn key(&self) -> SagaKey {
        SagaKey { card_id: self.card_id, actor_id: self.actor_id.clone() }
    }
}

/// The events of one window. A set: order and repetition of merges do not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingActivity {
    pub key: SagaKey,
    pub members: BTreeMap<EventId, Member>,
}

impl PendingActivity {
    pub const fn new(key: SagaKey) -> Self {
        Self { key, members: BTreeMap::new() }
    }

    /// False: it was there already. An event never changes, so the first copy stays.
    pub fn merge(&mut self, member: Member) -> bool {
        let before = self.members.len();
        self.members.entry(member.event_id).or_insert(member);
        self.members.len() > before
    }

    /// The collections it was added to, each once, in the order of the first addition.
    pub fn collection_ids(&self) -> Vec<CollectionId> {
        let mut seen = BTreeSet::new();
        let in_order: BTreeSet<&Member> = self.members.values().collect();
        in_order.into_iter().filter_map(|member| member.collection_id).filter(|id| seen.insert(*id)).collect()
    }

    /// When the earliest event occurred; `None` while there is none.
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.members.values().map(|member| member.occurred_at).min()
    }

    pub fn has_library_event(&self) -> bool {
        self.members.values().any(|member| member.collection_id.is_none())
    }

    pub fn has_collection_events(&self) -> bool {
        self.members.values().any(|member| member.collection_id.is_some())
    }

    /// These of its members, as the feed is given them.
    pub fn collected(&self, members: Vec<Member>) -> CollectedWindow {
        CollectedWindow { card_id: self.key.card_id, actor_id: self.key.actor_id.clone(), members }
    }

    pub fn into_collected(self) -> CollectedWindow {
        let Self { key: SagaKey { card_id, actor_id }, members } = self;
        CollectedWindow { card_id, actor_id, members: members.into_values().collect() }
    }
}

/// Sorts events into one activity per card and person.
pub fn gather(events: &[PendingEvent]) -> Vec<PendingActivity> {
    let mut gathered: BTreeMap<SagaKey, PendingActivity> = BTreeMap::new();
    for event in events {
        let key = event.key();
        gathered.entry(key.clone()).or_insert_with(|| PendingActivity::new(key)).merge(event.member.clone());
    }
    gathered.into_values().collect()
}

#[cfg(test)]
mod tests {
    use cardwire_domain::{DomainEvent, LinkId, Visibility};
    use proptest::prelude::*;
    use ulid::Ulid;

    use super::*;

    fn key() -> SagaKey {
        SagaKey {
            card_id: CardId::from_ulid(Ulid::from(7u128)),
            actor_id: UserId::parse("did:web:a-b.example").unwrap(),
        }
    }

    fn member(id: u128, at_ms: i64, collection: Option<u128>) -> Member {
        Member {
            occurred_at: Timestamp::from_millisecond(1_800_000_000_000 + at_ms).unwrap(),
            event_id: EventId::from_ulid(Ulid::from(id)),
            link_id: LinkId::from_ulid(Ulid::from(id)),
            collection_id: collection.map(|id| CollectionId::from_ulid(Ulid::from(id))),
        }
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        assert_eq!(key().to_string().parse::<SagaKey>().unwrap(), key());
        for text in ["", "-", "x-did:plc:a", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAV-alice"] {
            assert!(text.parse::<SagaKey>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_additions_that_others_see_are_collected() {
        let (card_id, actor_id) = (key().card_id, key().actor_id);
        let (collection_id, link_id) = (CollectionId::generate(), LinkId::generate());
        let check = |event: DomainEvent, expected: Option<Option<CollectionId>>| {
            let recorded = RecordedEvent { id: EventId::generate(), occurred_at: Timestamp::UNIX_EPOCH, event };
            let pending = PendingEvent::from_recorded(&recorded);
            assert_eq!(pending.as_ref().map(|pending| pending.member.collection_id), expected, "{recorded:?}");
            if let Some(pending) = pending {
                assert_eq!(pending.key().to_string(), recorded.event.partition_key());
                assert_eq!((pending.member.event_id, pending.member.link_id), (recorded.id, link_id));
            }
        };
        let actor = || actor_id.clone();
        for visibility in [Visibility::Public, Visibility::Private] {
            let seen = !visibility.is_private();
            let saved = DomainEvent::CardAddedToLibrary { card_id, actor_id: actor(), link_id, visibility };
            check(saved, seen.then_some(None));
            check(
                DomainEvent::CardAddedToCollection { card_id, actor_id: actor(), collection_id, link_id, visibility },
                seen.then_some(Some(collection_id)),
            );
        }
        check(DomainEvent::CardRemovedFromLibrary { card_id, actor_id: actor(), link_id }, None);
        check(DomainEvent::CardRemovedFromCollection { card_id, actor_id: actor(), collection_id, link_id }, None);
        check(DomainEvent::CardNoteChanged { card_id, actor_id: actor() }, None);
        check(DomainEvent::CollectionCreated { collection_id, actor_id: actor() }, None);
        check(DomainEvent::AccountDeleted { actor_id: actor() }, None);
    }

    #[test]
    fn the_documented_fields_are_derived() {
        let mut pending = PendingActivity::new(key());
        assert_eq!(
            (pending.timestamp(), pending.has_library_event(), pending.has_collection_events()),
            (None, false, false)
        );
        pending.merge(member(1, 500, Some(20)));
        pending.merge(member(2, 200, Some(30)));
        pending.merge(member(3, 700, Some(30)));
        assert!(!pending.has_library_event());
        pending.merge(member(4, 100, None));
        assert!(pending.has_library_event() && pending.has_collection_events());
        assert_eq!(pending.timestamp(), Some(member(4, 100, None).occurred_at));
        let ids = [30u128, 20].map(|id| CollectionId::from_ulid(Ulid::from(id)));
        assert_eq!(pending.collection_ids(), ids);
    }

    fn members() -> impl Strategy<Value = Vec<Member>> {
        prop::collection::vec((0i64..10_000, prop::option::of(0u128..5)), 1..30).prop_map(|drawn| {
            drawn.into_iter().zip(1..).map(|((at, collection), id)| member(id, at, collection)).collect()
        })
    }

    proptest! {
        #[test]
        fn any_order_any_repetition_any_cut_gathers_the_same(
            all in members(),
            extra in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
            shuffle in any::<u64>(),
            cut in 1usize..7,
        ) {
            let mut at_once = PendingActivity::new(key());
            for member in &all {
                prop_assert!(at_once.merge(member.clone()));
            }
            let mut drawn: Vec<Member> = all.iter().chain(extra.iter().map(|index| index.get(&all))).cloned().collect();
            drawn.sort_by_key(|member| {
                let id = member.event_id.ulid().0 as u64;
                (id ^ shuffle).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            });
            let mut in_pieces = PendingActivity::new(key());
            for piece in drawn.chunks(cut) {
                let events: Vec<PendingEvent> = piece
                    .iter()
                    .map(|member| PendingEvent {
                        card_id: key().card_id,
                        actor_id: key().actor_id,
                        member: member.clone(),
                    })
                    .collect();
                for gathered in gather(&events) {
                    gathered.members.into_values().for_each(|member| {
                        in_pieces.merge(member);
                    });
                }
            }
            prop_assert_eq!(&in_pieces, &at_once);
            prop_assert_eq!(in_pieces.collection_ids(), at_once.collection_ids());
            prop_assert_eq!(in_pieces.members.len(), all.len());
        }
    }
}
