//! What became of events that used up their attempts.

use cardwire_domain::collection::AccessType;
use cardwire_domain::{EventId, RecordedEvent};
use cardwire_events::{DeadSelection, Failure, Queue, QueueSettings, Verdict};

use super::scene::{PLENTY, person, sorted};
use super::{Stores, Tested};

const SETTINGS: QueueSettings = QueueSettings { attempts: 2, backoff_ms: 0, concurrency: 1 };

async fn events(stores: &Stores, count: usize) -> anyhow::Result<Vec<RecordedEvent>> {
    let saves: Vec<_> = (0..count).map(|n| (person("alice"), format!("https://example.com/{n}"))).collect();
    stores.save_at_once(&saves).await?;
    stores.deliver(Queue::Feeds).await
}

async fn bury(stores: &Stores, ids: &[EventId], error: &str) -> Tested {
    let failure = |id: &EventId| Failure { event_id: *id, error: error.into(), verdict: Verdict::Reject };
    let failures: Vec<_> = ids.iter().map(failure).collect();
    let died = stores.log.fail(Queue::Feeds, &failures, &SETTINGS).await?;
    assert_eq!(sorted(died), sorted(ids.to_vec()));
    Ok(())
}

async fn dead(stores: &Stores) -> anyhow::Result<Vec<EventId>> {
    let letters = stores.log.dead_letters(Queue::Feeds, None, PLENTY).await?;
    Ok(letters.into_iter().map(|letter| letter.envelope.id).collect())
}

fn ids(events: &[RecordedEvent]) -> Vec<EventId> {
    sorted(events.iter().map(|event| event.id).collect())
}

pub async fn dead_letters_are_listed_in_pages(stores: Stores) -> Tested {
    let ids = ids(&events(&stores, 12).await?);
    bury(&stores, &ids[..11], "bad").await?;
    let mut listed = Vec::new();
    for expected in [5, 5, 1, 0] {
        let after = listed.last().copied();
        let letters = stores.log.dead_letters(Queue::Feeds, after, 5).await?;
        assert_eq!(letters.len(), expected);
        for letter in letters {
            assert_eq!((letter.queue, letter.error.as_str()), (Queue::Feeds, "bad"));
            assert!(letter.dead_at >= letter.envelope.time);
            assert_eq!(letter.envelope.kind, "CardAddedToLibrary.v2");
            listed.push(letter.envelope.id);
        }
    }
    assert_eq!(listed, ids[..11]);
    assert!(stores.log.dead_letters(Queue::Search, None, 5).await?.is_empty());
    Ok(())
}

pub async fn redriven_letters_have_all_their_attempts_again(stores: Stores) -> Tested {
    let ids = ids(&events(&stores, 3).await?);
    bury(&stores, &ids[..2], "bad").await?;
    let choice = DeadSelection::Ids(vec![ids[0], ids[2], EventId::generate()]);
    assert_eq!(stores.log.redrive(Queue::Feeds, &choice).await?, 1, "only what is dead");
    assert_eq!(stores.log.redrive(Queue::Search, &DeadSelection::All).await?, 0, "only in its queue");
    assert_eq!(dead(&stores).await?, [ids[1]]);
    let retry = [Failure { event_id: ids[0], error: "again".into(), verdict: Verdict::Retry }];
    for died in [vec![], vec![ids[0]]] {
        let back: Vec<_> = stores.deliver(Queue::Feeds).await?.into_iter().map(|event| event.id).collect();
        assert_eq!(back, [ids[0]], "it is published at once");
        assert_eq!(stores.log.fail(Queue::Feeds, &retry, &SETTINGS).await?, died);
    }
    assert_eq!(stores.log.redrive(Queue::Feeds, &DeadSelection::All).await?, 2);
    assert!(dead(&stores).await?.is_empty());
    assert_eq!(stores.deliver(Queue::Feeds).await?.len(), 2);
    assert_eq!(stores.owed(Queue::Feeds).await?, 3);
    Ok(())
}

pub async fn discarded_letters_are_gone(stores: Stores) -> Tested {
    let ids = ids(&events(&stores, 4).await?);
    bury(&stores, &ids[..3], "bad").await?;
    let choice = DeadSelection::Ids(vec![ids[0], ids[3]]);
    assert_eq!(stores.log.discard(Queue::Feeds, &choice).await?, 1, "the living are not discarded");
    assert_eq!(stores.log.redrive(Queue::Feeds, &choice).await?, 0);
    assert_eq!(dead(&stores).await?, ids[1..3]);
    assert_eq!(stores.log.discard(Queue::Feeds, &DeadSelection::All).await?, 2);
    assert!(dead(&stores).await?.is_empty());
    assert_eq!(stores.owed(Queue::Feeds).await?, 1);
    assert_eq!(stores.owed(Queue::Search).await?, 4, "other queues keep theirs");
    Ok(())
}

pub async fn only_letters_nobody_understood_are_redriven_by_type(stores: Stores) -> Tested {
    let saved = ids(&events(&stores, 4).await?);
    stores.collection(&person("alice"), "one", AccessType::Open).await?;
    let created = ids(&stores.deliver(Queue::Feeds).await?);
    bury(&stores, &saved[..1], "unknown event type CardAddedToLibrary.v2").await?;
    bury(&stores, &saved[1..2], "unknown version of event type CardAddedToLibrary.v2").await?;
    bury(&stores, &saved[2..3], "it said: unknown event type CardAddedToLibrary.v2").await?;
    bury(&stores, &created, "unknown event type CollectionCreated.v1").await?;
    let understood = |kinds: &[&str]| DeadSelection::NotUnderstood(kinds.iter().map(|kind| (*kind).into()).collect());
    assert_eq!(stores.log.redrive(Queue::Feeds, &understood(&[])).await?, 0);
    assert_eq!(stores.log.redrive(Queue::Feeds, &understood(&["CardNoteChanged.v1"])).await?, 0);
    assert_eq!(stores.log.redrive(Queue::Feeds, &understood(&["CardAddedToLibrary.v2"])).await?, 2);
    assert_eq!(sorted(dead(&stores).await?), sorted([&saved[2..3], &created].concat()));
    assert_eq!(ids(&stores.deliver(Queue::Feeds).await?), saved[..2]);
    Ok(())
}
