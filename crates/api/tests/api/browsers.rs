//! Headers for browsers, proxies and caches.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::{Answer, Api};
use cardwire_http::origin::PublicUrl;

const SAVES: &str = "/api/cards/library/urls";
const APP: &str = "https://app.example";

async fn preflight(api: &Api, origin: &str) -> Answer {
    let asked = TestRequest::default().method(Method::OPTIONS).uri(SAVES).insert_header(("origin", origin));
    let asked = asked.insert_header(("access-control-request-method", "POST"));
    api.send(asked.insert_header(("access-control-request-headers", "authorization,content-type"))).await
}

#[tokio::test(start_paused = true)]
async fn scripts_of_other_sites_may_do_nothing_unless_they_are_named() {
    let mut api = Api::new();
    let answer = preflight(&api, APP).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    api.state.cors_origins = Arc::from([APP.to_owned()]);
    let answer = preflight(&api, APP).await;
    assert!(answer.status.is_success(), "{}", answer.status);
    assert_eq!(answer.header("access-control-allow-origin"), APP);
    assert!(answer.header("access-control-allow-methods").contains("POST"));
    assert!(answer.header("access-control-allow-headers").to_lowercase().contains("authorization"));
    assert_eq!(answer.header("access-control-allow-credentials"), "", "cookies are not for them");
    assert_eq!(preflight(&api, "https://evil.example").await.header("access-control-allow-origin"), "");

    // With a token it may save; with the cookie of the pages it may not.
    let save = || {
        let asked = TestRequest::post().uri(SAVES).insert_header(("host", "cardwire.example"));
        asked.insert_header(("origin", APP)).set_json(serde_json::json!({ "url": "https://example.com/" }))
    };
    let saved = api.send(save().insert_header(("authorization", "Bearer did:plc:alice"))).await;
    assert_eq!(saved.header("access-control-allow-origin"), APP);
    saved.expect(201);
    let refused = api.send(save().insert_header(("cookie", "__Host-session=did:plc:alice"))).await;
    refused.expect_problem(403, "forbidden");
}

#[tokio::test(start_paused = true)]
async fn caches_keep_compressed_answers_and_others_apart() {
    let api = Api::new();
    for path in ["/api/openapi.json", "/api/feeds/global", "/sign-in", "/api/nothing"] {
        for encoding in ["gzip", "identity"] {
            let answer = api.send(TestRequest::get().uri(path).insert_header(("accept-encoding", encoding))).await;
            let all = answer.headers.get_all("vary").map(|value| value.to_str().unwrap().to_lowercase());
            let all: Vec<String> = all.collect();
            assert!(all.join(",").contains("accept-encoding"), "{path} {encoding}: {all:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_form_that_is_refused_for_its_origin_says_what_was_compared() {
    let api = Api::new();
    let alice = Browser::of(&api, "alice");
    let form = TestRequest::post().uri("/library").insert_header(("origin", "http://cardwire.example"));
    let answer = api.send(alice.request(form).set_form([("url", "https://example.com/")])).await;
    let page = String::from_utf8(answer.body).unwrap();
    assert_eq!(answer.status.as_u16(), 403);
    assert!(page.contains("from http://cardwire.example, but this site is https://cardwire.example."), "{page}");
}

#[tokio::test(start_paused = true)]
async fn the_public_url_decides_over_cookies_and_the_bookmarklet() {
    let mut api = Api::new();
    let public = |url: &str| PublicUrl(Some(url.parse().unwrap()));
    let asked = |path: &str| {
        let asked = TestRequest::get().uri(path).insert_header(("host", "localhost:8080"));
        asked.insert_header(("x-forwarded-host", "evil.example"))
    };
    api.state.public_url = public("https://links.example");
    let answer = api.send(asked("/sign-in")).await;
    assert!(answer.header("set-cookie").contains("__Host-visitor=") && answer.header("set-cookie").contains("Secure"));
    let page = api.send(asked("/account")).await;
    let page = String::from_utf8(page.body).unwrap();
    assert!(page.contains("https://links.example/save?url=") && !page.contains("evil.example"), "{page}");
    api.state.public_url = public("http://links.intranet");
    let cookie = api.send(asked("/sign-in")).await.header("set-cookie").to_owned();
    assert!(cookie.starts_with("visitor=") && !cookie.contains("Secure"), "{cookie}");
}
