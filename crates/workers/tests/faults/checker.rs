//! Compares everything at the end with everything that was accepted.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use cardwire_domain::activity::regroup;
use cardwire_domain::feed::FeedRepository as _;
use cardwire_domain::search::{SearchIndex as _, SearchRequest};
use cardwire_domain::{
    Activity, ActivityId, CardId, DomainEvent, EventId, LinkId, Member, PageRequest, RecordedEvent, Store as _, UserId,
};
use cardwire_events::{EventLog as _, Message, routes};
use cardwire_saga::PendingEvent;

use crate::workload::Expected;
use crate::world::World;

/// Returns how many activities there are.
///
/// # Errors
/// The first thing that is wrong.
pub async fn check(world: &World, expected: &Expected) -> anyhow::Result<usize> {
    let events = check_accepted(world, expected).await?;
    check_ledger(world, &events).await?;
    let activities = check_activities(world, &events).await?;
    check_feed(world, &activities).await?;
    check_counts(world, &events, expected).await?;
    check_search(world, expected).await?;
    Ok(activities.len())
}

/// Each command was accepted once, no matter how often its client sent it.
async fn check_accepted(world: &World, expected: &Expected) -> anyhow::Result<Vec<RecordedEvent>> {
    let envelopes = world.store.events().await?;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for envelope in &envelopes {
        *kinds.entry(&envelope.kind).or_default() += 1;
    }
    ensure!(kinds == expected.events, "accepted {kinds:?} instead of {:?}", expected.events);
    envelopes.iter().map(|envelope| Ok(Message::parse(&envelope.to_entry())?.decode()?)).collect()
}

/// Nothing is owed, nothing is dead, and the effects took off the ledger exactly what was put on it, each once.
pub async fn check_ledger(world: &World, events: &[RecordedEvent]) -> anyhow::Result<()> {
    for backlog in world.store.backlog().await? {
        ensure!(backlog.owed == 0 && backlog.dead == 0, "left on the ledger: {backlog:?}");
        let owed = events.iter().filter(|event| routes(&event.event).contains(&backlog.queue)).count();
        let taken = world.faults.taken(backlog.queue);
        ensure!(taken == owed, "{} was owed {owed} events, and {taken} took effect", backlog.queue);
    }
    let rejected = world.store.rejected_entries().await?;
    ensure!(rejected.is_empty(), "rejected: {rejected:?}");
    ensure!(world.transport.is_empty().await, "something is left in the transport");
    Ok(())
}

/// The activities are those that the cut makes of all events at once, so each event is in exactly one.
pub async fn check_activities(world: &World, events: &[RecordedEvent]) -> anyhow::Result<Vec<Activity>> {
    let mut members: BTreeMap<(CardId, UserId), Vec<Member>> = BTreeMap::new();
    for event in events.iter().filter_map(PendingEvent::from_recorded) {
        members.entry((event.card_id, event.actor_id)).or_default().push(event.member);
    }
    let sets = |activities: &[Activity]| -> BTreeMap<(CardId, UserId), BTreeSet<Vec<Member>>> {
        let mut sets: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for activity in activities {
            let pair = (activity.card_id, activity.actor_id.clone());
            sets.entry(pair).or_default().insert(activity.members.clone());
        }
        sets
    };
    let activities = world.store.activities().await?;
    let at_once: Vec<Activity> = members
        .iter()
        .flat_map(|((card, actor), members)| regroup(*card, actor, Vec::new(), members.clone()).inserted)
        .collect();
    let (found, wanted) = (sets(&activities), sets(&at_once));
    ensure!(found == wanted, "activities are {found:?} where the events make {wanted:?}");
    ensure!(activities.len() == at_once.len(), "{} activities instead of {}", activities.len(), at_once.len());
    let mut seen: BTreeSet<EventId> = BTreeSet::new();
    for member in activities.iter().flat_map(|activity| &activity.members) {
        ensure!(seen.insert(member.event_id), "{} is in two activities", member.event_id);
    }
    Ok(activities)
}

/// Exactly the activities with a remaining link are shown, in the feed and in its stream, each once.
async fn check_feed(world: &World, activities: &[Activity]) -> anyhow::Result<()> {
    let mut tx = world.store.begin().await?;
    let mut wanted: BTreeSet<ActivityId> = BTreeSet::new();
    for activity in activities {
        let card = tx.card(activity.card_id).await?.context("an activity of no card")?;
        let links: BTreeSet<LinkId> =
            card.library_link.into_iter().chain(card.collection_links.iter().map(|link| link.id)).collect();
        if activity.members.iter().any(|member| links.contains(&member.link_id)) {
            wanted.insert(activity.id);
        }
    }
    drop(tx);
    let shown = world.store.feed(None, &PageRequest::default()).await?.items;
    ensure!(shown.len() == wanted.len(), "{} activities are shown instead of {}", shown.len(), wanted.len());
    ensure!(shown.iter().all(|item| wanted.contains(&item.id)), "an activity is shown that must not be");
    let start = "0-00000000000000000000000000".parse()?;
    let streamed = world.store.stream(start, 100).await?;
    let ids: BTreeSet<ActivityId> = streamed.iter().map(|(_, item)| item.id).collect();
    ensure!(streamed.len() == wanted.len() && ids == wanted, "the stream has {ids:?} instead of {wanted:?}");
    Ok(())
}

async fn check_counts(world: &World, events: &[RecordedEvent], expected: &Expected) -> anyhow::Result<()> {
    let mut saves = 0;
    let mut curators: BTreeSet<&UserId> = BTreeSet::new();
    for event in events {
        if let DomainEvent::CardAddedToLibrary { actor_id, .. } = &event.event {
            saves += 1;
            curators.insert(actor_id);
        }
    }
    let today = &world.analytics.summary(1).await?[0];
    ensure!(today.saves == saves, "{} saves are counted instead of {saves}", today.saves);
    ensure!(today.active_curators == curators.len() as u64, "{today:?}, but {curators:?} saved");
    let top: u64 = world.analytics.top_urls(1, 10).await?.iter().map(|url| url.saves).sum();
    let kept = expected.library.len() as u64;
    ensure!(top == kept, "the top URLs count {top} cards instead of the {kept} that are kept");
    Ok(())
}

/// Search knows exactly the cards that are in a library, with the notes they have now.
async fn check_search(world: &World, expected: &Expected) -> anyhow::Result<()> {
    let found = async |word: &str, reader: Option<&UserId>| -> anyhow::Result<BTreeSet<CardId>> {
        let request = SearchRequest { text: word.into(), reader: reader.cloned(), ..SearchRequest::default() };
        let hits = world.store.search(&request, &PageRequest::default()).await?.items;
        Ok(hits.into_iter().flat_map(|hit| hit.card_ids).collect())
    };
    let all: BTreeSet<CardId> = expected.library.iter().map(|(_, card, _)| *card).collect();
    ensure!(found("example", None).await? == all, "search does not know exactly the cards that are in a library");
    for (owner, card, word) in &expected.library {
        if let Some(word) = word {
            ensure!(found(word, Some(owner)).await?.contains(card), "{card} is not found by its note");
        }
    }
    Ok(())
}
