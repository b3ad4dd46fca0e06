//! Fetching pages from servers that lie, mislead, never finish or simply work.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cardwire_domain::metadata::{FetchState, PageKind, PageRepository};
use cardwire_domain::search::SearchIndex;
use cardwire_domain::url::CardUrl;
use cardwire_domain::use_cases::{AddUrlToLibrary, Request, execute};
use cardwire_domain::{SystemClock, UserId};
use cardwire_events::Handover;
use cardwire_storage::SqliteStore;
use cardwire_workers::metadata::{AddressPolicy, FetchLimits, Lookup, MetadataSettings, PageFetcher};
use cardwire_workers::{MetadataLoop, Pace};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

use crate::site::{Site, html, page};

/// Where nobody outside may redirect us.
pub const INSIDE: [&str; 13] = [
    "http://169.254.169.254/latest/meta-data",
    "http://[::ffff:127.0.0.1]/",
    "http://0x7f000001/",
    "http://127.1/",
    "http://①②⑦.0.0.1/",
    "http://127.0.0.1./",
    "http:\\\\127.0.0.1\\x",
    "//2130706433/",
    "/\\127.0.0.1/",
    "http://[fd00::1]/",
    "http://inner.example/",
    "http://mixed.example/",
    "http://mapped.example/",
];

/// Every way in which a response can redirect: `/WAY/TARGET`.
fn leading(path: &str) -> Option<Vec<u8>> {
    let (way, target) = path.strip_prefix('/')?.split_once('/')?;
    let (target, _) = form_urlencoded::parse(target.as_bytes()).next()?;
    let refresh = format!("<meta http-equiv=refresh content=\"0; url={target}\">");
    let location = format!("location: {target}");
    Some(match way {
        "found" => page("302 Found", &[&location], ""),
        "choices" => page("300 Multiple Choices", &[&location], ""),
        "with-cookie" => page("307 Temporary", &["set-cookie: n=v; path=/", &location], ""),
        "refresh" => html(&refresh),
        "refresh-late" => html(format!("<title>Here</title><h1>Wait</h1>{}", refresh.replace("0;", "3;"))),
        "header" => {
            page("200 OK", &["content-type: text/html", &format!("refresh: 0; url={target}")], "<title>Here</title>")
        }
        "base" => html(format!("<base href=\"{target}\"><meta http-equiv=refresh content='0; url=x'>")),
        _ => return None,
    })
}

#[tokio::test]
async fn every_way_inside_is_refused_for_good() {
    let site = Site::with(|asked| leading(&asked.path)).await;
    let fetcher = site.fetcher(Duration::from_secs(10));
    let encoded = |target: &str| form_urlencoded::byte_serialize(target.as_bytes()).collect::<String>();
    for way in ["found", "choices", "with-cookie", "refresh", "refresh-late", "header", "base"] {
        for target in INSIDE {
            let failure = fetcher.fetch(&site.url(&format!("/{way}/{}", encoded(target)))).await.unwrap_err();
            assert_eq!(failure.reason, "not a public address", "{way} to {target}");
            assert!(!failure.retryable, "{way} to {target}");
        }
        let way_to = |target: &str| site.url(&format!("/{way}/{}", encoded(target)));
        for (target, reason) in [
            ("http://example.com:22/", "port 22 is not fetched from"),
            ("http://user:secret@example.com/", "URLs with a user name or password are not fetched"),
            ("//user@example.com/", "URLs with a user name or password are not fetched"),
        ] {
            let failure = fetcher.fetch(&way_to(target)).await.unwrap_err();
            assert_eq!((failure.reason.as_str(), failure.retryable), (reason, false), "{way} to {target}");
        }
    }
    let files = fetcher.fetch(&site.url(&format!("/found/{}", encoded("file:///etc/passwd")))).await.unwrap_err();
    assert_eq!((files.reason.as_str(), files.retryable), ("file URLs are not fetched", false));
    for way in ["refresh-late", "header"] {
        // There is no page to go to, so this is the page.
        let stays = fetcher.fetch(&site.url(&format!("/{way}/{}", encoded("file:///etc/passwd")))).await.unwrap();
        assert_eq!(stays.title.as_deref(), Some("Here"), "{way}");
    }
    let direct = fetcher.fetch("http://inner.example/").await.unwrap_err();
    assert_eq!((direct.reason.as_str(), direct.retryable), ("not a public address", false));
    assert!(fetcher.fetch("http://unknown.example/").await.unwrap_err().retryable, "a name may come back");
}

#[tokio::test]
async fn what_a_page_names_is_never_asked_for() {
    let inside = Site::start().await;
    let to = inside.url("/good");
    let body = format!(
        "<base href='{to}'><link rel=canonical href='{to}'><link rel=icon href='{to}'><meta property=og:image content='{to}'>\
         <script src='{to}'></script><iframe src='{to}'></iframe><title>Names much</title>"
    );
    let site = Site::with(move |_| Some(html(&body))).await;
    let read = site.fetcher(Duration::from_secs(10)).fetch(&site.url("/page")).await.unwrap();
    assert_eq!((read.title.as_deref(), read.image), (Some("Names much"), Some(to)));
    assert_eq!(site.paths(), ["/page"]);
    assert_eq!(inside.paths(), [""; 0]);
}

#[tokio::test]
async fn bodies_redirects_and_time_are_bounded() {
    let site = Site::start().await;
    let fetcher = site.fetcher(Duration::from_secs(10));
    for path in ["/huge", "/pours"] {
        let failure = fetcher.fetch(&site.url(path)).await.unwrap_err();
        assert_eq!((failure.reason.as_str(), failure.retryable), ("more than 2097152 bytes", false), "{path}");
    }
    assert!(site.sent.load(Ordering::Relaxed) < 256 << 20, "the client turned away");
    let failure = fetcher.fetch(&site.url("/loop")).await.unwrap_err();
    assert_eq!((failure.reason.as_str(), failure.retryable), ("more than 5 redirects", false));
    let failure = fetcher.fetch(&site.url("/missing")).await.unwrap_err();
    assert_eq!((failure.reason.as_str(), failure.retryable), ("answered 404", false));
    assert!(fetcher.fetch(&site.url("/busy")).await.unwrap_err().retryable);

    let patient = site.fetcher(Duration::from_millis(300));
    for path in ["/drips", "/silent"] {
        let started = Instant::now();
        let failure = patient.fetch(&site.url(path)).await.unwrap_err();
        assert_eq!((failure.reason.as_str(), failure.retryable), ("not read within 0.3 s", true), "{path}");
        assert!(started.elapsed() < Duration::from_secs(5), "{path}");
    }
    let slow = patient.fetch(&site.url("/drips-on")).await.unwrap();
    assert_eq!(slow.title.as_deref(), Some("Slow but there"), "what was read in time");
    let page = fetcher.fetch(&site.url("/to//good")).await.unwrap();
    assert_eq!((page.title.as_deref(), page.kind), (Some("A good page"), Some(PageKind::Article)));
}

#[tokio::test]
async fn bad_pages_fail_clearly_and_delay_no_other() {
    let site = Site::start().await;
    let store =
        Arc::new(SqliteStore::in_memory(Arc::new(SystemClock), Handover::default()).expect("SQLite is built in"));
    let bad = [
        "/to/http://169.254.169.254/",
        "/to/http://[::ffff:127.0.0.1]/",
        "/to/http://0x7f000001/",
        "/to/http://inner.example/",
        "/huge",
        "/pours",
        "/silent",
        "/drips",
    ];
    let alice = Request::by(UserId::parse("did:plc:alice").unwrap());
    let keep = async |url: String| {
        let command = AddUrlToLibrary { url, ..AddUrlToLibrary::default() };
        execute(&*store, &alice, &command).await.unwrap();
        store.reindex(None, 1_000).await.unwrap();
    };
    for path in bad {
        keep(site.url(path)).await;
    }
    // One server stands for many, so all its pages may be fetched at once here.
    let settings = MetadataSettings::default();
    let pace = Pace { at_once_per_host: 100, poll: Duration::from_millis(20), ..settings.pace };
    let settings = MetadataSettings { pace, ..settings };
    let stop = CancellationToken::new();
    let fetching = MetadataLoop::new(store.clone(), site.fetcher(Duration::from_secs(3)), settings);
    let stopped = stop.clone();
    let fetching = tokio::spawn(async move { fetching.run(stopped).await });
    let state = async |path: &str| store.page(&CardUrl::parse(&site.url(path)).unwrap()).await.unwrap();

    keep(site.url("/good")).await;
    let started = Instant::now();
    let ready = timeout(Duration::from_secs(20), async {
        while state("/good").await.state != FetchState::Ready {
            sleep(Duration::from_millis(5)).await;
        }
    });
    ready.await.expect("the good page is fetched");
    let silent = state("/silent").await.state;
    assert_eq!(silent, FetchState::Pending, "the good page did not wait for the slow ones: {:?}", started.elapsed());
    assert_eq!(state("/good").await.metadata.title.as_deref(), Some("A good page"));

    for path in bad {
        let failed = timeout(Duration::from_secs(20), async {
            loop {
                if let FetchState::Failed { reason, retryable } = state(path).await.state {
                    return (reason, retryable);
                }
                sleep(Duration::from_millis(5)).await;
            }
        });
        let (reason, retryable) = failed.await.unwrap_or_else(|_| panic!("{path} has no failed state"));
        assert_eq!(retryable, matches!(path, "/silent" | "/drips"), "{path}: {reason}");
    }
    stop.cancel();
    fetching.await.unwrap();
}

#[tokio::test]
async fn one_persons_slow_hosts_and_one_domain_leave_places_for_others() {
    let site = Site::start().await;
    let store =
        Arc::new(SqliteStore::in_memory(Arc::new(SystemClock), Handover::default()).expect("SQLite is built in"));
    // Every name leads to the one server.
    let lookup: Lookup = Arc::new(|_| Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) }));
    let policy = AddressPolicy { allow_private: true, ..AddressPolicy::default() };
    // A silent connection stays silent until the test is over.
    let limits = FetchLimits { time: Duration::from_secs(600), ..FetchLimits::default() };
    let url = |host: &str, path: &str| format!("http://{host}:{}{path}", site.address.port());
    let keep = async |person: &str, url: String| {
        let by = Request::by(UserId::parse(&format!("did:plc:{person}")).unwrap());
        execute(&*store, &by, &AddUrlToLibrary { url, ..AddUrlToLibrary::default() }).await.unwrap();
    };
    for n in 0..200 {
        keep("mallory", url(&format!("slow{n}.example"), "/silent")).await;
    }
    store.reindex(None, 1_000).await.unwrap();
    let settings = MetadataSettings::default();
    let pace = Pace { at_once: 8, poll: Duration::from_millis(20), ..settings.pace };
    let settings = MetadataSettings { pace, ..settings };
    let fetching = MetadataLoop::new(store.clone(), PageFetcher::new(policy, limits, lookup).unwrap(), settings);
    let fetching = tokio::spawn(async move { fetching.run(CancellationToken::new()).await });
    let is_fetched = async |host: &str| {
        let page = CardUrl::parse(&url(host, "/good")).unwrap();
        let ready = timeout(Duration::from_secs(20), async {
            while store.page(&page).await.unwrap().state != FetchState::Ready {
                sleep(Duration::from_millis(5)).await;
            }
        });
        ready.await.unwrap_or_else(|_| panic!("the page of {host} waits for slow ones"));
    };
    let silent = async |count: usize| {
        let asked = timeout(Duration::from_secs(20), async {
            while site.silent.load(Ordering::Relaxed) < count {
                sleep(Duration::from_millis(5)).await;
            }
        });
        asked.await.unwrap_or_else(|_| panic!("{} of {count} are asked", site.silent.load(Ordering::Relaxed)));
    };

    silent(4).await;
    keep("bob", url("one.example", "/good")).await;
    store.reindex(None, 1_000).await.unwrap();
    is_fetched("one.example").await;
    assert_eq!(site.silent.load(Ordering::Relaxed), 4, "half of the places");

    for n in 0..3 {
        keep(&format!("crowd{n}"), url(&format!("s{n}.flood.example"), "/silent")).await;
    }
    store.reindex(None, 1_000).await.unwrap();
    silent(7).await;
    keep("carol", url("two.example", "/good")).await;
    store.reindex(None, 1_000).await.unwrap();
    is_fetched("two.example").await;
    assert_eq!(site.silent.load(Ordering::Relaxed), 7);
    fetching.abort();
}
