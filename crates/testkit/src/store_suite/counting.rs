//! Analytics: counts that equal the truth however often an event is delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cardwire_domain::analytics::{DayCounts, KindCount, TopDomain, TopUrl, WeekCounts};
use cardwire_domain::metadata::{Metadata, PageKind};
use cardwire_domain::url::CardUrl;
use cardwire_domain::{CardId, CollectionId, DomainEvent, EventId, LinkId, RecordedEvent, UserId, Visibility};
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
            visibility: Visibility::Public,
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

/// Works off the `analytics` queue.
async fn count_all(stores: &Stores) -> anyhow::Result<usize> {
    Ok(stores.analytics.count(&stores.deliver(Queue::Analytics).await?).await?)
}

/// The top URLs, normalised, with their saves; equal ones sorted.
async fn top(stores: &Stores, days: u16, limit: usize) -> anyhow::Result<Vec<(String, u64)>> {
    let mut top = Vec::new();
    for found in stores.analytics.top_urls(days, limit).await? {
        top.push((CardUrl::parse(&found.url)?.normalised().to_owned(), found.saves));
    }
    assert!(top.is_sorted_by(|a, b| a.1 >= b.1), "{top:?}");
    top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(top)
}

const DAY: Duration = Duration::from_secs(86_400);

pub async fn top_urls_are_ordered_and_cut(stores: Stores) -> Tested {
    let url = |page: &str| format!("https://example.com/{page}");
    let by = |people: std::ops::Range<usize>, page: &str| -> Vec<(UserId, String)> {
        people.map(|n| (person(&format!("person{n}")), url(page))).collect()
    };
    stores.save_at_once(&by(0..3, "old")).await?;
    stores.time.advance(10 * DAY).await;
    let mut saves = [by(0..1, "d"), by(0..2, "b"), by(0..2, "a"), by(0..4, "c")].concat();
    // Another spelling of the same URL.
    saves.push((person("other"), url("c?utm_source=x#part")));
    stores.save_at_once(&saves).await?;
    assert_eq!(count_all(&stores).await?, saves.len() + 3);
    for (days, limit, expected) in [
        (5, 100, &[("c", 5), ("a", 2), ("b", 2), ("d", 1)][..]),
        (5, 3, &[("c", 5), ("a", 2), ("b", 2)]),
        (10, 100, &[("c", 5), ("a", 2), ("b", 2), ("d", 1)]),
        (11, 2, &[("c", 5), ("old", 3)]),
        (30, 2, &[("c", 5), ("old", 3)]),
        (366, 2, &[("c", 5), ("old", 3)]),
        (30, 0, &[]),
    ] {
        let expected: Vec<_> = expected.iter().map(|(page, saves)| (url(page), *saves)).collect();
        assert_eq!(top(&stores, days, limit).await?, expected, "of {days} days, up to {limit}");
    }
    stores.time.advance(3 * DAY).await;
    stores.save(&person("person9"), &url("d")).await?;
    count_all(&stores).await?;
    let expected = [(url("c"), 5), (url("a"), 2), (url("b"), 2), (url("d"), 2)];
    assert_eq!(top(&stores, 7, 100).await?, expected, "days go by");
    assert_eq!(top(&stores, 3, 100).await?, [(url("d"), 1)]);
    stores.time.advance(5 * DAY).await;
    assert_eq!(top(&stores, 7, 100).await?, [(url("d"), 1)], "although nothing was counted since");
    Ok(())
}

pub async fn a_person_counts_once_for_a_url_however_often_they_save_it(stores: Stores) -> Tested {
    let alice = person("alice");
    let (bought, honest) = ("https://bought.example/", "https://honest.example/");
    for _ in 0..15 {
        let card = stores.save(&alice, bought).await?.url_card_id;
        count_all(&stores).await?;
        stores.remove(&alice, card).await?;
    }
    stores.save(&alice, bought).await?;
    stores.save_at_once(&[(person("bob"), honest.into()), (person("carol"), honest.into())]).await?;
    count_all(&stores).await?;
    assert_eq!(top(&stores, 7, 10).await?, [(honest.to_owned(), 2), (bought.to_owned(), 1)]);
    let domain = |domain: &str, saves| TopDomain { domain: domain.into(), saves };
    let expected = [domain("honest.example", 2), domain("bought.example", 1)];
    assert_eq!(stores.analytics.top_domains(7, 10).await?, expected);
    assert_eq!(stores.analytics.by_kind(7).await?, [KindCount { kind: None, saves: 3 }]);
    let saves: u64 = stores.analytics.summary(2).await?.iter().map(|day| day.saves).sum();
    assert_eq!(saves, 18, "totals count saves, and name nothing");
    Ok(())
}

pub async fn what_nobody_keeps_is_not_trending(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let url = "https://example.com/a";
    let hers = stores.save(&alice, &format!("{url}#hers")).await?.url_card_id;
    let his = stores.save(&bob, &format!("{url}#his")).await?.url_card_id;
    count_all(&stores).await?;
    let shown = async || -> anyhow::Result<Vec<(String, u64)>> {
        let top = stores.analytics.top_urls(7, 10).await?;
        Ok(top.into_iter().map(|top| (top.url, top.saves)).collect())
    };
    // Ids of one millisecond are in no order.
    let oldest = if hers < his { "hers" } else { "his" };
    assert_eq!(shown().await?, [(format!("{url}#{oldest}"), 2)]);
    stores.remove(&alice, hers).await?;
    count_all(&stores).await?;
    assert_eq!(shown().await?, [(format!("{url}#his"), 1)], "her spelling goes with her card");
    stores.remove(&bob, his).await?;
    assert_eq!(shown().await?, [], "at once");
    count_all(&stores).await?;
    assert_eq!(stores.analytics.top_domains(366, 10).await?, []);
    assert_eq!(stores.analytics.by_kind(366).await?, []);
    stores.save(&bob, url).await?;
    count_all(&stores).await?;
    assert_eq!(shown().await?, [(format!("{url}#his"), 1)], "it is the same card again");
    Ok(())
}

pub async fn what_is_trending_follows_from_the_cards_whatever_the_order_of_events(stores: Stores) -> Tested {
    let mut draws = Draws::seeded(11);
    let people: Vec<UserId> = (0..4).map(|n| person(&format!("p{n}"))).collect();
    for _ in 0..4 {
        for _ in 0..30 {
            let by = &people[draws.below(4)];
            let url = format!("https://h{}.example/{}", draws.below(3), draws.below(4));
            let card = stores.save(by, &url).await?.url_card_id;
            if draws.below(2) == 0 {
                stores.remove(by, card).await?;
            }
        }
        let events = stores.deliver(Queue::Analytics).await?;
        let mut copies: Vec<_> = events.iter().chain(&events).cloned().collect();
        draws.shuffle(&mut copies);
        let workers = copies.chunks(16).map(|events| {
            let (stores, events) = (stores.clone(), events.to_vec());
            async move { stores.analytics.count(&events).await }
        });
        for worker in at_once(workers.collect::<Vec<_>>()).await? {
            worker?;
        }
        let (mut urls, mut domains) = (BTreeMap::new(), BTreeMap::new());
        for owner in &people {
            for card in stores.library_of(owner).await? {
                let url = CardUrl::parse(&card.card.url)?;
                *urls.entry(url.normalised().to_owned()).or_insert(0) += 1;
                *domains.entry(url.domain().to_owned()).or_insert(0) += 1;
            }
        }
        for rebuilt in [false, true] {
            if rebuilt {
                stores.analytics.rebuild_trends().await?;
            }
            let found: BTreeMap<String, u64> = top(&stores, 7, 100).await?.into_iter().collect();
            assert_eq!(found, urls, "rebuilt: {rebuilt}");
            let found = stores.analytics.top_domains(30, 100).await?;
            let found: BTreeMap<String, u64> = found.into_iter().map(|top| (top.domain, top.saves)).collect();
            assert_eq!(found, domains, "rebuilt: {rebuilt}");
            let kinds = stores.analytics.by_kind(7).await?;
            assert_eq!(kinds.iter().map(|kind| kind.saves).sum::<u64>(), urls.values().sum::<u64>());
        }
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
    stores.save(&person("p9"), "https://aaa.example/").await?;
    let mut events = stores.deliver(Queue::Analytics).await?;
    stores.time.advance(8 * DAY).await;
    let mut saves: Vec<_> = (0..3).map(|n| (person(&format!("p{n}")), "https://film.example/a".to_owned())).collect();
    saves.extend((0..2).map(|n| (person(&format!("p{n}")), format!("http://text.example:8080/{n}"))));
    stores.save_at_once(&saves).await?;
    stores.index_all().await?;
    let film = Metadata { kind: Some(PageKind::Video), ..titled("Film") };
    stores.fetched("https://film.example/a", film).await?;
    let mut late = stores.deliver(Queue::Analytics).await?;
    late.retain(|event| events.iter().all(|other| other.id != event.id));
    let week_before = late[0].occurred_at - SignedDuration::from_hours(24 * 8);
    events[0] = stores.at(&events[0], week_before).await;
    events.extend(late);
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
    let mut second = stores.deliver(Queue::Analytics).await?;
    second.retain(|event| first.iter().all(|other| other.id != event.id));
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
