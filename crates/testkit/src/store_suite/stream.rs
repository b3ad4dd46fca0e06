//! The live feed: each activity once, whoever writes and however often the reader reconnects.

use std::time::Duration;

use anyhow::bail;
use cardwire_domain::ActivityId;
use cardwire_domain::feed::StreamCursor;
use cardwire_events::Queue;

use super::scene::{Draws, at_once, moment, person, sorted, windows};
use super::{Stores, Tested};

const URL: &str = "https://example.com/page";

/// One more activity, in a commit of its own.
async fn activity(stores: &Stores, name: &str) -> anyhow::Result<()> {
    stores.save(&person(name), URL).await?;
    assert_eq!(stores.flush_feed().await?, 1);
    Ok(())
}

/// Waits until the store shows this many activities behind the cursor: a commit may be shown a moment later.
async fn follow(
    stores: &Stores,
    from: StreamCursor,
    count: usize,
    draws: &mut Draws,
) -> anyhow::Result<Vec<ActivityId>> {
    let mut seen = Vec::new();
    let mut cursor = from;
    let mut looks = 0;
    while seen.len() < count {
        let limit = 1 + draws.below(9);
        let read = stores.feed.stream(cursor, limit).await?;
        assert!(read.len() <= limit);
        if read.is_empty() {
            looks += 1;
            if looks > 1_000 {
                bail!("only {} of {count} activities are in the stream", seen.len());
            }
            // A hint that does not come, or comes too early, only makes the next look later.
            let _ = tokio::time::timeout(Duration::from_millis(20), stores.feed.stream_hint()).await;
        }
        for (next, item) in read {
            assert!(next > cursor, "{next:?} comes behind {cursor:?}");
            seen.push(item.id);
            // The reader may be cut off behind any item; it comes back with what it was last told.
            cursor = next.to_string().parse()?;
            if draws.below(4) == 0 {
                break;
            }
        }
    }
    assert_eq!(stores.feed.stream(cursor, 10).await?, [], "nothing comes twice");
    Ok(seen)
}

async fn in_feed(stores: &Stores) -> anyhow::Result<Vec<ActivityId>> {
    Ok(sorted(stores.feed_items(None).await?.into_iter().map(|item| item.id).collect()))
}

pub async fn a_reader_at_the_end_gets_what_comes_after(stores: Stores) -> Tested {
    let empty = stores.feed.stream_end().await?;
    assert_eq!(stores.feed.stream(empty, 10).await?, []);
    activity(&stores, "alice").await?;
    let before = follow(&stores, empty, 1, &mut Draws::seeded(1)).await?;
    let end = stores.feed.stream_end().await?;
    assert_eq!(stores.feed.stream(end, 10).await?, [], "what was there before is not new");
    activity(&stores, "bob").await?;
    activity(&stores, "carol").await?;
    let after = follow(&stores, end, 2, &mut Draws::seeded(2)).await?;
    let all = [before, after.clone()].concat();
    assert_eq!(sorted(all.clone()), in_feed(&stores).await?);
    assert_eq!(follow(&stores, empty, 3, &mut Draws::seeded(3)).await?, all, "oldest first, from anywhere");
    let item = stores.feed_items(Some(&person("carol"))).await?;
    assert_eq!(item[0].id, after[1], "in the order in which they became known");
    Ok(())
}

pub async fn a_growing_activity_is_streamed_once(stores: Stores) -> Tested {
    let alice = person("alice");
    let collections = stores.collections_at_once(&alice, 2).await?;
    stores.flush_feed().await?;
    let start = stores.feed.stream_end().await?;
    stores.save_with(&alice, URL, None, &collections).await?;
    let events = stores.deliver(Queue::Feeds).await?;
    let mut seen = Vec::new();
    for (number, event) in events.iter().enumerate() {
        let event = stores.at(event, moment(100 * number as i64)).await;
        assert_eq!(stores.feed.add_activities(&windows(&[event])).await?, 1);
        if number == 0 {
            seen = follow(&stores, start, 1, &mut Draws::seeded(1)).await?;
        }
    }
    assert_eq!(follow(&stores, start, 1, &mut Draws::seeded(2)).await?, seen);
    assert_eq!(in_feed(&stores).await?, seen);
    let read = stores.feed.stream(start, 10).await?;
    assert_eq!(read[0].1.collections.len(), 2, "who reads it later sees it as it is now");
    Ok(())
}

pub async fn hidden_activities_are_not_streamed(stores: Stores) -> Tested {
    let start = stores.feed.stream_end().await?;
    for name in ["alice", "bob", "carol"] {
        activity(&stores, name).await?;
    }
    follow(&stores, start, 3, &mut Draws::seeded(1)).await?;
    let bobs = stores.library_of(&person("bob")).await?[0].card.id;
    stores.remove(&person("bob"), bobs).await?;
    let read = stores.feed.stream(start, 10).await?;
    let actors: Vec<_> = read.iter().map(|(_, item)| item.actor.handle.as_str()).collect();
    assert_eq!(actors, ["alice", "carol"]);
    let read = stores.feed.stream(read[0].0, 1).await?;
    assert_eq!(read[0].1.actor.handle, "carol", "what is hidden does not hold up what is behind it");
    Ok(())
}

pub async fn a_reader_that_reconnects_gets_each_activity_once(stores: Stores) -> Tested {
    let start = stores.feed.stream_end().await?;
    // Commits of 1, 2, … activities.
    let mut count = 0;
    for size in 1..=8 {
        let saves: Vec<_> = (0..size).map(|n| (person(&format!("person{size}-{n}")), URL.to_owned())).collect();
        stores.save_at_once(&saves).await?;
        assert_eq!(stores.flush_feed().await?, size);
        count += size;
    }
    let expected = in_feed(&stores).await?;
    assert_eq!(expected.len(), count);
    for seed in 1..=5 {
        let seen = follow(&stores, start, count, &mut Draws::seeded(seed)).await?;
        assert_eq!(sorted(seen), expected, "seed {seed}");
    }
    Ok(())
}

pub async fn a_reader_beside_writers_gets_each_activity_once(stores: Stores) -> Tested {
    const WRITERS: usize = 4;
    const EACH: usize = 15;
    let start = stores.feed.stream_end().await?;
    let saves: Vec<_> = (0..WRITERS * EACH).map(|n| (person(&format!("person{n}")), URL.to_owned())).collect();
    stores.save_at_once(&saves).await?;
    let windows = windows(&stores.deliver(Queue::Feeds).await?);
    let mut work: Vec<_> = windows.chunks(EACH).map(<[_]>::to_vec).map(Some).collect();
    assert_eq!(work.len(), WRITERS);
    work.push(None);
    let tasks = work.into_iter().map(|work| {
        let stores = stores.clone();
        async move {
            let Some(windows) = work else {
                return follow(&stores, start, WRITERS * EACH, &mut Draws::seeded(7)).await;
            };
            for window in windows {
                assert_eq!(stores.feed.add_activities(&[window]).await?, 1);
                tokio::task::yield_now().await;
            }
            Ok(Vec::new())
        }
    });
    let mut seen = Vec::new();
    for task in at_once(tasks).await? {
        seen.extend(task?);
    }
    assert_eq!(sorted(seen), in_feed(&stores).await?);
    Ok(())
}

pub async fn a_new_activity_gives_a_hint(stores: Stores) -> Tested {
    let feed = stores.feed.clone();
    let mut hint = tokio::spawn(async move { feed.stream_hint().await });
    for number in 0..500 {
        activity(&stores, &format!("person{number}")).await?;
        if let Ok(hinted) = tokio::time::timeout(Duration::from_millis(20), &mut hint).await {
            return Ok(hinted?);
        }
    }
    bail!("there was no hint in 500 activities")
}
