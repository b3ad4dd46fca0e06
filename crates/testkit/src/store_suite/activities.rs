//! Each event takes effect in the feed once, whoever flushes it, however often and in whatever portions.

use std::collections::BTreeSet;
use std::time::Duration;

use cardwire_domain::activity::regroup;
use cardwire_domain::collection::AccessType;
use cardwire_domain::feed::FeedItem;
use cardwire_domain::{CardId, CollectedWindow, CollectionId, EventId, LinkId, Member, RecordedEvent, UserId};
use cardwire_events::{DeadSelection, Failure, Queue, QueueSettings, Verdict};

use super::scene::{Draws, at_once, member, moment, person, windows};
use super::{Stores, Tested};

const URL: &str = "https://example.com/page";

/// The events of a card that is added to the library and to all these collections in one commit.
async fn collected(
    stores: &Stores,
    by: &UserId,
    url: &str,
    collections: &[CollectionId],
) -> anyhow::Result<(CardId, Vec<RecordedEvent>)> {
    let card = stores.save_with(by, url, None, collections).await?.url_card_id;
    let mut events = stores.deliver(Queue::Feeds).await?;
    events.retain(|event| event.event.card_id() == Some(card) && member(event).is_some());
    assert_eq!(events.len(), 1 + collections.len());
    Ok((card, events))
}

fn shown(item: &FeedItem) -> BTreeSet<CollectionId> {
    item.collections.iter().map(|collection| collection.id).collect()
}

pub async fn a_saved_card_becomes_one_activity_with_its_collections(stores: Stores) -> Tested {
    let alice = person("alice");
    let collections = stores.collections_at_once(&alice, 2).await?;
    stores.deliver(Queue::Feeds).await?;
    let (card, events) = collected(&stores, &alice, URL, &collections).await?;
    assert_eq!(stores.feed_items(None).await?, [], "nothing is shown before the flush");
    assert_eq!(stores.feed.add_activities(&windows(&events)).await?, 3);
    let items = stores.feed_items(None).await?;
    assert_eq!(items.len(), 1);
    let item = &items[0];
    assert_eq!((item.actor.id.clone(), item.actor.handle.as_str()), (alice, "alice"));
    assert_eq!((item.card.id, item.card.url.as_str()), (card, URL));
    assert_eq!(item.created_at, events[0].occurred_at);
    assert_eq!(shown(item), collections.into_iter().collect());
    assert_eq!(stores.owed(Queue::Feeds).await?, 2, "only the two CollectionCreated are still owed");
    Ok(())
}

pub async fn an_event_takes_effect_once(stores: Stores) -> Tested {
    let alice = person("alice");
    stores.save(&alice, URL).await?;
    let windows = windows(&stores.deliver(Queue::Feeds).await?);
    assert_eq!(stores.feed.add_activities(&windows).await?, 1);
    let before = stores.feed_items(None).await?;
    for _ in 0..3 {
        assert_eq!(stores.feed.add_activities(&windows).await?, 0);
    }
    assert_eq!(stores.feed_items(None).await?, before);
    assert_eq!(before.len(), 1);
    assert_eq!(stores.feed.add_activities(&[]).await?, 0);
    Ok(())
}

pub async fn an_event_named_twice_in_one_call_counts_once(stores: Stores) -> Tested {
    stores.save(&person("alice"), URL).await?;
    let mut windows = windows(&stores.deliver(Queue::Feeds).await?);
    let again = windows[0].members.clone();
    windows[0].members.extend(again);
    windows.push(windows[0].clone());
    assert_eq!(stores.feed.add_activities(&windows).await?, 1);
    assert_eq!(stores.feed_items(None).await?.len(), 1);
    Ok(())
}

pub async fn what_is_not_owed_has_no_effect(stores: Stores) -> Tested {
    let alice = person("alice");
    let collections = stores.collections_at_once(&alice, 2).await?;
    let (_, events) = collected(&stores, &alice, URL, &collections).await?;
    let lost = events.iter().find(|e| member(e).and_then(|m| m.collection_id) == Some(collections[1]));
    stores.log.settle(Queue::Feeds, &[lost.expect("it was collected").id]).await?;
    assert_eq!(stores.feed.add_activities(&windows(&events)).await?, 2);
    let items = stores.feed_items(None).await?;
    assert_eq!(items.iter().map(shown).collect::<Vec<_>>(), [BTreeSet::from([collections[0]])]);

    let (_, unowed) = collected(&stores, &alice, "https://example.com/other", &[]).await?;
    stores.log.settle(Queue::Feeds, &[unowed[0].id]).await?;
    assert_eq!(stores.feed.add_activities(&windows(&unowed)).await?, 0);
    assert_eq!(stores.feed_items(None).await?, items);
    Ok(())
}

/// Somebody with access to Redis puts an owed event into the window of another card and another person.
pub async fn an_event_in_the_wrong_window_takes_effect_in_its_own(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let (hers, her_events) = collected(&stores, &alice, "https://example.com/hers", &[]).await?;
    let (his, his_events) = collected(&stores, &bob, "https://example.com/his", &[]).await?;
    let mut forged = windows(&his_events);
    forged[0].members.extend(member(&her_events[0]));
    assert_eq!(stores.feed.add_activities(&forged).await?, 2);
    let of = async |person: &UserId| -> anyhow::Result<Vec<CardId>> {
        Ok(stores.feed_items(Some(person)).await?.into_iter().map(|item| item.card.id).collect())
    };
    assert_eq!((of(&alice).await?, of(&bob).await?), (vec![hers], vec![his]));
    assert_eq!(stores.feed.add_activities(&windows(&her_events)).await?, 0, "it has had its effect");
    assert_eq!(stores.feed_items(None).await?.len(), 2);
    Ok(())
}

pub async fn what_a_window_says_of_its_events_does_not_count(stores: Stores) -> Tested {
    let alice = person("alice");
    let collections = stores.collections_at_once(&alice, 2).await?;
    let (card, events) = collected(&stores, &alice, URL, &collections[..1]).await?;
    let other = stores.save(&person("bob"), URL).await?.url_card_id;
    let mut members: Vec<Member> = events.iter().filter_map(member).collect();
    for member in &mut members {
        member.collection_id = Some(collections[1]);
        member.link_id = LinkId::generate();
        member.occurred_at = moment(0);
    }
    // One that the log does not have.
    members.push(Member { event_id: EventId::generate(), ..members[0].clone() });
    let forged = CollectedWindow { card_id: other, actor_id: person("mallory"), members };
    assert_eq!(stores.feed.add_activities(&[forged]).await?, 2);
    let items = stores.feed_items(None).await?;
    assert_eq!(items.len(), 1);
    assert_eq!((items[0].card.id, &items[0].actor.id), (card, &alice));
    assert_eq!(items[0].created_at, events[0].occurred_at);
    assert_eq!(shown(&items[0]), BTreeSet::from([collections[0]]));
    Ok(())
}

pub async fn what_makes_no_activity_stays_owed(stores: Stores) -> Tested {
    let alice = person("alice");
    stores.collection(&alice, "one", AccessType::Closed).await?;
    let created = stores.deliver(Queue::Feeds).await?[0].id;
    let card = stores.save(&alice, URL).await?.url_card_id;
    let mut forged = windows(&stores.deliver(Queue::Feeds).await?);
    let member = Member { event_id: created, ..forged[0].members[0].clone() };
    forged[0].members.push(member);
    assert_eq!(stores.feed.add_activities(&forged).await?, 1);
    assert_eq!(stores.owed(Queue::Feeds).await?, 1, "its own worker settles it");
    let items = stores.feed_items(None).await?;
    assert_eq!(items.iter().map(|item| item.card.id).collect::<Vec<_>>(), [card]);
    Ok(())
}

pub async fn any_portions_in_any_order_end_in_the_same_activities(stores: Stores) -> Tested {
    const EVENTS: usize = 12;
    let collections = stores.collections_at_once(&person("author"), EVENTS).await?;
    stores.flush_feed().await?;
    for seed in 0..12 {
        let mut draws = Draws::seeded(seed + 1);
        let actor = person(&format!("person{seed}"));
        let (card_id, events) = collected(&stores, &actor, URL, &collections).await?;
        // Some share a millisecond, some lie exactly a window apart.
        let mut members: Vec<Member> = Vec::new();
        for event in &events {
            members.extend(member(&stores.at(event, moment(500 * draws.below(40) as i64)).await));
        }
        members.retain(|member| member.collection_id.is_some());
        let grouped = |members: &[Member]| members.iter().filter_map(|m| m.collection_id).collect::<BTreeSet<_>>();
        let expected: BTreeSet<_> = regroup(card_id, &actor, Vec::new(), members.clone())
            .inserted
            .iter()
            .map(|a| grouped(&a.members))
            .collect();

        draws.shuffle(&mut members);
        let mut rest = members.as_slice();
        let mut taken = 0;
        while !rest.is_empty() {
            let (portion, behind) = rest.split_at(1 + draws.below(rest.len().min(5)));
            rest = behind;
            let mut portion = portion.to_vec();
            portion.push(members[draws.below(members.len())].clone());
            let window = CollectedWindow { card_id, actor_id: actor.clone(), members: portion };
            taken += stores.feed.add_activities(&[window]).await?;
        }
        assert_eq!(taken, EVENTS, "seed {seed}: each event took effect once");
        let items = stores.feed_items(Some(&actor)).await?;
        assert_eq!(items.iter().map(shown).collect::<BTreeSet<_>>(), expected, "seed {seed}");
        assert_eq!(items.len(), expected.len(), "seed {seed}");
    }
    Ok(())
}

pub async fn parallel_flushes_of_the_same_windows_take_effect_once(stores: Stores) -> Tested {
    let collections = stores.collections_at_once(&person("author"), 2).await?;
    let mut events = Vec::new();
    for number in 0..20 {
        events.extend(collected(&stores, &person(&format!("person{number}")), URL, &collections).await?.1);
    }
    let all = windows(&events);
    assert_eq!(all.len(), 20);
    let flushes = (0..8).map(|seed| {
        let (stores, mut windows) = (stores.clone(), all.clone());
        Draws::seeded(seed + 1).shuffle(&mut windows);
        async move { stores.feed.add_activities(&windows).await }
    });
    let mut taken = 0;
    for flush in at_once(flushes).await? {
        taken += flush?;
    }
    assert_eq!(taken, 60);
    let items = stores.feed_items(None).await?;
    assert_eq!(items.len(), 20);
    assert_eq!(items.iter().map(|item| item.actor.id.clone()).collect::<BTreeSet<_>>().len(), 20);
    assert!(items.iter().all(|item| item.collections.len() == 2));
    Ok(())
}

pub async fn parallel_flushes_of_one_pair_lose_nothing(stores: Stores) -> Tested {
    let alice = person("alice");
    let collections = stores.collections_at_once(&person("author"), 15).await?;
    let (card_id, events) = collected(&stores, &alice, URL, &collections).await?;
    let mut members = Vec::new();
    for (number, event) in events.iter().enumerate() {
        members.extend(member(&stores.at(event, moment(200 * number as i64)).await));
    }
    let flushes = members.into_iter().map(|member| {
        let (stores, actor_id, members) = (stores.clone(), alice.clone(), vec![member]);
        async move { stores.feed.add_activities(&[CollectedWindow { card_id, actor_id, members }]).await }
    });
    for taken in at_once(flushes).await? {
        assert_eq!(taken?, 1);
    }
    let items = stores.feed_items(None).await?;
    assert_eq!(items.len(), 1, "all lie within 3 s");
    assert_eq!(shown(&items[0]), collections.into_iter().collect());
    Ok(())
}

pub async fn created_at_never_changes(stores: Stores) -> Tested {
    let alice = person("alice");
    let collections = stores.collections_at_once(&alice, 1).await?;
    let (_, events) = collected(&stores, &alice, URL, &collections).await?;
    let early = stores.at(&events[0], moment(0)).await;
    let late = stores.at(&events[1], moment(2_000)).await;
    assert_eq!(stores.feed.add_activities(&windows(&[late])).await?, 1);
    let before = stores.feed_items(None).await?;
    assert_eq!(stores.feed.add_activities(&windows(&[early])).await?, 1);
    let after = stores.feed_items(None).await?;
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_eq!((after[0].id, after[0].created_at), (before[0].id, moment(2_000)));
    Ok(())
}

pub async fn a_dead_letter_that_is_redriven_takes_effect_once(stores: Stores) -> Tested {
    stores.save(&person("alice"), URL).await?;
    let events = stores.deliver(Queue::Feeds).await?;
    let failure = Failure { event_id: events[0].id, error: "bad".into(), verdict: Verdict::Reject };
    stores.log.fail(Queue::Feeds, &[failure], &QueueSettings::of(Queue::Feeds)).await?;
    stores.time.advance(Duration::from_secs(60)).await;
    assert_eq!(stores.flush_feed().await?, 0, "the dead are not published");
    assert_eq!(stores.log.redrive(Queue::Feeds, &DeadSelection::All).await?, 1);
    assert_eq!(stores.flush_feed().await?, 1);
    assert_eq!(stores.feed.add_activities(&windows(&events)).await?, 0, "an old copy finds nothing to take");
    assert_eq!(stores.feed_items(None).await?.len(), 1);
    Ok(())
}
