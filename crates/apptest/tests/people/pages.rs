//! Pages of people, of links, and of everybody's collections.

use std::time::Duration;

use actix_web::http::Method;
use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;
use cardwire_apptest::people::{ask_with, join, log_in, with_accounts};
use cardwire_domain::UserId;
use cardwire_domain::accounts::AccountRepository as _;
use serde_json::json;

/// The text of each of them, with single blanks.
fn texts(browser: &Browser<'_>, selector: &str) -> Vec<String> {
    let line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    browser.all(selector).iter().map(|element| line(element.text().collect())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_person_has_a_page_with_what_is_public() {
    let api = with_accounts();
    join(&api, "admin-1").await;
    let id = join(&api, "alice.b-c").await;
    let token = log_in(&api, "alice.b-c").await;
    let ask = async |method: Method, path: &str, body| ask_with(&api, &token, method, path, Some(body)).await;
    ask(Method::PUT, "/api/users/me", json!({ "displayName": "Alice B.", "bio": "Reads a lot." })).await.expect(200);
    let shelf = ask(Method::POST, "/api/collections", json!({ "name": "Shelf" })).await.expect(201);
    let shelf = shelf["id"].as_str().unwrap();
    for number in 0..35 {
        tokio::time::advance(Duration::from_secs(1)).await;
        let body = json!({ "url": format!("https://example.com/{number}"), "collectionIds": [shelf] });
        ask(Method::POST, "/api/cards/library/urls", body).await.expect(201);
    }
    let mut browser = Browser::new(&api);
    browser.open("/@alice.b-c").await;
    assert_eq!(browser.text("h1"), "Alice B.");
    assert!(browser.text("main").contains("@alice.b-c") && browser.text("main").contains("Reads a lot."));
    assert_eq!(texts(&browser, "[aria-labelledby=collections] .title"), ["Shelf"]);
    assert_eq!(browser.all("[aria-labelledby=links] .item").len(), 30);
    let next = browser.one("a[rel=next]").attr("href").unwrap().to_owned();
    browser.open(&next).await;
    assert_eq!(browser.all("[aria-labelledby=links] .item").len(), 5);
    browser.open("/@alice.b-c/collections").await;
    assert_eq!(texts(&browser, ".items .title"), ["Shelf"]);

    // Other ways to the same page.
    for other in ["/@Alice.B-C", &format!("/@{id}"), &format!("/?actor={id}")] {
        browser.open(other).await;
        assert_eq!(browser.path, "/@alice.b-c", "{other}");
    }
    for missing in ["/@nobody", "/@did:plc:nobody", "/@alice.b-c%00", "/@alice%2Fb", "/@nobody/collections"] {
        assert_eq!(browser.get(missing).await.status.as_u16(), 404, "{missing}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_shown_of_somebody_who_is_suspended_or_leaves() {
    let api = with_accounts();
    join(&api, "admin-1").await;
    let id = join(&api, "mallory").await;
    let token = log_in(&api, "mallory").await;
    let profile = json!({ "displayName": "Mallory M.", "bio": "Unmistakable." });
    ask_with(&api, &token, Method::PUT, "/api/users/me", Some(profile)).await.expect(200);
    let shelf = ask_with(&api, &token, Method::POST, "/api/collections", Some(json!({ "name": "Shelf" }))).await;
    let shelf = shelf.expect(201)["id"].as_str().unwrap().to_owned();
    let body = json!({ "url": "https://example.com/a", "collectionIds": [shelf] });
    ask_with(&api, &token, Method::POST, "/api/cards/library/urls", Some(body)).await.expect(201);
    let pages = ["/@mallory", "/@mallory/collections", "/@mallory/feed.atom"];
    let lists = ["/collections/all", "/url?u=https://example.com/a"];
    let mut browser = Browser::new(&api);
    for path in pages.iter().chain(&lists) {
        let answer = browser.get(path).await;
        assert_eq!(answer.status.as_u16(), 200, "{path}");
        assert!(String::from_utf8_lossy(&answer.body).contains("mallory"), "{path}");
    }
    let person = UserId::parse(&id).unwrap();
    let check = async |why: &str| {
        let mut browser = Browser::new(&api);
        for path in pages.iter().chain(&[&*format!("/@{id}")]) {
            let answer = browser.get(path).await;
            let page = String::from_utf8_lossy(&answer.body).into_owned();
            assert_eq!(answer.status.as_u16(), 404, "{path}");
            assert!(!page.contains("Mallory M.") && !page.contains("Unmistakable."), "{path}: {page}");
            assert!(page.contains(why), "{path}: {page}");
        }
        for path in lists {
            browser.open(path).await;
            assert!(!browser.text("main").contains("mallory"), "{path}");
        }
    };
    api.store.suspend(&person).await.unwrap();
    check("This account is suspended.").await;
    api.store.restore(&person).await.unwrap();
    browser.open("/@mallory").await;
    let account = api.store.account_of(&person).await.unwrap().unwrap();
    assert!(api.store.delete_account(&account).await.unwrap());
    check("no person").await;
}

#[tokio::test(start_paused = true)]
async fn blocking_somebody_is_said_on_their_page_and_hides_nothing_public() {
    let api = Api::new();
    api.save("bob", "https://example.com/a", &[]).await;
    api.ask("alice", Method::PUT, "/api/users/me/blocks/did:plc:bob", None).await;
    let mut alice = Browser::of(&api, "alice");
    alice.open("/@bob").await;
    assert!(alice.text(".told").contains("You have blocked this person"));
    assert_eq!(alice.all("[aria-labelledby=links] .item").len(), 1);
    let mut bob = Browser::of(&api, "bob");
    for path in ["/@bob", "/@alice"] {
        bob.open(path).await;
        assert!(bob.all(".told").is_empty(), "{path}: nobody else learns of it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_has_a_page_with_those_who_saved_it() {
    let api = Api::new();
    let shelf = api.collection("alice", "Shelf").await;
    api.save("alice", "https://example.com/a?utm_source=x", &[&shelf]).await;
    api.save("alice", "https://example.com/beside", &[&shelf]).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let bobs = api.save("bob", "https://example.com/a", &[]).await;
    let mut browser = Browser::of(&api, "bob");
    browser.open("/url?u=HTTPS://example.com/a").await;
    assert_eq!(texts(&browser, "[aria-labelledby=saved] .title"), ["bob", "alice"]);
    assert_eq!(texts(&browser, "[aria-labelledby=saved] a[href^='/collections/']"), ["Shelf"]);
    assert_eq!(texts(&browser, "[aria-labelledby=related] .title"), ["example.com/beside"]);
    assert_eq!(browser.all(&format!("main a[href='/cards/{bobs}']")).len(), 2, "his own is named");
    let mut carol = Browser::of(&api, "carol");
    carol.open("/url?u=https://example.com/a").await;
    assert_eq!(carol.one("form[action='/save'] input[name=url]").attr("value"), Some("https://example.com/a"));
    carol.open("/url?u=https://example.com/nobody").await;
    assert!(carol.text("main").contains("Nobody has saved this link publicly yet."));
    for refused in ["nonsense", "ftp://example.com/", "https://me@example.com/", "javascript:alert(1)"] {
        assert_eq!(carol.get(&format!("/url?u={refused}")).await.status.as_u16(), 422, "{refused}");
        assert_eq!(carol.one("input#url").attr("value"), Some(refused));
        assert!(!carol.text("#url-wrong").is_empty());
    }
    carol.open("/url").await;
    assert!(carol.all("#url-wrong").is_empty());
}

#[tokio::test(start_paused = true)]
async fn everybodys_collections_are_listed_by_what_was_added_last() {
    let api = Api::new();
    let mut ids = Vec::new();
    for number in 0..32 {
        ids.push(api.collection("alice", &format!("Number {number}")).await);
    }
    for (number, id) in ids.iter().enumerate() {
        tokio::time::advance(Duration::from_secs(1)).await;
        api.save("alice", &format!("https://example.com/{number}"), &[id]).await;
    }
    api.collection("alice", "Empty").await;
    let mut browser = Browser::new(&api);
    browser.open("/collections/all").await;
    let first = texts(&browser, ".items .title");
    assert_eq!((first.len(), first[0].as_str()), (30, "Number 31"));
    let next = browser.one("a[rel=next]").attr("href").unwrap().to_owned();
    browser.open(&next).await;
    assert_eq!(texts(&browser, ".items .title"), ["Number 1", "Number 0"]);
    tokio::time::advance(Duration::from_secs(1)).await;
    api.save("bob", "https://example.com/private", &[]).await;
    api.save("alice", "https://example.com/again", &[&ids[3]]).await;
    browser.open("/collections/all").await;
    assert_eq!(texts(&browser, ".items .title")[..2], ["Number 3", "Number 31"]);
    assert!(texts(&browser, ".items .about")[0].starts_with("2 links · by alice"));
}
