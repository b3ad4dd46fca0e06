//! What appears by itself.

use std::time::Duration;

use fantoccini::Locator;
use serde_json::json;

use crate::server::{Durable, LatePage, in_memory, save};
use crate::window::Driver;

/// The titles of the feed, from the top.
const TITLES: &str = "Array.from(document.querySelectorAll('#feed .title'), (title) => title.textContent)";

#[tokio::test]
async fn a_save_appears_in_another_window_without_reload() {
    let web = in_memory(&[]).await;
    let driver = Driver::start().await;
    let (reader, writer) = (driver.window(1000, false).await, driver.window(1000, false).await);
    reader.open(&web.url("/")).await;
    reader.wait("#feed[data-live=on]").await;
    reader.evaluate("(window.before = true)").await;

    writer.open(&web.url("/sign-in")).await;
    writer.wait("#handle").await.send_keys("alice\n").await.unwrap();
    writer.wait(".who a[href='/account']").await;
    writer.open(&web.url("/")).await;
    writer.wait("#url").await.send_keys("https://example.com/<script>alert(1)</script>\n").await.unwrap();
    writer.wait(".told").await;

    reader.until("document.querySelectorAll('#feed .item').length === 1").await;
    assert_eq!(reader.evaluate(TITLES).await, json!(["example.com/%3Cscript%3Ealert(1)%3C/script%3E"]));
    assert_eq!(reader.evaluate("document.querySelector('#feed .actor').textContent").await, json!("alice"));
    assert_eq!(reader.evaluate("window.before === true").await, json!(true), "no reload");
    assert_eq!(reader.evaluate("document.getElementById('told').textContent.startsWith('New: ')").await, json!(true));
    // The page as the server draws it now is the same.
    reader.open(&web.url("/")).await;
    reader.wait("#feed .item").await;
    assert_eq!(reader.evaluate(TITLES).await, json!(["example.com/%3Cscript%3Ealert(1)%3C/script%3E"]));
    assert_eq!(reader.complaints().await, Vec::<String>::new());
    assert_eq!(writer.complaints().await, Vec::<String>::new());
    reader.close().await;
    writer.close().await;
}

#[tokio::test]
async fn a_paused_feed_gathers_what_comes_and_goes_on_with_it() {
    let web = in_memory(&[]).await;
    let driver = Driver::start().await;
    let reader = driver.window(1000, false).await;
    reader.open(&web.url("/")).await;
    reader.wait("#feed[data-live=on]").await;
    reader.wait("#pause").await.click().await.unwrap();
    for n in 0..2 {
        save(&web, "alice", &format!("https://example.com/{n}")).await;
    }
    reader.until("document.getElementById('pause').textContent === 'Resume (2 new)'").await;
    assert_eq!(reader.evaluate(TITLES).await, json!([]));
    reader.wait("#pause").await.click().await.unwrap();
    reader.until("document.querySelectorAll('#feed .item').length === 2").await;
    assert_eq!(reader.evaluate("document.getElementById('pause').textContent").await, json!("Pause"));
    save(&web, "alice", "https://example.com/2").await;
    reader.until("document.querySelectorAll('#feed .item').length === 3").await;
    assert_eq!(reader.complaints().await, Vec::<String>::new());
    reader.close().await;
}

#[tokio::test]
async fn a_reader_whose_server_dies_misses_nothing_and_sees_nothing_twice() {
    let mut server = Durable::start().await;
    let driver = Driver::start().await;
    let reader = driver.window(1000, false).await;
    save(&server.web, "alice", "https://example.com/0").await;
    reader.open(&server.web.url("/")).await;
    reader.wait("#feed[data-live=on]").await;
    reader.evaluate("(window.before = true)").await;
    let mut expected = 1;
    for round in 1..=2 {
        for n in 0..3 {
            save(&server.web, "alice", &format!("https://example.com/{round}/{n}")).await;
            expected += 1;
        }
        if round == 1 {
            reader.until(&format!("document.querySelectorAll('#feed .item').length === {expected}")).await;
        }
        // In the second round before any of it was shown.
        server.restart().await;
        save(&server.web, "bob", &format!("https://example.com/{round}/after")).await;
        expected += 1;
        reader.until(&format!("document.querySelectorAll('#feed .item').length === {expected}")).await;
    }
    let shown = reader.evaluate(&format!("({TITLES}).sort()")).await;
    let mut wanted = vec!["example.com/0".to_owned()];
    for round in 1..=2 {
        wanted.extend((0..3).map(|n| format!("example.com/{round}/{n}")));
        wanted.push(format!("example.com/{round}/after"));
    }
    wanted.sort();
    assert_eq!(shown, json!(wanted));
    assert_eq!(reader.evaluate("window.before === true").await, json!(true), "no reload");
    reader.close().await;
}

#[tokio::test]
async fn what_a_page_says_about_itself_arrives_while_one_looks() {
    let html = "<title>A &lt;b&gt;page&lt;/b&gt;</title><meta name=description content='What it says'>";
    let page = LatePage::start(html).await;
    let web = in_memory(&[("METADATA_ALLOW_PRIVATE_HOSTS", "true")]).await;
    let driver = Driver::start().await;
    let window = driver.window(1000, false).await;
    window.open(&web.url("/library")).await;
    window.wait("#url").await.send_keys(&format!("{}\n", page.url)).await.unwrap();
    window.wait(".items .pending").await;
    window.evaluate("(window.before = true)").await;
    page.open();
    window.until("document.querySelector('.items .title').textContent === 'A <b>page</b>'").await;
    assert_eq!(window.evaluate("document.querySelector('.says').textContent").await, json!("What it says"));
    assert_eq!(window.evaluate("window.before === true").await, json!(true), "no reload");
    assert!(window.client.find(Locator::Css(".items .pending")).await.is_err());
    assert!(window.client.find(Locator::Css(".items [data-hx-get]")).await.is_err(), "it looks no more");
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

#[tokio::test]
async fn searching_shows_hits_while_one_types() {
    let web = in_memory(&[]).await;
    for n in 0..3 {
        save(&web, "alice", &format!("https://example.com/garden/{n}")).await;
    }
    let driver = Driver::start().await;
    let window = driver.window(1000, false).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        window.open(&web.url("/search?q=garden")).await;
        if window.evaluate("document.querySelectorAll('#hits li').length === 3").await == json!(true) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the cards are not indexed");
    }
    window.open(&web.url("/search")).await;
    window.evaluate("(window.before = true)").await;
    window.wait("#q").await.send_keys("gard").await.unwrap();
    window.until("document.querySelectorAll('#hits mark').length === 6").await;
    window.until("document.getElementById('told').textContent === '3 found'").await;
    assert_eq!(window.evaluate("window.before === true").await, json!(true), "no reload");
    assert_eq!(window.evaluate("location.search.includes('q=gard')").await, json!(true), "it can be linked to");
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}
