//! The console in a browser: it updates itself, keeps its place, and can be paused.

use serde_json::json;

use crate::every_page::{axe, barriers};
use crate::server::{in_memory, save};
use crate::window::Driver;

#[tokio::test]
async fn the_overview_updates_itself_keeps_its_place_and_can_be_paused() {
    let web = in_memory(&[]).await;
    let driver = Driver::start().await;
    let window = driver.window(500, true).await;
    window.sign_in(&web.url("/sign-in?next=/admin"), "mock123").await;
    window.open(&web.url("/admin")).await;
    window.until("document.getElementById('age').textContent.startsWith('Just updated')").await;
    let mark = "document.getElementById('live').dataset.mark = 'seen'";
    let is_new = "document.getElementById('live').dataset.mark === undefined";
    window.evaluate("(document.getElementById('pause-search').focus(), scrollTo(0, 300), scrollY)").await;
    let scrolled = window.evaluate("scrollY").await;
    window.evaluate(mark).await;
    window.until(is_new).await;
    assert_eq!(window.evaluate("document.activeElement.id").await, json!("pause-search"), "focus stays");
    assert_eq!(window.evaluate("scrollY").await, scrolled, "and so does the place");
    assert_eq!(barriers(&window, &axe()).await, Vec::<serde_json::Value>::new());

    window.evaluate("document.getElementById('reload').focus()").await;
    window.evaluate("document.getElementById('pause-updates').focus()").await;
    window.keys("\u{e007}").await;
    window.until("document.getElementById('age').textContent.startsWith('Paused')").await;
    window.evaluate(mark).await;
    window.until("Number(document.getElementById('age').textContent.match(/are (\\d+) s old/)?.[1]) >= 8").await;
    assert_eq!(window.evaluate(is_new).await, json!(false), "nothing moves while it is paused");
    window.keys("\u{e007}").await;
    window.until(is_new).await;

    // The way of a save is live until it is over.
    let card = save(&web, "alice", "https://example.com/").await;
    window.open(&web.url(&format!("/admin/find?q={card}"))).await;
    window.wait(".items .line a").await.click().await.unwrap();
    window.wait(".way").await;
    let done = "Array.from(document.querySelectorAll('h3')).every((way) => way.textContent.endsWith('done'))";
    window.until(done).await;
    window.until("document.getElementById('age').textContent.startsWith('Complete')").await;
    assert_eq!(barriers(&window, &axe()).await, Vec::<serde_json::Value>::new());
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}
