//! Groups of the live feed, and titles that come late.

use serde_json::json;

use crate::server::{LatePage, in_memory, save};
use crate::window::Driver;

/// Who saved how many, from the top.
const GROUPS: &str = "Array.from(document.querySelectorAll('#feed .who-saved'), (line) => line.textContent)";

#[tokio::test]
async fn live_saves_join_the_group_that_the_server_would_put_them_into() {
    let web = in_memory(&[]).await;
    let driver = Driver::start().await;
    let reader = driver.window(1000, false).await;
    reader.open(&web.url("/")).await;
    reader.wait("#feed[data-live=on]").await;
    let mut count = 0;
    for (person, saves) in [("alice", 3), ("bob", 1), ("alice", 2)] {
        for n in 0..saves {
            save(&web, person, &format!("https://example.com/{person}/{saves}/{n}")).await;
            count += 1;
            reader.until(&format!("document.querySelectorAll('#feed .item').length === {count}")).await;
        }
    }
    let expected = json!(["alice saved 2 links", "bob saved 1 link", "alice saved 3 links"]);
    assert_eq!(reader.evaluate(GROUPS).await, expected);
    reader.open(&web.url("/")).await;
    reader.wait("#feed .item").await;
    assert_eq!(reader.evaluate(GROUPS).await, expected, "the server draws the same");
    assert_eq!(reader.complaints().await, Vec::<String>::new());
    reader.close().await;
}

#[tokio::test]
async fn a_title_that_comes_late_reaches_the_live_feed() {
    let page = LatePage::start("<title>Late &lt;b&gt;title&lt;/b&gt;</title>").await;
    let web = in_memory(&[("METADATA_ALLOW_PRIVATE_HOSTS", "true")]).await;
    let driver = Driver::start().await;
    let reader = driver.window(1000, false).await;
    reader.open(&web.url("/")).await;
    reader.wait("#feed[data-live=on]").await;
    save(&web, "alice", &page.url).await;
    reader.wait("#feed .item").await;
    page.open();
    reader.until("document.querySelector('#feed .title').textContent === 'Late <b>title</b>'").await;
    reader.until("document.querySelector('#feed [data-hx-get]') === null").await;
    assert_eq!(reader.complaints().await, Vec::<String>::new());
    reader.close().await;
}
