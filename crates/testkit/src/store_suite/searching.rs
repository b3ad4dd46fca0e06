//! Search: the cards' current rows, each private note for its author alone.

use std::collections::BTreeSet;

use cardwire_domain::metadata::{FetchPolicy, Metadata, PageKind};
use cardwire_domain::search::{Found, SearchHit, SearchRequest};
use cardwire_domain::{CardId, DomainEvent, EventId, RecordedEvent, UserId};
use cardwire_events::Queue;

use super::scene::{Draws, all_pages, at_once, page, person, sorted};
use super::{Stores, Tested};

const URL: &str = "https://example.com/rust/ownership";

fn asked(text: &str, reader: Option<&UserId>) -> SearchRequest {
    SearchRequest { text: text.into(), reader: reader.cloned(), ..SearchRequest::default() }
}

async fn hits(stores: &Stores, text: &str, reader: Option<&UserId>) -> anyhow::Result<Vec<SearchHit>> {
    Ok(stores.search.search(&asked(text, reader), &page(100, None)).await?.items)
}

/// The URLs found, sorted.
async fn found(stores: &Stores, text: &str, reader: Option<&UserId>) -> anyhow::Result<Vec<String>> {
    Ok(sorted(hits(stores, text, reader).await?.into_iter().map(|hit| hit.url).collect()))
}

pub async fn a_card_is_found_once_it_is_indexed(stores: Stores) -> Tested {
    let card = stores.save(&person("alice"), URL).await?.url_card_id;
    assert_eq!(hits(&stores, "ownership", None).await?, []);
    let events = stores.deliver(Queue::Search).await?;
    assert_eq!(stores.search.index(&events).await?, 1);
    for text in ["ownership", "OWNERSHIP", " Ownership\n", "rust", "owner"] {
        let hits = hits(&stores, text, None).await?;
        assert_eq!(hits.len(), 1, "{text:?}");
        assert_eq!((hits[0].url.as_str(), hits[0].card_ids.as_slice()), (URL, &[card][..]), "{text:?}");
        assert!(hits[0].rank.is_finite() && hits[0].rank > 0.0, "{text:?}: {}", hits[0].rank);
    }
    assert_eq!(stores.search.index(&events).await?, 0, "a copy finds nothing to take");
    assert_eq!(hits(&stores, "ownership", None).await?.len(), 1);
    for text in ["", "  ", "borrowing", "%", "' & | ! ( :*", "\u{0}"] {
        // Whatever is typed is an answer, and none of these is in the URL.
        assert_eq!(hits(&stores, text, None).await?, [], "{text:?}");
    }
    Ok(())
}

pub async fn every_word_must_occur(stores: Stores) -> Tested {
    let alice = person("alice");
    let tokio = "https://example.com/rust/async";
    stores.save(&alice, URL).await?;
    stores.save(&alice, tokio).await?;
    stores.index_all().await?;
    for (text, expected) in [
        ("rust", &[tokio, URL][..]),
        ("rust async", &[tokio]),
        ("async   RUST", &[tokio]),
        ("rust cooking", &[]),
        ("ownership async", &[]),
    ] {
        assert_eq!(found(&stores, text, None).await?, expected, "{text:?}");
    }
    Ok(())
}

pub async fn notes_are_found_by_their_author_only(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let hers = stores.save_with(&alice, URL, Some("a garden gnome"), &[]).await?.url_card_id;
    stores.save_with(&bob, URL, Some("something else"), &[]).await?;
    assert_eq!(stores.index_all().await?, 2);
    for text in ["gnome", "Garden GNOME", "gnome ownership"] {
        for (reader, expected) in [(Some(&alice), 1), (Some(&bob), 0), (None, 0)] {
            let hits = hits(&stores, text, reader).await?;
            assert_eq!(hits.len(), expected, "{text:?} by {reader:?}");
            assert!(hits.iter().all(|hit| hit.card_ids.contains(&hers)), "{text:?} by {reader:?}");
        }
    }
    assert_eq!(found(&stores, "gnome else", Some(&alice)).await?.len(), 0, "another's note adds no word");
    Ok(())
}

pub async fn a_changed_note_is_found_by_its_new_words(stores: Stores) -> Tested {
    let alice = person("alice");
    for (note, words) in [("garden", ["garden", ""]), ("kitchen", ["kitchen", "garden"]), ("", ["", "kitchen"])] {
        stores.save_with(&alice, URL, Some(note), &[]).await?;
        assert_eq!(stores.index_all().await?, 1, "{note:?}");
        let [new, old] = words;
        if !new.is_empty() {
            assert_eq!(found(&stores, new, Some(&alice)).await?, [URL], "{note:?}");
        }
        if !old.is_empty() {
            assert_eq!(hits(&stores, old, Some(&alice)).await?, [], "{note:?}");
        }
    }
    assert_eq!(found(&stores, "ownership", None).await?, [URL]);
    Ok(())
}

pub async fn a_removed_card_is_found_no_more(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let hers = stores.save(&alice, URL).await?.url_card_id;
    let his = stores.save(&bob, URL).await?.url_card_id;
    stores.index_all().await?;
    stores.remove(&alice, hers).await?;
    assert_eq!(stores.index_all().await?, 1);
    let left = hits(&stores, "ownership", None).await?;
    assert_eq!(left.iter().flat_map(|hit| &hit.card_ids).collect::<Vec<_>>(), [&his]);
    stores.remove(&bob, his).await?;
    stores.index_all().await?;
    assert_eq!(hits(&stores, "ownership", None).await?, []);
    stores.save(&alice, URL).await?;
    stores.index_all().await?;
    assert_eq!(found(&stores, "ownership", None).await?, [URL]);
    Ok(())
}

pub async fn the_log_decides_which_card_is_indexed(stores: Stores) -> Tested {
    stores.save(&person("alice"), "https://example.com/gherkin").await?;
    let mut events = stores.deliver(Queue::Search).await?;
    events[0].event = DomainEvent::CardNoteChanged { card_id: CardId::generate(), actor_id: person("mallory") };
    let unknown = RecordedEvent { id: EventId::generate(), ..events[0].clone() };
    events.push(unknown);
    assert_eq!(stores.search.index(&events).await?, 1);
    let request = SearchRequest { text: "gherkin".into(), ..SearchRequest::default() };
    assert_eq!(stores.search.search(&request, &page(10, None)).await?.items.len(), 1);
    Ok(())
}

pub async fn the_current_row_decides_whatever_the_order(stores: Stores) -> Tested {
    for seed in 1..=6 {
        let mut draws = Draws::seeded(seed);
        let owner = person(&format!("person{seed}"));
        let url = format!("https://example.com/seed{seed}");
        let mut kept = false;
        for _ in 0..4 + seed % 2 {
            let card = stores.save(&owner, &url).await?.url_card_id;
            kept = draws.below(2) == 0;
            if !kept {
                stores.remove(&owner, card).await?;
            }
        }
        let mut events = stores.deliver(Queue::Search).await?;
        draws.shuffle(&mut events);
        let mut taken = 0;
        for event in &events {
            taken += stores.search.index(std::slice::from_ref(event)).await?;
        }
        assert_eq!(taken, events.len());
        assert_eq!(hits(&stores, &format!("seed{seed}"), None).await?.len(), usize::from(kept), "seed {seed}");
    }
    Ok(())
}

pub async fn one_url_is_one_hit_with_all_its_cards(stores: Stores) -> Tested {
    let mut cards = Vec::new();
    for (name, url) in [
        ("alice", URL),
        ("bob", "https://EXAMPLE.com/rust/ownership?utm_source=x"),
        ("carol", "https://example.com/rust/ownership#a"),
    ] {
        cards.push(stores.save(&person(name), url).await?.url_card_id);
    }
    stores.save(&person("alice"), "https://example.com/rust/ownership?page=2").await?;
    stores.index_all().await?;
    let hits = hits(&stores, "ownership", None).await?;
    assert_eq!(hits.len(), 2);
    let all = hits.iter().find(|hit| hit.card_ids.len() == 3).expect("one URL in three spellings");
    assert_eq!(sorted(all.card_ids.clone()), sorted(cards));
    Ok(())
}

pub async fn pages_of_hits_neither_skip_nor_repeat(stores: Stores) -> Tested {
    let alice = person("alice");
    let mut saves: Vec<_> = (0..20).map(|n| (alice.clone(), format!("https://example.com/rust/{n}"))).collect();
    // Some that rank otherwise.
    saves.extend((20..25).map(|n| (alice.clone(), format!("https://rust.example.com/rust/{n}/rust"))));
    stores.save_at_once(&saves).await?;
    for (number, (owner, url)) in saves.iter().enumerate().filter(|(number, _)| number % 5 == 0) {
        stores.save_with(owner, url, Some(&format!("rust note {number}")), &[]).await?;
    }
    stores.index_all().await?;
    let (search, request) = (&stores.search, &asked("rust", Some(&alice)));
    for limit in [1, 7, 25, 100] {
        let hits = all_pages(limit, |page| async move { search.search(request, &page).await.map(Found::page) }).await?;
        let urls: BTreeSet<_> = hits.iter().map(|hit| hit.url.clone()).collect();
        assert_eq!((urls.len(), hits.len()), (25, 25), "in pages of {limit}");
        assert!(hits.is_sorted_by(|a, b| a.rank >= b.rank), "in pages of {limit}: best first");
    }
    Ok(())
}

pub async fn parallel_indexing_takes_each_event_once(stores: Stores) -> Tested {
    let saves: Vec<_> = (0..20).map(|n| (person("alice"), format!("https://example.com/rust/{n}"))).collect();
    stores.save_at_once(&saves).await?;
    let events = stores.deliver(Queue::Search).await?;
    let workers = (0..8).map(|seed| {
        let (stores, mut events): (_, Vec<RecordedEvent>) = (stores.clone(), events.clone());
        Draws::seeded(seed + 1).shuffle(&mut events);
        async move { stores.search.index(&events).await }
    });
    let mut taken = 0;
    for worker in at_once(workers).await? {
        taken += worker?;
    }
    assert_eq!(taken, 20);
    assert_eq!(hits(&stores, "rust", None).await?.len(), 20);
    assert_eq!(stores.owed(Queue::Search).await?, 0);
    Ok(())
}

pub async fn quotes_minus_prefixes_and_typing_errors(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let (safe, fast) = ("https://example.com/memory/safety", "https://example.com/safety/memory/async");
    stores.save_with(&alice, safe, Some("unmistakable"), &[]).await?;
    stores.save(&bob, fast).await?;
    stores.index_all().await?;
    for (text, expected) in [
        ("memory safety", &[safe, fast][..]),
        ("\"memory safety\"", &[safe]),
        ("\"Safety memory\" exam", &[fast]),
        ("\"safety async\"", &[]),
        ("memory -async", &[safe]),
        ("memory -\"safety memory\"", &[safe]),
        ("memory -asy", &[safe, fast]),
        ("mem saf", &[safe, fast]),
        ("mem.", &[]),
        ("asnyc", &[fast]),
        ("memroy safety", &[safe, fast]),
        ("memori -async", &[safe]),
        ("memory asnyc", &[fast]),
        ("saftey memory", &[safe, fast]),
        ("exmaple.com", &[safe, fast]),
        ("qwerty", &[]),
        ("unmistakabel", &[]),
        ("-memory", &[]),
    ] {
        assert_eq!(found(&stores, text, None).await?, expected, "{text:?}");
    }
    assert_eq!(found(&stores, "unmistakabel", Some(&alice)).await?, [safe], "one's own notes, too");
    assert_eq!(found(&stores, "unmistakabel", Some(&bob)).await?, Vec::<String>::new());
    let search = &stores.search;
    let request = &asked("memroy", None);
    let hits = all_pages(1, |page| async move { search.search(request, &page).await.map(Found::page) }).await?;
    assert_eq!(hits.len(), 2, "similar words are paged like others");
    Ok(())
}

pub async fn titles_count_more_than_descriptions_and_addresses(stores: Stores) -> Tested {
    let alice = person("alice");
    let url = |host: &str| format!("https://{host}.example/page");
    let (titled, described, named, longer) = (url("a"), url("b"), "https://c.example/teapot".to_owned(), url("d"));
    for url in [&titled, &described, &named, &longer] {
        stores.save(&alice, url).await?;
    }
    stores.index_all().await?;
    let page = |title: &str, description: &str| Metadata {
        title: Some(title.into()),
        description: Some(description.into()),
        ..Metadata::default()
    };
    for job in stores.due().await? {
        let metadata = match job.host.as_str() {
            "a.example" => page("Teapot", "none"),
            "b.example" => page("Crockery", "every teapot"),
            "d.example" => page("Teapots", "none"),
            _ => page("Other", "none"),
        };
        assert!(stores.pages.finish_fetch(&job, &Ok(metadata), &FetchPolicy::default()).await?);
    }
    let order: Vec<_> = hits(&stores, "teapot", None).await?.into_iter().map(|hit| hit.url).collect();
    assert_eq!(order, [titled, described, named.clone(), longer]);
    for name in ["bob", "carol"] {
        stores.save(&person(name), &named).await?;
        stores.save(&person(name), "https://e.example/teapot").await?;
    }
    stores.index_all().await?;
    let order: Vec<_> = hits(&stores, "teapot", None).await?.into_iter().map(|hit| hit.url).collect();
    assert_eq!(order[2..4], [named, "https://e.example/teapot".into()], "of equal ones, what more people keep");
    Ok(())
}

pub async fn searches_are_narrowed_by_type_and_to_ones_own(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let (film, text) = ("https://film.example/rust", "https://text.example/rust");
    let hers = stores.save(&alice, film).await?.url_card_id;
    stores.save(&bob, film).await?;
    stores.save(&bob, text).await?;
    stores.index_all().await?;
    for job in stores.due().await? {
        let kind = if job.host == "film.example" { PageKind::Video } else { PageKind::Article };
        let metadata = Metadata { kind: Some(kind), ..Metadata::default() };
        assert!(stores.pages.finish_fetch(&job, &Ok(metadata), &FetchPolicy::default()).await?);
    }
    for (kind, reader, mine, expected) in [
        (None, None, false, &[film, text][..]),
        (Some(PageKind::Video), None, false, &[film]),
        (Some(PageKind::Book), None, false, &[]),
        (None, Some(&alice), true, &[film]),
        (None, Some(&bob), true, &[film, text]),
        (Some(PageKind::Article), Some(&alice), true, &[]),
        (Some(PageKind::Article), Some(&alice), false, &[text]),
    ] {
        let request = SearchRequest { kind, mine, ..asked("rust", reader) };
        let hits = stores.search.search(&request, &page(100, None)).await?.items;
        let urls = sorted(hits.iter().map(|hit| hit.url.as_str()).collect());
        assert_eq!(urls, expected, "{kind:?} {reader:?} {mine}");
        if reader == Some(&alice) && mine && kind.is_none() {
            assert_eq!(hits[0].card_ids, [hers], "only one's own cards");
        }
    }
    Ok(())
}

pub async fn reindexing_changes_nothing_that_is_right(stores: Stores) -> Tested {
    let alice = person("alice");
    let saves: Vec<_> = (0..7).map(|n| (alice.clone(), format!("https://example.com/rust/{n}"))).collect();
    let cards = stores.save_at_once(&saves).await?;
    stores.remove(&alice, cards[3]).await?;
    // Nothing was indexed: reindexing finds it all, and the events that are still owed change nothing then.
    for round in ["first", "second"] {
        let (mut after, mut portions) = (None, 0);
        while let Some(portion) = stores.search.reindex(after, 3).await? {
            assert_eq!(portion.failed, []);
            (after, portions) = (Some(portion.last), portions + 1);
        }
        assert_eq!(portions, 3, "{round}");
        let urls = found(&stores, "rust", None).await?;
        assert_eq!(urls.len(), 6, "{round}");
        assert!(!urls.contains(&saves[3].1), "{round}");
        stores.index_all().await?;
        assert_eq!(found(&stores, "rust", None).await?, urls, "{round}");
    }
    assert_eq!(stores.search.card_count().await?, 7);
    assert_eq!(stores.due().await?.len(), 1, "and pages are there to fetch, one of a host at once");
    Ok(())
}

pub async fn up_to_three_words_may_be_misspelt(stores: Stores) -> Tested {
    let url = "https://example.com/memory/safety/without/garbage/collection";
    stores.save(&person("alice"), url).await?;
    stores.index_all().await?;
    for (text, expected) in [
        ("memroy saftey garbgae collection", &[url][..]),
        ("memroy saftey garbgae colection", &[]),
        ("memroy memroy memroy memroy", &[url]),
    ] {
        assert_eq!(found(&stores, text, None).await?, expected, "{text:?}");
    }
    Ok(())
}
