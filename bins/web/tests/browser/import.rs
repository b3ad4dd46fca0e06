//! A whole browser's bookmarks come along while others go on saving and reading.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use cardwire_testkit::longer;
use cardwire_testkit::net::http_client;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::server::Durable;
use crate::window::{Driver, Window};

/// Of the links, these stand in the file twice.
const TWICE: usize = 50;
const SAVE_EVERY: Duration = Duration::from_millis(50);
const READ_EVERY: Duration = Duration::from_millis(500);
/// So many saves are made before the import, to compare with.
const SAVES_BEFORE: usize = 400;
const PATIENCE: Duration = Duration::from_secs(480);

/// On private addresses, which nobody asks for what their pages are about.
fn address(n: usize) -> String {
    format!("http://10.0.0.{}/pages/{n}", n % 200)
}

/// As browsers export them: folders of a hundred.
fn bookmark_file(links: usize) -> String {
    let mut file = String::from(
        "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<META HTTP-EQUIV=\"Content-Type\" CONTENT=\"text/html; charset=UTF-8\">\n\
         <TITLE>Bookmarks</TITLE>\n<H1>Bookmarks</H1>\n<DL><p>\n",
    );
    let numbers: Vec<usize> = (0..links).chain(0..TWICE).collect();
    for (folder, numbers) in numbers.chunks(100).enumerate() {
        writeln!(file, "<DT><H3>Folder {folder}</H3>\n<DL><p>").unwrap();
        for n in numbers {
            writeln!(file, "<DT><A HREF=\"{}\" ADD_DATE=\"1700000000\">Page {n}</A>", address(*n)).unwrap();
        }
        file.push_str("</DL><p>\n");
    }
    file + "</DL><p>\n"
}

/// Somebody's saves, one every 50 ms, each measured from when it was due: one that waits for the save before it has waited, too.
fn save_on(url: String, phase: &'static str, most: usize, stop: CancellationToken) -> JoinHandle<Vec<Duration>> {
    tokio::spawn(async move {
        let client = http_client();
        let mut due = interval(SAVE_EVERY);
        let mut took = Vec::new();
        while !stop.is_cancelled() && took.len() < most {
            let at = due.tick().await;
            let body = json!({ "url": format!("http://10.1.0.1/{phase}/{}", took.len()), "note": "read later" });
            let request = client.post(&url).header("authorization", "Bearer did:plc:bob").json(&body);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 201, "{phase}: {}", answer.text().await.unwrap());
            took.push(at.elapsed());
        }
        took
    })
}

/// Somebody's looks at one page after the other, each until the browser has loaded it whole.
fn read_on(window: Window, pages: Vec<String>, stop: CancellationToken) -> JoinHandle<(Window, Vec<Duration>)> {
    tokio::spawn(async move {
        let mut due = interval(READ_EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut took = Vec::new();
        for page in pages.iter().cycle() {
            due.tick().await;
            if stop.is_cancelled() {
                break;
            }
            let begun = Instant::now();
            window.open(page).await;
            took.push(begun.elapsed());
            window.wait("h1").await;
        }
        (window, took)
    })
}

/// The 50th, 95th and 99th in a hundred.
fn percentiles(mut took: Vec<Duration>) -> [Duration; 3] {
    took.sort_unstable();
    [50, 95, 99].map(|hundredth| took[(took.len() * hundredth / 100).min(took.len() - 1)])
}

/// IMPORT_LINKS=20000 makes it longer.
#[tokio::test]
async fn thousands_of_links_come_along_while_others_go_on_saving() {
    let links = usize::try_from(longer::told("IMPORT_LINKS", 3_000)).unwrap();
    let server = Durable::start().await;
    let driver = Driver::start().await;
    let (window, reader) = (driver.window(1000, false).await, driver.window(1000, false).await);
    window.sign_in(&server.web.url("/sign-in"), "alice").await;
    reader.sign_in(&server.web.url("/sign-in"), "alice").await;
    let saves = server.web.url("/api/cards/library/urls");
    let mut pages: Vec<String> = ["/", "/library", "/search?q=pages", "/trends", "/import"]
        .into_iter()
        .map(|path| server.web.url(path))
        .collect();

    let stop = CancellationToken::new();
    let (saving, reading) =
        (save_on(saves.clone(), "before", SAVES_BEFORE, stop.clone()), read_on(reader, pages.clone(), stop.clone()));
    let saves_before = saving.await.unwrap();
    stop.cancel();
    let (reader, pages_before) = reading.await.unwrap();

    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bookmarks.html");
    std::fs::write(&file, bookmark_file(links)).unwrap();
    window.open(&server.web.url("/import")).await;
    window.wait("#file").await.send_keys(file.to_str().unwrap()).await.unwrap();
    window.wait("form[action='/import'] button").await.click().await.unwrap();
    window.wait("#done").await;
    let begun = Instant::now();
    window.evaluate("(window.before = true)").await;
    pages.push(window.client.current_url().await.unwrap().into());
    let stop = CancellationToken::new();
    let (saving, reading) = (save_on(saves, "during", usize::MAX, stop.clone()), read_on(reader, pages, stop.clone()));
    let mut seen = BTreeSet::new();
    while window.evaluate("document.querySelector('#progress label').textContent === 'Finished'").await != json!(true) {
        assert!(begun.elapsed() < PATIENCE, "the import does not end: {seen:?}");
        seen.insert(window.evaluate("document.getElementById('done').value").await.as_u64().unwrap());
        sleep(Duration::from_millis(200)).await;
    }
    let lasted = begun.elapsed();
    stop.cancel();
    let (saves_during, (reader, pages_during)) = (saving.await.unwrap(), reading.await.unwrap());

    assert_eq!(window.evaluate("window.before === true").await, json!(true), "no reload");
    assert!(seen.len() >= 2, "it could be watched: {seen:?}");
    let told = window.evaluate("document.querySelectorAll('#progress p')[1].textContent").await;
    let all = links + TWICE;
    assert_eq!(told, json!(format!("{all} of {all}: {links} saved, {TWICE} already in your library, 0 not imported.")));
    assert_eq!(window.complaints().await, Vec::<String>::new());
    let export = http_client().get(server.web.url("/export/cards.csv")).header("cookie", "session=did:plc:alice");
    let export = export.send().await.unwrap().text().await.unwrap();
    let kept: Vec<&str> = export.lines().skip(1).filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(kept.len(), links);
    let wanted: BTreeSet<String> = (0..links).map(address).collect();
    assert!(kept.into_iter().map(str::to_owned).collect::<BTreeSet<_>>() == wanted, "each link once");

    println!("{all} rows in {lasted:.1?}; the page told {} states of it", seen.len());
    let told = |what: &str, when: &str, took: &[Duration]| {
        let [p50, p95, p99] = percentiles(took.to_vec());
        println!("{what} {when}: {} of them, p50 {p50:.1?}, p95 {p95:.1?}, p99 {p99:.1?}", took.len());
        p95
    };
    let before = told("saves by somebody else", "before", &saves_before);
    let during = told("saves by somebody else", "during the import", &saves_during);
    assert!(during <= 10 * before + Duration::from_millis(250), "the import is in their way");
    let before = told("pages in a browser", "before", &pages_before);
    let during = told("pages in a browser", "during the import", &pages_during);
    assert!(during <= 10 * before + Duration::from_secs(1), "the import is in their way");
    window.close().await;
    reader.close().await;
}
