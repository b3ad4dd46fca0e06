//! What holds for each page: nothing is loaded from elsewhere, the console is quiet, axe finds no serious barrier, nothing is cut off
//! at 360 px, in the light and in the dark.

use std::path::Path;

use cardwire_testkit::process::Process;
use serde_json::{Value, json};

use crate::scene::{EMPTY, SIGNED_OUT, Stop, Then, operators_scene, scene};
use crate::server::{Durable, in_memory, post};
use crate::window::{Driver, Window};

const NARROW: u32 = 360;

/// What is too small to be read, sticks out, overlaps, is broken within a word or fills more lines of a list than three.
const READABLE: &str = r#"(() => {
    const wrong = [];
    const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
    for (const chart of all('svg.chart')) {
        const frame = chart.getBoundingClientRect();
        let right = -Infinity;
        for (const text of all('text', chart)) {
            const box = text.getBoundingClientRect();
            const size = parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a;
            if (size < 10) wrong.push(`${text.textContent} is ${size} px high`);
            if (box.left < 0 || box.right > frame.right + 0.5) wrong.push(`${text.textContent} sticks out`);
            if (box.top < frame.bottom - 20) continue;
            if (box.left < right + 2) wrong.push(`${text.textContent} overlaps`);
            if (text.getAttribute('x') !== '-4') right = box.right;
        }
    }
    for (const cell of all('th, td:not(.long)').filter((cell) => cell.checkVisibility() && !cell.matches('.long'))) {
        const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            for (const word of texts.currentNode.data.matchAll(/[^\s-]+/g)) {
                const range = document.createRange();
                range.setStart(texts.currentNode, word.index);
                range.setEnd(texts.currentNode, word.index + word[0].length);
                if (range.getClientRects().length > 1) wrong.push(`${word[0]} is broken`);
            }
        }
    }
    const lines = (element) => element.clientHeight / parseFloat(getComputedStyle(element).lineHeight);
    for (const text of all('.items .title, .items:not(.whole) .says, .items:not(.whole) .note')) {
        if (lines(text) > 3.1) wrong.push(`${lines(text)} lines: ${text.textContent.slice(0, 40)}`);
    }
    for (const text of all('.whole .says, .whole .note, main > .says')) {
        if (text.scrollHeight > text.clientHeight + 1) wrong.push(`cut off: ${text.textContent.slice(0, 40)}`);
    }
    return wrong;
})()"#;

/// Texts that are long, and have no place to break.
async fn long_texts(web: &Process, window: &Window) -> Vec<(&'static str, String)> {
    let link = format!("https://example.com/{}", "0123456789".repeat(174));
    let words = "evenings that are long enough for it ".repeat(13);
    let body = json!({ "name": "x".repeat(100), "description": words.trim() });
    let collection = post(web, "mock123", "/api/collections", body).await["id"].as_str().unwrap().to_owned();
    let body = json!({ "url": link, "note": words.repeat(3), "collectionIds": [collection] });
    let card = post(web, "mock123", "/api/cards/library/urls", body).await["urlCardId"].as_str().unwrap().to_owned();
    let unbroken = "x".repeat(1_500);
    let body = json!({ "url": "https://example.com/unbroken", "title": "x".repeat(500), "note": unbroken });
    let titled = post(web, "mock123", "/api/cards/library/urls", body).await["urlCardId"].as_str().unwrap().to_owned();
    let deadline = tokio::time::Instant::now() + crate::window::PATIENCE;
    for (path, shown) in [
        ("/", "#feed a[href$='0123456789']"),
        ("/search?q=example", "#hits a[href$='0123456789']"),
        ("/trends", "main a[href$='0123456789']"),
    ] {
        window.open(&web.url(path)).await;
        while window.evaluate(&format!("document.querySelector(\"{shown}\") === null")).await == json!(true) {
            assert!(tokio::time::Instant::now() < deadline, "{path} does not show it");
            window.open(&web.url(path)).await;
        }
    }
    vec![
        ("long card", format!("/cards/{card}")),
        ("long title", format!("/cards/{titled}")),
        ("long library", "/library".into()),
        ("long collection", format!("/collections/{collection}")),
        ("long search", "/search?q=example".into()),
        ("a month's trends", "/trends?days=30".into()),
        ("a quarter's trends", "/trends?days=90".into()),
    ]
}

async fn worked_off(web: &Process, window: &Window) {
    window.open(&web.url("/")).await;
    window.until("document.querySelectorAll('#feed .item').length === 10").await;
    let deadline = tokio::time::Instant::now() + crate::window::PATIENCE;
    loop {
        window.open(&web.url("/search?q=rust")).await;
        let found = window.evaluate("document.querySelectorAll('#hits li').length").await;
        window.open(&web.url("/trends?days=7")).await;
        let counted = window.evaluate("document.querySelector('main > p').textContent").await;
        if found.as_u64() >= Some(2) && counted.as_str().is_some_and(|text| text.starts_with("10 saves")) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{found} {counted}");
    }
}

pub fn axe() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(&file).expect("axe-core is installed: see scripts/test-browser.sh")
}

/// What axe finds on the page that is shown. Targets have at least 24 px, or as much room around them.
pub async fn barriers(window: &Window, axe: &str) -> Vec<Value> {
    window.client.execute(axe, vec![]).await.unwrap();
    let run = "const done = arguments[arguments.length - 1]; \
               axe.run(document, { rules: { 'target-size': { enabled: true } } }).then((found) => done(found.violations), (error) => done([{ impact: 'critical', id: String(error) }]));";
    let found = window.client.execute_async(run, vec![]).await.unwrap();
    let serious = |one: &&Value| matches!(one["impact"].as_str(), Some("serious" | "critical"));
    let told = |one: &Value| json!({ "id": one["id"], "help": one["help"], "nodes": one["nodes"][0]["html"], "why": one["nodes"][0]["failureSummary"] });
    found.as_array().unwrap().iter().filter(serious).map(told).collect()
}

/// Looks at each page in each manner. `missing`: those whose console tells that they are not there. Tells what it saw.
async fn look_at(web: &Process, driver: &Driver, pages: &[Stop], missing: &[&str]) -> String {
    let mut told = String::new();
    let axe = axe();
    let mut checked = 0;
    // All of it, so that one run tells everything.
    let mut wrong: Vec<String> = Vec::new();
    for (width, dark) in [(1000, false), (1000, true), (NARROW, false)] {
        let window = driver.window(width.max(500), dark).await;
        if width == NARROW {
            made(&window, NARROW).await;
        }
        for Stop { name, path, then } in pages {
            then.arrive(web, &window, path).await;
            window.wait("h1").await;
            let prefers_dark = window.evaluate("matchMedia('(prefers-color-scheme: dark)').matches").await;
            assert_eq!(prefers_dark, json!(dark), "{name}");
            let here = format!("{name}, {width} px, dark: {dark}");
            wrong.extend(barriers(&window, &axe).await.iter().map(|barrier| format!("{here}: {barrier}")));
            let cut_off = window.evaluate(READABLE).await;
            if cut_off != json!([]) {
                wrong.push(format!("{here}: cut off: {cut_off}"));
            }
            if width == NARROW {
                let inner = window.evaluate("innerWidth").await;
                if inner != json!(NARROW) {
                    wrong.push(format!("{here}: it is made {inner} px wide"));
                }
                let cut = window.evaluate("document.documentElement.scrollWidth").await;
                if cut.as_u64() > Some(u64::from(NARROW)) {
                    wrong.push(format!("{here}: it is {cut} px wide"));
                }
            }
            let complaints = window.complaints().await;
            let expected = |line: &String| missing.contains(name) && line.contains("404");
            if !complaints.iter().all(expected) {
                wrong.push(format!("{here}: {complaints:?}"));
            }
            checked += 1;
        }
        let own = web.url("/");
        let requests = window.requests().await;
        assert!(requests.len() > pages.len(), "{requests:?}");
        // A new window's own page comes before the first of ours.
        let foreign: Vec<_> =
            requests.iter().filter(|url| !url.starts_with(&own) && !url.starts_with("data:")).collect();
        assert!(foreign.is_empty(), "{foreign:?}");
        told.push_str(&format!("{width} px, dark: {dark}: {} requests, none elsewhere\n", requests.len()));
        window.close().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    told + &format!("{checked} pages looked at, axe found no serious barrier")
}

#[tokio::test]
async fn every_page_is_quiet_reachable_and_keeps_to_itself() {
    let web = in_memory(&[]).await;
    let pages = scene(&web).await;
    let driver = Driver::start().await;
    let window = driver.window(1000, false).await;
    worked_off(&web, &window).await;
    let long = long_texts(&web, &window).await;
    fits(&web, &window, &pages[..5]).await;
    fits(&web, &window, &long[..5]).await;
    window.close().await;
    let pages: Vec<Stop> =
        pages.into_iter().chain(long).map(|(name, path)| Stop { name, path, then: Then::Look }).collect();
    zoomed(&web, &driver, &pages).await;
    println!("{}", look_at(&web, &driver, &pages, &["missing"]).await);
}

#[tokio::test]
async fn every_page_of_the_operators_is_quiet_reachable_and_keeps_to_itself() {
    let server = Durable::with(&[("APP__QUEUES__SEARCH__ATTEMPTS", "1")]).await;
    let pages = operators_scene(&server).await;
    let driver = Driver::start().await;
    let window = driver.window(1000, false).await;
    let deadline = tokio::time::Instant::now() + crate::window::PATIENCE;
    window.open(&server.web.url("/admin/queues/search")).await;
    while window.evaluate("document.querySelector('svg.chart') === null").await == json!(true) {
        assert!(tokio::time::Instant::now() < deadline, "nothing is measured");
        window.open(&server.web.url("/admin/queues/search")).await;
    }
    window.open(&server.web.url(&pages[5].path)).await;
    for part in [".facts", "ol", "pre"] {
        let text = window.evaluate(&format!("document.querySelector('{part}').textContent")).await;
        assert!(text.as_str().is_some_and(|text| text.contains("<script>alert(1)</script>")), "{part}: {text}");
    }
    window.close().await;
    println!("{}", look_at(&server.web, &driver, &pages, &["gone"]).await);
}

#[tokio::test]
async fn every_page_without_anything_on_it_is_quiet_and_reachable() {
    let driver = Driver::start().await;
    let stop = |(name, path): (&'static str, &str)| Stop { name, path: path.to_owned(), then: Then::Look };
    let web = in_memory(&[]).await;
    println!("{}", look_at(&web, &driver, &EMPTY.map(stop), &[]).await);
    // Here nobody is signed in.
    let web = in_memory(&[("USE_MOCK_AUTH", "false")]).await;
    println!(
        "{}",
        look_at(&web, &driver, &SIGNED_OUT.map(stop), &["an old sign-in", "an old reset link", "missing, signed out"])
            .await
    );
}

/// At 200 % on a screen of 1280 px, nothing is scrolled sideways: half as many pixels, each twice as large.
async fn zoomed(web: &Process, driver: &Driver, pages: &[Stop]) {
    let window = driver.window(1280, false).await;
    let metrics = json!({ "width": 640, "height": 400, "deviceScaleFactor": 2, "mobile": false });
    window.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    for Stop { name, path, then } in pages {
        then.arrive(web, &window, path).await;
        window.wait("h1").await;
        let wide = window.evaluate("document.documentElement.scrollWidth").await;
        assert!(wide.as_u64() <= Some(640), "{name} is {wide} px wide at 200 %");
    }
    window.close().await;
}

/// Windows are not made as narrow as that; pages are.
async fn made(window: &Window, width: u32) {
    let metrics = json!({ "width": width, "height": 740, "deviceScaleFactor": 1, "mobile": true });
    window.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
}

/// None of these pages is scrolled sideways, on the smallest telephone and on a screen.
async fn fits(web: &Process, window: &Window, pages: &[(&str, String)]) {
    for width in [320, 1280] {
        made(window, width).await;
        for (name, path) in pages {
            window.open(&web.url(path)).await;
            window.wait("h1").await;
            let wide = window.evaluate("[innerWidth, document.documentElement.scrollWidth]").await;
            assert_eq!(wide, json!([width, width]), "{name}");
        }
    }
    window.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
}
