//! What holds for each page: nothing is loaded from elsewhere, the console is quiet, axe finds no serious barrier, nothing is cut off
//! at 360 px, in the light and in the dark.

use std::path::Path;

use cardwire_testkit::process::Process;
use serde_json::{Value, json};

use crate::server::{in_memory, post, save};
use crate::window::{Driver, Window};

const NARROW: u32 = 360;

/// Something to look at, and where: name and path of each page.
async fn scene(web: &Process) -> Vec<(&'static str, String)> {
    let mut collections = Vec::new();
    for (name, access) in [("Reading list", "OPEN"), ("Typography", "CLOSED")] {
        let body = json!({ "name": name, "description": "Long articles for slow evenings.", "accessType": access });
        collections.push(post(web, "mock123", "/api/collections", body).await["id"].as_str().unwrap().to_owned());
    }
    let links = [
        ("https://www.rust-lang.org/learn/get-started", "Start here"),
        ("https://doc.rust-lang.org/book/ch04-00-understanding-ownership.html", "Ownership, read again"),
        ("https://www.postgresql.org/docs/current/transaction-iso.html", ""),
        ("https://redis.io/docs/latest/commands/brpoplpush/", ""),
        ("https://en.wikipedia.org/wiki/Eventual_consistency", "For the talk on Thursday"),
        ("https://www.w3.org/WAI/ARIA/apg/patterns/", ""),
        (
            "https://example.com/a-very-long-path-without-any-place-to-break-it-0123456789012345678901234567890123456789",
            "",
        ),
    ];
    let mut card = String::new();
    for (index, (url, note)) in links.into_iter().enumerate() {
        let body = json!({ "url": url, "note": note, "collectionIds": [collections[index % 2]] });
        card = post(web, "mock123", "/api/cards/library/urls", body).await["urlCardId"].as_str().unwrap().to_owned();
        if index % 2 == 0 {
            save(web, "alice", url).await;
        }
    }
    vec![
        ("feed", "/".into()),
        ("library", "/library".into()),
        ("collection", format!("/collections/{}", collections[0])),
        ("search", "/search?q=rust".into()),
        ("trends", "/trends?days=7".into()),
        ("card", format!("/cards/{card}")),
        ("collections", "/collections".into()),
        ("save", "/save?url=https://example.com/x&note=n".into()),
        ("import", "/import".into()),
        ("account", "/account".into()),
        ("sign-in", "/sign-in".into()),
        ("missing", "/nothing-here".into()),
    ]
}

async fn worked_off(web: &Process, window: &Window) {
    window.open(&web.url("/")).await;
    window.until("document.querySelectorAll('#feed li').length === 11").await;
    let deadline = tokio::time::Instant::now() + crate::window::PATIENCE;
    loop {
        window.open(&web.url("/search?q=rust")).await;
        let found = window.evaluate("document.querySelectorAll('#hits li').length").await;
        window.open(&web.url("/trends?days=7")).await;
        let counted = window.evaluate("document.querySelector('main > p').textContent").await;
        if found.as_u64() >= Some(2) && counted.as_str().is_some_and(|text| text.starts_with("11 saves")) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{found} {counted}");
    }
}

async fn barriers(window: &Window, axe: &str) -> Vec<Value> {
    window.client.execute(axe, vec![]).await.unwrap();
    let run = "const done = arguments[arguments.length - 1]; \
               axe.run(document).then((found) => done(found.violations), (error) => done([{ impact: 'critical', id: String(error) }]));";
    let found = window.client.execute_async(run, vec![]).await.unwrap();
    let serious = |one: &&Value| matches!(one["impact"].as_str(), Some("serious" | "critical"));
    let told = |one: &Value| json!({ "id": one["id"], "help": one["help"], "nodes": one["nodes"][0]["html"], "why": one["nodes"][0]["failureSummary"] });
    found.as_array().unwrap().iter().filter(serious).map(told).collect()
}

#[tokio::test]
async fn every_page_is_quiet_reachable_and_keeps_to_itself() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(&folder).expect("axe-core is installed: see scripts/test-browser.sh");
    let web = in_memory(&[]).await;
    let pages = scene(&web).await;
    let driver = Driver::start().await;
    let mut checked = 0;
    for (width, dark) in [(1000, false), (1000, true), (NARROW, false)] {
        let window = driver.window(width.max(500), dark).await;
        if checked == 0 {
            worked_off(&web, &window).await;
        }
        if width == NARROW {
            narrow(&window).await;
        }
        for (name, path) in &pages {
            window.open(&web.url(path)).await;
            window.wait("h1").await;
            let prefers_dark = window.evaluate("matchMedia('(prefers-color-scheme: dark)').matches").await;
            assert_eq!(prefers_dark, json!(dark), "{name}");
            assert_eq!(barriers(&window, &axe).await, Vec::<Value>::new(), "{name}, {width} px, dark: {dark}");
            if width == NARROW {
                assert_eq!(window.evaluate("innerWidth").await, json!(NARROW));
                let cut = window.evaluate("document.documentElement.scrollWidth").await;
                assert!(cut.as_u64() <= Some(u64::from(NARROW)), "{name} is {cut} px wide");
            }
            let complaints = window.complaints().await;
            let expected = |line: &String| *name == "missing" && line.contains("404");
            assert!(complaints.iter().all(expected), "{name}: {complaints:?}");
            checked += 1;
        }
        let own = web.url("/");
        let requests = window.requests().await;
        assert!(requests.len() > pages.len(), "{requests:?}");
        // A new window's own page comes before the first of ours.
        let foreign: Vec<_> =
            requests.iter().filter(|url| !url.starts_with(&own) && !url.starts_with("data:")).collect();
        assert!(foreign.is_empty(), "{foreign:?}");
        println!("{width} px, dark: {dark}: {} requests, none elsewhere", requests.len());
        window.close().await;
    }
    println!("{checked} pages looked at, axe found no serious barrier");
}

/// Windows are not made as narrow as that; pages are.
async fn narrow(window: &Window) {
    let metrics = json!({ "width": NARROW, "height": 740, "deviceScaleFactor": 1, "mobile": true });
    window.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
}

/// Pictures of the main pages, for the docs; only where they are asked for.
#[tokio::test]
async fn the_main_pages_can_be_pictured() {
    let web = in_memory(&[]).await;
    let pages = scene(&web).await;
    let driver = Driver::start().await;
    let window = driver.window(1000, false).await;
    worked_off(&web, &window).await;
    for (name, path) in &pages[..5] {
        window.open(&web.url(path)).await;
        window.wait("h1").await;
        let picture = window.client.screenshot().await.unwrap();
        assert!(picture.starts_with(b"\x89PNG"), "{name}");
        if let Some(folder) = std::env::var_os("SCREENS") {
            std::fs::write(Path::new(&folder).join(format!("{name}.png")), picture).unwrap();
        }
    }
    window.close().await;
}
