//! Everything without a mouse.

use fantoccini::key::Key;
use serde_json::json;

use crate::server::in_memory;
use crate::window::Driver;

#[tokio::test]
async fn signing_in_saving_noting_and_removing_take_only_keys() {
    let web = in_memory(&[]).await;
    let driver = Driver::start().await;
    let window = driver.window(1000, false).await;
    window.open(&web.url("/")).await;
    window.keys(&String::from(char::from(Key::Tab))).await;
    let first = window.evaluate("document.activeElement.className").await;
    assert_eq!(first, json!("skip"), "the first stop leads past the navigation");
    window.keys("\n").await;
    window.until("location.hash === '#main'").await;

    window.open(&web.url("/sign-in")).await;
    window.tab_to("#handle").await;
    window.keys("alice").await;
    window.tab_to("main form button").await;
    window.keys("\n").await;
    window.until("document.querySelector('.who a').textContent === 'alice'").await;

    window.open(&web.url("/collections")).await;
    window.tab_to("#name").await;
    window.keys("Reading").await;
    window.tab_to("input[name=access]").await;
    window.keys(&String::from(char::from(Key::Down))).await;
    window.tab_to("main form button").await;
    window.keys("\n").await;
    window.until("document.querySelector('h1').textContent === 'Reading'").await;
    let open = "document.querySelector('h1 ~ .about').textContent.includes('Anyone can add')";
    assert_eq!(window.evaluate(open).await, json!(true));

    window.open(&web.url("/library")).await;
    window.tab_to("#url").await;
    window.keys("https://example.com/a").await;
    window.tab_to("form.save summary").await;
    let outlined = "getComputedStyle(document.activeElement).outlineStyle !== 'none'";
    assert_eq!(window.evaluate(outlined).await, json!(true), "one sees where one is");
    window.keys("\n").await;
    window.tab_to("#note").await;
    window.keys("worth it").await;
    window.tab_to("input[name=collection]").await;
    window.keys(" ").await;
    window.tab_to("form.save details > button").await;
    window.keys("\n").await;
    window.wait(".told").await;
    assert_eq!(window.evaluate("document.querySelector('.items .note').textContent").await, json!("worth it"));
    let listed = "document.querySelector('.items .about').textContent.includes('in Reading')";
    assert_eq!(window.evaluate(listed).await, json!(true));

    window.tab_to(".items form[action$='/remove'] button").await;
    window.keys("\n").await;
    window.client.accept_alert().await.unwrap();
    window.until("document.querySelector('.told') && document.querySelector('.told').textContent === 'Removed.'").await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}
