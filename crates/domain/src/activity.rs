//! Which events make one activity.
//!
//! The events of one card and one person are cut into windows: the earliest opens one, everything within three seconds
//! of it belongs to it, the next event behind that opens the next. The cut depends only on the set of events, never on
//! when or in which portions they arrive, so a window that a crash tore apart ends as one activity.

use jiff::{SignedDuration, Timestamp};

use crate::event::{DomainEvent, RecordedEvent};
use crate::ids::{ActivityId, CardId, CollectionId, EventId, LinkId, UserId};
use crate::visibility::Visibility;

/// An event this long after the window's first, or less, belongs to the window.
pub const WINDOW: SignedDuration = SignedDuration::from_secs(3);

/// The part one event plays in an activity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    pub occurred_at: Timestamp,
    pub event_id: EventId,
    pub link_id: LinkId,
    /// `None`: the card was added to the library.
    pub collection_id: Option<CollectionId>,
}

impl Member {
    /// `None`: an event that makes no activity, such as an addition that only the card's owner sees.
    pub fn of(recorded: &RecordedEvent) -> Option<Self> {
        let (link_id, collection_id) = match recorded.event {
            DomainEvent::CardAddedToLibrary { link_id, visibility: Visibility::Public, .. } => (link_id, None),
            DomainEvent::CardAddedToCollection { link_id, collection_id, visibility: Visibility::Public, .. } => {
                (link_id, Some(collection_id))
            }
            _ => return None,
        };
        Some(Self { occurred_at: recorded.occurred_at, event_id: recorded.id, link_id, collection_id })
    }
}

/// What the saga gathered for one card and one person, on its way into the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectedWindow {
    pub card_id: CardId,
    pub actor_id: UserId,
    pub members: Vec<Member>,
}

/// One entry of the feed: somebody collected a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    pub id: ActivityId,
    pub card_id: CardId,
    pub actor_id: UserId,
    /// When its first known event occurred as the activity was written. Never changes.
    pub created_at: Timestamp,
    /// Sorted; never empty; all within [`WINDOW`] of the first.
    pub members: Vec<Member>,
}

impl Activity {
    pub fn window_start(&self) -> Timestamp {
        self.members.first().map_or(self.created_at, |first| first.occurred_at)
    }
}

/// What [`regroup`] wants written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Regrouped {
    pub inserted: Vec<Activity>,
    /// Existing activities whose members changed.
    pub updated: Vec<Activity>,
}

/// Works `new` events into the activities of one card and one person.
///
/// `existing` must hold every activity of the pair that starts at or after [`regroup_from`] of the new events; earlier
/// ones cannot be touched by them. Existing activities keep their id and `created_at`. Their number never shrinks: the cut needs the fewest
/// windows that cover the events, and more events never need fewer.
pub fn regroup(card_id: CardId, actor_id: &UserId, mut existing: Vec<Activity>, new: Vec<Member>) -> Regrouped {
    let known: usize = existing.iter().map(|activity| activity.members.len()).sum();
    let mut members: Vec<(Member, Option<usize>)> = Vec::with_capacity(known + new.len());
    let mut sizes = Vec::with_capacity(existing.len());
    for (index, activity) in existing.iter_mut().enumerate() {
        sizes.push(activity.members.len());
        members.extend(std::mem::take(&mut activity.members).into_iter().map(|member| (member, Some(index))));
    }
    members.extend(new.into_iter().map(|member| (member, None)));
    // Of an event that an activity has and that comes again, the former stays.
    members.sort_unstable_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
    members.dedup_by(|again, first| again.0 == first.0);

    let mut existing: Vec<Option<Activity>> = existing.into_iter().map(Some).collect();
    let mut regrouped = Regrouped::default();
    let mut rest = members.into_iter();
    while let Some((first, _)) = rest.as_slice().first() {
        let created_at = first.occurred_at;
        let belongs = |(member, _): &(Member, _)| member.occurred_at.duration_since(created_at) <= WINDOW;
        let size = rest.as_slice().partition_point(belongs);
        let owners = rest.as_slice()[..size].iter().map(|(_, owner)| *owner);
        let heir = owners.clone().flatten().find(|index| existing[*index].is_some());
        let unchanged = |index: usize| sizes[index] == size && owners.clone().all(|owner| owner == Some(index));
        let changed = heir.is_none_or(|index| !unchanged(index));
        let members: Vec<Member> = rest.by_ref().take(size).map(|(member, _)| member).collect();
        match heir.and_then(|index| existing[index].take()) {
            Some(activity) if changed => regrouped.updated.push(Activity { members, ..activity }),
            Some(_) => {}
            None => regrouped.inserted.push(Activity {
                id: ActivityId::generate(),
                card_id,
                actor_id: actor_id.clone(),
                created_at,
                members,
            }),
        }
    }
    debug_assert!(existing.iter().all(Option::is_none), "an existing activity lost all its members");
    regrouped
}

/// Activities of the pair that start before this instant cannot be touched by these events.
pub fn regroup_from(new: &[Member]) -> Option<Timestamp> {
    let first = new.iter().map(|member| member.occurred_at).min()?;
    first.checked_sub(WINDOW).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use ulid::Ulid;

    use super::*;

    fn member(at_ms: i64, id: u128) -> Member {
        Member {
            occurred_at: Timestamp::from_millisecond(1_800_000_000_000 + at_ms).unwrap(),
            event_id: EventId::from_ulid(Ulid::from(id)),
            link_id: LinkId::from_ulid(Ulid::from(id)),
            collection_id: None,
        }
    }

    fn actor() -> UserId {
        UserId::parse("did:plc:alice").unwrap()
    }

    /// Applies the flushes to a store of activities the way an adapter must.
    fn flush_all(flushes: &[Vec<Member>]) -> Vec<Activity> {
        let card = CardId::from_ulid(Ulid::from(1u128));
        let mut stored: Vec<Activity> = Vec::new();
        for flush in flushes.iter().filter(|flush| !flush.is_empty()) {
            let from = regroup_from(flush).unwrap();
            let near: Vec<Activity> = stored.iter().filter(|a| a.window_start() >= from).cloned().collect();
            let result = regroup(card, &actor(), near, flush.clone());
            for changed in result.updated {
                let index = stored.iter().position(|a| a.id == changed.id).unwrap();
                stored[index] = changed;
            }
            stored.extend(result.inserted);
            stored.sort_by_key(Activity::window_start);
        }
        stored
    }

    fn groups(activities: &[Activity]) -> Vec<Vec<Member>> {
        activities.iter().map(|a| a.members.clone()).collect()
    }

    #[test]
    fn an_event_at_exactly_three_seconds_still_belongs_to_the_window() {
        let check = |times: &[i64], expected: &[usize]| {
            let members = times.iter().zip(1..).map(|(t, id)| member(*t, id)).collect();
            let sizes: Vec<usize> = flush_all(&[members]).iter().map(|a| a.members.len()).collect();
            assert_eq!(sizes, expected, "{times:?}");
        };
        check(&[0], &[1]);
        check(&[0, 3_000], &[2]);
        check(&[0, 3_001], &[1, 1]);
        check(&[0, 2_000, 4_000], &[2, 1]);
        check(&[0, 3_000, 3_001, 6_001], &[2, 2]);
    }

    #[test]
    fn a_late_first_event_takes_the_window_over_and_ids_stay() {
        let before = flush_all(&[vec![member(2_000, 2), member(4_000, 3)]]);
        let after = flush_all(&[vec![member(2_000, 2), member(4_000, 3)], vec![member(0, 1)]]);
        assert_eq!(groups(&before).len(), 1);
        assert_eq!(groups(&after), vec![vec![member(0, 1), member(2_000, 2)], vec![member(4_000, 3)]]);
        assert_eq!(after[0].created_at, member(2_000, 2).occurred_at, "createdAt never changes");
    }

    proptest! {
        #[test]
        fn any_order_any_cut_ends_in_the_same_activities(
            times in prop::collection::vec(0i64..20_000, 1..25),
            order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..40),
        ) {
            let all: Vec<Member> = times.iter().zip(1..).map(|(t, id)| member(*t, id)).collect();
            let at_once = flush_all(std::slice::from_ref(&all));
            // Any order, with duplicates, cut anywhere; at the end whatever was never drawn.
            let mut flushes: Vec<Vec<Member>> = vec![vec![]];
            for (index, cut) in &order {
                if *cut {
                    flushes.push(vec![]);
                }
                flushes.last_mut().unwrap().push(index.get(&all).clone());
            }
            flushes.push(all);
            let pieces = flush_all(&flushes);
            prop_assert_eq!(groups(&at_once), groups(&pieces));
            for pair in pieces.windows(2) {
                let gap = pair[1].window_start().duration_since(pair[0].window_start());
                prop_assert!(gap > WINDOW, "windows overlap");
            }
        }

        #[test]
        fn ids_and_created_at_survive_every_flush(
            times in prop::collection::vec(0i64..20_000, 1..25),
            cut in 1usize..5,
        ) {
            let all: Vec<Member> = times.iter().zip(1..).map(|(t, id)| member(*t, id)).collect();
            let flushes: Vec<Vec<Member>> = all.chunks(cut).map(<[Member]>::to_vec).collect();
            let mut known: BTreeMap<ActivityId, Timestamp> = BTreeMap::new();
            let card = CardId::from_ulid(Ulid::from(1u128));
            let mut stored: Vec<Activity> = Vec::new();
            for flush in &flushes {
                let from = regroup_from(flush).unwrap();
                let near: Vec<Activity> = stored.iter().filter(|a| a.window_start() >= from).cloned().collect();
                let result = regroup(card, &actor(), near, flush.clone());
                for changed in result.updated {
                    prop_assert!(!changed.members.is_empty());
                    prop_assert_eq!(known.get(&changed.id), Some(&changed.created_at));
                    let index = stored.iter().position(|a| a.id == changed.id).unwrap();
                    stored[index] = changed;
                }
                known.extend(result.inserted.iter().map(|a| (a.id, a.created_at)));
                stored.extend(result.inserted);
                stored.sort_by_key(Activity::window_start);
            }
            prop_assert_eq!(stored.len(), known.len());
        }
    }
}
