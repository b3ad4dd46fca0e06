//! What failed, by the kind of error, and what is done with all of a kind; entries that are no events.

use cardwire_domain::{EventId, UserId};
use cardwire_events::operations::{Action, FailureGroup, MAX_GROUPS};
use cardwire_events::{DeadSelection, Failure, Queue, QueueSettings, Verdict};
use serde_json::json;

use super::scene::{PLENTY, person, sorted};
use super::{Stores, Tested};

const SETTINGS: QueueSettings = QueueSettings { attempts: 3, backoff_ms: 0, concurrency: 1 };
const QUEUE: Queue = Queue::Search;

fn operator() -> UserId {
    person("operator")
}

/// Events owed to search, in the order of their ids.
async fn owed(stores: &Stores, count: usize) -> anyhow::Result<Vec<EventId>> {
    let saves: Vec<_> = (0..count).map(|n| (person("alice"), format!("https://example.com/{n}"))).collect();
    stores.save_at_once(&saves).await?;
    Ok(sorted(stores.deliver(QUEUE).await?.iter().map(|event| event.id).collect()))
}

async fn fail(stores: &Stores, id: EventId, error: &str, verdict: Verdict) -> Tested {
    stores.log.fail(QUEUE, &[Failure { event_id: id, error: error.into(), verdict }], &SETTINGS).await?;
    Ok(())
}

async fn told(stores: &Stores) -> anyhow::Result<Vec<(String, u64, u64)>> {
    let groups = stores.operator.failures(QUEUE).await?;
    Ok(groups.into_iter().map(|group| (group.shape, group.dead, group.retrying)).collect())
}

pub async fn failures_are_grouped_by_the_shape_of_their_errors(stores: Stores) -> Tested {
    let ids = owed(&stores, 6).await?;
    assert!(told(&stores).await?.is_empty());
    fail(&stores, ids[0], "no answer from pds.example within 10s", Verdict::Reject).await?;
    stores.time.advance(std::time::Duration::from_secs(60)).await;
    fail(&stores, ids[1], "no answer from https://other.example/x within 9s", Verdict::Retry).await?;
    fail(&stores, ids[2], "no answer from 127.0.0.1:8080 within 1s", Verdict::Reject).await?;
    fail(&stores, ids[3], "poison", Verdict::Reject).await?;
    let first = ("no answer from # within #".to_owned(), 2, 1);
    assert_eq!(told(&stores).await?, [first.clone(), ("poison".to_owned(), 1, 0)], "the largest first");
    let groups = stores.operator.failures(QUEUE).await?;
    let FailureGroup { first_at, last_at, example, error, example_is_dead, .. } = &groups[0];
    assert!(last_at.duration_since(*first_at).as_secs() >= 59, "{groups:?}");
    assert_eq!((*example, *example_is_dead), (ids[2], true), "the newest event");
    assert_eq!(error, "no answer from 127.0.0.1:8080 within 1s", "an example is whole");
    for (shape, dead, retrying) in [first, ("poison".to_owned(), 1, 0), ("other".to_owned(), 0, 0)] {
        assert_eq!(stores.operator.count_group(QUEUE, &shape).await?, dead + retrying);
    }
    assert!(stores.operator.failures(Queue::Feeds).await?.is_empty(), "each queue has its own");

    // What has its effect after all, or fails of something else, leaves its group.
    assert_eq!(stores.log.settle(QUEUE, &ids[1..2]).await?, 1);
    fail(&stores, ids[4], "poison", Verdict::Retry).await?;
    fail(&stores, ids[4], "no answer from a.example within 2s", Verdict::Retry).await?;
    assert_eq!(told(&stores).await?, [("no answer from # within #".to_owned(), 2, 1), ("poison".to_owned(), 1, 0)]);
    Ok(())
}

pub async fn a_group_is_retried_or_discarded_with_all_that_fails(stores: Stores) -> Tested {
    let ids = owed(&stores, 5).await?;
    fail(&stores, ids[0], "card 1 is broken", Verdict::Reject).await?;
    fail(&stores, ids[1], "card 2 is broken", Verdict::Retry).await?;
    fail(&stores, ids[2], "poison", Verdict::Reject).await?;
    fail(&stores, ids[3], "poison", Verdict::Retry).await?;
    let which = |shape: &str| DeadSelection::Group(shape.to_owned());
    let retry = Action::Redrive { queue: QUEUE, which: which("card # is broken") };
    assert_eq!(stores.operator.act(&operator(), &retry).await?, 2);
    let entry = stores.operator.audit(None, 1).await?.remove(0);
    assert_eq!((entry.action.as_str(), entry.affected), ("dead-letters.redrive", 2), "one action with its count");
    assert_eq!(entry.parameters, json!({ "group": "card # is broken" }));
    assert!(entry.completed_at.is_some());
    assert_eq!(told(&stores).await?, [("poison".to_owned(), 1, 1)]);
    let back: Vec<_> = stores.deliver(QUEUE).await?.into_iter().map(|event| event.id).collect();
    assert!(back.contains(&ids[0]) && back.contains(&ids[1]), "they are published at once: {back:?}");

    let discard = Action::Discard { queue: QUEUE, which: which("poison") };
    assert_eq!(stores.operator.act(&operator(), &discard).await?, 2);
    assert_eq!(stores.operator.act(&operator(), &discard).await?, 0);
    assert!(told(&stores).await?.is_empty());
    assert_eq!(stores.owed(QUEUE).await?, 3, "those that were retried, and the one that never failed");
    assert_eq!(stores.log.redrive(QUEUE, &which("nothing")).await?, 0);
    Ok(())
}

pub async fn what_fails_again_meanwhile_is_not_selected_again(stores: Stores) -> Tested {
    let ids = owed(&stores, 3).await?;
    for id in &ids {
        fail(&stores, *id, "poison", Verdict::Reject).await?;
    }
    let which = DeadSelection::Group("poison".to_owned());
    assert_eq!(stores.log.redrive(QUEUE, &which).await?, 3);
    let dead = stores.log.dead_letters(QUEUE, None, PLENTY).await?;
    assert!(dead.is_empty());
    fail(&stores, ids[1], "poison", Verdict::Reject).await?;
    assert_eq!(told(&stores).await?, [("poison".to_owned(), 1, 0)]);
    assert_eq!(stores.log.discard(QUEUE, &which).await?, 1, "the others are in no group now");
    assert_eq!(stores.owed(QUEUE).await?, 2);
    Ok(())
}

pub async fn the_largest_groups_are_listed(stores: Stores) -> Tested {
    // Numbers make no difference, so groups differ by letters.
    let name = |n: usize| {
        let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap_or_default());
        format!("cause {}{}", letter(n / 26), letter(n))
    };
    let ids = owed(&stores, MAX_GROUPS + 2).await?;
    for (n, id) in ids.iter().enumerate() {
        fail(&stores, *id, &name(n.min(MAX_GROUPS)), Verdict::Reject).await?;
    }
    let groups = told(&stores).await?;
    assert_eq!(groups.len(), MAX_GROUPS, "of one more");
    assert_eq!(groups[0], (name(MAX_GROUPS), 2, 0));
    Ok(())
}

pub async fn entries_that_are_no_events_are_listed_newest_first(stores: Stores) -> Tested {
    for n in 0..5 {
        let queue = if n == 3 { Queue::Feeds } else { QUEUE };
        stores.log.reject_entry(queue, &format!("entry {n}"), "not an event").await?;
    }
    let raw = |entries: &[cardwire_events::operations::RejectedEntry]| -> Vec<String> {
        entries.iter().map(|entry| entry.raw.clone()).collect()
    };
    let all = stores.operator.rejected(None, None, PLENTY).await?;
    assert_eq!(raw(&all), ["entry 4", "entry 3", "entry 2", "entry 1", "entry 0"]);
    assert!(all.iter().all(|entry| entry.reason == "not an event"));
    let first = stores.operator.rejected(Some(QUEUE), None, 2).await?;
    assert_eq!(raw(&first), ["entry 4", "entry 2"]);
    let rest = stores.operator.rejected(Some(QUEUE), Some(first[1].id), PLENTY).await?;
    assert_eq!(raw(&rest), ["entry 1", "entry 0"]);
    Ok(())
}
