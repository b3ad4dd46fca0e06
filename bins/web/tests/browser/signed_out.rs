//! A session ends while somebody types.

use cardwire_testkit::net::http_client;
use serde_json::{Value, json};

use crate::every_page::{axe, barriers};
use crate::server::in_memory;
use crate::window::{Driver, Window};

const PASSWORD: &str = "correct horse battery staple";

async fn is_reachable(window: &Window, axe: &str) {
    assert_eq!(barriers(window, axe).await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_was_typed_is_sent_after_signing_in_again() {
    let web = in_memory(&[("USE_MOCK_AUTH", "false")]).await;
    let axe = axe();
    let driver = Driver::start().await;
    let window = driver.window(500, false).await;
    window.open(&web.url("/sign-up")).await;
    window.wait("#handle").await.send_keys("alice").await.unwrap();
    window.wait("#password").await.send_keys(&format!("{PASSWORD}\n")).await.unwrap();
    window.wait(".who a[href='/account']").await;
    window.open(&web.url("/library")).await;
    window.wait("form.save summary").await.click().await.unwrap();
    window.wait("#note").await.send_keys("Two lines,\nnot to be lost <b>").await.unwrap();
    window.wait("#url").await.send_keys("https://example.com/a").await.unwrap();

    let session = window.client.get_named_cookie("session").await.unwrap().value().to_owned();
    let ended = http_client().post(web.url("/api/users/logout")).bearer_auth(session).send().await.unwrap();
    assert_eq!(ended.status().as_u16(), 204);
    window.wait("form.save .quick button").await.click().await.unwrap();
    window.wait("#password").await;
    is_reachable(&window, &axe).await;
    window.wait("#handle").await.send_keys("alice").await.unwrap();
    window.wait("#password").await.send_keys(&format!("{PASSWORD}\n")).await.unwrap();
    window.until("document.querySelector('h1').textContent === 'Not sent yet'").await;
    is_reachable(&window, &axe).await;
    assert_eq!(window.evaluate("document.querySelector('#note').value").await, json!("Two lines,\nnot to be lost <b>"));
    window.wait("#note").await.send_keys(", nor changed").await.unwrap();
    window.wait("main form button").await.click().await.unwrap();
    window.wait(".told").await;
    let note = window.evaluate("document.querySelector('.items .note').textContent").await;
    assert_eq!(note, json!("Two lines,\nnot to be lost <b>, nor changed"));
    let complaints = window.complaints().await;
    assert!(complaints.iter().all(|line| line.contains("401")), "but for the one refusal: {complaints:?}");
    window.close().await;
}
