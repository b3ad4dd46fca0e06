//! Signing up, out and in with AT Protocol in a real browser, on our pages and on those of a real server of people's repositories. Run by
//! scripts/test-atproto.sh.

// What a test cannot go on without fails it, in its helper functions as well.
#![allow(clippy::unwrap_used)]

mod provider;
#[path = "../browser/server.rs"]
#[expect(dead_code, reason = "this server keeps everything in memory")]
mod server;
#[path = "../browser/window.rs"]
#[expect(dead_code, reason = "the tests of the pages need more of it")]
mod window;

use std::time::Duration;

use cardwire_testkit::net::http_client;
use cardwire_testkit::process::Process;
use cardwire_testkit::real_pds::RealPds;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::provider::{sign_in, sign_up};
use crate::server::in_memory;
use crate::window::{Driver, PATIENCE, Window};

const FACTS: &str = "[...document.querySelectorAll('main dl.facts dt')]\
    .map(name => name.textContent + ': ' + name.nextElementSibling.textContent).join('\\n')";

/// A site on this machine, which asks this server and its directory.
async fn site(pds: &RealPds) -> Process {
    in_memory(&[
        ("USE_MOCK_AUTH", "false"),
        ("APP__SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("APP__ATPROTO__ALLOW_PRIVATE_HOSTS", "true"),
        ("APP__ATPROTO__PLC_URL", &pds.directory()),
    ])
    .await
}

/// From the page with our form to the server that was typed.
async fn leave(window: &Window, typed: &str) {
    window.wait("#identifier").await.send_keys(typed).await.unwrap();
    window.wait("main form button").await.click().await.unwrap();
}

/// Back at our site, signed in. The name that it shows.
async fn arrived(window: &Window, web: &Process) -> String {
    let name = window.wait(".who a[href='/account']").await.text().await.unwrap();
    let url = window.client.current_url().await.unwrap();
    assert!(url.as_str().starts_with(&web.url("/")), "{url}");
    name
}

/// The account page tells of a connection, once it tells this as well.
async fn connection(window: &Window, web: &Process, fact: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        window.open(&web.url("/account/atproto")).await;
        window.wait("main dl.facts").await;
        let facts = window.evaluate(FACTS).await.as_str().unwrap().to_owned();
        if facts.contains(fact) {
            return facts;
        }
        assert!(Instant::now() < deadline, "{fact} is not in {facts}\n{}", web.log());
        sleep(Duration::from_millis(200)).await;
    }
}

async fn cards(pds: &RealPds, repository: &str) -> Vec<Value> {
    let query = format!("repo={repository}&collection=network.cosmik.card");
    let url = format!("{}/xrpc/com.atproto.repo.listRecords?{query}", pds.service());
    let answer: Value = http_client().get(url).send().await.unwrap().json().await.unwrap();
    answer["records"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

#[tokio::test]
async fn somebody_signs_up_publishes_signs_out_and_signs_in_in_a_browser() {
    let pds = RealPds::start().await.unwrap();
    let web = site(&pds).await;
    let driver = Driver::start().await;
    // The server's pages are in the language of the browser.
    let window = driver.window_with(900, false, &["--lang=en-US".to_owned()]).await;

    window.open(&web.url("/sign-up")).await;
    window.wait("main a[href^='/sign-in/atproto']").await.click().await.unwrap();
    leave(&window, &pds.service()).await;
    sign_up(&window, "alice").await;
    let name = arrived(&window, &web).await;
    let facts = connection(&window, &web, "State: Connected").await;
    assert!(facts.contains(&pds.service()), "{facts}");

    window.open(&web.url("/library")).await;
    window.wait("#url").await.send_keys("https://example.com/a").await.unwrap();
    window.wait("form.save .quick button").await.click().await.unwrap();
    window.wait(".told").await;
    connection(&window, &web, "Published records: 1").await;
    assert_eq!(cards(&pds, "alice.test").await.len(), 1);

    window.open(&web.url("/account")).await;
    window.wait("form[action='/sign-out'] button").await.click().await.unwrap();
    window.wait(".who a[href^='/sign-in']").await;
    window.open(&web.url("/account/atproto")).await;
    window.wait("main a[href^='/sign-in/atproto']").await.click().await.unwrap();
    leave(&window, &pds.service()).await;
    sign_in(&window, "alice").await;
    assert_eq!(arrived(&window, &web).await, name, "it is the same account");
    let facts = connection(&window, &web, "Published records: 1").await;
    assert!(facts.contains("State: Connected") && facts.contains(&pds.service()), "{facts}");
    window.close().await;
}
