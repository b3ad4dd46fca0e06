//! How often an event may fail.

use std::collections::BTreeSet;
use std::time::Duration;

use cardwire_domain::EventId;
use cardwire_events::{Attempt, Failure, Queue, QueueSettings, Verdict};

use super::scene::{PLENTY, person};
use super::{Stores, Tested};

const URL: &str = "https://example.com/page";
const HOUR: Duration = Duration::from_secs(3_600);
/// The first wait is up to an hour.
const SLOW: QueueSettings = QueueSettings { attempts: 3, backoff_ms: 3_600_000, concurrency: 1 };

fn failure(event_id: EventId, verdict: Verdict) -> Failure {
    Failure { event_id, error: "it broke".into(), verdict }
}

async fn one_event(stores: &Stores) -> anyhow::Result<EventId> {
    stores.save(&person("alice"), URL).await?;
    let events = stores.deliver(Queue::Feeds).await?;
    assert_eq!(events.len(), 1);
    Ok(events[0].id)
}

async fn dead(stores: &Stores, queue: Queue) -> anyhow::Result<Vec<(EventId, u32, String)>> {
    let letters = stores.log.dead_letters(queue, None, PLENTY).await?;
    Ok(letters.into_iter().map(|letter| (letter.envelope.id, letter.tries, letter.error)).collect())
}

pub async fn a_failed_event_comes_back_after_its_backoff(stores: Stores) -> Tested {
    const COUNT: usize = 30;
    let saves: Vec<_> = (0..COUNT).map(|n| (person("alice"), format!("https://example.com/{n}"))).collect();
    stores.save_at_once(&saves).await?;
    let deliver = async || anyhow::Ok(stores.deliver(Queue::Feeds).await?.into_iter().map(|event| event.id));
    let mut back: BTreeSet<_> = deliver().await?.collect();
    // The waits are drawn: that all 30 were drawn below half of what is allowed is out of the question.
    for ceiling in [HOUR, 2 * HOUR] {
        assert_eq!(back.len(), COUNT);
        let ids = stores.log.backlog().await?;
        assert!(ids.iter().all(|backlog| backlog.dead == 0));
        let failures: Vec<_> = delivered(&stores).await?.into_iter().map(|id| failure(id, Verdict::Retry)).collect();
        assert_eq!(failures.len(), COUNT);
        assert!(stores.log.fail(Queue::Feeds, &failures, &SLOW).await?.is_empty(), "none is dead yet");
        stores.time.advance(ceiling / 2).await;
        back = deliver().await?.collect();
        let early = back.len();
        assert!((1..COUNT).contains(&early), "{early} of {COUNT} came back within half of {ceiling:?}");
        stores.time.advance(ceiling / 2 + Duration::from_secs(1)).await;
        // Those that came back before are published again by now.
        back.extend(deliver().await?);
    }
    assert_eq!(back.len(), COUNT, "all came back in the end");
    Ok(())
}

/// Every event of the feeds queue. All have been published; a look after a long time shows them again.
async fn delivered(stores: &Stores) -> anyhow::Result<Vec<EventId>> {
    stores.time.advance(2 * HOUR).await;
    Ok(stores.deliver(Queue::Feeds).await?.into_iter().map(|event| event.id).collect())
}

pub async fn the_last_attempt_makes_a_dead_letter(stores: Stores) -> Tested {
    let id = one_event(&stores).await?;
    for attempt in 1..=2 {
        assert!(stores.log.fail(Queue::Feeds, &[failure(id, Verdict::Retry)], &SLOW).await?.is_empty(), "{attempt}");
        stores.time.advance(5 * HOUR).await;
        assert_eq!(stores.deliver(Queue::Feeds).await?.len(), 1, "it comes back after attempt {attempt}");
    }
    assert_eq!(stores.log.fail(Queue::Feeds, &[failure(id, Verdict::Retry)], &SLOW).await?, [id]);
    stores.time.advance(24 * HOUR).await;
    assert!(stores.lease_all(&[Queue::Feeds]).await?.is_empty(), "the dead do not come back");
    assert_eq!(dead(&stores, Queue::Feeds).await?, [(id, 3, "it broke".to_owned())]);
    assert_eq!(stores.owed(Queue::Feeds).await?, 0);
    Ok(())
}

/// Whoever holds an event says when it is given up; until then no queue gets it again.
pub async fn what_fails_in_somebodys_hands_stays_there(stores: Stores) -> Tested {
    let id = one_event(&stores).await?;
    for _ in 0..5 {
        assert!(stores.log.fail(Queue::Feeds, &[failure(id, Verdict::Held)], &SLOW).await?.is_empty());
    }
    assert!(stores.lease_all(&[Queue::Feeds]).await?.is_empty());
    assert_eq!(stores.owed(Queue::Feeds).await?, 1);
    assert_eq!(stores.log.fail(Queue::Feeds, &[failure(id, Verdict::Reject)], &SLOW).await?, [id]);
    assert_eq!(dead(&stores, Queue::Feeds).await?, [(id, 6, "it broke".to_owned())]);
    Ok(())
}

pub async fn a_rejected_event_is_dead_at_once(stores: Stores) -> Tested {
    let saves: Vec<_> = (0..3).map(|n| (person("alice"), format!("https://example.com/{n}"))).collect();
    stores.save_at_once(&saves).await?;
    let ids: Vec<_> = stores.deliver(Queue::Feeds).await?.into_iter().map(|event| event.id).collect();
    let failures = [failure(ids[0], Verdict::Retry), failure(ids[1], Verdict::Reject)];
    assert_eq!(stores.log.fail(Queue::Feeds, &failures, &SLOW).await?, [ids[1]]);
    let letters = dead(&stores, Queue::Feeds).await?;
    assert_eq!(letters.iter().map(|(id, _, error)| (*id, error.as_str())).collect::<Vec<_>>(), [(ids[1], "it broke")]);
    assert_eq!(stores.owed(Queue::Feeds).await?, 2, "its neighbours live");
    Ok(())
}

pub async fn attempts_counted_before_they_are_made_are_not_counted_twice(stores: Stores) -> Tested {
    let id = one_event(&stores).await?;
    for attempt in 1..=3 {
        assert_eq!(stores.log.begin_attempt(Queue::Feeds, id, &SLOW).await?, Attempt::Run, "attempt {attempt}");
        let died = stores.log.fail(Queue::Feeds, &[failure(id, Verdict::Retry)], &SLOW).await?;
        assert_eq!(!died.is_empty(), attempt == 3, "attempt {attempt}");
        stores.time.advance(5 * HOUR).await;
        assert_eq!(stores.deliver(Queue::Feeds).await?.is_empty(), attempt == 3, "attempt {attempt}");
    }
    assert_eq!(dead(&stores, Queue::Feeds).await?, [(id, 3, "it broke".to_owned())]);
    Ok(())
}

pub async fn an_event_that_never_comes_back_uses_up_its_attempts(stores: Stores) -> Tested {
    let id = one_event(&stores).await?;
    for attempt in 1..=3 {
        assert_eq!(stores.log.begin_attempt(Queue::Feeds, id, &SLOW).await?, Attempt::Run, "attempt {attempt}");
    }
    assert_eq!(stores.log.begin_attempt(Queue::Feeds, id, &SLOW).await?, Attempt::Dead);
    assert_ne!(stores.log.begin_attempt(Queue::Feeds, id, &SLOW).await?, Attempt::Run, "the dead are not run");
    let letters = dead(&stores, Queue::Feeds).await?;
    assert_eq!(letters.iter().map(|(id, tries, _)| (*id, *tries)).collect::<Vec<_>>(), [(id, 3)]);
    assert!(!letters[0].2.is_empty(), "it says why");
    Ok(())
}

pub async fn an_attempt_that_was_taken_back_does_not_count(stores: Stores) -> Tested {
    let id = one_event(&stores).await?;
    for _ in 0..5 {
        assert_eq!(stores.log.begin_attempt(Queue::Feeds, id, &SLOW).await?, Attempt::Run);
        stores.log.undo_attempt(Queue::Feeds, id).await?;
    }
    stores.log.undo_attempt(Queue::Feeds, id).await?;
    for _ in 0..3 {
        assert_eq!(stores.log.begin_attempt(Queue::Feeds, id, &SLOW).await?, Attempt::Run);
    }
    assert_eq!(stores.log.begin_attempt(Queue::Feeds, id, &SLOW).await?, Attempt::Dead, "never less than none");
    let before = dead(&stores, Queue::Feeds).await?;
    stores.log.undo_attempt(Queue::Feeds, id).await?;
    stores.log.undo_attempt(Queue::Feeds, EventId::generate()).await?;
    assert_eq!(dead(&stores, Queue::Feeds).await?, before, "the dead keep their count");
    Ok(())
}

pub async fn what_is_owed_no_more_cannot_fail(stores: Stores) -> Tested {
    let id = one_event(&stores).await?;
    assert_eq!(stores.log.settle(Queue::Feeds, &[id]).await?, 1);
    for id in [id, EventId::generate()] {
        assert_eq!(stores.log.begin_attempt(Queue::Feeds, id, &SLOW).await?, Attempt::Gone);
        for verdict in [Verdict::Retry, Verdict::Held, Verdict::Reject] {
            assert!(stores.log.fail(Queue::Feeds, &[failure(id, verdict)], &SLOW).await?.is_empty(), "{verdict:?}");
        }
    }
    stores.time.advance(5 * HOUR).await;
    assert!(stores.lease_all(&[Queue::Feeds]).await?.is_empty());
    assert!(dead(&stores, Queue::Feeds).await?.is_empty());
    Ok(())
}

pub async fn each_queue_counts_for_itself(stores: Stores) -> Tested {
    let id = one_event(&stores).await?;
    stores.log.fail(Queue::Feeds, &[failure(id, Verdict::Reject)], &SLOW).await?;
    assert!(dead(&stores, Queue::Search).await?.is_empty());
    let events = stores.deliver(Queue::Search).await?;
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [id]);
    let once = QueueSettings { attempts: 1, ..SLOW };
    assert_eq!(stores.log.begin_attempt(Queue::Search, id, &once).await?, Attempt::Run);
    assert_eq!(stores.log.begin_attempt(Queue::Analytics, id, &once).await?, Attempt::Run);
    Ok(())
}
