//! What is private or hidden is in nothing that is handed out: pages, tags, feeds and oEmbed.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::{Api, HOST};
use serde_json::json;

struct Scene {
    api: Api,
    paths: Vec<String>,
    /// Of what nobody else sees.
    addresses: Vec<String>,
}

/// A private card, a hidden card and a private collection, beside things that everybody sees.
async fn scene() -> Scene {
    let api = Api::new();
    let shelf = api.collection("alice", "Shelf").await;
    api.save("alice", "https://example.com/public", &[&shelf]).await;
    let body = json!({ "name": "Velvet", "visibility": "PRIVATE" });
    let closed = api.post("alice", "/api/collections", body).await.expect(201)["id"].as_str().unwrap().to_owned();
    let public = api.save("alice", "https://example.com/in-both", &[&shelf, &closed]).await;
    let body = json!({ "url": "https://secret.example/", "title": "Saffron", "visibility": "PRIVATE", "collectionIds": [shelf] });
    let card = api.post("alice", "/api/cards/library/urls", body).await.expect(201);
    let card = card["urlCardId"].as_str().unwrap().to_owned();
    let body = json!({ "url": "https://hidden.example/", "title": "Walnut", "collectionIds": [shelf] });
    let hidden = api.post("alice", "/api/cards/library/urls", body).await.expect(201);
    let hidden = hidden["urlCardId"].as_str().unwrap().to_owned();
    let reason = Some(json!({ "reason": "spam" }));
    let hide = api.ask("mock123", Method::POST, &format!("/api/admin/cards/{hidden}/hide"), reason).await;
    assert!(hide.status.is_success());
    api.deliver().await;
    let paths = vec![
        "/@alice".to_owned(),
        "/@alice/collections".into(),
        "/@alice/feed.atom".into(),
        "/feed.atom".into(),
        "/collections/all".into(),
        "/url?u=https://example.com/in-both".into(),
        "/url?u=https://example.com/public".into(),
        format!("/collections/{shelf}"),
        format!("/collections/{shelf}/feed.atom"),
        format!("/cards/{public}"),
        format!("/oembed?url=/cards/{public}"),
        format!("/oembed?url=/collections/{shelf}"),
    ];
    let addresses = [format!("cards/{card}"), format!("cards/{hidden}"), format!("collections/{closed}")].into();
    Scene { api, paths, addresses }
}

const MARKS: [&str; 5] = ["secret.example", "Saffron", "hidden.example", "Walnut", "Velvet"];

#[tokio::test(start_paused = true)]
async fn nobody_else_finds_what_is_private_or_hidden() {
    let Scene { api, paths, addresses } = scene().await;
    let mut browsers = [Browser::new(&api), Browser::of(&api, "bob")];
    // Without a session, mock authentication takes everybody for the administrator, who is no exception here.
    for browser in &mut browsers {
        for path in &paths {
            let answer = browser.get(path).await;
            assert_eq!(answer.status.as_u16(), 200, "{path}");
            let body = String::from_utf8(answer.body).unwrap();
            for mark in MARKS {
                assert!(!body.contains(mark), "{path} shows {mark}: {body}");
            }
        }
        for address in &addresses {
            for asked in [format!("/{address}"), format!("https%3A%2F%2F{HOST}%2F{}", address.replace('/', "%2F"))] {
                let path = format!("/oembed?url={asked}");
                assert_eq!(browser.get(&path).await.status.as_u16(), 404, "{path}");
            }
        }
        browser.open("/url?u=https://secret.example/").await;
        assert!(browser.text("main").contains("Nobody has saved this link publicly yet."));
        assert!(browser.all("[aria-labelledby=related]").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_owner_sees_theirs_but_hands_out_nothing() {
    let Scene { api, paths, addresses } = scene().await;
    let mut alice = Browser::of(&api, "alice");
    for path in paths.iter().filter(|path| path.contains("atom") || path.contains("oembed") || path.contains("/@")) {
        let body = String::from_utf8(alice.get(path).await.body).unwrap();
        assert!(MARKS.iter().all(|mark| !body.contains(mark)), "{path}: {body}");
    }
    for address in &addresses {
        alice.open(&format!("/{address}")).await;
        assert!(alice.all("meta[property], meta[name^=twitter], link[rel=canonical]").is_empty(), "{address}");
        assert!(alice.all("link[type='application/json+oembed']").is_empty(), "{address}");
        assert_eq!(alice.all("link[type='application/atom+xml']").len(), 1, "{address}: that of everything");
        let oembed = TestRequest::get().uri(&format!("/oembed?url=/{address}"));
        assert_eq!(api.send(alice.request(oembed)).await.status.as_u16(), 404, "{address}");
    }
    alice.open("/url?u=https://secret.example/").await;
    assert_eq!(alice.all("[aria-labelledby=saved] .lock").len(), 1);
    assert!(alice.text("main").contains("You have saved this link."));
}
