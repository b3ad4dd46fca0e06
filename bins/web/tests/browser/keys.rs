//! Keyboard shortcuts, where the focus goes, and selecting many links.

use fantoccini::key::Key;
use serde_json::json;

use crate::server::{LatePage, in_memory, save};
use crate::window::{Driver, Window};

const FOCUSED: &str = "document.activeElement.id";

/// The title that has the focus.
async fn title(window: &Window) -> serde_json::Value {
    window.evaluate("document.activeElement.textContent").await
}

#[tokio::test]
async fn shortcuts_lead_to_search_save_and_from_item_to_item() {
    let web = in_memory(&[]).await;
    for n in 0..3 {
        save(&web, "mock123", &format!("https://example.com/{n}")).await;
    }
    let driver = Driver::start().await;
    let window = driver.window(1000, false).await;
    window.open(&web.url("/library")).await;
    window.until("document.querySelectorAll('#cards .item').length === 3").await;
    for (keys, expected) in [("j", 2), ("j", 1), ("j", 0), ("j", 0), ("k", 1)] {
        window.keys(keys).await;
        assert_eq!(title(&window).await, json!(format!("example.com/{expected}")), "{keys}");
    }
    window.keys("/").await;
    assert_eq!(window.evaluate(FOCUSED).await, json!("q"));
    // None while somebody types.
    window.keys("jn/?").await;
    assert_eq!(window.evaluate("document.getElementById('q').value").await, json!("jn/?"));
    assert_eq!(window.evaluate("document.getElementById('keys').open").await, json!(false));

    window.open(&web.url("/library")).await;
    window.keys("n").await;
    assert_eq!(window.evaluate(FOCUSED).await, json!("url"));
    window.open(&web.url("/trends")).await;
    window.keys("n").await;
    window.until("location.pathname === '/save'").await;
    window.open(&web.url("/trends")).await;
    window.keys("/").await;
    window.until("location.pathname === '/search'").await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

#[tokio::test]
async fn shortcuts_are_listed_on_every_page_and_can_be_turned_off() {
    let web = in_memory(&[]).await;
    let driver = Driver::start().await;
    let window = driver.window(1000, false).await;
    for path in ["/", "/admin"] {
        window.open(&web.url(path)).await;
        window.keys("?").await;
        window.until("document.getElementById('keys').open").await;
        assert_eq!(window.evaluate("document.querySelectorAll('#keys kbd').length").await, json!(5), "{path}");
        // While the list is open, keys are for the list.
        window.keys("j").await;
        window.keys(&String::from(char::from(Key::Escape))).await;
        window.until("!document.getElementById('keys').open").await;
    }
    window.wait("#show-keys").await.click().await.unwrap();
    window.wait("#keys-on").await.click().await.unwrap();
    window.wait("#keys button").await.click().await.unwrap();
    window.open(&web.url("/trends")).await;
    window.keys("?").await;
    window.keys("n").await;
    assert_eq!(window.evaluate("document.getElementById('keys').open").await, json!(false));
    assert_eq!(window.evaluate("location.pathname").await, json!("/trends"));
    window.wait("#show-keys").await.click().await.unwrap();
    assert_eq!(window.evaluate("document.getElementById('keys-on').checked").await, json!(false), "it is remembered");
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

#[tokio::test]
async fn the_focus_is_in_the_field_that_is_wrong() {
    let web = in_memory(&[]).await;
    let driver = Driver::start().await;
    let window = driver.window(1000, false).await;
    window.open(&web.url("/library")).await;
    window.wait("#url").await.send_keys("nonsense\n").await.unwrap();
    window.wait("#url-wrong").await;
    window.until(&format!("{FOCUSED} === 'url'")).await;
    window.open(&web.url("/collections")).await;
    window.wait("main form button").await.click().await.unwrap();
    window.wait("#name-wrong").await;
    window.until(&format!("{FOCUSED} === 'name'")).await;
    window.close().await;
}

#[tokio::test]
async fn ten_links_are_selected_and_removed_in_a_few_clicks() {
    let web = in_memory(&[]).await;
    for n in 0..10 {
        save(&web, "mock123", &format!("https://example.com/{n}")).await;
    }
    let driver = Driver::start().await;
    let window = driver.window(500, false).await;
    window.open(&web.url("/library")).await;
    let shown = "document.querySelector('.selected button.danger').checkVisibility()";
    assert_eq!(window.evaluate(shown).await, json!(false), "nothing is selected");
    window.wait("#pick-all").await.click().await.unwrap();
    window.until("document.getElementById('picked').textContent === '10 links selected'").await;
    assert_eq!(window.evaluate(shown).await, json!(true));
    window.wait(".selected button.danger").await.click().await.unwrap();
    let question = window.client.get_alert_text().await.unwrap();
    assert!(question.contains("your notes on them are deleted"), "{question}");
    window.client.accept_alert().await.unwrap();
    window
        .until("document.querySelector('.told') && document.querySelector('.told').textContent === '10 links removed.'")
        .await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

#[tokio::test]
async fn a_row_that_is_drawn_again_stays_selected_and_keeps_what_is_typed_into_it() {
    let page = LatePage::start("<title>Late</title>").await;
    let web = in_memory(&[("METADATA_ALLOW_PRIVATE_HOSTS", "true")]).await;
    save(&web, "mock123", &page.url).await;
    let driver = Driver::start().await;
    let window = driver.window(500, false).await;
    window.open(&web.url("/library")).await;
    window.wait(".rename summary").await.click().await.unwrap();
    window.wait(".rename input[name=title]").await.send_keys("Mine").await.unwrap();
    window.until("document.querySelector('#cards li').dataset.old === ''").await;
    assert_eq!(window.evaluate("document.querySelector('.rename input[name=title]').value").await, json!("Mine"));
    window.wait(".pick input").await.click().await.unwrap();
    window.until("document.getElementById('picked').textContent === '1 link selected'").await;
    // Closing it without saving shows the title that was found in the meantime.
    page.open();
    window.wait(".rename summary").await.click().await.unwrap();
    window.until("document.querySelector('#cards a.title').textContent === 'Late'").await;
    assert_eq!(window.evaluate("document.querySelector('.pick input').checked").await, json!(true));
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

#[tokio::test]
async fn what_is_tapped_is_large_enough_and_the_navigation_takes_two_lines() {
    let web = in_memory(&[]).await;
    for n in 0..2 {
        save(&web, "mock123", &format!("https://example.com/{n}")).await;
    }
    let driver = Driver::start().await;
    let window = driver.window(500, false).await;
    let metrics = json!({ "width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": false });
    window.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    for path in ["/", "/library", "/collections", "/search"] {
        window.open(&web.url(path)).await;
        window.wait("h1").await;
        // Links within sentences and titles of several lines are exempt (WCAG 2.5.8).
        let small = "Array.from(document.querySelectorAll('header a:not(.skip), button, input:not([type=hidden]), summary, select, .about a'))\
                     .filter((one) => one.checkVisibility())\
                     .map((one) => [one.closest('label') || one, one])\
                     .filter(([box]) => box.getBoundingClientRect().height < 24 || box.getBoundingClientRect().width < 24)\
                     .map(([, one]) => one.outerHTML.slice(0, 80))";
        assert_eq!(window.evaluate(small).await, json!([]), "{path}");
        let lines = "new Set(Array.from(document.querySelectorAll('header nav a'), (a) => Math.round(a.getBoundingClientRect().top / 12))).size";
        assert!(window.evaluate(lines).await.as_u64() <= Some(2), "{path}");
        let beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(window.evaluate(beyond).await, json!(0), "{path}");
    }
    window.close().await;
}
