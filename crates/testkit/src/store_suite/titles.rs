//! Titles of their own that cards have: shown to all who see the card instead of the page's, and found by them; nobody else learns of one.

use cardwire_domain::collection::AccessType;
use cardwire_domain::library::LibraryFilter;
use cardwire_domain::search::{Found, SearchHit, SearchRequest};
use cardwire_domain::use_cases::{AddUrlToLibrary, UpdateUrlCardAssociations};
use cardwire_domain::{CardId, DomainEvent, Error, UserId, Visibility};
use cardwire_events::Queue;

use super::pages::titled;
use super::scene::{all_pages, page, person, refused, saving, texts};
use super::{Stores, Tested};

const URL: &str = "https://example.com/growing";
const OTHER: &str = "https://example.org/teapot";

impl Stores {
    /// Saves the URL for everybody to see, called so.
    pub async fn save_called(&self, by: &UserId, url: &str, title: &str) -> anyhow::Result<CardId> {
        let command = AddUrlToLibrary { title: Some(title.into()), ..saving(url, None, &[]) };
        Ok(self.run(by, &command).await?.url_card_id)
    }

    pub async fn call(&self, by: &UserId, card: CardId, title: &str) -> cardwire_domain::Result<()> {
        let title = Some(title.to_owned());
        self.run(by, &UpdateUrlCardAssociations { card_id: card.to_string(), title, ..Default::default() }).await?;
        Ok(())
    }

    /// What the card is called, and what its owner calls it.
    async fn called(&self, card: CardId) -> anyhow::Result<(Option<String>, Option<String>)> {
        let kept = self.library.library_card(card, None).await?;
        Ok((kept.card.title, kept.own_title))
    }

    async fn hits_for(&self, text: &str, reader: Option<&UserId>, mine: bool) -> anyhow::Result<Vec<SearchHit>> {
        let request = SearchRequest { text: text.into(), reader: reader.cloned(), mine, kind: None };
        Ok(self.search.search(&request, &page(100, None)).await?.items)
    }

    /// The URLs that are found, and what they are called.
    async fn found_as(&self, text: &str, reader: Option<&UserId>) -> anyhow::Result<Vec<(String, String)>> {
        let hits = self.hits_for(text, reader, false).await?;
        Ok(hits.into_iter().map(|hit| (hit.url, hit.title.unwrap_or_default())).collect())
    }
}

fn some(title: &str) -> Option<String> {
    Some(title.to_owned())
}

pub async fn a_card_is_called_what_its_owner_calls_it_wherever_it_is_shown(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let shelf = stores.collection(&alice, "shelf", AccessType::Open).await?;
    let command = AddUrlToLibrary { title: some(" Leeks  under\u{a0}snow "), ..saving(URL, None, &[shelf]) };
    let hers = stores.run(&alice, &command).await?.url_card_id;
    let his = stores.save_with(&bob, URL, None, &[shelf]).await?.url_card_id;
    stores.work_off().await?;
    let own = some("Leeks under snow");
    assert_eq!(stores.called(hers).await?, (own.clone(), own.clone()), "nothing is known of the page yet");
    stores.fetched(URL, titled("Growing things")).await?;
    let pages = some("Growing things");
    assert_eq!(stores.called(hers).await?, (own.clone(), own.clone()));
    assert_eq!(stores.called(his).await?, (pages.clone(), None), "his has its page's");
    assert_eq!(stores.library.library_card(hers, None).await?.page.metadata.title, pages);
    assert_eq!(stores.library_of(&alice).await?[0].card.title, own);
    for reader in [None, Some(&alice), Some(&bob)] {
        let title = |card: CardId| if card == hers { &own } else { &pages };
        let cards = stores.collections.cards_in(shelf, reader, &page(10, None)).await?.items;
        assert_eq!(cards.len(), 2);
        assert!(cards.iter().all(|one| one.card.title == *title(one.card.id)), "{cards:?}");
        let feed = stores.feed_items(None).await?;
        assert_eq!(feed.len(), 2);
        assert!(feed.iter().all(|item| item.card.title == *title(item.card.id)), "{feed:?}");
    }
    stores.call(&alice, hers, "Leeks").await?;
    assert_eq!(stores.called(hers).await?.0, some("Leeks"));
    stores.save(&alice, URL).await?;
    assert_eq!(stores.called(hers).await?.0, some("Leeks"), "saving it again without a title leaves it");
    stores.save_called(&alice, URL, "Winter leeks").await?;
    assert_eq!(stores.called(hers).await?.0, some("Winter leeks"));
    stores.call(&alice, hers, " \n").await?;
    assert_eq!(stores.called(hers).await?, (pages, None));
    Ok(())
}

pub async fn a_changed_title_is_one_event_and_a_bad_one_changes_nothing(stores: Stores) -> Tested {
    let alice = person("alice");
    let card = stores.save_called(&alice, URL, "Leeks").await?;
    let events = stores.deliver(Queue::Search).await?;
    assert_eq!(events.len(), 1, "the save itself: {events:?}");
    stores.call(&alice, card, "Leeks").await?;
    assert_eq!(stores.deliver(Queue::Search).await?, [], "it was called so");
    let change = UpdateUrlCardAssociations {
        card_id: card.to_string(),
        title: some("Winter leeks"),
        note: some("sesame"),
        ..Default::default()
    };
    stores.run(&alice, &change).await?;
    let events: Vec<DomainEvent> = stores.deliver(Queue::Search).await?.into_iter().map(|one| one.event).collect();
    assert_eq!(events, [DomainEvent::CardNoteChanged { card_id: card, actor_id: alice.clone() }]);
    assert_eq!(stores.deliver(Queue::Feeds).await?.len(), 1, "the feed has heard of the save alone");
    for bad in ["a\nb", "a\u{7f}", "\u{200b}", "a\u{202e}b", &"x".repeat(501)] {
        let is_refused: fn(&Error) -> bool = |error| matches!(error, Error::Invalid { field, .. } if field == "title");
        refused(stores.call(&alice, card, bad).await, is_refused)?;
        let command = AddUrlToLibrary { title: some(bad), ..saving(OTHER, None, &[]) };
        refused(stores.run(&alice, &command).await, is_refused)?;
    }
    assert_eq!(stores.library_of(&alice).await?.len(), 1);
    let forbidden: fn(&Error) -> bool = |error| matches!(error, Error::Forbidden(_));
    refused(stores.call(&person("bob"), card, "His").await, forbidden)?;
    assert_eq!(stores.called(card).await?.0, some("Winter leeks"));
    assert_eq!(stores.deliver(Queue::Search).await?, []);
    Ok(())
}

/// A card's row is written once for each command, whatever the command changes of it.
pub async fn a_title_is_changed_along_with_everything_else(stores: Stores) -> Tested {
    let alice = person("alice");
    let shelf = stores.collection(&alice, "shelf", AccessType::Closed).await?;
    let card = stores.save_called(&alice, URL, "One").await?;
    for (title, visibility) in [
        ("Two", Visibility::Private),
        ("Three", Visibility::Public),
        ("", Visibility::Private),
        ("Four", Visibility::Public),
    ] {
        let change = UpdateUrlCardAssociations {
            card_id: card.to_string(),
            title: some(title),
            note: some(title),
            visibility: Some(visibility),
            add_to_collections: texts(&[shelf]),
            remove_from_collections: Vec::new(),
        };
        stores.run(&alice, &change).await?;
        let kept = stores.library.library_card(card, Some(&alice)).await?;
        assert_eq!(kept.own_title.unwrap_or_default(), title);
        assert_eq!(kept.note.map(|note| note.text.as_str().to_owned()).unwrap_or_default(), title);
        assert_eq!((kept.card.visibility, kept.collections.len()), (visibility, 1), "{title:?}");
    }
    let again = AddUrlToLibrary {
        title: some("Five"),
        visibility: Some(Visibility::Private),
        ..saving(URL, Some("five"), &[shelf])
    };
    stores.run(&alice, &again).await?;
    let kept = stores.library.library_card(card, Some(&alice)).await?;
    assert_eq!((kept.own_title, kept.card.visibility), (some("Five"), Visibility::Private));

    stores.remove(&alice, card).await?;
    assert!(stores.save(&alice, URL).await?.created);
    assert_eq!(stores.called(card).await?, (None, None), "it went with the card");
    stores.remove(&alice, card).await?;
    stores.save_called(&alice, URL, "Six").await?;
    assert_eq!(stores.called(card).await?.1, some("Six"), "a card that comes back can have one at once");
    Ok(())
}

pub async fn a_library_is_filtered_by_titles(stores: Stores) -> Tested {
    let alice = person("alice");
    stores.save_called(&alice, URL, "Leeks under snow").await?;
    stores.save_called(&alice, OTHER, "China").await?;
    stores.index_all().await?;
    stores.fetched(URL, titled("Growing things")).await?;
    for (text, expected) in [
        ("LEEKS", &[URL][..]),
        ("eek now", &[URL]),
        ("leeks things", &[URL]),
        ("china teapot", &[OTHER]),
        ("leeks teapot", &[]),
        ("example", &[OTHER, URL]),
    ] {
        let filter = LibraryFilter { text: some(text), uncollected: false, ..LibraryFilter::default() };
        let (library, owner, filter) = (&stores.library, &alice, &filter);
        let cards = all_pages(1, |page| async move { library.library(owner, filter, &page).await }).await?;
        let mut urls: Vec<String> = cards.into_iter().map(|card| card.card.url).collect();
        urls.sort_unstable_by(|one, other| other.cmp(one));
        assert_eq!(urls, expected, "{text:?}");
    }
    Ok(())
}

pub async fn everybody_who_sees_a_card_finds_it_by_its_title(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let hers = stores.save_called(&alice, URL, "Leeks under snow").await?;
    let his = stores.save_with(&bob, URL, Some("sesame"), &[]).await?.url_card_id;
    stores.save(&bob, OTHER).await?;
    stores.index_all().await?;
    stores.fetched(URL, titled("Vegetables in winter")).await?;
    let (as_hers, as_page) =
        ((URL.to_owned(), "Leeks under snow".to_owned()), (URL.to_owned(), "Vegetables in winter".to_owned()));
    for reader in [None, Some(&alice), Some(&bob)] {
        for text in ["leeks", "LEEK snow", "\"under snow\"", "leeks vegetables", "leeks growing", "leesk"] {
            assert_eq!(stores.found_as(text, reader).await?, std::slice::from_ref(&as_hers), "{text:?} by {reader:?}");
        }
        for text in ["leeks teapot", "\"snow vegetables\"", "leeks -winter"] {
            assert_eq!(stores.found_as(text, reader).await?, [], "{text:?} by {reader:?}");
        }
        let expected = if reader == Some(&alice) { &as_hers } else { &as_page };
        for text in ["vegetables", "growing", "winter -leeks"] {
            assert_eq!(stores.found_as(text, reader).await?, std::slice::from_ref(expected), "{text:?} by {reader:?}");
        }
    }
    let hits = stores.hits_for("leeks", None, false).await?;
    assert_eq!(hits[0].card_ids, if hers < his { [hers, his] } else { [his, hers] }, "a hit is a URL");
    assert_eq!(stores.hits_for("leeks", Some(&alice), true).await?.len(), 1);
    assert_eq!(stores.hits_for("leeks", Some(&bob), true).await?, [], "of his own, he called none so");
    assert_eq!(stores.found_as("leeks sesame", Some(&bob)).await?, [], "nor is it in what he wrote");

    stores.call(&alice, hers, "Onions").await?;
    stores.index_all().await?;
    assert_eq!(stores.found_as("leeks", None).await?, []);
    assert_eq!(stores.found_as("leesk", None).await?, []);
    assert_eq!(stores.found_as("onions", None).await?, [(URL.to_owned(), "Onions".to_owned())]);
    stores.remove(&alice, hers).await?;
    stores.index_all().await?;
    assert_eq!(stores.found_as("onions", None).await?, []);
    assert_eq!(stores.found_as("vegetables", None).await?, [as_page]);
    Ok(())
}

/// The page may be dead, and its title may be that of the card.
pub async fn a_title_finds_what_its_page_does_not_say(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    stores.save_called(&alice, URL, "Leeks under snow").await?;
    stores.index_all().await?;
    assert_eq!(stores.found_as("leeks", Some(&bob)).await?.len(), 1, "nothing is known of the page");
    assert_eq!(stores.found_as("growing", Some(&bob)).await?, [(URL.to_owned(), "Leeks under snow".to_owned())]);
    for (of_page, text) in [("Leeks", "snow"), ("Leeks under snow: a guide", "leeks guide"), ("Onions", "onions snow")]
    {
        stores.time.advance(std::time::Duration::from_secs(8 * 86_400)).await;
        stores.fetched(URL, titled(of_page)).await?;
        assert_eq!(stores.found_as(text, Some(&bob)).await?.len(), 1, "{of_page:?}");
        assert_eq!(stores.found_as("leeks", Some(&bob)).await?.len(), 1, "{of_page:?}");
        assert_eq!(stores.found_as("sonw", Some(&bob)).await?.len(), 1, "{of_page:?}");
    }
    assert_eq!(stores.found_as("guide", None).await?, [], "no page says so any more");
    let before = stores.found_as("snow", None).await?;
    let mut after = None;
    while let Some(portion) = stores.search.reindex(after, 1).await? {
        after = Some(portion.last);
    }
    assert_eq!(stores.found_as("snow", None).await?, before, "indexing it again changes nothing");
    Ok(())
}

pub async fn a_title_counts_as_much_as_that_of_a_page(stores: Stores) -> Tested {
    let alice = person("alice");
    let (titled_so, described_so) = ("https://one.example/1", "https://two.example/2");
    stores.save_called(&alice, titled_so, "Teapots").await?;
    stores.save(&alice, described_so).await?;
    stores.index_all().await?;
    let metadata = cardwire_domain::metadata::Metadata {
        title: some("China"),
        description: some("All about teapots"),
        ..Default::default()
    };
    stores.fetched(described_so, metadata).await?;
    let urls: Vec<String> = stores.found_as("teapots", None).await?.into_iter().map(|(url, _)| url).collect();
    assert_eq!(urls, [titled_so, described_so]);
    for number in 0..5 {
        stores.save_called(&person(&format!("p{number}")), titled_so, &format!("Teapots {number}")).await?;
    }
    stores.index_all().await?;
    let all = all_pages(1, |page| {
        let request = SearchRequest { text: "teapots".into(), ..SearchRequest::default() };
        let search = stores.search.clone();
        async move { search.search(&request, &page).await.map(Found::page) }
    });
    let urls: Vec<String> = all.await?.into_iter().map(|hit| hit.url).collect();
    assert_eq!(urls, [titled_so, described_so], "each URL once, however many cards are called so");
    Ok(())
}

/// Titles, pages and notes of one URL are each found by some of these words whole, and by others begun or in part.
pub async fn a_title_is_read_by_the_rules_of_all_words(stores: Stores) -> Tested {
    let (alice, bob, other) = (person("alice"), person("bob"), "https://example.org/growings");
    stores.save_called(&alice, URL, "Dvořák grow 図書館で Donaudampfschiff").await?;
    stores.save_with(&bob, URL, Some("grow"), &[]).await?;
    let private = AddUrlToLibrary {
        title: some("Größe growing"),
        visibility: Some(Visibility::Private),
        ..saving(other, None, &[])
    };
    stores.run(&alice, &private).await?;
    stores.save(&bob, other).await?;
    stores.index_all().await?;
    stores.fetched(URL, titled("Growth")).await?;
    for (text, hers, everybodys) in [
        ("dvorak", &[URL][..], &[URL][..]),
        ("DVOŘÁK 図書館", &[URL], &[URL]),
        ("dampf growth", &[URL], &[URL]),
        ("grow", &[URL, other], &[URL, other]),
        ("growing", &[other, URL], &[URL, other]),
        ("grosse", &[other], &[]),
        ("grosse growings", &[other], &[]),
        ("grow -dvorak", &[URL, other], &[URL, other]),
    ] {
        for (reader, expected) in [(Some(&alice), hers), (Some(&bob), everybodys), (None, everybodys)] {
            let request = SearchRequest { text: text.into(), reader: reader.cloned(), ..SearchRequest::default() };
            let (search, request) = (&stores.search, &request);
            let hits = all_pages(1, |page| async move { search.search(request, &page).await.map(Found::page) }).await?;
            let urls: Vec<&str> = hits.iter().map(|hit| hit.url.as_str()).collect();
            assert_eq!(urls, expected, "{text:?} by {reader:?}");
        }
    }
    Ok(())
}

pub async fn the_title_of_a_private_card_is_its_owners_alone(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    // Everybody sees that bob keeps it.
    stores.save(&bob, URL).await?;
    stores.index_all().await?;
    stores.fetched(URL, titled("Growing things")).await?;
    let private = AddUrlToLibrary {
        title: some("Saffron robes"),
        visibility: Some(Visibility::Private),
        ..saving(URL, None, &[])
    };
    let card = stores.run(&alice, &private).await?.url_card_id;
    stores.index_all().await?;
    let check = async |stores: &Stores, others_find_it: bool, when: &str| -> Tested {
        let hers = [(URL.to_owned(), "Saffron robes".to_owned())];
        for text in ["saffron", "robe saffron", "\"saffron robes\"", "growing saffron", "safrfon"] {
            assert_eq!(stores.found_as(text, Some(&alice)).await?, hers, "{text:?} {when}");
            for reader in [None, Some(&bob)] {
                let expected = if others_find_it { &hers[..] } else { &[] };
                assert_eq!(stores.found_as(text, reader).await?, expected, "{text:?} by {reader:?} {when}");
            }
        }
        for reader in [None, Some(&bob)] {
            let called = stores.found_as("growing", reader).await?;
            assert_eq!(called, [(URL.to_owned(), "Growing things".to_owned())], "by {reader:?} {when}");
        }
        Ok(())
    };
    check(&stores, false, "as it is saved").await?;
    stores.let_see(&alice, card, Visibility::Public).await?;
    stores.index_all().await?;
    check(&stores, true, "made public").await?;
    stores.let_see(&alice, card, Visibility::Private).await?;
    check(&stores, false, "made private, before anybody has heard of it").await?;
    stores.index_all().await?;
    check(&stores, false, "made private").await?;

    // With a new name that nobody has seen, while its page is fetched again.
    stores.let_see(&alice, card, Visibility::Public).await?;
    stores.index_all().await?;
    let change = UpdateUrlCardAssociations {
        card_id: card.to_string(),
        title: some("Marmalade"),
        visibility: Some(Visibility::Private),
        ..Default::default()
    };
    stores.run(&alice, &change).await?;
    stores.time.advance(std::time::Duration::from_secs(8 * 86_400)).await;
    stores.fetched(URL, titled("Growing other things")).await?;
    for text in ["marmalade", "marmalaed", "saffron"] {
        assert_eq!(stores.found_as(text, Some(&bob)).await?, [], "{text:?}");
    }
    stores.index_all().await?;
    assert_eq!(stores.found_as("marmalade", Some(&alice)).await?.len(), 1);
    assert_eq!(stores.found_as("marmalade", Some(&bob)).await?, []);
    assert_eq!(stores.found_as("saffron", Some(&alice)).await?, []);
    Ok(())
}
