//! Pasted text is read as the URL that was meant, or refused with the reason.

use actix_web::http::Method;
use cardwire_apptest::harness::Api;
use serde_json::{Value, json};

const SAVES: &str = "/api/cards/library/urls";

async fn saved(api: &Api, url: &str, status: u16) -> String {
    let answer = api.post("alice", SAVES, json!({ "url": url })).await.expect(status);
    answer["urlCardId"].as_str().unwrap().to_owned()
}

async fn shown(api: &Api, card: &str) -> Value {
    api.get(&format!("/api/cards/{card}")).await.expect(200)["url"].clone()
}

#[tokio::test(start_paused = true)]
async fn what_people_paste_is_saved_as_the_url_they_mean() {
    let api = Api::new();
    for (pasted, url) in [
        ("bare.example/page", "https://bare.example/page"),
        ("https://report.example/My Report.pdf", "https://report.example/My%20Report.pdf"),
        ("https:/slash.example/x", "https://slash.example/x"),
        ("<https://pasted.example/x>", "https://pasted.example/x"),
        ("\u{200b}https://zero.example/x", "https://zero.example/x"),
        ("see https://sentence.example/x.", "https://sentence.example/x"),
        ("https://turned.example/\u{202e}fdp.exe", "https://turned.example/%E2%80%AEfdp.exe"),
        ("http://192.168.1.4:8123/x", "http://192.168.1.4:8123/x"),
        ("https://anchor.example/health#What-is-this?", "https://anchor.example/health#What-is-this?"),
    ] {
        let card = saved(&api, pasted, 201).await;
        assert_eq!(shown(&api, &card).await, url, "{pasted:?}");
        assert_eq!(saved(&api, url, 200).await, card, "{pasted:?}");
    }
    let path = "/api/cards/library/status?url=bare.example/page%23top";
    let status = api.ask("alice", Method::GET, path, None).await.expect(200);
    assert_eq!(status["inLibrary"], true, "{status}");
}

#[tokio::test(start_paused = true)]
async fn a_route_is_another_page_and_an_anchor_is_not() {
    let api = Api::new();
    let one = saved(&api, "https://matrix.to/#/#one:b.example", 201).await;
    let two = saved(&api, "https://matrix.to/#/#two:b.example", 201).await;
    assert_ne!(one, two);
    assert_eq!(saved(&api, "https://matrix.to/#/%23one:b.example", 200).await, one);
    assert_eq!(shown(&api, &two).await, "https://matrix.to/#/#two:b.example");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_url_is_refused_with_the_rule() {
    let api = Api::new();
    for (pasted, rule) in [
        ("rust", "Enter a full link such as https://example.com/page."),
        ("https://secret.example https://other.example", "Enter one link at a time."),
        ("mailto:me@secret.example", "Links start with http:// or https://."),
        ("https://me@secret.example/x", "Remove the user name and password from the link."),
        ("https://secret.example/\u{7}", "Remove the control characters."),
    ] {
        let problem = api.post("alice", SAVES, json!({ "url": pasted })).await.expect_problem(422, "invalid-value");
        assert_eq!(problem["field"], "url");
        assert!(problem["detail"].as_str().unwrap().contains(rule), "{pasted:?}: {problem}");
    }
    assert_eq!(api.owed().await.iter().sum::<u64>(), 0, "nothing was stored");
}
