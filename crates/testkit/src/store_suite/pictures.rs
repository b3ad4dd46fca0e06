//! Pictures: fetched after their page was read, seen by those who see it, kept once, and gone when no page shows them.

use std::time::Duration;

use anyhow::Context as _;
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{FetchPolicy, Metadata};
use cardwire_domain::pictures::{
    CardPictures, Fetched, GRACE, Picture, PictureHash, PictureJob, PictureKind, PicturesFetched, REFRESH,
};
use cardwire_domain::search::SearchRequest;
use cardwire_domain::use_cases::{HideCard, ShowCard};
use cardwire_domain::{CardId, UserId, Visibility};

use super::pages::titled;
use super::scene::{page, person};
use super::{Stores, Tested};

const URL: &str = "https://example.com/page";
const OTHER_URL: &str = "https://other.example/page";
const COVER: &str = "https://cdn.example/cover.jpg";
const ICON: &str = "https://example.com/favicon.ico";
const LEASE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn illustrated(cover: &str) -> Metadata {
    Metadata { image: Some(cover.into()), icon: Some(ICON.into()), ..titled("Marmalade") }
}

/// A picture whose bytes are this text.
fn picture(text: &str, kind: PictureKind) -> Fetched {
    let (width, height) = if kind == PictureKind::Jpeg { (640, 360) } else { (64, 64) };
    Fetched::Picture(Picture { kind, width, height, bytes: text.as_bytes().to_vec() })
}

fn fetched(cover: &str, icon: &str) -> PicturesFetched {
    let (cover, icon) = (picture(cover, PictureKind::Jpeg), picture(icon, PictureKind::Png));
    PicturesFetched { cover, icon, again: None }
}

impl Stores {
    async fn picture_jobs(&self) -> anyhow::Result<Vec<PictureJob>> {
        let room = FetchRoom { per_host: 100, ..FetchRoom::idle(100) };
        Ok(self.pictures.lease_pictures(&room, LEASE).await?)
    }

    async fn only_picture_job(&self) -> anyhow::Result<PictureJob> {
        let mut jobs = self.picture_jobs().await?;
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        Ok(jobs.remove(0))
    }

    /// Reads the page, which must be due, and stores these for its pictures.
    async fn illustrate(&self, url: &str, cover: &str, icon: &str) -> Tested {
        self.fetched(url, illustrated(COVER)).await?;
        let job = self.only_picture_job().await?;
        assert!(self.pictures.finish_pictures(&job, &fetched(cover, icon)).await?);
        Ok(())
    }

    async fn pictures_on(&self, card: CardId, reader: &UserId) -> anyhow::Result<CardPictures> {
        Ok(self.library.library_card(card, Some(reader)).await?.card.pictures)
    }

    async fn cover_on(&self, card: CardId, reader: &UserId) -> anyhow::Result<Option<PictureHash>> {
        Ok(self.pictures_on(card, reader).await?.cover.map(|cover| cover.hash))
    }

    /// Which of nobody, alice and bob see it.
    async fn readers_of(&self, hash: PictureHash) -> anyhow::Result<[bool; 3]> {
        let mut seen = [false; 3];
        for (seen, reader) in seen.iter_mut().zip([None, Some(person("alice")), Some(person("bob"))]) {
            *seen = self.pictures.picture(hash, reader.as_ref()).await?.is_some();
        }
        Ok(seen)
    }

    /// Looks at all that pages have dropped long enough ago.
    async fn drop_all(&self) -> Tested {
        while self.pictures.drop_pictures(1).await? > 0 {}
        Ok(())
    }
}

pub async fn pictures_are_fetched_once_their_page_was_read(stores: Stores) -> Tested {
    let alice = person("alice");
    let card = stores.save(&alice, URL).await?.url_card_id;
    stores.index_all().await?;
    assert_eq!(stores.picture_jobs().await?, []);
    stores.fetched(URL, illustrated(COVER)).await?;
    let job = stores.only_picture_job().await?;
    let told = (job.url.as_str(), job.host.as_str(), job.cover.as_deref(), job.icon.as_deref(), job.tries);
    assert_eq!(told, (URL, "example.com", Some(COVER), Some(ICON), 1));
    assert_eq!(job.keeper, None);
    assert_eq!(stores.picture_jobs().await?, [], "it is leased");
    assert_eq!(stores.pictures_on(card, &alice).await?, CardPictures::NONE);
    assert!(stores.pictures.finish_pictures(&job, &fetched("cover", "icon")).await?);
    assert!(!stores.pictures.finish_pictures(&job, &fetched("other", "icon")).await?, "the lease is over");

    let shown = stores.library.library_card(card, Some(&alice)).await?;
    assert_eq!(shown.card.title.as_deref(), Some("Marmalade"));
    let CardPictures { cover, icon } = shown.card.pictures;
    let (cover, icon) = (cover.context("it has a cover")?, icon.context("it has an icon")?);
    assert_eq!((cover.width, cover.height), (640, 360));
    for (hash, expected) in [(cover.hash, fetched("cover", "").cover), (icon, fetched("", "icon").icon)] {
        let found = stores.pictures.picture(hash, None).await?.map(Fetched::Picture);
        assert_eq!(found, Some(expected));
    }
    stores.time.advance(DAY).await;
    assert_eq!(stores.picture_jobs().await?, []);

    stores.save(&alice, OTHER_URL).await?;
    stores.index_all().await?;
    stores.fetched(OTHER_URL, titled("Names no pictures")).await?;
    assert_eq!(stores.picture_jobs().await?, []);
    Ok(())
}

pub async fn a_picture_is_seen_by_those_who_see_a_card_of_its_page(stores: Stores) -> Tested {
    let alice = person("alice");
    let card = stores.save(&alice, URL).await?.url_card_id;
    stores.index_all().await?;
    stores.illustrate(URL, "cover", "icon").await?;
    let cover = stores.cover_on(card, &alice).await?.context("it has a cover")?;
    assert_eq!(stores.readers_of(cover).await?, [true; 3]);
    assert_eq!(stores.readers_of(PictureHash([7; 32])).await?, [false; 3]);
    stores.remove(&alice, card).await?;
    assert_eq!(stores.readers_of(cover).await?, [false; 3], "at once");
    stores.index_all().await?;
    assert_eq!(stores.readers_of(cover).await?, [false; 3]);
    Ok(())
}

pub async fn a_picture_of_a_private_page_is_its_keepers_alone(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let hers = stores.save_privately(&alice, URL, None, &[]).await?;
    stores.index_all().await?;
    stores.fetched(URL, illustrated(COVER)).await?;
    let job = stores.only_picture_job().await?;
    assert_eq!(job.keeper.as_ref(), Some(&alice));
    assert!(stores.pictures.finish_pictures(&job, &fetched("cover", "icon")).await?);
    let cover = stores.cover_on(hers, &alice).await?.context("it has a cover")?;
    assert_eq!(stores.readers_of(cover).await?, [false, true, false]);

    let his = stores.save(&bob, URL).await?.url_card_id;
    stores.index_all().await?;
    assert_eq!(stores.pictures_on(his, &bob).await?, CardPictures::NONE);
    assert_eq!(stores.readers_of(cover).await?, [false, true, false], "his page has none yet");
    stores.illustrate(URL, "cover", "icon").await?;
    assert_eq!(stores.readers_of(cover).await?, [true; 3], "the same picture on his page");
    stores.remove(&bob, his).await?;
    assert_eq!(stores.readers_of(cover).await?, [false, true, false]);
    stores.remove(&alice, hers).await?;
    assert_eq!(stores.readers_of(cover).await?, [false; 3]);
    Ok(())
}

pub async fn a_card_that_is_made_private_or_hidden_takes_its_picture_along_at_once(stores: Stores) -> Tested {
    let (alice, admin) = (person("alice"), person("admin"));
    let card = stores.save(&alice, URL).await?.url_card_id;
    stores.work_off().await?;
    stores.illustrate(URL, "cover", "icon").await?;
    let before = stores.pictures_on(card, &alice).await?;
    let cover = before.cover.context("it has a cover")?.hash;
    assert_eq!(stores.readers_of(cover).await?, [true; 3]);

    stores.let_see(&alice, card, Visibility::Private).await?;
    let [nobody, _, bob] = stores.readers_of(cover).await?;
    assert!(!nobody && !bob, "before anything is worked off");
    stores.work_off().await?;
    assert_eq!(stores.readers_of(cover).await?, [false, true, false]);
    assert_eq!(stores.pictures_on(card, &alice).await?, before, "her own page begins with what is known");
    stores.let_see(&alice, card, Visibility::Public).await?;
    stores.work_off().await?;
    assert_eq!(stores.readers_of(cover).await?, [true; 3]);

    stores.run(&admin, &HideCard { card_id: card.to_string(), reason: "spam".into() }).await?;
    let [nobody, _, bob] = stores.readers_of(cover).await?;
    assert!(!nobody && !bob, "before anything is worked off");
    stores.work_off().await?;
    assert_eq!(stores.readers_of(cover).await?, [false, true, false]);
    stores.run(&admin, &ShowCard { card_id: card.to_string() }).await?;
    stores.work_off().await?;
    assert_eq!(stores.readers_of(cover).await?, [true; 3]);
    Ok(())
}

pub async fn pictures_are_shown_wherever_their_card_is(stores: Stores) -> Tested {
    let alice = person("alice");
    let shelf = stores.collections_at_once(&alice, 1).await?;
    let card = stores.save_with(&alice, URL, None, &shelf).await?.url_card_id;
    stores.work_off().await?;
    stores.illustrate(URL, "cover", "icon").await?;
    let expected = stores.pictures_on(card, &alice).await?;
    assert!(expected.cover.is_some() && expected.icon.is_some());
    assert_eq!(stores.feed_items(None).await?[0].card.pictures, expected);
    assert_eq!(stores.library_of(&alice).await?[0].card.pictures, expected);
    let collected = stores.collections.cards_in(shelf[0], None, &page(10, None)).await?.items;
    assert_eq!(collected[0].card.pictures, expected);
    let request = SearchRequest { text: "marmalade".into(), ..SearchRequest::default() };
    assert_eq!(stores.search.search(&request, &page(10, None)).await?.items[0].pictures, expected);
    Ok(())
}

pub async fn one_picture_of_many_pages_is_kept_until_the_last_of_them_is_gone(stores: Stores) -> Tested {
    let alice = person("alice");
    let mut cards = Vec::new();
    for (url, icon) in [(URL, "a quiet icon"), (OTHER_URL, "a loud icon")] {
        cards.push(stores.save(&alice, url).await?.url_card_id);
        stores.index_all().await?;
        stores.illustrate(url, "a shared cover", icon).await?;
    }
    let shared = stores.cover_on(cards[0], &alice).await?.context("it has a cover")?;
    assert_eq!(stores.cover_on(cards[1], &alice).await?, Some(shared));
    let kept = ["pictures.bytes"];
    for (card, is_last) in [(cards[0], false), (cards[1], true)] {
        stores.remove(&alice, card).await?;
        stores.index_all().await?;
        stores.drop_all().await?;
        let icon = if is_last { "a loud icon" } else { "a quiet icon" };
        assert_eq!(stores.time.holding(icon).await, kept, "a page that is being written may refer to it");
        stores.time.advance(GRACE + LEASE).await;
        stores.drop_all().await?;
        assert_eq!(stores.time.holding(icon).await, [""; 0]);
        assert_eq!(stores.time.holding("a shared cover").await.is_empty(), is_last);
        assert_eq!(stores.readers_of(shared).await?, [!is_last; 3]);
    }
    Ok(())
}

pub async fn a_picture_that_is_stored_again_while_it_waits_is_not_deleted(stores: Stores) -> Tested {
    let alice = person("alice");
    let first = stores.save(&alice, URL).await?.url_card_id;
    stores.index_all().await?;
    stores.illustrate(URL, "a shared cover", "icon").await?;
    stores.remove(&alice, first).await?;
    let other = stores.save(&alice, OTHER_URL).await?.url_card_id;
    stores.index_all().await?;
    stores.drop_all().await?;
    stores.time.advance(GRACE / 2).await;
    stores.illustrate(OTHER_URL, "a shared cover", "icon").await?;
    stores.time.advance(GRACE / 2 + LEASE).await;
    stores.drop_all().await?;
    let cover = stores.cover_on(other, &alice).await?.context("it has a cover")?;
    assert_eq!(stores.readers_of(cover).await?, [true; 3]);
    // It is not forgotten either.
    stores.remove(&alice, other).await?;
    stores.index_all().await?;
    stores.drop_all().await?;
    stores.time.advance(GRACE + LEASE).await;
    stores.drop_all().await?;
    assert_eq!(stores.time.holding("a shared cover").await, [""; 0]);
    Ok(())
}

pub async fn what_could_not_be_fetched_leaves_what_is_there_and_is_tried_again(stores: Stores) -> Tested {
    let alice = person("alice");
    let card = stores.save(&alice, URL).await?.url_card_id;
    stores.index_all().await?;
    stores.illustrate(URL, "cover", "icon").await?;
    let before = stores.pictures_on(card, &alice).await?;
    stores.time.advance(REFRESH + DAY).await;
    stores.fetched(URL, illustrated(COVER)).await?;
    let job = stores.only_picture_job().await?;
    let failed = PicturesFetched { cover: Fetched::Failed, icon: Fetched::Failed, again: Some(LEASE) };
    assert!(stores.pictures.finish_pictures(&job, &failed).await?);
    assert_eq!(stores.pictures_on(card, &alice).await?, before);
    assert_eq!(stores.picture_jobs().await?, []);
    stores.time.advance(2 * LEASE).await;
    let job = stores.only_picture_job().await?;
    assert_eq!(job.tries, 2);
    let gone = PicturesFetched { cover: Fetched::Nothing, icon: Fetched::Failed, again: None };
    assert!(stores.pictures.finish_pictures(&job, &gone).await?);
    assert_eq!(stores.pictures_on(card, &alice).await?, CardPictures { cover: None, ..before });
    stores.time.advance(DAY).await;
    assert_eq!(stores.picture_jobs().await?, [], "it is given up");
    Ok(())
}

pub async fn a_lease_that_runs_out_is_given_to_somebody_else(stores: Stores) -> Tested {
    let alice = person("alice");
    let card = stores.save(&alice, URL).await?.url_card_id;
    stores.index_all().await?;
    stores.fetched(URL, illustrated(COVER)).await?;
    let lost = stores.only_picture_job().await?;
    stores.time.advance(2 * LEASE).await;
    let job = stores.only_picture_job().await?;
    assert_eq!(job.tries, 2);
    assert!(!stores.pictures.finish_pictures(&lost, &fetched("late", "icon")).await?);
    assert_eq!(stores.pictures_on(card, &alice).await?, CardPictures::NONE);
    assert!(stores.pictures.finish_pictures(&job, &fetched("cover", "icon")).await?);
    assert!(stores.pictures_on(card, &alice).await?.cover.is_some());
    Ok(())
}

pub async fn pictures_are_fetched_again_when_their_page_names_others_and_after_a_while(stores: Stores) -> Tested {
    let alice = person("alice");
    let card = stores.save(&alice, URL).await?.url_card_id;
    stores.index_all().await?;
    stores.illustrate(URL, "cover", "icon").await?;
    stores.time.advance(8 * DAY).await;
    stores.fetched(URL, illustrated(COVER)).await?;
    assert_eq!(stores.picture_jobs().await?, [], "they are where they were");
    stores.time.advance(8 * DAY).await;
    stores.fetched(URL, illustrated("https://cdn.example/new.jpg")).await?;
    let job = stores.only_picture_job().await?;
    assert_eq!((job.cover.as_deref(), job.tries), (Some("https://cdn.example/new.jpg"), 1));
    assert!(stores.pictures.finish_pictures(&job, &fetched("new cover", "icon")).await?);
    stores.time.advance(8 * DAY).await;
    stores.fetched(URL, Metadata { image: None, ..illustrated(COVER) }).await?;
    let shown = stores.pictures_on(card, &alice).await?;
    assert!(shown.cover.is_none() && shown.icon.is_some(), "{shown:?}");
    let job = stores.only_picture_job().await?;
    assert_eq!((job.cover, job.icon.as_deref()), (None, Some(ICON)));
    Ok(())
}

pub async fn a_host_with_many_pictures_keeps_others_from_waiting_behind_it(stores: Stores) -> Tested {
    let alice = person("alice");
    let saves: Vec<_> = (0..250).map(|n| (alice.clone(), format!("https://site{n}.example/"))).collect();
    stores.save_at_once(&saves).await?;
    while stores.index_all().await? > 0 {}
    let room = FetchRoom { per_host: 1_000, ..FetchRoom::idle(1_000) };
    let busy = Metadata { icon: None, ..illustrated(COVER) };
    for job in stores.pages.lease_fetches(&room, &FetchPolicy::default()).await? {
        assert!(stores.pages.finish_fetch(&job, &Ok(busy.clone()), &FetchPolicy::default()).await?);
    }
    let second = Duration::from_secs(1);
    stores.time.advance(second).await;
    stores.save(&alice, OTHER_URL).await?;
    stores.index_all().await?;
    stores.fetched(OTHER_URL, illustrated("https://other.example/cover.jpg")).await?;
    let mut running = Vec::new();
    for _ in 0..3 {
        stores.time.advance(second).await;
        let room = FetchRoom { free: 10, running: running.clone(), per_host: 1, share: 10 };
        running.extend(stores.pictures.lease_pictures(&room, LEASE).await?);
    }
    let urls: Vec<_> = running.iter().map(|job| job.url.as_str()).collect();
    assert_eq!(urls.len(), 2, "{urls:?}");
    assert!(urls.contains(&OTHER_URL), "{urls:?}");
    Ok(())
}
