//! Search: the cards' current rows, each private note for its author alone.

use std::collections::BTreeSet;

use cardwire_domain::search::SearchHit;
use cardwire_domain::{RecordedEvent, UserId};
use cardwire_events::Queue;

use super::scene::{Draws, all_pages, at_once, page, person, sorted};
use super::{Stores, Tested};

const URL: &str = "https://example.com/rust/ownership";

async fn hits(stores: &Stores, text: &str, reader: Option<&UserId>) -> anyhow::Result<Vec<SearchHit>> {
    Ok(stores.search.search(text, reader, &page(100, None)).await?.items)
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
    let (search, reader) = (&stores.search, &alice);
    for limit in [1, 7, 25, 100] {
        let hits = all_pages(limit, |page| async move { search.search("rust", Some(reader), &page).await }).await?;
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
