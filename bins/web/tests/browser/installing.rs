//! Chromium takes the site for an application, and the bookmarklet's window closes itself.

use serde_json::json;

use crate::server::in_memory;
use crate::window::Driver;

#[tokio::test]
async fn the_site_can_be_installed_and_shared_to() {
    let web = in_memory(&[]).await;
    let driver = Driver::start().await;
    let window = driver.window(500, false).await;
    window.open(&web.url("/")).await;
    let errors = window.devtools("Page.getInstallabilityErrors", json!({})).await;
    assert_eq!(errors["installabilityErrors"], json!([]), "{errors}");
    let manifest = window.devtools("Page.getAppManifest", json!({})).await;
    assert_eq!(manifest["errors"], json!([]), "{manifest}");
    assert_eq!(manifest["url"], web.url("/manifest.webmanifest"));
    let told: serde_json::Value = serde_json::from_str(manifest["data"].as_str().unwrap()).unwrap();
    assert_eq!(told["share_target"]["action"], "/save");
    let id = window.devtools("Page.getAppId", json!({})).await;
    assert_eq!(id["appId"], web.url("/"));
    let complaints = window.complaints().await;
    assert_eq!(complaints, Vec::<String>::new(), "nothing breaks the policy");
    window.close().await;
}

#[tokio::test]
async fn the_window_of_the_bookmarklet_closes_itself_even_after_signing_in() {
    let web = in_memory(&[("USE_MOCK_AUTH", "false")]).await;
    let driver = Driver::start().await;
    let window = driver.window(1000, false).await;
    window.open(&web.url("/sign-up")).await;
    window.wait("#handle").await.send_keys("alice").await.unwrap();
    window.wait("#password").await.send_keys("correct horse battery staple\n").await.unwrap();
    window.wait(".who a[href='/account']").await;
    window.open(&web.url("/account")).await;
    let script = window.evaluate("document.querySelector('.bookmarklet').getAttribute('href')").await;
    let script = script.as_str().unwrap().strip_prefix("javascript:").unwrap().to_owned();
    window.wait("form[action='/sign-out'] button").await.click().await.unwrap();
    window.wait(".who a[href='/sign-in']").await;

    // As a bookmark does it: the page has no say.
    let first = window.client.window().await.unwrap();
    window.devtools("Runtime.evaluate", json!({ "expression": script, "userGesture": true })).await;
    let second = window.windows(2).await.into_iter().find(|other| *other != first).unwrap();
    window.client.switch_to_window(second).await.unwrap();
    window.wait("#handle").await.send_keys("alice").await.unwrap();
    window.wait("#password").await.send_keys("correct horse battery staple\n").await.unwrap();
    window.until("location.pathname === '/save'").await;
    let url = window.evaluate("document.querySelector('#url').value").await;
    assert!(url.as_str().unwrap().starts_with("http"), "{url}");
    window.client.execute("document.querySelector('#url').value = 'https://example.com/a'", vec![]).await.unwrap();
    window.wait("form.save .quick button").await.click().await.unwrap();
    window.windows(1).await;
    window.client.switch_to_window(first).await.unwrap();
    window.open(&web.url("/library")).await;
    window.until("document.querySelector('.items').textContent.includes('example.com/a')").await;
    window.close().await;
}
