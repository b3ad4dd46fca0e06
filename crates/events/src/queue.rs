//! The route table: which event goes to which queues, and how each queue retries. Callers know neither.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cardwire_domain::DomainEvent;
use serde::{Deserialize, Serialize};

/// A queue and the kind of worker that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Queue {
    Feeds,
    Search,
    Analytics,
    Records,
}

impl Queue {
    pub const ALL: [Self; 4] = [Self::Feeds, Self::Search, Self::Analytics, Self::Records];

    /// Its place in [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Feeds => "feeds",
            Self::Search => "search",
            Self::Analytics => "analytics",
            Self::Records => "records",
        }
    }

    /// How many times longer than the others it gathers events for one round of publishing. Nobody waits for a count or
    /// a record, and each round of counts writes to rows that all share.
    pub const fn patience(self) -> u32 {
        match self {
            Self::Feeds | Self::Search => 1,
            Self::Analytics | Self::Records => 10,
        }
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Queue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|queue| queue.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{text:?} is no queue: there are {names}")
        })
    }
}

/// The queues an event is owed to. The default arm is feeds and records.
pub const fn routes(event: &DomainEvent) -> &'static [Queue] {
    use Queue::{Analytics, Feeds, Records, Search};
    match event {
        DomainEvent::CardAddedToLibrary { .. } => &[Feeds, Search, Analytics, Records],
        DomainEvent::CardRemovedFromLibrary { .. } => &[Feeds, Search, Analytics, Records],
        DomainEvent::AccountDeleted { .. } => &[Feeds, Search, Analytics, Records],
        // Including the owner's title.
        DomainEvent::CardNoteChanged { .. } => &[Search, Records],
        DomainEvent::CardUrlChanged { .. } => &[Search, Analytics, Records],
        _ => &[Feeds, Records],
    }
}

/// The queues of its route that an event is owed to when it is accepted. `is_untold`: what it adds is not news, so the
/// feed does not get it.
pub fn owed_to(event: &DomainEvent, is_untold: bool) -> impl Iterator<Item = Queue> + use<> {
    let adds = matches!(
        event,
        DomainEvent::CardAddedToLibrary { .. }
            | DomainEvent::CardAddedToCollection { .. }
            | DomainEvent::CollectionCreated { .. }
    );
    routes(event).iter().copied().filter(move |queue| *queue != Queue::Feeds || !(is_untold && adds))
}

/// How a queue is processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSettings {
    /// How often an event may be run alone and fail before it is a dead letter.
    pub attempts: u32,
    /// The longest first wait. It doubles with each attempt; the actual wait is random between zero and that.
    pub backoff_ms: u64,
    /// Batches in flight in one worker.
    pub concurrency: usize,
}

impl QueueSettings {
    pub const fn of(queue: Queue) -> Self {
        match queue {
            Queue::Feeds => Self { attempts: 3, backoff_ms: 2_000, concurrency: 15 },
            Queue::Search => Self { attempts: 3, backoff_ms: 2_000, concurrency: 10 },
            Queue::Analytics => Self { attempts: 2, backoff_ms: 5_000, concurrency: 20 },
            Queue::Records => Self { attempts: 3, backoff_ms: 2_000, concurrency: 5 },
        }
    }

    /// Exponential with full jitter: `draw` is uniform in 0..1, `tries` counts failed attempts, from 1.
    pub fn backoff(&self, tries: u32, draw: f64) -> Duration {
        let ceiling_ms = self.backoff_ms.saturating_mul(1 << tries.saturating_sub(1).min(16));
        Duration::from_millis(ceiling_ms).mul_f64(draw.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use cardwire_domain::{CardId, CollectionId, LinkId, UserId, Visibility};

    use super::*;

    #[test]
    fn every_event_goes_where_the_table_says() {
        let actor_id = UserId::parse("did:plc:a").unwrap();
        let (card_id, collection_id, link_id) = (CardId::generate(), CollectionId::generate(), LinkId::generate());
        let check = |event: DomainEvent, expected: &[Queue]| {
            assert_eq!(routes(&event), expected, "{event:?}");
            assert_eq!(owed_to(&event, false).collect::<Vec<_>>(), expected, "{event:?}");
        };
        use Queue::{Analytics, Feeds, Records, Search};
        // Even if others do not see it: they may have to learn that they no longer do.
        for visibility in [Visibility::Public, Visibility::Private] {
            let actor_id = actor_id.clone();
            check(
                DomainEvent::CardAddedToLibrary { card_id, actor_id: actor_id.clone(), link_id, visibility },
                &[Feeds, Search, Analytics, Records],
            );
            check(
                DomainEvent::CardAddedToCollection { card_id, actor_id, collection_id, link_id, visibility },
                &[Feeds, Records],
            );
        }
        check(
            DomainEvent::CardRemovedFromLibrary { card_id, actor_id: actor_id.clone(), link_id },
            &[Feeds, Search, Analytics, Records],
        );
        check(
            DomainEvent::CardRemovedFromCollection { card_id, actor_id: actor_id.clone(), collection_id, link_id },
            &[Feeds, Records],
        );
        check(DomainEvent::CardNoteChanged { card_id, actor_id: actor_id.clone() }, &[Search, Records]);
        check(DomainEvent::CardUrlChanged { card_id, actor_id: actor_id.clone() }, &[Search, Analytics, Records]);
        check(DomainEvent::CollectionCreated { collection_id, actor_id: actor_id.clone() }, &[Feeds, Records]);
        check(DomainEvent::AccountDeleted { actor_id }, &[Feeds, Search, Analytics, Records]);
    }

    #[test]
    fn queues_are_in_the_order_of_their_numbers() {
        assert_eq!(Queue::ALL.map(Queue::index), std::array::from_fn(|index| index));
        assert_eq!(Queue::ALL.map(|queue| queue.name().parse()), Queue::ALL.map(Ok));
        assert_eq!(
            "posts".parse::<Queue>(),
            Err("\"posts\" is no queue: there are feeds, search, analytics, records".to_owned())
        );
    }

    #[test]
    fn the_feed_is_not_told_of_additions_that_are_no_news() {
        let (card_id, link_id, collection_id) = (CardId::generate(), LinkId::generate(), CollectionId::generate());
        let actor_id = || UserId::parse("did:plc:a").unwrap();
        let visibility = Visibility::Public;
        let check = |event: DomainEvent, expected: &[Queue]| {
            assert_eq!(owed_to(&event, true).collect::<Vec<_>>(), expected, "{event:?}");
        };
        use Queue::{Analytics, Feeds, Records, Search};
        check(
            DomainEvent::CardAddedToLibrary { card_id, actor_id: actor_id(), link_id, visibility },
            &[Search, Analytics, Records],
        );
        check(
            DomainEvent::CardAddedToCollection { card_id, actor_id: actor_id(), collection_id, link_id, visibility },
            &[Records],
        );
        check(DomainEvent::CollectionCreated { collection_id, actor_id: actor_id() }, &[Records]);
        check(
            DomainEvent::CardRemovedFromLibrary { card_id, actor_id: actor_id(), link_id },
            &[Feeds, Search, Analytics, Records],
        );
        check(DomainEvent::AccountDeleted { actor_id: actor_id() }, &[Feeds, Search, Analytics, Records]);
    }

    #[test]
    fn backoff_doubles_and_is_drawn_from_zero_up() {
        let settings = QueueSettings::of(Queue::Feeds);
        let check = |tries, draw, ms| assert_eq!(settings.backoff(tries, draw), Duration::from_millis(ms));
        check(1, 1.0, 2_000);
        check(2, 1.0, 4_000);
        check(3, 0.5, 4_000);
        check(3, 0.0, 0);
    }
}
