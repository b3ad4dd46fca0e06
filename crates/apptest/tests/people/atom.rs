//! The feeds of everything, of a person and of a collection.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::harness::{Answer, Api, HOST};
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{FetchPolicy, Metadata, PageRepository as _};
use serde_json::json;

use crate::checker::{Element, checked};

async fn get(api: &Api, path: &str) -> Answer {
    api.send(TestRequest::get().uri(path).insert_header(("host", HOST))).await
}

async fn feed(api: &Api, path: &str) -> Element {
    let answer = get(api, path).await;
    assert_eq!(answer.status.as_u16(), 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("content-type"), "application/atom+xml; charset=utf-8");
    let feed = checked(&answer.body);
    assert_eq!(feed.link("self"), format!("https://{HOST}{path}"));
    feed
}

fn titles(feed: &Element) -> Vec<&str> {
    feed.all("entry").iter().map(|entry| entry.text_of("title")).collect()
}

async fn save(api: &Api, person: &str, url: &str, title: &str, collections: &[&str]) -> String {
    tokio::time::advance(Duration::from_secs(1)).await;
    let body = json!({ "url": url, "title": title, "collectionIds": collections });
    let saved = api.post(person, "/api/cards/library/urls", body).await.expect(201);
    saved["urlCardId"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn each_feed_is_valid_and_newest_first() {
    let api = Api::new();
    let body = json!({ "name": "Leeks & \"onions\"", "description": "All about <leeks>" });
    let made = api.post("alice.b", "/api/collections", body).await.expect(201);
    let collection = made["id"].as_str().unwrap();
    let first = save(&api, "alice.b", "https://example.com/a?b=1&c=2", "First <b>&amp;", &[collection]).await;
    save(&api, "alice.b", "https://example.com/second", "Second", &[]).await;
    save(&api, "bob", "https://example.com/bob", "Bob's", &[]).await;
    api.deliver().await;

    let everything = feed(&api, "/feed.atom").await;
    assert_eq!(titles(&everything), ["Bob's", "Second", "First <b>&amp;"]);
    assert_eq!(everything.text_of("id"), "tag:cardwire.example,2026:everything");
    assert_eq!(everything.text_of("updated"), everything.all("entry")[0].text_of("updated"));

    let of_alice = feed(&api, "/@alice.b/feed.atom").await;
    assert_eq!(titles(&of_alice), ["Second", "First <b>&amp;"]);
    assert_eq!(of_alice.text_of("id"), "did:plc:alice.b");
    assert_eq!(of_alice.link("alternate"), format!("https://{HOST}/@alice.b"));
    let entry = of_alice.all("entry")[1];
    assert_eq!(entry.link("alternate"), "https://example.com/a?b=1&c=2");
    assert_eq!(entry.link("related"), format!("https://{HOST}/cards/{first}"));
    assert_eq!(entry.one("author").text_of("name"), "alice.b");
    assert_eq!(entry.one("category").attributes["term"], "Leeks & \"onions\"");

    let of_collection = feed(&api, &format!("/collections/{collection}/feed.atom")).await;
    assert_eq!(titles(&of_collection), ["First <b>&amp;"]);
    assert_eq!(of_collection.text_of("title"), "Leeks & \"onions\"");
    assert_eq!(of_collection.text_of("subtitle"), "All about <leeks>");
    assert_eq!(of_collection.one("entry").text_of("id"), entry.text_of("id"), "the same card is the same entry");
    assert!(of_collection.text_of("id").starts_with("urn:uuid:"));
}

#[tokio::test(start_paused = true)]
async fn a_feed_without_entries_is_one() {
    let api = Api::new();
    let collection = api.collection("alice", "Empty").await;
    for path in ["/feed.atom", "/@alice/feed.atom", &format!("/collections/{collection}/feed.atom")] {
        assert_eq!(titles(&feed(&api, path).await), Vec::<&str>::new(), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_xml_cannot_hold_is_left_out() {
    let api = Api::new();
    api.save("alice", "https://example.com/a", &[]).await;
    api.deliver().await;
    let policy = FetchPolicy::default();
    let jobs = api.store.lease_fetches(&FetchRoom::idle(1), &policy).await.unwrap();
    let strange = "a\u{1}b\u{b}c\u{1b}\u{fffe}d\u{ffff} <&]]>";
    let page = Metadata { title: Some(strange.into()), description: Some(strange.into()), ..Metadata::default() };
    assert!(api.store.finish_fetch(&jobs[0], &Ok(page), &policy).await.unwrap());
    let feed = feed(&api, "/@alice/feed.atom").await;
    assert_eq!(feed.one("entry").text_of("title"), "abcd <&]]>");
    assert_eq!(feed.one("entry").text_of("summary"), "abcd <&]]>");
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_has_it_is_told_that_nothing_changed() {
    let api = Api::new();
    save(&api, "alice", "https://example.com/a", "First", &[]).await;
    let path = "/@alice/feed.atom";
    let ask = async |header: &str, value: &str| {
        api.send(TestRequest::get().uri(path).insert_header(("host", HOST)).insert_header((header, value))).await
    };
    let answer = get(&api, path).await;
    let (tag, modified) = (answer.header("etag").to_owned(), answer.header("last-modified").to_owned());
    assert_eq!(answer.header("cache-control"), "no-cache");
    for (header, value, status) in [
        ("if-none-match", tag.as_str(), 304),
        ("if-none-match", &*format!("\"x\", {tag}"), 304),
        ("if-none-match", "*", 304),
        ("if-none-match", "W/\"x\"", 200),
        ("if-modified-since", modified.as_str(), 304),
        ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("if-modified-since", "nonsense", 200),
    ] {
        let answer = ask(header, value).await;
        assert_eq!(answer.status.as_u16(), status, "{header}: {value}");
        assert_eq!(answer.header("etag"), tag);
        assert_eq!(answer.body.is_empty(), status == 304);
    }
    save(&api, "alice", "https://example.com/b", "Second", &[]).await;
    for (header, value) in [("if-none-match", &tag), ("if-modified-since", &modified)] {
        assert_eq!(ask(header, value).await.status.as_u16(), 200, "{header}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_private_changes_nothing_of_a_feed() {
    let api = Api::new();
    let shelf = api.collection("alice", "Shelf").await;
    api.save("alice", "https://example.com/a", &[&shelf]).await;
    api.deliver().await;
    let paths = ["/feed.atom".to_owned(), "/@alice/feed.atom".into(), format!("/collections/{shelf}/feed.atom")];
    let all = async || {
        let mut answers = Vec::new();
        for path in &paths {
            let answer = get(&api, path).await;
            answers.push((answer.header("etag").to_owned(), answer.header("last-modified").to_owned(), answer.body));
        }
        answers
    };
    let before = all().await;
    tokio::time::advance(Duration::from_secs(10)).await;
    let body = json!({ "url": "https://secret.example/", "visibility": "PRIVATE", "collectionIds": [shelf] });
    api.post("alice", "/api/cards/library/urls", body).await.expect(201);
    let hidden = api.save("bob", "https://hidden.example/", &[]).await;
    let hide = Some(json!({ "reason": "spam" }));
    api.ask("mock123", Method::POST, &format!("/api/admin/cards/{hidden}/hide"), hide).await;
    api.deliver().await;
    assert!(all().await == before, "a private card shows in a feed");
    let closed = api.post("alice", "/api/collections", json!({ "name": "Closed", "visibility": "PRIVATE" })).await;
    let closed = closed.expect(201)["id"].as_str().unwrap().to_owned();
    // Not even for its author.
    let answer = api.ask("alice", Method::GET, &format!("/collections/{closed}/feed.atom"), None).await;
    assert_eq!(answer.status.as_u16(), 404);
}
