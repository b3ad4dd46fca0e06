//! Analytics: counts that equal the truth however often an event is delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cardwire_domain::analytics::{DayCounts, KindCount, TopDomain, TopUrl, WeekCounts};
use cardwire_domain::metadata::{Metadata, PageKind};
use cardwire_domain::url::CardUrl;
use cardwire_domain::{CardId, CollectionId, DomainEvent, EventId, LinkId, RecordedEvent, UserId};
use cardwire_events::Queue;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::pages::titled;
use super::scene::{Draws, at_once, person};
use super::{Stores, Tested};

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

async fn days_ago(stores: &Stores, event: &RecordedEvent, days: i64) -> RecordedEvent {
    stores.at(event, event.occurred_at - SignedDuration::from_hours(24 * days)).await
}

/// Saves and people by day, as the events tell it.
fn truth(events: &[RecordedEvent]) -> BTreeMap<Date, (u64, u64)> {
    let mut people: BTreeMap<Date, Vec<&UserId>> = BTreeMap::new();
    for event in events {
        people.entry(day(event.occurred_at)).or_default().push(event.event.actor_id());
    }
    let count = |people: Vec<&UserId>| (people.len() as u64, people.into_iter().collect::<BTreeSet<_>>().len() as u64);
    people.into_iter().map(|(day, people)| (day, count(people))).collect()
}

/// The days that count anything, of the last ten.
async fn counted(stores: &Stores) -> anyhow::Result<BTreeMap<Date, (u64, u64)>> {
    let summary = stores.analytics.summary(10).await?;
    let counts = summary.into_iter().map(|counts| (counts.day, (counts.saves, counts.active_curators)));
    Ok(counts.filter(|(_, counts)| *counts != (0, 0)).collect())
}

/// Saves of four people, at some time of the last six days.
async fn spread(stores: &Stores, count: usize) -> anyhow::Result<Vec<RecordedEvent>> {
    let saves: Vec<_> =
        (0..count).map(|n| (person(&format!("person{}", n % 4)), format!("https://example.com/{n}"))).collect();
    stores.save_at_once(&saves).await?;
    let events = stores.deliver(Queue::Analytics).await?;
    assert_eq!(events.len(), count);
    let mut draws = Draws::seeded(1);
    let mut spread = Vec::new();
    for event in &events {
        spread.push(days_ago(stores, event, draws.below(6) as i64).await);
    }
    Ok(spread)
}

pub async fn saves_and_curators_are_counted_by_day(stores: Stores) -> Tested {
    let events = spread(&stores, 30).await?;
    assert_eq!(counted(&stores).await?, BTreeMap::new());
    assert_eq!(stores.analytics.count(&events[..13]).await?, 13);
    assert_eq!(counted(&stores).await?, truth(&events[..13]));
    assert_eq!(stores.analytics.count(&events[13..]).await?, 17);
    assert_eq!(counted(&stores).await?, truth(&events));
    assert!(truth(&events).len() > 3, "the case has several days");
    Ok(())
}

pub async fn a_copy_counts_nothing(stores: Stores) -> Tested {
    let events = spread(&stores, 20).await?;
    let mut draws = Draws::seeded(2);
    let mut copies: Vec<_> = events.iter().chain(&events).chain(&events).cloned().collect();
    draws.shuffle(&mut copies);
    let mut taken = 0;
    for portion in copies.chunks(7) {
        taken += stores.analytics.count(portion).await?;
    }
    assert_eq!(taken, 20);
    assert_eq!(counted(&stores).await?, truth(&events));
    assert_eq!(stores.owed(Queue::Analytics).await?, 0);
    Ok(())
}

pub async fn an_altered_copy_counts_what_the_log_says(stores: Stores) -> Tested {
    let events = spread(&stores, 3).await?;
    let alter = |event: &RecordedEvent| RecordedEvent {
        id: event.id,
        occurred_at: event.occurred_at - SignedDuration::from_hours(24),
        event: DomainEvent::CardAddedToLibrary {
            card_id: CardId::generate(),
            actor_id: person("mallory"),
            link_id: LinkId::generate(),
        },
    };
    let mut forged: Vec<_> = events.iter().map(alter).collect();
    // One that claims to be nothing to count, and one that the log does not have.
    forged[0].event = DomainEvent::CollectionCreated { collection_id: CollectionId::generate(), actor_id: person("m") };
    forged.push(RecordedEvent { id: EventId::generate(), ..events[0].clone() });
    assert_eq!(stores.analytics.count(&forged).await?, 3);
    assert_eq!(counted(&stores).await?, truth(&events));
    assert_eq!(stores.analytics.top_urls(10, 10).await?.len(), 3);
    Ok(())
}

pub async fn parallel_copies_count_once(stores: Stores) -> Tested {
    let events = spread(&stores, 20).await?;
    let workers = (0..8).map(|seed| {
        let (stores, mut events) = (stores.clone(), events.clone());
        Draws::seeded(seed + 1).shuffle(&mut events);
        async move { stores.analytics.count(&events).await }
    });
    let mut taken = 0;
    for worker in at_once(workers).await? {
        taken += worker?;
    }
    assert_eq!(taken, 20);
    assert_eq!(counted(&stores).await?, truth(&events));
    Ok(())
}

pub async fn top_urls_are_ordered_and_cut(stores: Stores) -> Tested {
    let url = |page: &str| format!("https://example.com/{page}");
    let mut saves = Vec::new();
    for (page, people) in [("d", 1), ("b", 2), ("a", 2), ("c", 4), ("old", 3)] {
        saves.extend((0..people).map(|n| (person(&format!("person{n}")), url(page))));
    }
    // Another spelling of the same URL.
    saves.push((person("other"), url("c?utm_source=x#part")));
    stores.save_at_once(&saves).await?;
    let mut old = BTreeSet::new();
    for number in 0..3 {
        let owner = person(&format!("person{number}"));
        let card = stores.library.library_card_by_url(&owner, &CardUrl::parse(&url("old"))?).await?;
        old.extend(card.map(|card| card.card.id));
    }
    let mut events = stores.deliver(Queue::Analytics).await?;
    for event in &mut events {
        if event.event.card_id().is_some_and(|id| old.contains(&id)) {
            *event = days_ago(&stores, event, 10).await;
        }
    }
    assert_eq!(stores.analytics.count(&events).await?, saves.len());
    for (days, limit, expected) in [
        (5, 100, &[("c", 5), ("a", 2), ("b", 2), ("d", 1)][..]),
        (5, 3, &[("c", 5), ("a", 2), ("b", 2)]),
        (30, 2, &[("c", 5), ("old", 3)]),
        (30, 0, &[]),
    ] {
        let mut top = Vec::new();
        for found in stores.analytics.top_urls(days, limit).await? {
            top.push((CardUrl::parse(&found.url)?.normalised().to_owned(), found.saves));
        }
        let expected: Vec<_> = expected.iter().map(|(page, saves)| (url(page), *saves)).collect();
        assert_eq!(top, expected, "of {days} days, up to {limit}");
    }
    Ok(())
}

pub async fn days_without_saves_are_there(stores: Stores) -> Tested {
    stores.save(&person("early"), "https://example.com/early").await?;
    let before = stores.deliver(Queue::Analytics).await?;
    let summary = stores.analytics.summary(7).await?;
    stores.save(&person("late"), "https://example.com/late").await?;
    let after = stores.deliver(Queue::Analytics).await?;
    assert_eq!(summary.len(), 7);
    assert!(summary.iter().all(|counts| (counts.saves, counts.active_curators) == (0, 0)), "nothing was counted yet");
    for pair in summary.windows(2) {
        assert_eq!(pair[0].day.tomorrow()?, pair[1].day, "oldest first, none left out");
    }
    let last = summary[6].day;
    assert!(last <= day(after[0].occurred_at) && last >= day(before[0].occurred_at), "{last} is today");
    assert_eq!(stores.analytics.summary(1).await?.len(), 1);
    Ok(())
}

pub async fn domains_types_and_weeks_are_counted(stores: Stores) -> Tested {
    let mut saves: Vec<_> = (0..3).map(|n| (person(&format!("p{n}")), "https://film.example/a".to_owned())).collect();
    saves.extend((0..2).map(|n| (person(&format!("p{n}")), format!("http://text.example:8080/{n}"))));
    saves.push((person("p9"), "https://aaa.example/".into()));
    stores.save_at_once(&saves).await?;
    stores.index_all().await?;
    let film = Metadata { kind: Some(PageKind::Video), ..titled("Film") };
    stores.fetched("https://film.example/a", film).await?;
    let mut events = stores.deliver(Queue::Analytics).await?;
    let last = events.len() - 1;
    events[last] = days_ago(&stores, &events[last], 8).await;
    stores.analytics.count(&events).await?;
    let top = |domain: &str, saves| TopDomain { domain: domain.into(), saves };
    let expected = [top("film.example", 3), top("text.example", 2), top("aaa.example", 1)];
    assert_eq!(stores.analytics.top_domains(30, 10).await?, expected);
    assert_eq!(stores.analytics.top_domains(7, 1).await?, expected[..1]);
    let kinds = stores.analytics.by_kind(7).await?;
    assert_eq!(kinds, [KindCount { kind: Some(PageKind::Video), saves: 3 }, KindCount { kind: None, saves: 2 }]);
    let top_url = stores.analytics.top_urls(7, 1).await?.remove(0);
    assert_eq!((top_url.title.as_deref(), top_url.saves), (Some("Film"), 3));
    let weeks = stores.analytics.weeks(3).await?;
    let told: Vec<_> = weeks.iter().map(|week| (week.saves, week.active_curators)).collect();
    assert_eq!(told, [(0, 0), (1, 1), (5, 3)]);
    assert_eq!(weeks[2].first_day, stores.analytics.summary(7).await?[0].day);
    Ok(())
}

pub async fn a_card_is_new_once(stores: Stores) -> Tested {
    let alice = person("alice");
    for _ in 0..3 {
        let card = stores.save(&alice, "https://example.com/a").await?.url_card_id;
        stores.remove(&alice, card).await?;
        stores.time.advance(Duration::from_secs(1)).await;
    }
    stores.save(&person("bob"), "https://example.com/a").await?;
    stores.analytics.count(&stores.deliver(Queue::Analytics).await?).await?;
    let today = stores.analytics.summary(2).await?;
    let told = today.iter().map(|day| (day.saves, day.new_cards)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    assert_eq!(told, (4, 2));
    Ok(())
}

type Table = (Vec<DayCounts>, Vec<TopUrl>, Vec<TopDomain>, Vec<KindCount>, Vec<WeekCounts>);

async fn table(stores: &Stores) -> anyhow::Result<Table> {
    let analytics = &stores.analytics;
    Ok((
        analytics.summary(10).await?,
        analytics.top_urls(10, 100).await?,
        analytics.top_domains(10, 100).await?,
        analytics.by_kind(10).await?,
        analytics.weeks(2).await?,
    ))
}

pub async fn rebuilding_a_day_ends_in_the_same_counts(stores: Stores) -> Tested {
    let saves: Vec<_> =
        (0..30).map(|n| (person(&format!("p{}", n % 4)), format!("https://h{}.example/{n}", n % 3))).collect();
    stores.save_at_once(&saves[..15]).await?;
    let first = stores.deliver(Queue::Analytics).await?;
    stores.time.advance(Duration::from_secs(2 * 86_400)).await;
    stores.save_at_once(&saves[15..]).await?;
    let second = stores.deliver(Queue::Analytics).await?;
    // Three times each, some still owed.
    let copies: Vec<_> = first.iter().chain(&second[..9]).cloned().collect();
    for _ in 0..3 {
        stores.analytics.count(&copies).await?;
    }
    // The age of an event is what the log says of it, so the log decides the days.
    let days = stores.analytics.whole_days().await?;
    assert_eq!(days.len(), 2);
    let mut counted = 0;
    for day in &days {
        counted += stores.analytics.rebuild(*day).await?;
    }
    assert_eq!(counted, 24, "what is still owed is not counted");
    let once = table(&stores).await?;
    assert_eq!(once.0.iter().map(|day| day.saves).sum::<u64>(), 24);
    for day in &days {
        stores.analytics.rebuild(*day).await?;
    }
    assert_eq!(table(&stores).await?, once);
    assert_eq!(stores.analytics.count(&second).await?, 6, "what was owed counts now");
    let live = table(&stores).await?;
    for day in &days {
        stores.analytics.rebuild(*day).await?;
    }
    assert_eq!(table(&stores).await?, live, "and rebuilding agrees with what was counted live");
    Ok(())
}

pub async fn days_that_were_pruned_are_not_whole(stores: Stores) -> Tested {
    stores.save(&person("alice"), "https://example.com/old").await?;
    for queue in Queue::ALL {
        let ids: Vec<_> = stores.deliver(queue).await?.iter().map(|event| event.id).collect();
        stores.log.settle(queue, &ids).await?;
    }
    stores.time.advance(Duration::from_secs(5 * 86_400)).await;
    stores.save(&person("alice"), "https://example.com/new").await?;
    assert_eq!(stores.analytics.whole_days().await?.len(), 2);
    assert_eq!(stores.log.prune(Duration::from_secs(3 * 86_400)).await?, 1);
    assert_eq!(stores.analytics.whole_days().await?.len(), 1);
    Ok(())
}
