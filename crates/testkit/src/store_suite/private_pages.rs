//! Pages of cards that others do not see: fetched for their owner, shown to their owner, and nobody else's.

use std::time::Duration;

use cardwire_domain::analytics::KindCount;
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::library::LibraryFilter;
use cardwire_domain::metadata::{
    FetchAgain, FetchFailure, FetchJob, FetchPolicy, FetchState, Metadata, PageInfo, PageKind,
};
use cardwire_domain::search::{SearchHit, SearchRequest};
use cardwire_domain::url::CardUrl;
use cardwire_domain::use_cases::{HideCard, ShowCard};
use cardwire_domain::{CardId, Error, UserId, Visibility};
use cardwire_events::Queue;

use super::pages::titled;
use super::scene::{page, person, refused, sorted};
use super::{Stores, Tested};

const URL: &str = "https://example.com/page";
/// By earlier rules, this was another link.
const OLD_URL: &str = "https://example.com/page?igsh=1";
const A_WEEK: Duration = Duration::from_secs(8 * 86_400);

impl Stores {
    /// Leases every page that is due.
    async fn all_due(&self) -> anyhow::Result<Vec<FetchJob>> {
        let room = FetchRoom { per_host: 100, ..FetchRoom::idle(100) };
        Ok(self.pages.lease_fetches(&room, &FetchPolicy::default()).await?)
    }

    async fn finished(&self, job: &FetchJob, metadata: Metadata) -> anyhow::Result<bool> {
        Ok(self.pages.finish_fetch(job, &Ok(metadata), &FetchPolicy::default()).await?)
    }

    /// Stores this for the only page that is due, which is this person's, or everybody's.
    async fn only_fetched(&self, keeper: Option<&UserId>, metadata: Metadata) -> Tested {
        let jobs = self.all_due().await?;
        assert_eq!(jobs.iter().map(|job| job.keeper.as_ref()).collect::<Vec<_>>(), [keeper]);
        assert_eq!(jobs[0].url, URL);
        assert!(self.finished(&jobs[0], metadata).await?);
        Ok(())
    }

    /// The title that this reader sees of the card. What is not there yet is pending.
    async fn title_of(&self, card: CardId, reader: Option<&UserId>) -> anyhow::Result<Option<String>> {
        let shown = self.library.library_card(card, reader).await?;
        let expected = if shown.card.title.is_some() { FetchState::Ready } else { FetchState::Pending };
        assert_eq!(shown.page.state, expected);
        assert_eq!(shown.page.metadata.title, shown.card.title);
        Ok(shown.card.title)
    }

    async fn hits_of(&self, request: SearchRequest) -> anyhow::Result<Vec<SearchHit>> {
        Ok(self.search.search(&request, &page(100, None)).await?.items)
    }

    async fn is_found(&self, text: &str, reader: Option<&UserId>) -> anyhow::Result<bool> {
        let request = SearchRequest { text: text.into(), reader: reader.cloned(), ..SearchRequest::default() };
        Ok(!self.hits_of(request).await?.is_empty())
    }
}

fn some(title: &str) -> Option<String> {
    Some(title.to_owned())
}

fn article(title: &str) -> Metadata {
    Metadata { kind: Some(PageKind::Article), ..titled(title) }
}

pub async fn what_is_fetched_for_a_private_card_is_nobody_elses_page(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let own = stores.collections_at_once(&alice, 1).await?;
    let hers = stores.save_privately(&alice, URL, None, &own).await?;
    stores.index_all().await?;
    stores.only_fetched(Some(&alice), titled("Marmalade")).await?;
    assert_eq!(stores.pages.page(&CardUrl::parse(URL)?).await?, PageInfo::default());
    let collected = stores.collections.cards_in(own[0], Some(&alice), &page(10, None)).await?.items;
    assert_eq!(collected[0].card.title, some("Marmalade"));
    let his = stores.save(&bob, URL).await?.url_card_id;
    for is_worked_off in [false, true] {
        if is_worked_off {
            stores.work_off().await?;
        }
        for reader in [None, Some(&alice), Some(&bob)] {
            assert_eq!(stores.title_of(his, reader).await?, None, "to {reader:?}");
            assert_eq!(stores.is_found("marmalade", reader).await?, reader == Some(&alice), "to {reader:?}");
        }
        assert_eq!(stores.title_of(hers, Some(&alice)).await?, some("Marmalade"));
    }
    let filter = LibraryFilter { text: some("marmal"), ..LibraryFilter::default() };
    for (owner, count) in [(&alice, 1), (&bob, 0)] {
        assert_eq!(stores.library.library(owner, &filter, &page(10, None)).await?.items.len(), count, "of {owner}");
    }
    assert_eq!(stores.feed_items(None).await?[0].card.title, None);
    assert_eq!(stores.analytics.top_urls(7, 10).await?[0].title, None);

    stores.only_fetched(None, article("Teapots")).await?;
    for reader in [None, Some(&alice), Some(&bob)] {
        assert_eq!(stores.title_of(his, reader).await?, some("Teapots"), "to {reader:?}");
        assert!(stores.is_found("teapots", reader).await?, "to {reader:?}");
    }
    assert_eq!(stores.title_of(hers, Some(&alice)).await?, some("Marmalade"));
    assert_eq!(stores.analytics.by_kind(7).await?, [KindCount { kind: Some(PageKind::Article), saves: 1 }]);
    assert_eq!(stores.all_due().await?, []);
    Ok(())
}

pub async fn two_who_keep_a_link_for_themselves_do_not_learn_of_each_other(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let hers = stores.save_privately(&alice, URL, None, &[]).await?;
    stores.index_all().await?;
    stores.only_fetched(Some(&alice), titled("Marmalade")).await?;
    let his = stores.save_privately(&bob, URL, None, &[]).await?;
    stores.index_all().await?;
    assert_eq!(stores.title_of(his, Some(&bob)).await?, None);
    assert!(!stores.is_found("marmalade", Some(&bob)).await?);
    stores.only_fetched(Some(&bob), titled("Teapots")).await?;
    assert_eq!(stores.title_of(his, Some(&bob)).await?, some("Teapots"));
    assert_eq!(stores.title_of(hers, Some(&alice)).await?, some("Marmalade"));
    assert!(!stores.is_found("teapots", Some(&alice)).await?);

    stores.time.advance(A_WEEK).await;
    let jobs = stores.all_due().await?;
    let told = jobs.iter().map(|job| (&job.asked_by, job.keeper.as_ref())).collect();
    assert_eq!(sorted(told), [(&alice, Some(&alice)), (&bob, Some(&bob))], "each in their own place");
    stores.remove(&bob, his).await?;
    stores.index_all().await?;
    for job in &jobs {
        assert_eq!(stores.finished(job, titled("Late")).await?, job.keeper.as_ref() == Some(&alice));
    }
    assert_eq!(stores.title_of(hers, Some(&alice)).await?, some("Late"));
    stores.time.advance(A_WEEK).await;
    stores.only_fetched(Some(&alice), titled("Later")).await?;
    let again = stores.save_privately(&bob, URL, None, &[]).await?;
    stores.index_all().await?;
    assert_eq!(stores.title_of(again, Some(&bob)).await?, None, "it is new");
    Ok(())
}

pub async fn a_card_that_is_made_private_takes_along_what_is_known_and_leaves_nothing(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let hers = stores.save(&alice, URL).await?.url_card_id;
    stores.work_off().await?;
    stores.only_fetched(None, titled("Marmalade")).await?;
    stores.time.advance(A_WEEK).await;
    let refresh = stores.all_due().await?.remove(0);
    stores.let_see(&alice, hers, Visibility::Private).await?;
    stores.work_off().await?;
    assert_eq!(stores.title_of(hers, Some(&alice)).await?, some("Marmalade"));
    assert_eq!(stores.pages.page(&CardUrl::parse(URL)?).await?, PageInfo::default());
    let his = stores.save(&bob, URL).await?.url_card_id;
    stores.work_off().await?;
    assert!(!stores.finished(&refresh, titled("Late")).await?, "that was for a page that is gone");
    assert_eq!(stores.title_of(his, None).await?, None);
    for (reader, finds) in [(None, false), (Some(&bob), false), (Some(&alice), true)] {
        assert_eq!(stores.is_found("marmalade", reader).await?, finds, "to {reader:?}");
    }
    let jobs = stores.all_due().await?;
    let told = jobs.iter().map(|job| (&job.asked_by, job.keeper.as_ref())).collect();
    assert_eq!(sorted(told), [(&alice, Some(&alice)), (&bob, None)]);
    Ok(())
}

pub async fn the_page_of_a_public_card_stays_when_another_is_made_private(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let hers = stores.save_with(&alice, URL, Some("sesame"), &[]).await?.url_card_id;
    let his = stores.save_with(&bob, URL, Some("poppy"), &[]).await?.url_card_id;
    stores.index_all().await?;
    stores.only_fetched(None, titled("Marmalade")).await?;
    stores.let_see(&alice, hers, Visibility::Private).await?;
    stores.index_all().await?;
    stores.only_fetched(Some(&alice), titled("Teapots")).await?;
    for (card, reader, title) in [(his, None, "Marmalade"), (hers, Some(&alice), "Teapots")] {
        assert_eq!(stores.title_of(card, reader).await?, some(title));
    }
    for (text, expected) in
        [("sesame teapots", true), ("sesame marmalade", false), ("marmalade", true), ("poppy", false)]
    {
        assert_eq!(stores.is_found(text, Some(&alice)).await?, expected, "{text}");
    }
    assert!(stores.is_found("poppy marmalade", Some(&bob)).await?);

    // Back at the page that is there already.
    stores.let_see(&alice, hers, Visibility::Public).await?;
    stores.index_all().await?;
    assert_eq!(stores.title_of(hers, None).await?, some("Marmalade"));
    assert!(stores.is_found("sesame marmalade", Some(&alice)).await?);
    assert!(!stores.is_found("teapots", Some(&alice)).await?);
    stores.time.advance(A_WEEK).await;
    assert_eq!(stores.all_due().await?.len(), 1);
    Ok(())
}

pub async fn a_card_that_is_made_public_or_hidden_brings_its_page(stores: Stores) -> Tested {
    let (alice, admin) = (person("alice"), person("admin"));
    let card = stores.save_privately(&alice, URL, None, &[]).await?;
    stores.index_all().await?;
    stores.only_fetched(Some(&alice), article("Marmalade")).await?;
    stores.let_see(&alice, card, Visibility::Public).await?;
    // Counted before it is known what everybody's page is.
    stores.analytics.count(&stores.deliver(Queue::Analytics).await?).await?;
    stores.work_off().await?;
    assert_eq!(stores.title_of(card, None).await?, some("Marmalade"));
    assert!(stores.is_found("marmalade", None).await?);
    assert_eq!(stores.analytics.by_kind(7).await?, [KindCount { kind: Some(PageKind::Article), saves: 1 }]);
    stores.only_fetched(None, article("Teapots")).await?;

    stores.run(&admin, &HideCard { card_id: card.to_string(), reason: "spam".into() }).await?;
    stores.work_off().await?;
    assert_eq!(stores.title_of(card, Some(&alice)).await?, some("Teapots"));
    assert!(!stores.is_found("teapots", None).await? && stores.is_found("teapots", Some(&alice)).await?);
    assert_eq!(stores.analytics.by_kind(7).await?, []);
    stores.only_fetched(Some(&alice), titled("Kettles")).await?;
    let his = stores.save(&person("bob"), URL).await?.url_card_id;
    stores.work_off().await?;
    assert_eq!(stores.title_of(his, None).await?, None);
    stores.only_fetched(None, titled("Lanterns")).await?;
    stores.run(&admin, &ShowCard { card_id: card.to_string() }).await?;
    stores.work_off().await?;
    assert_eq!(stores.title_of(card, None).await?, some("Lanterns"), "it is fetched already");
    assert_eq!(stores.all_due().await?, []);
    Ok(())
}

pub async fn a_link_kept_privately_and_by_others_is_one_hit(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let hers = stores.save_privately(&alice, URL, None, &[]).await?;
    let his = stores.save(&bob, URL).await?.url_card_id;
    stores.index_all().await?;
    for job in stores.all_due().await? {
        let metadata = match &job.keeper {
            Some(_) => article("Marmalade"),
            None => Metadata { kind: Some(PageKind::Video), ..titled("Teapots") },
        };
        assert!(stores.finished(&job, metadata).await?);
    }
    let (is_article, is_video) = (Some(PageKind::Article), Some(PageKind::Video));
    for (text, kind, reader, mine, expected) in [
        ("page", None, None, false, Some("Teapots")),
        ("page", None, Some(&alice), false, Some("Teapots")),
        ("page", None, Some(&alice), true, Some("Marmalade")),
        ("marmalade", None, Some(&alice), false, Some("Marmalade")),
        ("marmalade", None, Some(&bob), false, None),
        ("teapots", None, Some(&alice), false, Some("Teapots")),
        ("teapots", None, Some(&alice), true, None),
        ("page", is_article, Some(&alice), false, Some("Marmalade")),
        ("page", is_article, Some(&bob), false, None),
        ("page", is_video, Some(&alice), false, Some("Teapots")),
        ("page", is_video, Some(&alice), true, None),
        (URL, None, None, false, Some("Teapots")),
        (URL, None, Some(&alice), false, Some("Teapots")),
        (URL, None, Some(&alice), true, Some("Marmalade")),
        (URL, is_article, Some(&alice), false, Some("Marmalade")),
        (URL, is_article, Some(&bob), false, None),
        (URL, is_video, Some(&alice), true, None),
        ("armal", None, Some(&alice), false, Some("Marmalade")),
        ("armal", None, Some(&bob), false, None),
    ] {
        let request = SearchRequest { text: text.into(), kind, reader: reader.cloned(), mine };
        let hits = stores.hits_of(request.clone()).await?;
        let titles: Vec<_> = hits.iter().filter_map(|hit| hit.title.as_deref()).collect();
        assert_eq!((hits.len(), titles), (usize::from(expected.is_some()), Vec::from_iter(expected)), "{request:?}");
        let seen = match (reader == Some(&alice), mine) {
            (true, true) => vec![hers],
            (true, false) => sorted(vec![hers, his]),
            _ => vec![his],
        };
        assert!(hits.iter().all(|hit| hit.card_ids == seen), "{request:?}: {hits:?}");
    }
    Ok(())
}

pub async fn the_page_that_a_card_shows_is_fetched_again_and_no_other(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    // Earlier rules made the identity of these. Reading the URL that they show by the present ones would lead to another page.
    let hers = stores.kept_before(&alice, (OLD_URL, OLD_URL), None, &[]).await?;
    stores.let_see(&alice, hers, Visibility::Private).await?;
    let his = stores.kept_before(&bob, (OLD_URL, OLD_URL), None, &[]).await?;
    stores.index_all().await?;
    let gone = Err(FetchFailure::lasting("answered 404"));
    for job in stores.all_due().await? {
        assert!(stores.pages.finish_fetch(&job, &gone, &FetchPolicy::default()).await?);
    }
    stores.time.advance(FetchAgain::GAP + Duration::from_secs(1)).await;
    assert_eq!(stores.all_due().await?, []);
    for (card, owner, keeper) in [(hers, &alice, Some(&alice)), (his, &bob, None)] {
        assert_eq!(stores.pages.fetch_again(card).await?, FetchAgain::Taken);
        let jobs = stores.all_due().await?;
        let told: Vec<_> = jobs.iter().map(|job| (&job.asked_by, job.keeper.as_ref())).collect();
        assert_eq!(told, [(owner, keeper)]);
        assert!(stores.pages.finish_fetch(&jobs[0], &gone, &FetchPolicy::default()).await?);
    }
    stores.remove(&alice, hers).await?;
    refused(stores.pages.fetch_again(hers).await, |error| matches!(error, Error::NotFound { .. }))?;
    Ok(())
}

pub async fn a_private_card_that_gets_another_url_keeps_what_is_known_for_its_owner(stores: Stores) -> Tested {
    let (alice, bob, old) = (person("alice"), person("bob"), (OLD_URL, OLD_URL));
    let hers = stores.kept_before(&alice, old, Some("sesame"), &[]).await?;
    stores.let_see(&alice, hers, Visibility::Private).await?;
    let his = stores.kept_before(&bob, old, None, &[]).await?;
    stores.work_off().await?;
    for job in stores.all_due().await? {
        assert_eq!(job.url, OLD_URL);
        let title = if job.keeper.is_some() { "Marmalade" } else { "Teapots" };
        assert!(stores.finished(&job, titled(title)).await?);
    }
    stores.renew(10).await?;
    stores.work_off().await?;
    assert_eq!(stores.title_of(hers, Some(&alice)).await?, some("Marmalade"));
    for reader in [None, Some(&alice), Some(&bob)] {
        assert_eq!(stores.title_of(his, reader).await?, some("Teapots"), "to {reader:?}");
        assert!(stores.is_found("teapots", reader).await?, "to {reader:?}");
        assert_eq!(stores.is_found("marmalade sesame", reader).await?, reader == Some(&alice), "to {reader:?}");
    }
    let former = CardUrl::from_stored(OLD_URL.into(), OLD_URL.into());
    assert_eq!(stores.pages.page(&former).await?, PageInfo::default());
    assert_eq!(stores.all_due().await?, [], "it is known");
    stores.time.advance(A_WEEK).await;
    let jobs = stores.all_due().await?;
    assert!(jobs.iter().all(|job| job.url == URL), "{jobs:?}");
    let told = jobs.iter().map(|job| (&job.asked_by, job.keeper.as_ref())).collect();
    assert_eq!(sorted(told), [(&alice, Some(&alice)), (&bob, None)]);
    Ok(())
}

pub async fn what_is_known_of_a_private_page_is_not_published_under_another_url(stores: Stores) -> Tested {
    let alice = person("alice");
    let card = stores.kept_before(&alice, (OLD_URL, OLD_URL), None, &[]).await?;
    stores.let_see(&alice, card, Visibility::Private).await?;
    stores.work_off().await?;
    let jobs = stores.all_due().await?;
    assert_eq!(jobs.len(), 1);
    assert!(stores.finished(&jobs[0], article("Marmalade")).await?);
    // Both happen before the card is indexed again.
    stores.renew(10).await?;
    stores.let_see(&alice, card, Visibility::Public).await?;
    stores.work_off().await?;
    for reader in [None, Some(&alice)] {
        assert_eq!(stores.title_of(card, reader).await?, None, "to {reader:?}");
        assert!(!stores.is_found("marmalade", reader).await?, "to {reader:?}");
        assert!(stores.is_found("page", reader).await?, "to {reader:?}");
    }
    assert_eq!(stores.analytics.by_kind(7).await?, [KindCount { kind: None, saves: 1 }]);
    stores.only_fetched(None, article("Teapots")).await?;
    assert_eq!(stores.title_of(card, None).await?, some("Teapots"));
    assert_eq!(stores.analytics.by_kind(7).await?, [KindCount { kind: Some(PageKind::Article), saves: 1 }]);
    Ok(())
}

pub async fn two_cards_that_become_a_private_one_leave_nothing_on_everybodys_page(stores: Stores) -> Tested {
    let (public, private) = (Visibility::Public, Visibility::Private);
    // The place under the new rules is the younger card's. Its owner's page there is not replaced.
    for (name, older, younger, title) in
        [("alice", public, private, "younger alice"), ("bob", private, public, "older bob")]
    {
        let owner = person(name);
        let (one, two) = (format!("https://example.com/%7e{name}"), format!("https://example.com/~{name}"));
        let old = stores.kept_before(&owner, (&one, &one), None, &[]).await?;
        let young = stores.kept_before(&owner, (&two, &two), None, &[]).await?;
        for (card, visibility) in [(old, older), (young, younger)] {
            stores.let_see(&owner, card, visibility).await?;
        }
        stores.work_off().await?;
        for job in stores.all_due().await? {
            let age = if job.url == one { "older" } else { "younger" };
            assert!(stores.finished(&job, article(&format!("{age} {name}"))).await?);
        }
        stores.renew(10).await?;
        stores.work_off().await?;
        assert_eq!(stores.library_of(&owner).await?.len(), 1);
        assert_eq!(stores.title_of(old, Some(&owner)).await?, some(title));
        for (text, reader, finds) in [("older", None, false), ("younger", None, false), (title, Some(&owner), true)] {
            assert_eq!(stores.is_found(text, reader).await?, finds, "{text} to {reader:?}");
        }
        for url in [one, two] {
            let page = stores.pages.page(&CardUrl::from_stored(url.clone(), url)).await?;
            assert_eq!(page, PageInfo::default());
        }
        assert_eq!(stores.analytics.by_kind(7).await?, []);
        assert_eq!(stores.all_due().await?, []);
    }
    Ok(())
}
