//! What others do not see: private cards and collections, and cards that an administrator hides.

use std::time::Duration;

use cardwire_domain::collection::AccessType;
use cardwire_domain::imports::{ImportRow, NewImport, RowOutcome};
use cardwire_domain::library::LibraryFilter;
use cardwire_domain::search::{Found, SearchHit, SearchRequest};
use cardwire_domain::use_cases::{
    AddUrlToLibrary, CreateCollection, DeleteCollection, HideCard, LeaveCollection, ShowCard, UpdateCollection,
    UpdateUrlCardAssociations,
};
use cardwire_domain::{CardId, CollectionId, Error, ImportId, UserId, Visibility};
use cardwire_events::Queue;

use super::pages::titled;
use super::scene::{
    all_pages, at_once, begin_import, creating, importing, page, person, refused, saving, sorted, texts,
};
use super::{Stores, Tested};

const URL: &str = "https://example.com/page";
const OTHER: &str = "https://example.com/page/other";

impl Stores {
    pub async fn save_privately(
        &self,
        by: &UserId,
        url: &str,
        note: Option<&str>,
        collections: &[CollectionId],
    ) -> anyhow::Result<CardId> {
        let command = AddUrlToLibrary { visibility: Some(Visibility::Private), ..saving(url, note, collections) };
        Ok(self.run(by, &command).await?.url_card_id)
    }

    pub async fn let_see(&self, by: &UserId, card: CardId, visibility: Visibility) -> cardwire_domain::Result<()> {
        let visibility = Some(visibility);
        self.run(by, &UpdateUrlCardAssociations { card_id: card.to_string(), visibility, ..Default::default() })
            .await?;
        Ok(())
    }

    /// Works off all queues.
    pub async fn work_off(&self) -> Tested {
        self.flush_feed().await?;
        self.index_all().await?;
        self.analytics.count(&self.deliver(Queue::Analytics).await?).await?;
        self.records.owe(&self.deliver(Queue::Records).await?, false).await?;
        Ok(())
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. })
}

/// Refuses anything but that what was named does not exist.
fn missing<T: std::fmt::Debug>(attempt: anyhow::Result<T>) -> Tested {
    let error = attempt.expect_err("it does not exist for them").downcast::<Error>()?;
    assert!(is_missing(&error), "{error}");
    Ok(())
}

async fn hits(stores: &Stores, text: &str, reader: Option<&UserId>) -> anyhow::Result<Vec<SearchHit>> {
    let request = SearchRequest { text: text.into(), reader: reader.cloned(), ..SearchRequest::default() };
    Ok(stores.search.search(&request, &page(100, None)).await?.items)
}

/// The URLs found, sorted.
async fn urls(stores: &Stores, text: &str, reader: Option<&UserId>) -> anyhow::Result<Vec<String>> {
    Ok(sorted(hits(stores, text, reader).await?.into_iter().map(|hit| hit.url).collect()))
}

/// The cards that the reader sees in a collection, which must be as many as it says.
async fn cards(stores: &Stores, id: CollectionId, reader: Option<&UserId>) -> anyhow::Result<Vec<CardId>> {
    let cards = stores.collections.cards_in(id, reader, &page(100, None)).await?.items;
    assert_eq!(stores.collections.collection(id, reader).await?.card_count, cards.len() as u64, "to {reader:?}");
    Ok(cards.into_iter().map(|card| card.card.id).collect())
}

async fn trending(stores: &Stores) -> anyhow::Result<Vec<(String, u64)>> {
    Ok(stores.analytics.top_urls(7, 100).await?.into_iter().map(|top| (top.url, top.saves)).collect())
}

async fn hide(stores: &Stores, card: CardId) -> cardwire_domain::Result<bool> {
    let command = HideCard { card_id: card.to_string(), reason: "spam".into() };
    Ok(stores.run(&person("admin"), &command).await?.changed)
}

async fn show(stores: &Stores, card: CardId) -> cardwire_domain::Result<bool> {
    Ok(stores.run(&person("admin"), &ShowCard { card_id: card.to_string() }).await?.changed)
}

pub async fn a_private_card_exists_for_its_owner_alone(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let start = stores.feed.stream_end().await?;
    let open = stores.collection(&bob, "open", AccessType::Open).await?;
    let card = stores.save_privately(&alice, URL, Some("sesame"), &[open]).await?;
    for is_worked_off in [false, true] {
        if is_worked_off {
            stores.work_off().await?;
        }
        for reader in [None, Some(&bob)] {
            refused(stores.library.library_card(card, reader).await, is_missing)?;
            assert_eq!(cards(&stores, open, reader).await?, []);
            for text in ["page", "sesame", "exmaple"] {
                assert_eq!(hits(&stores, text, reader).await?, [], "{text} to {reader:?}");
            }
        }
        assert_eq!(stores.feed_items(None).await?, []);
        assert_eq!(stores.feed_items(Some(&alice)).await?, []);
        assert_eq!(stores.feed.stream(start, 10).await?, []);
        assert_eq!(trending(&stores).await?, []);
        assert_eq!(stores.analytics.top_domains(7, 10).await?, []);
        assert_eq!(stores.analytics.by_kind(7).await?, []);
        let counted = stores.analytics.summary(2).await?;
        assert!(counted.iter().all(|day| (day.saves, day.active_curators, day.new_cards) == (0, 0, 0)), "{counted:?}");
    }

    let hers = stores.library.library_card(card, Some(&alice)).await?;
    assert_eq!((hers.card.visibility, hers.card.is_hidden), (Visibility::Private, false));
    assert_eq!(stores.library_of(&alice).await?, [hers]);
    assert_eq!(cards(&stores, open, Some(&alice)).await?, [card]);
    for text in ["page", "sesame", "example pag", "sesmae", "exmaple"] {
        let hits = hits(&stores, text, Some(&alice)).await?;
        let told: Vec<_> = hits.iter().map(|hit| (hit.url.as_str(), hit.visibility, hit.card_ids.as_slice())).collect();
        assert_eq!(told, [(URL, Visibility::Private, &[card][..])], "{text}");
    }

    let note = UpdateUrlCardAssociations { card_id: card.to_string(), note: Some("his".into()), ..Default::default() };
    refused(stores.run(&bob, &note).await, is_missing)?;
    refused(stores.let_see(&bob, card, Visibility::Public).await, is_missing)?;
    missing(stores.remove(&bob, card).await)?;
    missing(stores.uncollect(&bob, card, &[open]).await)?;
    let via = AddUrlToLibrary { via_card_id: Some(card.to_string()), ..saving(OTHER, None, &[]) };
    refused(stores.run(&bob, &via).await, is_missing)?;
    stores.run(&alice, &via).await?;
    Ok(())
}

pub async fn who_saves_again_keeps_the_visibility_unless_they_ask(stores: Stores) -> Tested {
    let alice = person("alice");
    let (private, public) = (Some(Visibility::Private), Some(Visibility::Public));
    for (asked, default, expected) in [
        (None, Visibility::Private, Visibility::Private),
        (None, Visibility::Public, Visibility::Private),
        (public, Visibility::Private, Visibility::Public),
        (None, Visibility::Private, Visibility::Public),
        (private, Visibility::Public, Visibility::Private),
    ] {
        let command = AddUrlToLibrary { visibility: asked, default_visibility: default, ..saving(URL, None, &[]) };
        let card = stores.run(&alice, &command).await?.url_card_id;
        let kept = stores.library.library_card(card, Some(&alice)).await?;
        assert_eq!(kept.card.visibility, expected, "after {asked:?}, usually {default:?}");
    }
    let card = stores.library_of(&alice).await?[0].card.id;
    stores.remove(&alice, card).await?;
    let saved = stores.save(&alice, URL).await?;
    assert!(saved.created);
    let kept = stores.library.library_card(saved.url_card_id, None).await?;
    assert_eq!(kept.card.visibility, Visibility::Public, "it is a new save");
    Ok(())
}

pub async fn a_card_that_is_made_public_was_saved_just_now_for_others(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let own = stores.collections_at_once(&alice, 1).await?;
    let card = stores.save_privately(&alice, URL, None, &own).await?;
    stores.save(&bob, OTHER).await?;
    stores.work_off().await?;
    let start = stores.feed.stream_end().await?;
    stores.time.advance(Duration::from_secs(60)).await;
    let before = stores.library.library_card(card, Some(&alice)).await?;
    let collected = stores.collections.cards_in(own[0], Some(&alice), &page(10, None)).await?.items;
    stores.let_see(&alice, card, Visibility::Public).await?;
    assert_eq!(stores.library.library_card(card, None).await?.card.visibility, Visibility::Public);
    assert_eq!(cards(&stores, own[0], None).await?, [card]);
    stores.work_off().await?;
    let told = |url: &str, names: &[&str]| (url.to_owned(), names.iter().map(|name| (*name).to_owned()).collect());
    let expected: Vec<(String, Vec<String>)> = vec![told(URL, &["0"]), told(OTHER, &[])];
    assert_eq!(stores.feed_told().await?, expected, "newest first");
    let streamed = stores.feed.stream(start, 10).await?;
    assert_eq!(streamed.iter().map(|(_, item)| item.card.id).collect::<Vec<_>>(), [card]);
    assert_eq!(urls(&stores, "page", None).await?, [URL, OTHER]);
    assert_eq!(sorted(trending(&stores).await?), [(URL.to_owned(), 1), (OTHER.to_owned(), 1)]);
    let after = stores.library.library_card(card, Some(&alice)).await?;
    assert_eq!(after.added_at, before.added_at, "to its owner it is as old as before");
    let still = stores.collections.cards_in(own[0], Some(&alice), &page(10, None)).await?.items;
    assert_eq!(still[0].added_at, collected[0].added_at);
    Ok(())
}

pub async fn a_card_that_is_made_private_is_gone_for_others_with_the_answer(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let start = stores.feed.stream_end().await?;
    let open = stores.collection(&bob, "open", AccessType::Open).await?;
    let card = stores.save_with(&alice, URL, None, &[open]).await?.url_card_id;
    let his = stores.save_with(&bob, OTHER, None, &[open]).await?.url_card_id;
    stores.work_off().await?;
    assert_eq!(stores.feed.stream(start, 10).await?.len(), 2);
    stores.let_see(&alice, card, Visibility::Private).await?;
    for is_worked_off in [false, true] {
        if is_worked_off {
            stores.work_off().await?;
            let domains = stores.analytics.top_domains(7, 10).await?;
            assert_eq!(domains.iter().map(|top| top.saves).collect::<Vec<_>>(), [1]);
        }
        for reader in [None, Some(&bob)] {
            refused(stores.library.library_card(card, reader).await, is_missing)?;
            assert_eq!(cards(&stores, open, reader).await?, [his]);
            assert_eq!(urls(&stores, "page", reader).await?, [OTHER]);
        }
        assert_eq!(stores.feed_told().await?, [(OTHER.to_owned(), vec!["open".to_owned()])]);
        assert_eq!(stores.feed.stream(start, 10).await?.len(), 1);
        assert_eq!(trending(&stores).await?, [(OTHER.to_owned(), 1)]);
        assert_eq!(urls(&stores, "page", Some(&alice)).await?, [URL, OTHER], "she finds hers all the same");
        assert_eq!(sorted(cards(&stores, open, Some(&alice)).await?), sorted(vec![card, his]));
    }
    Ok(())
}

pub async fn a_hidden_card_is_seen_by_its_owner_alone(stores: Stores) -> Tested {
    let alice = person("alice");
    let open = stores.collection(&person("bob"), "open", AccessType::Open).await?;
    let card = stores.save_with(&alice, URL, None, &[open]).await?.url_card_id;
    stores.work_off().await?;
    assert!(hide(&stores, card).await?);
    refused(stores.library.library_card(card, None).await, is_missing)?;
    assert_eq!(cards(&stores, open, None).await?, []);
    assert_eq!(stores.feed_items(None).await?, []);
    assert_eq!(urls(&stores, "page", None).await?, Vec::<String>::new());
    assert_eq!(trending(&stores).await?, []);
    let hers = stores.library.library_card(card, Some(&alice)).await?.card;
    assert_eq!((hers.visibility, hers.is_hidden), (Visibility::Public, true));
    assert_eq!(urls(&stores, "page", Some(&alice)).await?, [URL]);
    stores.work_off().await?;
    assert_eq!(urls(&stores, "page", Some(&alice)).await?, [URL]);

    let before = stores.log.backlog().await?;
    assert!(!hide(&stores, card).await?, "it is hidden already");
    for visibility in [Visibility::Private, Visibility::Public] {
        stores.let_see(&alice, card, visibility).await?;
        assert_eq!(stores.library.library_card(card, Some(&alice)).await?.card.visibility, visibility);
    }
    assert_eq!(stores.log.backlog().await?, before, "nothing changes for others, so there is nothing to tell");
    stores.remove(&alice, card).await?;
    refused(hide(&stores, card).await, is_missing)?;
    refused(show(&stores, card).await, is_missing)?;
    stores.save_with(&alice, URL, None, &[open]).await?;
    stores.work_off().await?;
    refused(stores.library.library_card(card, None).await, is_missing)?;
    assert_eq!(stores.feed_items(None).await?, [], "saving it again does not show it");

    assert!(show(&stores, card).await?);
    assert!(!show(&stores, card).await?);
    stores.work_off().await?;
    assert!(!stores.library.library_card(card, None).await?.card.is_hidden);
    assert_eq!(cards(&stores, open, None).await?, [card]);
    assert_eq!(stores.feed_told().await?, [(URL.to_owned(), vec!["open".to_owned()])]);
    assert_eq!(urls(&stores, "page", None).await?, [URL]);
    refused(hide(&stores, CardId::generate()).await, is_missing)?;
    let unexplained = HideCard { card_id: card.to_string(), reason: " ".into() };
    refused(stores.run(&person("admin"), &unexplained).await, |error| matches!(error, Error::Invalid { .. }))
}

pub async fn a_private_collection_exists_for_those_who_work_on_it(stores: Stores) -> Tested {
    let (alice, bob, carol, dave) = (person("alice"), person("bob"), person("carol"), person("dave"));
    let secret = CreateCollection { visibility: Visibility::Private, ..creating("secret", AccessType::Open) };
    let id = stores.run(&alice, &secret).await?.id;
    stores.invite(&alice, id, &[&bob, &carol]).await?;
    stores.accept(&bob, id).await?;
    let hers = stores.save_with(&alice, URL, None, &[id]).await?.url_card_id;
    let his = stores.save_with(&bob, OTHER, None, &[id]).await?.url_card_id;
    stores.work_off().await?;
    for reader in [None, Some(&carol), Some(&dave)] {
        refused(stores.collections.collection(id, reader).await, is_missing)?;
        refused(stores.collections.cards_in(id, reader, &page(10, None)).await, is_missing)?;
        assert_eq!(stores.library.library_card(hers, reader).await?.collections, [], "to {reader:?}");
    }
    for reader in [&alice, &bob] {
        assert_eq!(stores.collections.collection(id, Some(reader)).await?.visibility, Visibility::Private);
        assert_eq!(sorted(cards(&stores, id, Some(reader)).await?), sorted(vec![hers, his]));
        let named = &stores.library.library_card(hers, Some(reader)).await?.collections;
        assert_eq!(
            named.iter().map(|named| (named.id, named.visibility)).collect::<Vec<_>>(),
            [(id, Visibility::Private)]
        );
        assert_eq!(stores.collections.collections_of(reader, &page(10, None)).await?.items.len(), 1);
    }
    let invitations = stores.collections.invitations_of(&carol, &page(10, None)).await?.items;
    assert_eq!(invitations.iter().map(|asked| asked.collection.name.as_str()).collect::<Vec<_>>(), ["secret"]);
    assert_eq!(sorted(stores.feed_told().await?), [(URL.to_owned(), vec![]), (OTHER.to_owned(), vec![])]);

    let rename = UpdateCollection {
        id: id.to_string(),
        name: "theirs".into(),
        description: None,
        access: AccessType::Open,
        visibility: Some(Visibility::Public),
    };
    for (number, other) in [&carol, &dave].into_iter().enumerate() {
        let url = format!("https://example.com/{number}");
        missing(stores.save_with(other, &url, None, &[id]).await)?;
        let card = stores.save(other, &url).await?.url_card_id;
        missing(stores.collect(other, card, &[id]).await)?;
        refused(stores.run(other, &rename).await, is_missing)?;
        refused(stores.run(other, &DeleteCollection { id: id.to_string() }).await, is_missing)?;
        refused(stores.invite(other, id, &[]).await, is_missing)?;
    }
    refused(stores.accept(&dave, id).await, is_missing)?;
    refused(stores.run(&dave, &LeaveCollection { id: id.to_string() }).await, is_missing)?;
    refused(stores.run(&bob, &rename).await, |error| matches!(error, Error::Forbidden(_)))?;
    stores.accept(&carol, id).await?;
    assert_eq!(cards(&stores, id, Some(&carol)).await?.len(), 2);

    stores.run(&bob, &LeaveCollection { id: id.to_string() }).await?;
    refused(stores.collections.collection(id, Some(&bob)).await, is_missing)?;
    assert_eq!(stores.library_of(&bob).await?[0].collections, [], "his card stays, but he is not told where");
    let associations = UpdateUrlCardAssociations { card_id: his.to_string(), ..Default::default() };
    assert_eq!(stores.run(&bob, &associations).await?.collection_ids, []);
    let uncollected = LibraryFilter { uncollected: true, ..LibraryFilter::default() };
    assert_eq!(stores.library.library(&bob, &uncollected, &page(10, None)).await?.items.len(), 1);
    assert_eq!(cards(&stores, id, Some(&alice)).await?.len(), 2);

    stores.run(&alice, &UpdateCollection { name: "secret".into(), visibility: None, ..rename.clone() }).await?;
    refused(stores.collections.collection(id, None).await, is_missing)?;
    stores.run(&alice, &UpdateCollection { name: "open now".into(), ..rename }).await?;
    assert_eq!(cards(&stores, id, None).await?.len(), 2);
    assert_eq!(stores.library_of(&bob).await?[0].collections.len(), 1);
    let told = sorted(stores.feed_told().await?);
    let named = |(url, _): &&(String, Vec<String>)| [URL, OTHER].contains(&url.as_str());
    assert!(told.iter().filter(named).all(|(_, names)| *names == ["open now"]), "{told:?}");
    Ok(())
}

pub async fn owners_remove_their_cards_from_collections_that_they_no_longer_see(stores: Stores) -> Tested {
    let (alice, bob, carol) = (person("alice"), person("bob"), person("carol"));
    let ids = [
        stores.collection(&alice, "one", AccessType::Open).await?,
        stores.collection(&alice, "two", AccessType::Open).await?,
        stores.collection(&alice, "never", AccessType::Open).await?,
    ];
    let [one, two, never] = ids;
    let his = stores.save_with(&bob, URL, None, &[one, two]).await?.url_card_id;
    let hers = stores.save_with(&carol, OTHER, None, &[one]).await?.url_card_id;
    for id in ids {
        let close = UpdateCollection {
            id: id.to_string(),
            name: "closed".into(),
            description: None,
            access: AccessType::Open,
            visibility: Some(Visibility::Private),
        };
        stores.run(&alice, &close).await?;
    }
    stores.work_off().await?;
    let before = stores.log.backlog().await?;
    // Where it is not, there is nothing, and nobody else takes it out.
    missing(stores.uncollect(&bob, his, &[never]).await)?;
    missing(stores.uncollect(&bob, his, &[one, never]).await)?;
    missing(stores.uncollect(&bob, hers, &[one]).await)?;
    missing(stores.uncollect(&carol, his, &[one]).await)?;
    let change = |take: CollectionId, add: &[CollectionId]| UpdateUrlCardAssociations {
        card_id: his.to_string(),
        remove_from_collections: texts(&[take]),
        add_to_collections: texts(add),
        ..Default::default()
    };
    refused(stores.run(&bob, &change(never, &[])).await, is_missing)?;
    refused(stores.run(&bob, &change(one, &[never])).await, is_missing)?;
    assert_eq!(stores.log.backlog().await?, before, "nothing was stored");
    assert_eq!(sorted(cards(&stores, one, Some(&alice)).await?), sorted(vec![his, hers]));

    stores.uncollect(&bob, his, &[one]).await?;
    assert_eq!(stores.run(&bob, &change(two, &[])).await?.collection_ids, []);
    assert_eq!(cards(&stores, one, Some(&alice)).await?, [hers]);
    assert_eq!(cards(&stores, two, Some(&alice)).await?, []);
    stores.work_off().await?;
    assert_eq!(cards(&stores, one, Some(&alice)).await?, [hers]);
    // It is as if there had never been such a collection.
    missing(stores.uncollect(&bob, his, &[one]).await)?;
    missing(stores.uncollect(&bob, his, &[CollectionId::generate()]).await)
}

pub async fn an_activity_of_private_collections_alone_is_not_shown(stores: Stores) -> Tested {
    let alice = person("alice");
    let card = stores.save(&alice, URL).await?.url_card_id;
    stores.work_off().await?;
    let start = stores.feed.stream_end().await?;
    // Far enough for an activity of its own.
    stores.time.advance(Duration::from_secs(60)).await;
    let secret = CreateCollection { visibility: Visibility::Private, ..creating("secret", AccessType::Closed) };
    let id = stores.run(&alice, &secret).await?.id;
    stores.collect(&alice, card, &[id]).await?;
    stores.work_off().await?;
    assert_eq!(stores.feed_told().await?, [(URL.to_owned(), vec![])]);
    assert_eq!(stores.feed.stream(start, 10).await?, []);
    Ok(())
}

pub async fn rows_of_an_import_are_private_one_by_one(stores: Stores) -> Tested {
    let alice = person("alice");
    let url = |name: &str| format!("https://example.com/{name}");
    stores.save(&alice, &url("was-public")).await?;
    stores.save_privately(&alice, &url("was-private"), None, &[]).await?;
    let row = |name: &str| ImportRow::new(&url(name), None);
    let rows = vec![row("public"), row("private").private(), row("was-private"), row("was-public").private()];
    let import = NewImport {
        id: ImportId::generate(),
        owner: alice.clone(),
        file_name: "bookmarks.html".into(),
        collection: None,
        is_check: false,
    };
    begin_import(&*stores.imports, &import, &rows).await?;
    let leased = stores.imports.lease_rows(10, Duration::from_secs(60)).await?;
    let leased: Vec<_> = leased.into_iter().flat_map(|leased| leased.rows).map(|(_, row)| row).collect();
    assert_eq!(leased, rows);
    let outcomes = stores.run(&alice, &importing(leased)).await?.0;
    assert!(matches!(
        outcomes[..],
        [RowOutcome::Saved(_), RowOutcome::Saved(_), RowOutcome::Known(_), RowOutcome::Known(_)]
    ));
    let kept = stores.library_of(&alice).await?;
    let told: Vec<_> = kept.iter().map(|kept| (kept.card.url.clone(), kept.card.visibility)).collect();
    let expected = ["private", "public", "was-private", "was-public"].map(|name| {
        let visibility = if name.ends_with("private") { Visibility::Private } else { Visibility::Public };
        (url(name), visibility)
    });
    let by_url = |mut cards: Vec<(String, Visibility)>| {
        cards.sort_by(|one, other| one.0.cmp(&other.0));
        cards
    };
    assert_eq!(by_url(told), by_url(expected.to_vec()));
    Ok(())
}

pub async fn words_that_one_person_keeps_to_themselves_help_nobody_else(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    // One page of a host is fetched at a time.
    let (secret, shared) = ("https://secret.example/unmistakable", "https://shared.example/teapot");
    let card = stores.save_privately(&alice, secret, None, &[]).await?;
    stores.save(&bob, shared).await?;
    stores.index_all().await?;
    stores.fetched(secret, titled("Marmalade recipes")).await?;
    let check = async |stores: &Stores, others_find_it: bool| -> Tested {
        for text in ["unmistakable", "unmistakabel", "marmalade", "marmalaed", "exam marm"] {
            let expected: &[&str] = &[secret];
            assert_eq!(urls(stores, text, Some(&alice)).await?, expected, "{text}");
            let expected = if others_find_it { expected } else { &[] };
            assert_eq!(urls(stores, text, Some(&bob)).await?, expected, "{text}");
            assert_eq!(urls(stores, text, None).await?, expected, "{text}");
        }
        assert_eq!(urls(stores, "teapto", None).await?, [shared]);
        Ok(())
    };
    check(&stores, false).await?;
    for visibility in [Visibility::Public, Visibility::Private, Visibility::Public] {
        stores.let_see(&alice, card, visibility).await?;
        stores.index_all().await?;
        check(&stores, visibility == Visibility::Public).await?;
    }
    hide(&stores, card).await?;
    stores.index_all().await?;
    check(&stores, false).await?;
    let mut after = None;
    while let Some(portion) = stores.search.reindex(after, 1).await? {
        after = Some(portion.last);
    }
    check(&stores, false).await?;
    stores.remove(&alice, card).await?;
    stores.index_all().await?;
    assert_eq!(urls(&stores, "marmalade", Some(&alice)).await?, Vec::<String>::new());
    Ok(())
}

pub async fn a_hit_names_the_cards_that_the_reader_sees(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let hers = stores.save_privately(&alice, URL, Some("sesame"), &[]).await?;
    let his = stores.save(&bob, URL).await?.url_card_id;
    stores.index_all().await?;
    for (reader, mine, expected, visibility) in [
        (None, false, vec![his], Visibility::Public),
        (Some(&bob), false, vec![his], Visibility::Public),
        (Some(&alice), false, sorted(vec![hers, his]), Visibility::Private),
        (Some(&alice), true, vec![hers], Visibility::Private),
        (Some(&bob), true, vec![his], Visibility::Public),
    ] {
        let request = SearchRequest { text: "page".into(), reader: reader.cloned(), mine, ..SearchRequest::default() };
        let hits = stores.search.search(&request, &page(10, None)).await?.items;
        assert_eq!(hits.len(), 1, "{request:?}");
        assert_eq!((&hits[0].card_ids, hits[0].visibility), (&expected, visibility), "{request:?}");
    }
    assert_eq!(urls(&stores, "sesame", Some(&alice)).await?, [URL]);
    stores.remove(&bob, his).await?;
    assert_eq!(hits(&stores, "page", None).await?, [], "what was removed is gone with the answer, too");
    Ok(())
}

pub async fn pages_are_full_although_some_of_their_items_are_private(stores: Stores) -> Tested {
    let open = stores.collection(&person("author"), "open", AccessType::Open).await?;
    let mut shown = Vec::new();
    for number in 0..12 {
        let owner = person(&format!("person{number}"));
        let url = format!("https://example.com/page/{number}");
        let card = stores.save_with(&owner, &url, None, &[open]).await?.url_card_id;
        shown.push((owner, card));
    }
    stores.work_off().await?;
    for (owner, card) in shown.iter().step_by(2) {
        stores.let_see(owner, *card, Visibility::Private).await?;
    }
    let left = sorted(shown.iter().skip(1).step_by(2).map(|(_, card)| *card).collect());
    let request = &SearchRequest { text: "page".into(), ..SearchRequest::default() };
    for is_worked_off in [false, true] {
        if is_worked_off {
            stores.work_off().await?;
        }
        let (feed, search, collections) = (&stores.feed, &stores.search, &stores.collections);
        for limit in [1, 2, 5, 6] {
            // That a page which is not the last is full is checked on the way.
            let items = all_pages(limit, |page| async move { feed.feed(None, &page).await }).await?;
            assert_eq!(sorted(items.iter().map(|item| item.card.id).collect()), left, "the feed by {limit}");
            let items = all_pages(limit, |page| async move { collections.cards_in(open, None, &page).await }).await?;
            assert_eq!(sorted(items.iter().map(|item| item.card.id).collect()), left, "the collection by {limit}");
            let items =
                all_pages(limit, |page| async move { search.search(request, &page).await.map(Found::page) }).await?;
            let found = sorted(items.iter().flat_map(|hit| hit.card_ids.clone()).collect());
            assert_eq!(found, left, "hits by {limit}");
        }
    }
    Ok(())
}

pub async fn parallel_changes_of_one_card_end_in_one_truth(stores: Stores) -> Tested {
    let alice = person("alice");
    let collections = stores.collections_at_once(&alice, 6).await?;
    let card = stores.save_with(&alice, URL, None, &collections[..2]).await?.url_card_id;
    let changes = (0..24).map(|number| {
        let (stores, collection) = (stores.clone(), collections[number % 6]);
        async move {
            let alice = person("alice");
            match number % 4 {
                0 => stores.let_see(&alice, card, Visibility::Private).await?,
                1 => stores.let_see(&alice, card, Visibility::Public).await?,
                2 => stores.collect(&alice, card, &[collection]).await?,
                _ => {
                    let change = UpdateUrlCardAssociations {
                        card_id: card.to_string(),
                        visibility: Some(Visibility::of(number % 8 == 3)),
                        remove_from_collections: texts(&[collection]),
                        ..Default::default()
                    };
                    stores.run(&alice, &change).await?;
                }
            }
            anyhow::Ok(())
        }
    });
    for changed in at_once(changes).await? {
        changed?;
    }
    stores.work_off().await?;
    let kept = stores.library.library_card(card, Some(&alice)).await?;
    let is_public = kept.card.visibility == Visibility::Public;
    assert_eq!(stores.library.library_card(card, None).await.is_ok(), is_public);
    assert_eq!(stores.feed_items(None).await?.is_empty(), !is_public);
    assert_eq!(urls(&stores, "page", None).await?.len(), usize::from(is_public));
    assert_eq!(trending(&stores).await?.len(), usize::from(is_public));
    let in_it = |id| kept.collections.iter().any(|collection| collection.id == id);
    for id in collections {
        assert_eq!(cards(&stores, id, Some(&alice)).await?.len(), usize::from(in_it(id)));
        assert_eq!(cards(&stores, id, None).await?.len(), usize::from(in_it(id) && is_public));
    }
    let named: Vec<_> = stores.feed_items(None).await?.into_iter().flat_map(|item| item.collections).collect();
    assert_eq!(named.len(), if is_public { kept.collections.len() } else { 0 }, "each once");
    for queue in Queue::ALL {
        assert_eq!(stores.owed(queue).await?, 0, "{queue}");
    }
    Ok(())
}
