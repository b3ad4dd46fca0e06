//! Fetching pages from servers that lie, lead astray, never end or are simply there.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cardwire_domain::metadata::{FetchState, PageKind, PageRepository};
use cardwire_domain::search::SearchIndex;
use cardwire_domain::url::CardUrl;
use cardwire_domain::use_cases::{AddUrlToLibrary, Request, execute};
use cardwire_domain::{SystemClock, UserId};
use cardwire_events::Handover;
use cardwire_storage::SqliteStore;
use cardwire_workers::MetadataLoop;
use cardwire_workers::metadata::{AddressPolicy, FetchLimits, Lookup, MetadataSettings, PageFetcher};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// A web server of the test's own.
struct Site {
    address: SocketAddr,
    /// Of endless bodies.
    sent: Arc<AtomicUsize>,
    /// Requests that are never answered.
    silent: Arc<AtomicUsize>,
}

impl Site {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sent, silent) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counted = (sent.clone(), silent.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sent, silent) = counted.clone();
                // A client that turns away mid-answer is what these tests are about.
                tokio::spawn(async move { drop(answer(stream, sent, silent).await) });
            }
        });
        Self { address, sent, silent }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn fetcher(&self, time: Duration) -> PageFetcher {
        let policy = AddressPolicy { exempt: BTreeSet::from([self.address]), ..AddressPolicy::default() };
        PageFetcher::new(policy, FetchLimits { time, ..FetchLimits::default() }, names()).unwrap()
    }
}

/// Names that resolve to where they should not.
fn names() -> Lookup {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let names = BTreeMap::from([
        ("inner.example", vec![ip("10.0.0.1")]),
        ("mixed.example", vec![ip("93.184.215.14"), ip("fd00::1")]),
        ("mapped.example", vec![ip("::ffff:127.0.0.1")]),
    ]);
    Arc::new(move |name| {
        let found = names.get(name.as_str()).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name")) })
    })
}

async fn answer(mut stream: TcpStream, sent: Arc<AtomicUsize>, silent: Arc<AtomicUsize>) -> io::Result<()> {
    let mut request = vec![0; 8_192];
    let length = stream.read(&mut request).await?;
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    let path = request.split_whitespace().nth(1).unwrap_or("/").to_owned();
    let page = |status: &str, headers: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n{body}", body.len())
    };
    let html = "content-type: text/html; charset=utf-8\r\n";
    if let Some(target) = path.strip_prefix("/to/") {
        stream.write_all(page("302 Found", &format!("location: {target}\r\n"), "").as_bytes()).await?;
        return Ok(());
    }
    match path.as_str() {
        "/good" => {
            let body = "<title>A good page</title><meta property=og:type content=article>";
            stream.write_all(page("200 OK", html, body).as_bytes()).await
        }
        "/missing" => stream.write_all(page("404 Not Found", "", "").as_bytes()).await,
        "/busy" => stream.write_all(page("503 Service Unavailable", "", "").as_bytes()).await,
        "/loop" => stream.write_all(page("301 Moved", "location: /loop\r\n", "").as_bytes()).await,
        "/huge" => {
            let head = format!("HTTP/1.1 200 OK\r\n{html}content-length: 1073741824\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            pour(&mut stream, &sent).await
        }
        "/pours" => {
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{html}connection: close\r\n\r\n").as_bytes()).await?;
            pour(&mut stream, &sent).await
        }
        "/drips" => {
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{html}connection: close\r\n\r\n<title>").as_bytes()).await?;
            loop {
                stream.write_all(b"x").await?;
                sleep(Duration::from_millis(20)).await;
            }
        }
        // "/silent": never an answer.
        _ => {
            silent.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        }
    }
}

/// A gigabyte, as far as somebody takes it.
async fn pour(stream: &mut TcpStream, sent: &AtomicUsize) -> io::Result<()> {
    let portion = vec![b'x'; 64 * 1_024];
    while sent.load(Ordering::Relaxed) < 1 << 30 {
        stream.write_all(&portion).await?;
        sent.fetch_add(portion.len(), Ordering::Relaxed);
    }
    Ok(())
}

#[tokio::test]
async fn every_way_inside_is_refused_for_good() {
    let site = Site::start().await;
    let fetcher = site.fetcher(Duration::from_secs(10));
    for target in [
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:127.0.0.1]/",
        "http://0x7f000001/",
        "http://127.1/",
        "//2130706433/",
        "http://[fd00::1]/",
        "http://inner.example/",
        "http://mixed.example/",
        "http://mapped.example/",
    ] {
        let failure = fetcher.fetch(&site.url(&format!("/to/{target}"))).await.unwrap_err();
        assert_eq!(failure.reason, "not a public address", "{target}");
        assert!(!failure.retryable, "{target}");
    }
    for (target, reason) in [
        ("http://example.com:22/", "port 22 is not fetched from"),
        ("file:///etc/passwd", "file URLs are not fetched"),
        ("http://user:secret@example.com/", "URLs with a user name or password are not fetched"),
        ("//user@example.com/", "URLs with a user name or password are not fetched"),
    ] {
        let failure = fetcher.fetch(&site.url(&format!("/to/{target}"))).await.unwrap_err();
        assert_eq!((failure.reason.as_str(), failure.retryable), (reason, false));
    }
    let direct = fetcher.fetch("http://inner.example/").await.unwrap_err();
    assert_eq!((direct.reason.as_str(), direct.retryable), ("not a public address", false));
    assert!(fetcher.fetch("http://unknown.example/").await.unwrap_err().retryable, "a name may come back");
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
    // One server stands for many: all of its pages may be fetched at once here.
    let settings =
        MetadataSettings { at_once_per_host: 100, poll: Duration::from_millis(20), ..MetadataSettings::default() };
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
    // What is silent stays so until the test is over.
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
    let settings = MetadataSettings { at_once: 8, poll: Duration::from_millis(20), ..MetadataSettings::default() };
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
