//! Where single events are, for operators.

use anyhow::Context as _;
use cardwire_domain::collection::AccessType;
use cardwire_domain::metadata::FetchState;
use cardwire_domain::use_cases::{AddUrlToLibrary, Request, execute};
use cardwire_domain::{CardId, EventId, Visibility};
use cardwire_events::operations::{StepKind, Track};
use cardwire_events::{DeadSelection, Failure, Queue, QueueSettings, Verdict};

use super::scene::{PLENTY, person, saving};
use super::{Stores, Tested};

const URL: &str = "https://example.com/page";
const SETTINGS: QueueSettings = QueueSettings { attempts: 3, backoff_ms: 0, concurrency: 1 };

impl Stores {
    async fn track(&self, event: EventId) -> anyhow::Result<Track> {
        let tracks = self.finder.tracks(&[event]).await?;
        tracks.into_iter().next().context("the log has the event")
    }

    /// The event that tells of the first save of this card.
    async fn save_of(&self, card: CardId) -> anyhow::Result<EventId> {
        let events = self.finder.events_of_card(card, PLENTY).await?;
        let saved = events.iter().find(|envelope| envelope.kind.starts_with("CardAddedToLibrary"));
        Ok(saved.context("it was saved")?.id)
    }
}

fn owed(track: &Track) -> Vec<Queue> {
    let mut queues: Vec<Queue> = track.deliveries.iter().map(|delivery| delivery.queue).collect();
    queues.sort();
    queues
}

pub async fn an_event_is_tracked_from_its_acceptance_to_its_effects(stores: Stores) -> Tested {
    let alice = person("alice");
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let collection = stores.collection(&alice, "one", AccessType::Closed).await?;
    let request = Request { traceparent: Some(traceparent.to_owned()), ..Request::by(alice.clone()) };
    let card = execute(&*stores.store, &request, &saving(URL, None, &[collection])).await?.url_card_id;
    let event = stores.save_of(card).await?;

    let together = stores.finder.accepted_with(event).await?;
    let kinds: Vec<&str> = together.iter().map(|envelope| envelope.kind.as_str()).collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert!(kinds.iter().any(|kind| kind.starts_with("CardAddedToCollection")), "{kinds:?}");
    assert!(together.iter().all(|envelope| envelope.traceparent.as_deref() == Some(traceparent)));

    let track = stores.track(event).await?;
    assert!([Queue::Feeds, Queue::Search, Queue::Analytics].iter().all(|queue| owed(&track).contains(queue)));
    assert!(track.deliveries.iter().all(|delivery| delivery.tries == 0 && delivery.dead_at.is_none()), "{track:?}");
    assert_eq!((&track.activity, track.steps.len()), (&None, 0));
    let written = track.card.context("its card")?;
    assert_eq!((written.card.url.as_deref(), written.is_indexed), (Some(URL), false));
    assert!(written.card.library_at.is_some());

    stores.index_all().await?;
    let track = stores.track(event).await?;
    assert!(!owed(&track).contains(&Queue::Search), "{track:?}");
    let written = track.card.context("its card")?;
    assert!(written.is_indexed);
    assert_eq!(written.page, Some((FetchState::Pending, None)));

    stores.flush_feed().await?;
    let track = stores.track(event).await?;
    assert!(!owed(&track).contains(&Queue::Feeds), "{track:?}");
    let carrier = track.activity.context("an activity carries it")?;
    assert_eq!(carrier.id, stores.feed_items(None).await?[0].id);
    assert_eq!(carrier.created_at, track.accepted_at);
    let other = together.iter().find(|envelope| envelope.id != event).context("the other")?;
    assert_eq!(stores.track(other.id).await?.activity, Some(carrier), "both are in one");

    let counted = stores.deliver(Queue::Analytics).await?;
    stores.analytics.count(&counted).await?;
    assert!(!owed(&stores.track(event).await?).contains(&Queue::Analytics));
    let unknown = EventId::generate();
    assert!(stores.finder.tracks(&[unknown]).await?.is_empty());
    assert!(stores.finder.accepted_with(unknown).await?.is_empty());
    Ok(())
}

pub async fn what_went_wrong_is_part_of_a_track(stores: Stores) -> Tested {
    let card = stores.save(&person("alice"), URL).await?.url_card_id;
    let event = stores.save_of(card).await?;
    assert!(stores.finder.resent().await?.is_empty());
    stores.deliver(Queue::Search).await?;
    let fail = async |verdict| {
        let failure = Failure { event_id: event, error: "it is poison".into(), verdict };
        stores.log.fail(Queue::Search, &[failure], &SETTINGS).await
    };
    fail(Verdict::Retry).await?;
    let track = stores.track(event).await?;
    let delivery = track.deliveries.iter().find(|delivery| delivery.queue == Queue::Search).context("still owed")?;
    assert_eq!((delivery.tries, delivery.error.as_deref()), (1, Some("it is poison")));
    assert!(delivery.published_at.is_none() && delivery.dead_at.is_none(), "{delivery:?}");
    fail(Verdict::Reject).await?;
    let track = stores.track(event).await?;
    let delivery = track.deliveries.iter().find(|delivery| delivery.queue == Queue::Search).context("still owed")?;
    assert!(delivery.dead_at.is_some(), "{delivery:?}");
    let steps: Vec<_> = track.steps.iter().map(|(queue, step)| (*queue, step.kind)).collect();
    let of_search = |kind| (Queue::Search, kind);
    assert_eq!(steps, [StepKind::Failed, StepKind::Failed, StepKind::Died].map(of_search));
    assert!(stores.finder.resent().await?.is_empty(), "dead letters are not waited for");

    stores.log.redrive(Queue::Search, &DeadSelection::All).await?;
    stores.deliver(Queue::Analytics).await?;
    stores.time.advance(cardwire_events::log::LOOK_AGAIN_AFTER * 2).await;
    // Its copy is lost: an empty queue tells that nothing waits.
    stores.deliver(Queue::Analytics).await?;
    assert_eq!(stores.finder.resent().await?, [(Queue::Analytics, 1)]);
    Ok(())
}

pub async fn events_of_a_card_are_found_without_reading_the_whole_log(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let card = stores.save(&alice, URL).await?.url_card_id;
    stores.save(&bob, URL).await?;
    stores.save(&alice, "https://example.com/other").await?;
    let collection = stores.collection(&alice, "one", AccessType::Closed).await?;
    stores.collect(&alice, card, &[collection]).await?;
    stores.remove(&alice, card).await?;
    let found = stores.finder.events_of_card(card, PLENTY).await?;
    assert!(found.iter().all(|envelope| envelope.subject == card.to_string()), "{found:?}");
    let ids: Vec<EventId> = found.iter().map(|envelope| envelope.id).collect();
    assert!(ids.is_sorted_by(|one, other| one > other), "newest first, each once");
    let has = |kind: &str| found.iter().any(|envelope| envelope.kind.starts_with(kind));
    assert!(has("CardAddedToLibrary") && has("CardAddedToCollection") && has("CardRemovedFromLibrary"), "{found:?}");
    assert_eq!(stores.finder.events_of_card(card, 1).await?.len(), 1);
    assert!(stores.finder.events_of_card(CardId::generate(), PLENTY).await?.is_empty());
    Ok(())
}

pub async fn cards_are_found_by_url_and_person_but_for_private_ones(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let public = stores.save(&alice, URL).await?.url_card_id;
    let private = AddUrlToLibrary { visibility: Some(Visibility::Private), ..saving(URL, None, &[]) };
    let theirs = stores.run(&bob, &private).await?.url_card_id;
    let of_url = stores.finder.cards_of_url(URL, PLENTY).await?;
    let told: Vec<_> = of_url.iter().map(|card| (card.id, &card.owner, card.url.as_deref())).collect();
    assert_eq!(told, [(public, &alice, Some(URL))], "nobody learns who keeps it for themselves");
    let of_alice = stores.finder.cards_of_person(&alice, PLENTY).await?;
    assert_eq!(of_alice, of_url);
    assert!(stores.finder.cards_of_person(&bob, PLENTY).await?.is_empty(), "what they keep for themselves");
    let event = stores.save_of(theirs).await?;
    let written = stores.track(event).await?.card.context("its card")?;
    assert_eq!((written.card.url, written.page), (None, None));

    stores.remove(&alice, public).await?;
    assert!(stores.finder.cards_of_url(URL, PLENTY).await?.is_empty());
    assert!(stores.finder.cards_of_person(&alice, PLENTY).await?.is_empty());
    Ok(())
}
