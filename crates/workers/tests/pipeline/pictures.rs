//! Fetching covers and icons: after their page, never from internal addresses, and never at the expense of anything
//! else.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cardwire_domain::library::{LibraryCard, LibraryRepository};
use cardwire_domain::metadata::FetchState;
use cardwire_domain::pictures::{PictureKind, PictureRepository};
use cardwire_domain::search::SearchIndex;
use cardwire_domain::url::CardUrl;
use cardwire_domain::use_cases::{AddUrlToLibrary, Request, execute};
use cardwire_domain::{SystemClock, UserId};
use cardwire_events::Handover;
use cardwire_storage::SqliteStore;
use cardwire_workers::metadata::{FetchLimits, MetadataSettings};
use cardwire_workers::pictures::PictureSettings;
use cardwire_workers::{MetadataLoop, Pace, PictureLoop};
use image::{ImageFormat, RgbImage};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

use crate::pages::INSIDE;
use crate::site::{Asked, Site, html, page, redirect};

const POLL: Duration = Duration::from_millis(20);

fn alice() -> UserId {
    UserId::parse("did:plc:alice").unwrap()
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    RgbImage::new(width, height).write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
    bytes
}

/// Reads what alice saves of one site, with its pictures, until it is dropped.
struct Reading {
    store: Arc<SqliteStore>,
    _loops: JoinSet<()>,
}

impl Reading {
    fn of(site: &Site) -> Self {
        let store =
            Arc::new(SqliteStore::in_memory(Arc::new(SystemClock), Handover::default()).expect("SQLite is built in"));
        let mut loops = JoinSet::new();
        let settings = MetadataSettings::default();
        let settings = MetadataSettings { pace: Pace { poll: POLL, ..settings.pace }, ..settings };
        let reading = MetadataLoop::new(store.clone(), site.fetcher(Duration::from_secs(3)), settings);
        loops.spawn(async move { reading.run(CancellationToken::new()).await });
        let settings = PictureSettings::default();
        let pace = Pace { poll: POLL, at_once_per_host: 1, ..settings.pace };
        let settings = PictureSettings { pace, ..settings };
        let pictures = PictureLoop::new(store.clone(), site.fetcher(Duration::from_secs(3)), settings);
        loops.spawn(async move { pictures.run(CancellationToken::new()).await });
        Self { store, _loops: loops }
    }

    async fn save(&self, url: &str) {
        let command = AddUrlToLibrary { url: url.to_owned(), ..AddUrlToLibrary::default() };
        execute(&*self.store, &Request::by(alice()), &command).await.unwrap();
        self.store.reindex(None, 1_000).await.unwrap();
    }

    async fn card(&self, url: &str) -> LibraryCard {
        let url = CardUrl::parse(url).unwrap();
        self.store.library_card_by_url(&alice(), &url).await.unwrap().expect("it was saved")
    }

    /// The card, once this is true.
    async fn until(&self, url: &str, what: &str, holds: impl Fn(&LibraryCard) -> bool) -> LibraryCard {
        let waited = timeout(Duration::from_secs(20), async {
            loop {
                let card = self.card(url).await;
                if holds(&card) {
                    return card;
                }
                sleep(POLL).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{what} never came"))
    }
}

#[tokio::test]
async fn pictures_come_after_the_title_and_what_they_are_follows_from_their_bytes() {
    let site = Site::with(|asked: &Asked| {
        Some(match asked.path.as_str() {
            "/page" => html("<title>A page</title><meta property=og:image content=/led><link rel=icon href=i.ico>"),
            "/led" => redirect("/cover"),
            // Whatever type it declares.
            "/cover" => page("200 OK", &["content-type: text/html"], png(1_200, 630)),
            "/i.ico" => page("200 OK", &["content-type: image/png"], "<svg xmlns='http://www.w3.org/2000/svg'/>"),
            _ => page("404 Not Found", &[], ""),
        })
    })
    .await;
    let reading = Reading::of(&site);
    let url = site.url("/page");
    reading.save(&url).await;
    let card = reading.until(&url, "the cover", |card| card.card.pictures.cover.is_some()).await;
    assert_eq!((card.page.state, card.card.title.as_deref()), (FetchState::Ready, Some("A page")));
    assert_eq!(card.card.pictures.icon, None, "SVG is no icon");
    let cover = card.card.pictures.cover.unwrap();
    assert_eq!((cover.width, cover.height), (640, 336));
    let picture = reading.store.picture(cover.hash, None).await.unwrap().unwrap();
    assert_eq!(picture.kind, PictureKind::Jpeg);
    assert_eq!(site.paths(), ["/page", "/led", "/cover", "/i.ico"]);
    let cookies = site.asked().iter().filter(|asked| !asked.header("cookie").is_empty()).count();
    assert_eq!(cookies, 0);
}

#[tokio::test]
async fn a_picture_that_fails_leaves_the_page_as_it_was_read() {
    let site = Site::with(|asked: &Asked| match asked.path.as_str() {
        "/busy-page" => Some(html("<title>Busy</title><meta property=og:image content=/busy>")),
        "/broken-page" => Some(html("<title>Broken</title><meta property=og:image content=/half>")),
        "/half" => Some(page("200 OK", &[], &png(300, 200)[..100])),
        "/inside-page" => Some(html("<title>Inside</title><meta property=og:image content='http://127.0.0.1/x.png'>")),
        "/favicon.ico" => Some(page("200 OK", &[], png(32, 32))),
        _ => None,
    })
    .await;
    let reading = Reading::of(&site);
    for (path, title) in [("/busy-page", "Busy"), ("/broken-page", "Broken"), ("/inside-page", "Inside")] {
        let url = site.url(path);
        reading.save(&url).await;
        let card = reading.until(&url, "the icon", |card| card.card.pictures.icon.is_some()).await;
        assert_eq!((card.page.state, card.card.title.as_deref()), (FetchState::Ready, Some(title)));
        assert_eq!(card.card.pictures.cover, None, "{path}");
    }
    let asked = site.paths();
    assert_eq!(asked.iter().filter(|path| *path == "/favicon.ico").count(), 1, "one icon for all: {asked:?}");
}

#[tokio::test]
async fn no_picture_is_fetched_from_inside() {
    let site = Site::with(|asked: &Asked| {
        let target = asked.path.strip_prefix("/found/")?;
        let (target, _) = form_urlencoded::parse(target.as_bytes()).next()?;
        Some(redirect(&target))
    })
    .await;
    let fetcher = site.fetcher(Duration::from_secs(10));
    let limits = FetchLimits::default();
    for target in INSIDE {
        let encoded: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
        let failure = fetcher.picture(&site.url(&format!("/found/{encoded}")), limits).await.unwrap_err();
        assert_eq!((failure.reason.as_str(), failure.retryable), ("not a public address", false), "{target}");
    }
    for target in ["http://inner.example/", "http://mixed.example/", "http://[::1]/", "http://10.0.0.1/"] {
        let failure = fetcher.picture(target, limits).await.unwrap_err();
        assert_eq!((failure.reason.as_str(), failure.retryable), ("not a public address", false), "{target}");
    }
}

#[tokio::test]
async fn what_a_picture_may_cost_is_bounded() {
    let site = Site::start().await;
    let fetcher = site.fetcher(Duration::from_secs(10));
    let limits = FetchLimits { bytes: 1_000_000, time: Duration::from_secs(10), redirects: 5 };
    for path in ["/huge", "/pours"] {
        let failure = fetcher.picture(&site.url(path), limits).await.unwrap_err();
        assert_eq!((failure.reason.as_str(), failure.retryable), ("more than 1000000 bytes", false), "{path}");
    }
    assert!(site.sent.load(Ordering::Relaxed) < 256 << 20, "the client turned away");
    let failure = fetcher.picture(&site.url("/loop"), limits).await.unwrap_err();
    assert_eq!((failure.reason.as_str(), failure.retryable), ("more than 5 redirects", false));
    assert!(fetcher.picture(&site.url("/busy"), limits).await.unwrap_err().retryable);
    assert!(!fetcher.picture(&site.url("/missing"), limits).await.unwrap_err().retryable);
    let patient = FetchLimits { time: Duration::from_millis(300), ..limits };
    for path in ["/drips", "/silent"] {
        let started = Instant::now();
        let failure = fetcher.picture(&site.url(path), patient).await.unwrap_err();
        assert_eq!((failure.reason.as_str(), failure.retryable), ("not read within 0.3 s", true), "{path}");
        assert!(started.elapsed() < Duration::from_secs(5), "{path}");
    }
}
