//! New rules for URLs: cards that were stored under earlier ones are found by the new ones, and two that turn out to be of one link become one.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use cardwire_domain::collection::AccessType;
use cardwire_domain::library::LibraryCard;
use cardwire_domain::metadata::{FetchPolicy, PageInfo};
use cardwire_domain::note::NoteText;
use cardwire_domain::search::{SearchHit, SearchRequest};
use cardwire_domain::url::CardUrl;
use cardwire_domain::use_cases::{HideCard, RenewIdentity, Renewed, UpdateUrlCardAssociations, renew_identities};
use cardwire_domain::{Card, CardId, Changes, CollectionId, DomainEvent, Error, UserId, Visibility};
use cardwire_events::Queue;

use super::leaving::dropped_at;
use super::pages::titled;
use super::scene::{Draws, PLENTY, at_once, page, person, refused, sorted};
use super::{Stores, Tested};

use Visibility::{Private, Public};

/// A card of the time before: its URL, and what made its identity then.
type Before<'a> = (&'a str, &'a str);

impl Stores {
    pub(super) async fn kept_before(
        &self,
        owner: &UserId,
        (given, normalised): Before<'_>,
        note: Option<&str>,
        collections: &[CollectionId],
    ) -> anyhow::Result<CardId> {
        // Each a second later than the one before.
        self.time.advance(Duration::from_secs(1)).await;
        let mut tx = self.store.begin().await?;
        let collections = tx.collections(collections).await?;
        let mut changes = Changes::default();
        let url = CardUrl::from_stored(given.into(), normalised.into());
        let mut card = Card::create(owner.clone(), url, None, &mut changes);
        card.add_to_library(Public, &mut changes);
        card.set_note(note.map(NoteText::parse).transpose()?.flatten(), false, &mut changes);
        for collection in &collections {
            card.add_to_collection(collection, &mut changes)?;
        }
        tx.commit(changes).await?;
        Ok(card.id)
    }

    /// Looks at all cards that are there as if they were of the time before.
    pub(super) async fn renew(&self, portion: usize) -> Tested {
        self.time.outdate().await;
        self.look_at_all(portion).await
    }

    async fn look_at_all(&self, portion: usize) -> Tested {
        let mut after = None;
        for _ in 0..PLENTY {
            let Renewed { last, failed } = renew_identities(&*self.store, after, portion).await?;
            ensure!(failed.is_empty(), "{failed:?}");
            if last.is_none() {
                return Ok(());
            }
            after = last;
        }
        bail!("the portions do not end")
    }

    async fn found_by(&self, text: &str, reader: Option<&UserId>) -> anyhow::Result<Vec<SearchHit>> {
        let request = SearchRequest { text: text.into(), reader: reader.cloned(), ..SearchRequest::default() };
        Ok(self.search.search(&request, &page(100, None)).await?.items)
    }

    async fn trends(&self) -> anyhow::Result<Vec<(String, u64)>> {
        let top = self.analytics.top_urls(7, 100).await?;
        Ok(sorted(top.into_iter().map(|top| (top.url, top.saves)).collect()))
    }
}

fn note_of(card: &LibraryCard) -> Option<&str> {
    card.note.as_ref().map(|note| note.text.as_str())
}

fn names_of(card: &LibraryCard) -> Vec<&str> {
    sorted(card.collections.iter().map(|collection| collection.name.as_str()).collect())
}

pub async fn a_card_is_found_by_the_rules_of_today(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let shelf = stores.collection(&alice, "shelf", AccessType::Closed).await?;
    let old = "https://example.com/garden?igsh=1";
    let card = stores.kept_before(&alice, (old, old), Some("pruning"), &[shelf]).await?;
    let typed = stores.kept_before(&alice, ("https:/slash.example/x", "https://slash.example/x"), None, &[]).await?;
    stores.work_off().await?;
    for job in stores.due().await? {
        let outcome = Ok(titled("Wheelbarrows"));
        ensure!(stores.pages.finish_fetch(&job, &outcome, &FetchPolicy::default()).await?);
    }
    let (before, feed) = (stores.library.library_card(card, Some(&alice)).await?, stores.feed_items(None).await?);

    stores.renew(1).await?;
    ensure!(stores.lease_all(&[Queue::Feeds]).await?.is_empty(), "it is no news");
    let saved = stores.save(&alice, "https://example.com/garden#roses").await?;
    ensure!((saved.url_card_id, saved.created) == (card, false), "{saved:?}");
    stores.work_off().await?;
    ensure!(stores.library.library_card(card, Some(&alice)).await? == before, "all of it is as it was");
    ensure!(
        stores.library.library_card(typed, Some(&alice)).await?.card.url == "https://slash.example/x",
        "it leads there"
    );
    ensure!(stores.library_of(&alice).await?.len() == 2);
    let told = stores.feed_items(None).await?;
    ensure!(feed.len() == 2 && told.iter().map(|item| item.id).eq(feed.iter().map(|item| item.id)), "{told:?}");

    // Their pages are one, and what was known of it is known.
    let his = stores.save(&bob, "https://example.com/garden").await?.url_card_id;
    stores.work_off().await?;
    ensure!(stores.due().await?.is_empty(), "it is known");
    ensure!(stores.pages.page(&CardUrl::from_stored(old.into(), old.into())).await? == PageInfo::default());
    let hits = stores.found_by("wheelbarrows garden", None).await?;
    ensure!(hits.len() == 1 && sorted(hits[0].card_ids.clone()) == sorted(vec![card, his]), "{hits:?}");
    ensure!(stores.found_by("pruning", Some(&alice)).await?.len() == 1);
    ensure!(stores.trends().await? == vec![(old.to_owned(), 2), ("https://slash.example/x".to_owned(), 1)]);
    Ok(())
}

pub async fn two_cards_of_one_link_become_the_older_one(stores: Stores) -> Tested {
    let (first, second) = (
        ("https://example.com/%7Euser", "https://example.com/%7Euser"),
        ("https://example.com/~user", "https://example.com/~user"),
    );
    let mut kept = Vec::new();
    // Either of them may have the place already.
    for (name, older, younger) in [("alice", first, second), ("bob", second, first)] {
        let owner = person(name);
        let mut shelves = Vec::new();
        for shelf in ["both", "one", "two"] {
            shelves.push(stores.collection(&owner, &format!("{name} {shelf}"), AccessType::Closed).await?);
        }
        let [both, one, two] = shelves[..] else { bail!("{shelves:?}") };
        let old = stores.kept_before(&owner, older, Some("old words"), &[one, both]).await?;
        let young = stores.kept_before(&owner, younger, Some("young words"), &[both, two]).await?;
        stores.work_off().await?;
        let added_at = stores.collections.cards_in(two, Some(&owner), &page(10, None)).await?.items[0].added_at;
        let before = stores.library.library_card(old, Some(&owner)).await?;
        let feed = stores.feed_items(Some(&owner)).await?;
        ensure!(feed.len() == 2);

        stores.renew(10).await?;
        for is_worked_off in [false, true] {
            if is_worked_off {
                stores.work_off().await?;
            }
            let library = stores.library_of(&owner).await?;
            let [card] = &library[..] else { bail!("{library:?}") };
            ensure!((card.card.id, card.added_at) == (old, before.added_at));
            ensure!(card.card.url == older.0, "{}", card.card.url);
            ensure!(note_of(card) == Some("old words\n\nyoung words"), "{:?}", card.note);
            ensure!(
                names_of(card) == [format!("{name} both"), format!("{name} one"), format!("{name} two")],
                "{card:?}"
            );
            let moved = stores.collections.cards_in(two, Some(&owner), &page(10, None)).await?.items;
            ensure!(moved.len() == 1 && (moved[0].card.id, moved[0].added_at) == (old, added_at), "{moved:?}");
            for shelf in [both, one, two] {
                ensure!(stores.collections.collection(shelf, Some(&owner)).await?.card_count == 1);
            }
            refused(stores.library.library_card(young, Some(&owner)).await, |error| {
                matches!(error, Error::NotFound { .. })
            })?;
            let told = stores.feed_items(Some(&owner)).await?;
            ensure!(told.len() == 1 && told[0].card.id == old, "nothing is told again: {told:?}");
            ensure!(feed.iter().any(|item| item.id == told[0].id));
        }
        for spelling in [first.0, second.0, "https://example.com/%7euser#top"] {
            let saved = stores.save(&owner, spelling).await?;
            ensure!((saved.url_card_id, saved.created) == (old, false), "{spelling}: {saved:?}");
        }
        ensure!(stores.found_by("old young", Some(&owner)).await?.len() == 1);
        kept.push(old);
        let hits = stores.found_by("user", None).await?;
        ensure!(hits.len() == 1 && sorted(hits[0].card_ids.clone()) == sorted(kept.clone()), "{hits:?}");
        let trends = stores.trends().await?;
        ensure!(trends.len() == 1 && trends[0].1 == kept.len() as u64, "{trends:?}");
    }
    // Cards that were merged are not looked at for ever.
    stores.renew(10).await?;
    ensure!(renew_identities(&*stores.store, None, 10).await?.last.is_none());
    Ok(())
}

pub async fn a_merged_card_is_as_private_and_as_hidden_as_either_was(stores: Stores) -> Tested {
    let visibilities =
        [(Public, Public, Public), (Public, Private, Private), (Private, Public, Private), (Private, Private, Private)];
    for (number, (older, younger, expected)) in visibilities.into_iter().enumerate() {
        for (hidden, named) in [(None, "neither"), (Some(0), "former"), (Some(1), "latter")] {
            let owner = person(&format!("{named}{number}"));
            let path = format!("https://example.com/{number}/{named}");
            let shelf = stores.collection(&owner, "shelf", AccessType::Closed).await?;
            let (one, two) = (format!("{path}/%7e"), format!("{path}/~"));
            let old = stores.kept_before(&owner, (&one, &one), None, &[]).await?;
            let young = stores.kept_before(&owner, (&two, &two), None, &[shelf]).await?;
            for (card, visibility) in [(old, older), (young, younger)] {
                stores.let_see(&owner, card, visibility).await?;
            }
            if let Some(which) = hidden {
                let card_id = [old, young][which].to_string();
                stores.run(&person("admin"), &HideCard { card_id, reason: "spam".into() }).await?;
            }
            stores.renew(10).await?;
            stores.work_off().await?;
            let card = stores.library.library_card(old, Some(&owner)).await?;
            ensure!((card.card.visibility, card.card.is_hidden) == (expected, hidden.is_some()), "{card:?}");
            let is_seen = expected == Public && hidden.is_none();
            ensure!(stores.library.library_card(old, None).await.is_ok() == is_seen, "{card:?}");
            let seen = stores.collections.cards_in(shelf, None, &page(10, None)).await?.items;
            ensure!(seen.len() == usize::from(is_seen), "{seen:?}");
            ensure!(stores.found_by(&format!("{number} {named}"), None).await?.len() == usize::from(is_seen));
            ensure!(stores.feed_items(Some(&owner)).await?.len() == usize::from(is_seen));
        }
    }
    Ok(())
}

pub async fn cards_outside_of_the_library_are_found_and_stay_hidden(stores: Stores) -> Tested {
    let (alice, bob, old) = (person("alice"), person("bob"), "https://example.com/?fbclid=x&igsh=1");
    let card = stores.kept_before(&alice, (old, "https://example.com/?igsh=1"), None, &[]).await?;
    stores.remove(&alice, card).await?;
    // His older one is hidden, and neither saving the link again nor merging lets it be seen.
    let hidden = stores.kept_before(&bob, (old, "https://example.com/?igsh=1"), None, &[]).await?;
    stores.run(&person("admin"), &HideCard { card_id: hidden.to_string(), reason: "spam".into() }).await?;
    stores.remove(&bob, hidden).await?;
    let kept = stores.kept_before(&bob, ("https://example.com/", "https://example.com/"), None, &[]).await?;
    stores.renew(10).await?;
    stores.work_off().await?;
    let saved = stores.save(&alice, "https://example.com/").await?;
    ensure!((saved.url_card_id, saved.created) == (card, true), "the same card again: {saved:?}");
    let his = stores.library_of(&bob).await?;
    ensure!(his.len() == 1 && his[0].card.id == kept && his[0].card.is_hidden, "{his:?}");
    ensure!(stores.library.library_card(kept, None).await.is_err());
    Ok(())
}

pub async fn a_card_in_another_place_makes_room_first(stores: Stores) -> Tested {
    let (route, page_itself) = ("https://example.com/#/inbox", "https://example.com/?igsh=1");
    for (name, route_first) in [("alice", true), ("bob", false)] {
        let owner = person(name);
        let mut cards = [(route, "https://example.com/"), (page_itself, page_itself)];
        if !route_first {
            cards.reverse();
        }
        let mut ids = Vec::new();
        for before in cards {
            ids.push((before.0, stores.kept_before(&owner, before, Some(before.0), &[]).await?));
        }
        stores.work_off().await?;
        stores.renew(1).await?;
        // The last to be changed is indexed first.
        let mut events = stores.deliver(Queue::Search).await?;
        events.reverse();
        for event in &events {
            stores.search.index(std::slice::from_ref(event)).await?;
        }
        stores.work_off().await?;
        for (url, id) in ids {
            ensure!(stores.save(&owner, url).await?.url_card_id == id, "{url}");
            let card = stores.library.library_card(id, Some(&owner)).await?;
            ensure!(note_of(&card) == Some(url), "{card:?}");
        }
        ensure!(stores.library_of(&owner).await?.len() == 2);
    }
    ensure!(stores.found_by("example", None).await?.len() == 2);
    ensure!(stores.found_by("inbox", None).await?.len() == 1);
    ensure!(stores.trends().await?.iter().map(|(_, saves)| *saves).eq([2, 2]));
    Ok(())
}

pub async fn notes_that_were_joined_may_stay_however_long_they_are(stores: Stores) -> Tested {
    let (alice, half) = (person("alice"), format!("two\r\nlines {}", "x".repeat(6_000)));
    let mut cards = Vec::new();
    for (url, note) in [("https://example.com/%7e", half.clone()), ("https://example.com/~", half.replace('x', "y"))] {
        cards.push(stores.kept_before(&alice, (url, url), Some(&note), &[]).await?);
    }
    stores.renew(10).await?;
    let joined = format!("{half}\n\n{}", half.replace('x', "y"));
    // As the form sends it back, with another title.
    let change = UpdateUrlCardAssociations {
        card_id: cards[0].to_string(),
        title: Some("Tilde".into()),
        note: Some(joined.replace("\r\n", "\n")),
        ..Default::default()
    };
    stores.run(&alice, &change).await?;
    let card = stores.library.library_card(cards[0], Some(&alice)).await?;
    ensure!((card.own_title.as_deref(), note_of(&card)) == (Some("Tilde"), Some(joined.as_str())));
    let longer = UpdateUrlCardAssociations { note: Some(joined + "!"), ..change };
    refused(stores.run(&alice, &longer).await, |error| matches!(error, Error::Invalid { .. }))?;
    Ok(())
}

pub async fn cards_in_each_others_places_stay_as_they_are(stores: Stores) -> Tested {
    let (alice, one, two) = (person("alice"), "https://example.com/1", "https://example.com/2");
    let cards = [
        stores.kept_before(&alice, (one, two), Some("one"), &[]).await?,
        stores.kept_before(&alice, (two, one), Some("two"), &[]).await?,
    ];
    stores.time.outdate().await;
    let renewed = dropped_at(renew_identities(&*stores.store, None, 10), PLENTY).await.context("it does not end")??;
    let failed: Vec<CardId> = renewed.failed.into_iter().map(|(card, _)| card).collect();
    ensure!(sorted(failed) == sorted(cards.to_vec()), "{cards:?}");
    for (card, note) in cards.into_iter().zip(["one", "two"]) {
        let card = stores.library.library_card(card, Some(&alice)).await?;
        ensure!(note_of(&card) == Some(note), "{card:?}");
    }
    Ok(())
}

/// The younger of two was renamed already, by another process or for an import, and analytics comes only after both have become one.
pub async fn urls_that_nobody_has_any_more_are_not_counted(stores: Stores) -> Tested {
    let alice = person("alice");
    let mut cards = Vec::new();
    for url in ["https://example.com/?igsh=1", "https://example.com/?fbclid=2"] {
        cards.push(stores.kept_before(&alice, (url, url), None, &[]).await?);
    }
    stores.work_off().await?;
    let saves = async || {
        let domains = stores.analytics.top_domains(7, 10).await?;
        anyhow::Ok(domains.into_iter().map(|top| (top.domain, top.saves)).collect::<Vec<_>>())
    };
    ensure!(saves().await? == [("example.com".to_owned(), 2)]);
    stores.time.outdate().await;
    stores.run(&alice, &RenewIdentity { card_id: cards[1] }).await?;
    stores.look_at_all(10).await?;
    ensure!(stores.library_of(&alice).await?.len() == 1);
    stores.work_off().await?;
    ensure!(saves().await? == [("example.com".to_owned(), 1)], "{:?}", saves().await?);
    Ok(())
}

pub async fn a_url_that_is_refused_today_stays_as_it_is(stores: Stores) -> Tested {
    let (alice, odd) = (person("alice"), "gopher://example.com/x");
    let card = stores.kept_before(&alice, (odd, odd), Some("odd"), &[]).await?;
    stores.renew(10).await?;
    ensure!(renew_identities(&*stores.store, None, 10).await?.last.is_none(), "it was looked at");
    let card = stores.library.library_card(card, Some(&alice)).await?;
    ensure!(card.card.url == odd && note_of(&card) == Some("odd"), "{card:?}");
    Ok(())
}

pub async fn new_rules_take_effect_in_any_order_of_events(stores: Stores) -> Tested {
    let mut draws = Draws::seeded(5);
    for round in 0..8 {
        let owner = person(&format!("person{round}"));
        let (one, two) = (format!("https://example.com/%7e{round}"), format!("https://example.com/~{round}"));
        let alone = format!("https://example.com/alone/{round}?igsh=x");
        let old = stores.kept_before(&owner, (&one, &one), Some("one"), &[]).await?;
        stores.kept_before(&owner, (&two, &two), Some("two"), &[]).await?;
        let other = stores.kept_before(&owner, (&alone, &alone), None, &[]).await?;
        if round % 2 == 0 {
            stores.work_off().await?;
        }
        stores.renew(10).await?;
        let mut events: Vec<_> = stores.deliver(Queue::Search).await?.into_iter().map(|event| (event, true)).collect();
        events.extend(stores.deliver(Queue::Analytics).await?.into_iter().map(|event| (event, false)));
        draws.shuffle(&mut events);
        for (event, is_search) in &events {
            let event = std::slice::from_ref(event);
            match is_search {
                true => stores.search.index(event).await?,
                false => stores.analytics.count(event).await?,
            };
        }
        stores.flush_feed().await?;
        let hits = stores.found_by(&round.to_string(), Some(&owner)).await?;
        let cards: Vec<CardId> = hits.iter().flat_map(|hit| hit.card_ids.clone()).collect();
        ensure!(hits.len() == 2 && sorted(cards) == sorted(vec![old, other]), "{hits:?}");
        ensure!(stores.found_by("one two", Some(&owner)).await?.len() == 1);
        let trends = stores.trends().await?;
        ensure!(trends.len() == 2 * (round + 1) && trends.iter().all(|(_, saves)| *saves == 1), "{trends:?}");
    }
    Ok(())
}

/// Of each link two cards with a note, in a collection, and their notes together.
async fn doubled(stores: &Stores, owner: &UserId, links: usize) -> anyhow::Result<Vec<String>> {
    let shelf = stores.collection(owner, "shelf", AccessType::Closed).await?;
    let mut notes = Vec::new();
    for number in 0..links {
        for (path, note) in
            [(format!("%7e{number}"), format!("a{number}")), (format!("~{number}"), format!("b{number}"))]
        {
            let url = format!("https://example.com/{path}");
            stores.kept_before(owner, (&url, &url), Some(&note), &[shelf]).await?;
        }
        notes.push(format!("a{number}\n\nb{number}"));
    }
    stores.time.outdate().await;
    Ok(sorted(notes))
}

async fn notes(stores: &Stores, owner: &UserId) -> anyhow::Result<Vec<String>> {
    let library = stores.library_of(owner).await?;
    Ok(sorted(library.iter().map(|card| note_of(card).unwrap_or_default().to_owned()).collect()))
}

pub async fn looking_at_cards_goes_on_wherever_it_was_stopped(stores: Stores) -> Tested {
    let alice = person("alice");
    let expected = doubled(&stores, &alice, 8).await?;
    for step in 0..PLENTY {
        dropped_at(renew_identities(&*stores.store, None, 3), step % 40).await;
        match renew_identities(&*stores.store, None, 1).await {
            // A server may not know yet that those who had the others are gone.
            Ok(Renewed { last: None, .. }) if notes(&stores, &alice).await? == expected => {
                stores.work_off().await?;
                ensure!(stores.found_by("example", None).await?.len() == expected.len());
                let trends = stores.trends().await?;
                ensure!(trends.len() == expected.len() && trends.iter().all(|(_, saves)| *saves == 1), "{trends:?}");
                return Ok(());
            }
            Ok(_) | Err(Error::Stale | Error::Unavailable(_)) => {}
            Err(other) => return Err(other).context("looking at some cards"),
        }
    }
    bail!("it does not end")
}

pub async fn parallel_looks_and_saves_lose_nothing(stores: Stores) -> Tested {
    let alice = person("alice");
    let expected = doubled(&stores, &alice, 6).await?;
    let looks = (0..4).map(|_| {
        let stores = stores.clone();
        tokio::spawn(async move { stores.look_at_all(2).await.is_ok() })
    });
    let looks: Vec<_> = looks.collect();
    let saves = (0..6).map(|number| {
        let (stores, alice) = (stores.clone(), alice.clone());
        async move { stores.save(&alice, &format!("https://example.com/%7E{number}")).await.map(drop) }
    });
    for saved in at_once(saves).await? {
        saved?;
    }
    for look in looks {
        // One that met another may have given up; what it left is found again.
        look.await?;
    }
    stores.look_at_all(100).await?;
    ensure!(notes(&stores, &alice).await? == expected);
    stores.work_off().await?;
    ensure!(stores.found_by("example", None).await?.len() == 6);
    ensure!(stores.trends().await?.iter().map(|(_, saves)| *saves).eq([1; 6]));
    Ok(())
}

pub async fn cards_of_people_who_leave_are_left_alone(stores: Stores) -> Tested {
    let (alice, bob) = (stores.sign_up("alice").await?, person("bob"));
    let old = "https://example.com/?igsh=1";
    for owner in [&alice.user.id, &bob] {
        stores.kept_before(owner, (old, old), Some("words"), &[]).await?;
    }
    ensure!(stores.accounts.delete_account(&alice).await?);
    stores.renew(10).await?;
    let events = stores.deliver(Queue::Search).await?;
    let changed = events.iter().filter(|event| matches!(event.event, DomainEvent::CardUrlChanged { .. }));
    ensure!(changed.map(|event| event.event.actor_id()).eq([&bob]));
    stores.search.index(&events).await?;
    stores.let_leave().await?;
    ensure!(stores.library_of(&alice.user.id).await?.is_empty());
    ensure!(stores.save(&bob, "https://example.com/").await.is_ok_and(|saved| !saved.created));
    Ok(())
}
