//! Pages: one fetch for each URL, no matter how many people keep it publicly, and nothing lost when a fetcher is.

use std::time::Duration;

use cardwire_domain::UserId;
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{
    FetchAgain, FetchFailure, FetchJob, FetchPolicy, FetchState, Metadata, PageInfo, PageKind,
};
use cardwire_domain::search::SearchRequest;
use cardwire_domain::url::CardUrl;

use super::scene::{at_once, page, person};
use super::{Stores, Tested};

const URL: &str = "https://example.com/garden";

pub fn titled(title: &str) -> Metadata {
    Metadata { title: Some(title.into()), ..Metadata::default() }
}

impl Stores {
    pub async fn due(&self) -> anyhow::Result<Vec<FetchJob>> {
        Ok(self.pages.lease_fetches(&FetchRoom::idle(100), &FetchPolicy::default()).await?)
    }

    /// Stores this for the page, which must be due. It may be one that a single person sees.
    pub async fn fetched(&self, url: &str, metadata: Metadata) -> Tested {
        let url = CardUrl::parse(url)?;
        let mut is_due = false;
        for job in self.due().await? {
            let outcome = if job.url == url.normalised() {
                is_due = true;
                Ok(metadata.clone())
            } else {
                Err(FetchFailure::passing("not this one"))
            };
            assert!(self.pages.finish_fetch(&job, &outcome, &FetchPolicy::default()).await?);
        }
        assert!(is_due, "{} is not due", url.normalised());
        Ok(())
    }

    async fn page_of(&self, url: &str) -> anyhow::Result<PageInfo> {
        Ok(self.pages.page(&CardUrl::parse(url)?).await?)
    }

    /// Fetches the page, which must be the only one that is due, in vain.
    async fn fails(&self, failure: &FetchFailure) -> anyhow::Result<UserId> {
        let mut jobs = self.due().await?;
        assert_eq!(jobs.iter().map(|job| (job.url.as_str(), job.tries)).collect::<Vec<_>>(), [(URL, 1)]);
        let job = jobs.remove(0);
        assert!(self.pages.finish_fetch(&job, &Err(failure.clone()), &FetchPolicy::default()).await?);
        Ok(job.asked_by)
    }

    async fn found(&self, text: &str) -> anyhow::Result<usize> {
        let request = SearchRequest { text: text.into(), ..SearchRequest::default() };
        Ok(self.search.search(&request, &page(100, None)).await?.items.len())
    }
}

pub async fn a_page_is_fetched_once_for_all_its_cards(stores: Stores) -> Tested {
    assert_eq!(stores.page_of(URL).await?, PageInfo::default(), "nothing is known of it");
    for (name, url) in [("alice", URL), ("bob", URL), ("carol", "https://EXAMPLE.com/garden?utm_source=x#y")] {
        stores.save(&person(name), url).await?;
    }
    assert_eq!(stores.due().await?, [], "the save itself fetches nothing");
    stores.index_all().await?;
    let (left, right) = tokio::join!(stores.due(), stores.due());
    let jobs: Vec<_> = left?.into_iter().chain(right?).collect();
    let told: Vec<_> = jobs.iter().map(|job| (job.url.as_str(), job.host.as_str(), job.tries)).collect();
    assert_eq!(told, [(URL, "example.com", 1)]);
    assert!(stores.pages.finish_fetch(&jobs[0], &Ok(titled("A garden")), &FetchPolicy::default()).await?);
    stores.save(&person("dave"), URL).await?;
    stores.index_all().await?;
    assert_eq!(stores.due().await?, [], "it is known");
    stores.time.advance(Duration::from_secs(7 * 86_400 + 1)).await;
    assert_eq!(stores.due().await?.len(), 1, "it is refreshed after seven days");
    Ok(())
}

pub async fn a_fetched_page_is_shown_and_found_by_its_words(stores: Stores) -> Tested {
    let alice = person("alice");
    let card = stores.save_with(&alice, URL, Some("pruning"), &[]).await?.url_card_id;
    stores.index_all().await?;
    stores.flush_feed().await?;
    assert_eq!(stores.library.library_card(card, None).await?.page.state, FetchState::Pending);
    assert_eq!(stores.found("wheelbarrow").await?, 0);
    let metadata = Metadata {
        title: Some("Wheelbarrows compared".into()),
        description: Some("Which one carries".into()),
        image: Some("https://example.com/i.png".into()),
        icon: Some("https://example.com/icon.png".into()),
        site_name: Some("Gardeners".into()),
        author: Some("Ann".into()),
        kind: Some(PageKind::Article),
        language: Some("en".into()),
    };
    stores.fetched(URL, metadata.clone()).await?;
    for text in ["wheelbarrow", "carries", "gardeners", "ann", "garden wheelbarrows"] {
        assert_eq!(stores.found(text).await?, 1, "{text:?}");
    }
    let own =
        SearchRequest { text: "pruning compared".into(), reader: Some(alice.clone()), ..SearchRequest::default() };
    let hits = stores.search.search(&own, &page(10, None)).await?.items;
    assert_eq!(hits.len(), 1, "the note and the page together");
    assert_eq!((hits[0].title.clone(), hits[0].kind), (metadata.title.clone(), metadata.kind));
    let shown = stores.library.library_card(card, None).await?;
    assert_eq!((shown.card.title, shown.page.metadata), (metadata.title.clone(), metadata.clone()));
    assert_eq!(shown.page.state, FetchState::Ready);
    assert!(shown.page.fetched_at.is_some());
    assert_eq!(stores.feed_items(None).await?[0].card.title, metadata.title);
    Ok(())
}

pub async fn failures_wait_longer_each_time_and_are_shown(stores: Stores) -> Tested {
    let policy = FetchPolicy { attempts: 3, ..FetchPolicy::default() };
    stores.save(&person("alice"), URL).await?;
    stores.index_all().await?;
    for (tries, wait_s) in [(1, 30), (2, 60), (3, 7 * 86_400), (1, 30)] {
        let jobs = stores.due().await?;
        assert_eq!(jobs.iter().map(|job| job.tries).collect::<Vec<_>>(), [tries]);
        let failure = FetchFailure::passing("answered 503");
        assert!(stores.pages.finish_fetch(&jobs[0], &Err(failure), &policy).await?);
        let failed = FetchState::Failed { reason: "answered 503".into(), retryable: true };
        assert_eq!(stores.page_of(URL).await?.state, failed);
        assert_eq!(stores.due().await?, [], "after attempt {tries}");
        stores.time.advance(Duration::from_secs(wait_s + 1)).await;
    }
    let job = stores.due().await?.remove(0);
    let lasting = FetchFailure::lasting("answered 404");
    assert!(stores.pages.finish_fetch(&job, &Err(lasting), &policy).await?);
    stores.time.advance(Duration::from_secs(86_400)).await;
    assert_eq!(stores.due().await?, [], "no use in asking again soon");
    stores.time.advance(Duration::from_secs(7 * 86_400)).await;
    stores.fetched(URL, titled("Back")).await?;
    assert_eq!(stores.found("back").await?, 1);
    stores.time.advance(Duration::from_secs(8 * 86_400)).await;
    let job = stores.due().await?.remove(0);
    let gone = FetchFailure::passing("answered 500");
    assert!(stores.pages.finish_fetch(&job, &Err(gone), &policy).await?);
    let known = stores.page_of(URL).await?;
    assert_eq!((known.state, known.metadata), (FetchState::Ready, titled("Back")), "what is known stays");
    Ok(())
}

pub async fn a_lost_lease_is_given_to_another_and_its_outcome_is_dropped(stores: Stores) -> Tested {
    stores.save(&person("alice"), URL).await?;
    stores.index_all().await?;
    let lost = stores.due().await?.remove(0);
    assert_eq!(stores.due().await?, [], "leased");
    stores.time.advance(Duration::from_secs(61)).await;
    let second = stores.due().await?.remove(0);
    assert_eq!(second.tries, 2, "the lost one counts");
    let policy = FetchPolicy::default();
    assert!(!stores.pages.finish_fetch(&lost, &Ok(titled("Late")), &policy).await?);
    assert_eq!(stores.page_of(URL).await?.state, FetchState::Pending);
    assert!(stores.pages.finish_fetch(&second, &Ok(titled("Right")), &policy).await?);
    assert!(!stores.pages.finish_fetch(&second, &Ok(titled("Again")), &policy).await?);
    assert_eq!(stores.page_of(URL).await?.metadata, titled("Right"));
    Ok(())
}

pub async fn one_host_does_not_take_every_place(stores: Stores) -> Tested {
    let mut saves: Vec<_> = (0..10).map(|n| (person("alice"), format!("https://flood.example/{n}"))).collect();
    saves.extend([(person("bob"), "https://one.example/".into()), (person("bob"), "https://two.example/".into())]);
    stores.save_at_once(&saves).await?;
    stores.index_all().await?;
    let hosts = |jobs: Vec<FetchJob>| {
        let mut hosts: Vec<_> = jobs.into_iter().map(|job| job.host).collect();
        hosts.sort();
        hosts
    };
    let running = stores.due().await?;
    assert_eq!(hosts(running.clone()), ["flood.example", "one.example", "two.example"]);
    let room = FetchRoom { running, ..FetchRoom::idle(100) };
    assert_eq!(stores.pages.lease_fetches(&room, &FetchPolicy::default()).await?, []);
    let workers = (0..6).map(|_| {
        let stores = stores.clone();
        async move { stores.due().await }
    });
    let mut urls = Vec::new();
    for jobs in at_once(workers).await? {
        urls.extend(jobs?.into_iter().map(|job| job.url));
    }
    let count = urls.len();
    urls.sort();
    urls.dedup();
    assert_eq!(urls.len(), count, "nobody gets what another has");
    Ok(())
}

pub async fn a_page_that_nobody_keeps_is_forgotten_with_what_a_fetch_still_brings(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let hers = stores.save_with(&alice, URL, Some("mine"), &[]).await?.url_card_id;
    let his = stores.save(&bob, URL).await?.url_card_id;
    stores.index_all().await?;
    stores.fetched(URL, titled("A secret garden")).await?;
    stores.remove(&alice, hers).await?;
    stores.index_all().await?;
    assert_eq!(stores.page_of(URL).await?.metadata, titled("A secret garden"), "he keeps it");
    stores.time.advance(Duration::from_secs(8 * 86_400)).await;
    let refresh = stores.due().await?.remove(0);
    stores.remove(&bob, his).await?;
    stores.index_all().await?;
    assert_eq!(stores.page_of(URL).await?, PageInfo::default());
    let policy = FetchPolicy::default();
    assert!(!stores.pages.finish_fetch(&refresh, &Ok(titled("Late")), &policy).await?);
    assert_eq!((stores.page_of(URL).await?, stores.found("late").await?), (PageInfo::default(), 0));
    stores.time.advance(Duration::from_secs(8 * 86_400)).await;
    assert_eq!(stores.due().await?, [], "it is not fetched again");

    stores.save(&alice, URL).await?;
    stores.index_all().await?;
    let again = stores.due().await?.remove(0);
    assert_eq!((again.url.as_str(), again.tries), (URL, 1), "it is new");
    assert!(!stores.pages.finish_fetch(&refresh, &Ok(titled("Late")), &policy).await?);
    assert!(stores.pages.finish_fetch(&again, &Ok(titled("New")), &policy).await?);
    assert_eq!((stores.found("new").await?, stores.found("secret").await?), (1, 0));
    Ok(())
}

pub async fn a_server_is_not_asked_again_before_the_time_it_names(stores: Stores) -> Tested {
    stores.save(&person("alice"), URL).await?;
    stores.index_all().await?;
    let wait = Some(Duration::from_secs(3_600));
    stores.fails(&FetchFailure { wait, ..FetchFailure::passing("answered 429") }).await?;
    for _ in 0..6 {
        stores.time.advance(Duration::from_secs(590)).await;
        assert_eq!(stores.due().await?, []);
    }
    stores.time.advance(Duration::from_secs(61)).await;
    assert_eq!(stores.due().await?.len(), 1);
    Ok(())
}

pub async fn a_page_is_fetched_again_for_somebody_who_asks(stores: Stores) -> Tested {
    let hers = stores.save(&person("alice"), URL).await?.url_card_id;
    let his = stores.save(&person("bob"), URL).await?.url_card_id;
    stores.index_all().await?;
    assert_eq!(stores.fails(&FetchFailure::lasting("answered 404")).await?, person("alice"));
    stores.time.advance(FetchAgain::GAP + Duration::from_secs(1)).await;
    assert_eq!(stores.due().await?, []);

    assert_eq!(stores.pages.fetch_again(his).await?, FetchAgain::Taken);
    assert_eq!(stores.page_of(URL).await?.state, FetchState::Pending);
    assert_eq!(stores.fails(&FetchFailure::passing("answered 503")).await?, person("bob"), "in his place in line");
    let failed = FetchState::Failed { reason: "answered 503".into(), retryable: true };
    assert_eq!(stores.page_of(URL).await?.state, failed);

    // Later than the next attempt would be: that one has to be taken.
    stores.time.advance(FetchAgain::GAP + Duration::from_secs(1)).await;
    stores.fetched(URL, titled("Found")).await?;
    stores.time.advance(FetchAgain::GAP + Duration::from_secs(1)).await;
    assert_eq!(stores.pages.fetch_again(hers).await?, FetchAgain::Taken);
    let known = stores.page_of(URL).await?;
    assert_eq!((known.state, known.metadata), (FetchState::Ready, titled("Found")), "what is known stays");
    stores.fetched(URL, titled("Changed")).await?;
    assert_eq!((stores.found("changed").await?, stores.found("found").await?), (1, 0));
    Ok(())
}

pub async fn a_server_that_asks_to_be_left_alone_is(stores: Stores) -> Tested {
    let card = stores.save(&person("alice"), URL).await?.url_card_id;
    stores.index_all().await?;
    let hour = Duration::from_secs(3_600);
    stores.fails(&FetchFailure { wait: Some(hour), ..FetchFailure::lasting("answered 403") }).await?;
    stores.time.advance(2 * FetchAgain::GAP).await;
    match stores.pages.fetch_again(card).await? {
        FetchAgain::TooSoon(wait) => assert!(wait > hour - 3 * FetchAgain::GAP && wait < hour, "{wait:?}"),
        other => panic!("it is asked for too soon: {other:?}"),
    }
    stores.time.advance(hour).await;
    assert_eq!(stores.pages.fetch_again(card).await?, FetchAgain::Taken);
    stores.fails(&FetchFailure::lasting("answered 404")).await?;
    stores.time.advance(FetchAgain::GAP + Duration::from_secs(1)).await;
    assert_eq!(stores.pages.fetch_again(card).await?, FetchAgain::Taken, "it asks for nothing any more");
    Ok(())
}

pub async fn a_page_that_waits_or_was_just_fetched_cannot_be_asked_for(stores: Stores) -> Tested {
    let card = stores.save(&person("alice"), URL).await?.url_card_id;
    assert_eq!(stores.pages.fetch_again(card).await?, FetchAgain::Waiting, "nothing is known of it");
    stores.index_all().await?;
    assert_eq!(stores.pages.fetch_again(card).await?, FetchAgain::Waiting, "it is due");
    let job = stores.due().await?.remove(0);
    assert_eq!(stores.pages.fetch_again(card).await?, FetchAgain::Waiting, "it is being fetched");
    let gone = FetchFailure::lasting("answered 410");
    assert!(stores.pages.finish_fetch(&job, &Err(gone), &FetchPolicy::default()).await?);
    match stores.pages.fetch_again(card).await? {
        FetchAgain::TooSoon(wait) => assert!(!wait.is_zero() && wait <= FetchAgain::GAP, "{wait:?}"),
        other => panic!("it was just fetched: {other:?}"),
    }
    assert!(matches!(stores.page_of(URL).await?.state, FetchState::Failed { .. }), "nothing has changed");
    stores.time.advance(FetchAgain::GAP + Duration::from_secs(1)).await;
    let asking = (0..4).map(|_| {
        let stores = stores.clone();
        async move { stores.pages.fetch_again(card).await }
    });
    let answers = at_once(asking).await?.into_iter().collect::<cardwire_domain::Result<Vec<_>>>()?;
    assert_eq!(answers.iter().filter(|answer| **answer == FetchAgain::Taken).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| **answer == FetchAgain::Waiting).count(), 3, "{answers:?}");
    assert_eq!(stores.due().await?.len(), 1);
    Ok(())
}
