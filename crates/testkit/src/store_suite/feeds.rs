//! What the feed shows: the truth of now, in pages.

use cardwire_domain::use_cases::DeleteCollection;
use cardwire_domain::{CardId, UserId};
use cardwire_events::Queue;

use super::scene::{all_pages, member, moment, page, person, sorted, windows};
use super::{Stores, Tested};

const URL: &str = "https://example.com/page";

/// Activities that share their time: one for each of so many people.
async fn tied(stores: &Stores, count: usize) -> anyhow::Result<Vec<(UserId, CardId)>> {
    let saves: Vec<_> = (0..count).map(|n| (person(&format!("person{n}")), URL.to_owned())).collect();
    let cards = stores.save_at_once(&saves).await?;
    assert_eq!(stores.flush_feed().await?, count);
    Ok(saves.into_iter().map(|(owner, _)| owner).zip(cards).collect())
}

pub async fn the_feed_shows_only_what_still_exists(stores: Stores) -> Tested {
    let alice = person("alice");
    let collections = stores.collections_at_once(&alice, 2).await?;
    let told = |names: &[&str]| vec![(URL.to_owned(), names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())];
    let card = stores.save_with(&alice, URL, None, &collections[..1]).await?.url_card_id;
    stores.flush_feed().await?;
    assert_eq!(stores.feed_told().await?, told(&["0"]));
    stores.collect(&alice, card, &collections[1..]).await?;
    assert_eq!(stores.feed_told().await?, told(&["0"]), "an addition shows with its event's effect");
    stores.flush_feed().await?;
    assert_eq!(sorted(names(&stores).await?), ["0", "1"]);
    stores.uncollect(&alice, card, &collections[..1]).await?;
    assert_eq!(names(&stores).await?, ["1"], "a removal shows at once");
    stores.flush_feed().await?;
    assert_eq!(names(&stores).await?, ["1"]);
    stores.remove(&alice, card).await?;
    assert_eq!(stores.feed_told().await?, [], "what was removed is not shown");
    stores.save(&alice, URL).await?;
    assert_eq!(stores.feed_told().await?, [], "a new link is no old activity's");
    stores.flush_feed().await?;
    assert_eq!(stores.feed_told().await?, told(&[]), "it is a new link and a new event");
    stores.collect(&alice, card, &collections[..1]).await?;
    stores.flush_feed().await?;
    assert_eq!(names(&stores).await?, ["0"]);
    assert_eq!(stores.owed(Queue::Feeds).await?, 0);
    Ok(())
}

/// The collections of all activities shown.
async fn names(stores: &Stores) -> anyhow::Result<Vec<String>> {
    Ok(stores.feed_told().await?.into_iter().flat_map(|(_, names)| names).collect())
}

pub async fn a_deleted_collection_leaves_the_feed(stores: Stores) -> Tested {
    let alice = person("alice");
    let collections = stores.collections_at_once(&alice, 1).await?;
    stores.flush_feed().await?;
    stores.save_with(&alice, URL, None, &collections).await?;
    let events = stores.deliver(Queue::Feeds).await?;
    // Ten seconds apart: an activity each.
    let mut apart = Vec::new();
    for event in &events {
        let collected = member(event).is_some_and(|member| member.collection_id.is_some());
        apart.push(stores.at(event, moment(if collected { 10_000 } else { 0 })).await);
    }
    assert_eq!(stores.feed.add_activities(&windows(&apart)).await?, 2);
    let told = stores.feed_told().await?;
    assert_eq!(told, [(URL.to_owned(), vec!["0".to_owned()]), (URL.to_owned(), vec![])]);
    stores.run(&alice, &DeleteCollection { id: collections[0].to_string() }).await?;
    assert_eq!(stores.feed_told().await?, told[1..], "an activity with nothing left is not shown");
    Ok(())
}

pub async fn pages_of_the_feed_neither_skip_nor_repeat_with_ties(stores: Stores) -> Tested {
    tied(&stores, 30).await?;
    let feed = &stores.feed;
    for limit in [1, 7, 30, 100] {
        let items = all_pages(limit, |page| async move { feed.feed(None, &page).await }).await?;
        let order: Vec<_> = items.iter().map(|item| (item.created_at, item.id)).collect();
        assert!(order.is_sorted_by(|a, b| a > b), "in pages of {limit}: {order:?}");
        assert_eq!(order.len(), 30, "in pages of {limit}");
    }
    let before = stores.feed_items(None).await?;
    let first = feed.feed(None, &page(10, None)).await?;
    stores.save(&person("late"), URL).await?;
    stores.flush_feed().await?;
    let second = feed.feed(None, &page(100, first.next.clone())).await?;
    let read = first.items.into_iter().chain(second.items).filter(|item| item.actor.id != person("late"));
    assert_eq!(read.collect::<Vec<_>>(), before, "what comes in between moves nothing");
    Ok(())
}

pub async fn the_feed_of_one_person_holds_only_their_activities(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    for number in 0..7 {
        stores.save(&alice, &format!("https://example.com/{number}")).await?;
    }
    stores.save(&bob, URL).await?;
    stores.flush_feed().await?;
    let (feed, actor) = (&stores.feed, &alice);
    let hers = all_pages(2, |page| async move { feed.feed(Some(actor), &page).await }).await?;
    assert_eq!(hers.len(), 7);
    assert!(hers.iter().all(|item| item.actor.id == alice));
    assert_eq!(stores.feed_items(Some(&bob)).await?.len(), 1);
    assert_eq!(stores.feed_items(Some(&person("carol"))).await?, []);
    assert_eq!(stores.feed_items(None).await?.len(), 8);
    Ok(())
}

pub async fn pages_are_full_although_activities_are_hidden(stores: Stores) -> Tested {
    let people = tied(&stores, 30).await?;
    for (owner, card) in people.iter().step_by(2) {
        stores.remove(owner, *card).await?;
    }
    let feed = &stores.feed;
    for limit in [1, 4, 15] {
        // That a page which is not the last is full is checked on the way.
        let items = all_pages(limit, |page| async move { feed.feed(None, &page).await }).await?;
        let shown: Vec<_> = items.into_iter().map(|item| item.card.id).collect();
        let left: Vec<_> = people.iter().skip(1).step_by(2).map(|(_, card)| *card).collect();
        assert_eq!(sorted(shown), sorted(left), "in pages of {limit}");
    }
    Ok(())
}
