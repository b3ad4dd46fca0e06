//! What is owed to each queue, until it has its effect.

use std::collections::BTreeSet;
use std::time::Duration;

use cardwire_domain::collection::AccessType;
use cardwire_domain::use_cases::{Request, execute};
use cardwire_domain::{EventId, UserId};
use cardwire_events::log::{AT_WORK, LOOK_AGAIN_AFTER, PUT_OFF_AT_MOST};
use cardwire_events::{Backlog, DeadSelection, Failure, Queue, QueueSettings, Verdict, routes};

use jiff::Timestamp;

use super::scene::{PLENTY, at_once, decode, person, saving, sorted};
use super::{Stores, Tested};

const URL: &str = "https://example.com/page";
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3_600);

fn many(count: usize) -> Vec<(UserId, String)> {
    (0..count).map(|number| (person("alice"), format!("https://example.com/{number}"))).collect()
}

pub async fn every_event_is_owed_to_the_queues_of_its_route(stores: Stores) -> Tested {
    let alice = person("alice");
    let collection = stores.collection(&alice, "one", AccessType::Closed).await?;
    let card = stores.save_with(&alice, URL, None, &[collection]).await?.url_card_id;
    stores.save_with(&alice, URL, Some("note"), &[]).await?;
    stores.uncollect(&alice, card, &[collection]).await?;
    stores.remove(&alice, card).await?;
    let owed = stores.lease_all(&Queue::ALL).await?;
    let mut kinds = BTreeSet::new();
    for delivery in &owed {
        let event = decode(delivery)?;
        let queues: BTreeSet<_> =
            owed.iter().filter(|other| other.envelope.id == event.id).map(|other| other.queue).collect();
        assert_eq!(queues, routes(&event.event).iter().copied().collect(), "{}", delivery.envelope.kind);
        kinds.insert(delivery.envelope.kind.clone());
    }
    assert_eq!(kinds.len(), 6, "an event of each type: {kinds:?}");
    let distinct: BTreeSet<_> = owed.iter().map(|owed| (owed.queue, owed.envelope.id)).collect();
    assert_eq!(distinct.len(), owed.len(), "each is owed once to each queue");
    assert_eq!(owed.len(), 4 + 2 + 2 + 2 + 2 + 4);
    Ok(())
}

pub async fn envelopes_say_what_happened_and_when(stores: Stores) -> Tested {
    let alice = person("alice");
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = Request { traceparent: Some(traceparent.to_owned()), ..Request::by(alice.clone()) };
    let card = execute(&*stores.store, &request, &saving(URL, Some("a secret"), &[])).await?.url_card_id;
    stores.save_with(&alice, URL, Some("another secret"), &[]).await?;
    let owed = stores.lease_all(&[Queue::Search]).await?;
    assert_eq!(owed.len(), 2);
    let added = owed.iter().map(|owed| &owed.envelope).find(|envelope| envelope.kind == "CardAddedToLibrary.v2");
    let added = added.expect("the save was told");
    assert_eq!(added.specversion, "1.0");
    assert_eq!(added.subject, card.to_string());
    assert_eq!(added.partitionkey, format!("{card}-{alice}"));
    assert_eq!(added.traceparent.as_deref(), Some(traceparent));
    let ids: Vec<_> = owed.iter().map(|owed| owed.envelope.id).collect();
    assert_eq!(stores.log.traceparents(&[&ids[..], &ids[..]].concat()).await?, [traceparent]);
    assert_eq!(stores.log.traceparents(&[]).await?, [""; 0]);
    assert_eq!(added.time, stores.library.library_card(card, None).await?.added_at);
    for owed in &owed {
        assert!(!serde_json::to_string(&owed.envelope)?.contains("secret"), "a note travels nowhere");
    }
    Ok(())
}

pub async fn oldest_events_are_leased_first_and_within_the_limit(stores: Stores) -> Tested {
    let mut cards = Vec::new();
    for (owner, url) in many(5) {
        cards.push(stores.save(&owner, &url).await?.url_card_id.to_string());
        stores.time.advance(SECOND).await;
    }
    let mut leased = Vec::new();
    for expected in [2, 2, 1, 0] {
        let owed = stores.log.lease(Queue::Feeds, 2, None).await?.events;
        assert_eq!(owed.len(), expected);
        assert!(owed.iter().all(|owed| owed.queue == Queue::Feeds));
        // One lease is a set: its order is that of the events, but need not be that of the answer.
        leased.push(sorted(owed.into_iter().map(|owed| owed.envelope.subject).collect::<Vec<_>>()));
    }
    let expected: Vec<_> = cards.chunks(2).map(|chunk| sorted(chunk.to_vec())).chain([vec![]]).collect();
    assert_eq!(leased, expected);
    assert_eq!(stores.lease_all(&[Queue::Search, Queue::Analytics]).await?.len(), 10);
    Ok(())
}

pub async fn parallel_relays_never_lease_the_same_event(stores: Stores) -> Tested {
    stores.save_at_once(&many(40)).await?;
    let relays = (0..8).map(|_| {
        let stores = stores.clone();
        async move {
            let mut leased = Vec::new();
            for queue in Queue::ALL {
                loop {
                    let owed = stores.log.lease(queue, 7, None).await?.events;
                    if owed.is_empty() {
                        break;
                    }
                    assert!(owed.len() <= 7);
                    leased.extend(owed.into_iter().map(|owed| (owed.queue, owed.envelope.id)));
                }
            }
            Ok::<_, cardwire_events::Error>(leased)
        }
    });
    let mut leased = Vec::new();
    for relay in at_once(relays).await? {
        leased.extend(relay?);
    }
    // A relay may find nothing while another holds the rest for a moment: what it left is leased now.
    leased.extend(stores.lease_all(&Queue::ALL).await?.into_iter().map(|owed| (owed.queue, owed.envelope.id)));
    let all = 40 * Queue::ALL.len();
    assert_eq!(leased.len(), all);
    assert_eq!(leased.into_iter().collect::<BTreeSet<_>>().len(), all, "each once");
    Ok(())
}

/// Nothing is open in a suite, so what is accepted is due at once.
pub async fn what_was_leased_is_due_again_and_waits_longer_each_time(stores: Stores) -> Tested {
    stores.save(&person("alice"), URL).await?;
    for round in 0..4 {
        let wait = LOOK_AGAIN_AFTER * if round == 0 { 1 } else { 1 << (round - 1) };
        let due = stores.log.lease(Queue::Feeds, PLENTY, None).await?;
        assert_eq!((due.events.len(), due.again, due.put_off), (1, usize::from(round > 0), 0), "round {round}");
        stores.time.advance(wait - 5 * SECOND).await;
        assert!(stores.lease_all(&[Queue::Feeds]).await?.is_empty(), "round {round}: too early");
        stores.time.advance(6 * SECOND).await;
    }
    assert_eq!(stores.owed(Queue::Feeds).await?, 1, "it is owed until it has its effect");
    assert_eq!(stores.lease_all(&[Queue::Search]).await?.len(), 1, "each queue for itself");
    Ok(())
}

pub async fn what_must_still_be_on_its_way_is_put_off(stores: Stores) -> Tested {
    let alice = person("alice");
    stores.save(&alice, URL).await?;
    // A time machine may move events instead of the time.
    let occurred_at = async || anyhow::Ok(stores.library_of(&alice).await?[0].added_at);
    let look = async |waiting_since| -> anyhow::Result<(usize, usize)> {
        let due = stores.log.lease(Queue::Feeds, PLENTY, Some(waiting_since)).await?;
        Ok((due.events.len(), due.put_off))
    };
    assert_eq!(look(occurred_at().await? - SECOND).await?, (1, 0), "it was never published, so it is not there");
    stores.time.advance(LOOK_AGAIN_AFTER + SECOND).await;
    assert_eq!(look(occurred_at().await? - SECOND).await?, (0, 1), "older ones still wait");
    stores.time.advance(AT_WORK).await;
    assert_eq!(look(occurred_at().await? - SECOND).await?, (0, 0), "it has as long as they, and time to be worked on");
    stores.time.advance(4 * SECOND).await;
    assert_eq!(look(occurred_at().await? - SECOND).await?, (0, 1), "and again, as long as older ones wait");
    stores.time.advance(AT_WORK + 4 * SECOND).await;
    assert_eq!(look(occurred_at().await? + AT_WORK + SECOND).await?, (1, 0), "those before it are gone");
    Ok(())
}

/// A dead letter of last month that was redriven, or what somebody wrote into the queue.
pub async fn whatever_waits_in_the_queue_puts_nothing_off_for_long(stores: Stores) -> Tested {
    stores.save(&person("alice"), URL).await?;
    assert_eq!(stores.lease_all(&[Queue::Feeds]).await?.len(), 1);
    stores.time.advance(LOOK_AGAIN_AFTER + SECOND).await;
    for oldest in [Timestamp::MIN, Timestamp::UNIX_EPOCH] {
        let due = stores.log.lease(Queue::Feeds, PLENTY, Some(oldest)).await?;
        assert_eq!((due.found, due.put_off), (1, 1), "{oldest}");
        stores.time.advance(PUT_OFF_AT_MOST + SECOND).await;
    }
    let due = stores.log.lease(Queue::Feeds, PLENTY, Some(Timestamp::MAX)).await?;
    assert_eq!((due.found, due.events.len()), (1, 1));
    Ok(())
}

pub async fn events_are_looked_up_as_they_were_accepted(stores: Stores) -> Tested {
    stores.save_at_once(&many(3)).await?;
    let owed = stores.lease_all(&[Queue::Search]).await?;
    let ids: Vec<_> = owed.iter().map(|owed| owed.envelope.id).collect();
    let asked = [ids[2], EventId::generate(), ids[0]];
    let mut found = stores.log.look_up(&asked).await?;
    found.sort_by_key(|envelope| envelope.id);
    assert_eq!(found, [owed[0].envelope.clone(), owed[2].envelope.clone()]);
    stores.log.settle(Queue::Search, &ids).await?;
    assert_eq!(stores.log.look_up(&ids).await?.len(), 3, "whether it is owed does not matter");
    assert_eq!(stores.log.look_up(&[]).await?, []);
    Ok(())
}

pub async fn settled_events_are_owed_no_more(stores: Stores) -> Tested {
    stores.save_at_once(&many(2)).await?;
    let events = stores.deliver(Queue::Feeds).await?;
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    assert_eq!(stores.log.settle(Queue::Feeds, &ids[..1]).await?, 1);
    assert_eq!(stores.log.settle(Queue::Feeds, &[ids[0], ids[1], EventId::generate()]).await?, 1, "what was left");
    assert_eq!(stores.log.settle(Queue::Feeds, &ids).await?, 0);
    assert_eq!(stores.owed(Queue::Feeds).await?, 0);
    stores.time.advance(2 * LOOK_AGAIN_AFTER).await;
    assert!(stores.deliver(Queue::Feeds).await?.is_empty(), "there is nothing to publish again");
    assert_eq!(stores.owed(Queue::Search).await?, 2, "other queues are still owed theirs");
    Ok(())
}

pub async fn the_backlog_counts_what_is_owed(stores: Stores) -> Tested {
    let of = async |queue: Queue| -> anyhow::Result<Backlog> {
        let backlog = stores.log.backlog().await?;
        assert_eq!(sorted(backlog.iter().map(|b| b.queue).collect::<Vec<_>>()), Queue::ALL);
        Ok(backlog.into_iter().find(|backlog| backlog.queue == queue).expect("every queue is there"))
    };
    let feeds = |owed, unpublished, dead, oldest| Backlog { queue: Queue::Feeds, owed, unpublished, dead, oldest };
    assert_eq!(of(Queue::Feeds).await?, feeds(0, 0, 0, None));
    let mut times = Vec::new();
    for (owner, url) in many(3) {
        let id = stores.save(&owner, &url).await?.url_card_id;
        times.push(stores.library.library_card(id, None).await?.added_at);
    }
    let oldest = times.first().copied();
    assert_eq!(of(Queue::Feeds).await?, feeds(3, 3, 0, oldest));
    let mut leased = stores.log.lease(Queue::Feeds, 2, None).await?.events;
    assert_eq!(of(Queue::Feeds).await?, feeds(3, 1, 0, oldest), "what is leased is taken for published");
    leased.extend(stores.lease_all(&[Queue::Feeds]).await?);
    leased.sort_by_key(|owed| owed.envelope.time);
    let failure = Failure { event_id: leased[0].envelope.id, error: "bad".into(), verdict: Verdict::Retry };
    stores.log.fail(Queue::Feeds, &[failure], &QueueSettings::of(Queue::Feeds)).await?;
    assert_eq!(of(Queue::Feeds).await?, feeds(3, 1, 0, oldest), "what waits for its next attempt is not in the queue");
    let failure = Failure { event_id: leased[2].envelope.id, error: "bad".into(), verdict: Verdict::Reject };
    stores.log.fail(Queue::Feeds, &[failure], &QueueSettings::of(Queue::Feeds)).await?;
    assert_eq!(of(Queue::Feeds).await?, feeds(2, 1, 1, oldest));
    stores.log.settle(Queue::Feeds, &[leased[0].envelope.id]).await?;
    assert_eq!(of(Queue::Feeds).await?, feeds(1, 0, 1, Some(leased[1].envelope.time)));
    stores.log.settle(Queue::Feeds, &[leased[1].envelope.id]).await?;
    assert_eq!(of(Queue::Feeds).await?, feeds(0, 0, 1, None), "a dead letter is not the oldest owed event");
    assert_eq!(of(Queue::Analytics).await?.owed, 3);
    Ok(())
}

pub async fn pruning_never_drops_what_is_owed(stores: Stores) -> Tested {
    stores.save_at_once(&many(3)).await?;
    let ids: Vec<_> = stores.lease_all(&[Queue::Feeds]).await?.into_iter().map(|owed| owed.envelope.id).collect();
    let (owed, dead, done) = (ids[0], ids[1], ids[2]);
    let failure = Failure { event_id: dead, error: "bad".into(), verdict: Verdict::Reject };
    stores.log.fail(Queue::Feeds, &[failure], &QueueSettings::of(Queue::Feeds)).await?;
    stores.log.settle(Queue::Feeds, &[owed, done]).await?;
    stores.log.settle(Queue::Search, &ids).await?;
    stores.log.settle(Queue::Records, &ids).await?;
    stores.log.settle(Queue::Analytics, &[dead, done]).await?;
    assert_eq!(stores.log.prune(30 * DAY).await?, 0, "all are young");
    stores.time.advance(31 * DAY).await;
    let young = stores.save(&person("bob"), URL).await?.url_card_id;
    for queue in Queue::ALL {
        let of_bob = stores.lease_all(&[queue]).await?.into_iter().map(|owed| owed.envelope);
        let of_bob: Vec<_> = of_bob.filter(|e| e.subject == young.to_string()).map(|e| e.id).collect();
        assert_eq!(stores.log.settle(queue, &of_bob).await?, 1);
    }
    assert_eq!(stores.log.prune(30 * DAY).await?, 1, "the old one that is owed to nobody");
    assert_eq!(stores.log.prune(30 * DAY).await?, 0);
    stores.time.advance(LOOK_AGAIN_AFTER + SECOND).await;
    let left: Vec<_> = stores.lease_all(&Queue::ALL).await?.into_iter().map(|o| (o.queue, o.envelope.id)).collect();
    assert_eq!(left, [(Queue::Analytics, owed)]);
    let letters = stores.log.dead_letters(Queue::Feeds, None, PLENTY).await?;
    assert_eq!(letters.iter().map(|letter| letter.envelope.id).collect::<Vec<_>>(), [dead]);
    stores.log.discard(Queue::Feeds, &DeadSelection::All).await?;
    assert_eq!(stores.log.prune(30 * DAY).await?, 1, "a letter that was given up is owed to nobody");
    Ok(())
}

pub async fn entries_that_are_no_events_are_taken_in(stores: Stores) -> Tested {
    let before = stores.log.backlog().await?;
    let long = "x".repeat(100_000);
    for raw in ["", "garbage", "nul \0 inside", "ünïcödé 🌍", &long] {
        stores.log.reject_entry(Queue::Feeds, raw, "not an event: no id").await?;
    }
    assert_eq!(stores.log.backlog().await?, before, "they are no events");
    Ok(())
}
