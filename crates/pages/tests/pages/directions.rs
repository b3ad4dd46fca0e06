//! Titles, names and notes that are written from right to left: each has a direction of its own, so that it turns nothing around it.

use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{FetchPolicy, Metadata, PageRepository as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use scraper::ElementRef;
use serde_json::json;

use crate::imports::{finished, import, work};

/// Its mark stands on the left, where it ends.
const GREETING: &str = "مرحبا بالعالم!";
const WORD: &str = "مرحبا";

fn has_a_direction(element: ElementRef<'_>) -> bool {
    let around = element.ancestors().filter_map(ElementRef::wrap);
    std::iter::once(element).chain(around).any(|one| one.value().name() == "bdi" || one.attr("dir") == Some("auto"))
}

/// Wherever the page that is open shows the word, it has a direction of its own. Fields, and what only screen readers tell, need none.
#[track_caller]
fn check(browser: &Browser<'_>) {
    let is_shown = |element: &ElementRef<'_>| {
        element.children().filter_map(|node| node.value().as_text()).any(|text| text.contains(WORD))
            && !["option", "textarea"].contains(&element.value().name())
            && element.attr("class") != Some("hidden")
    };
    let shown: Vec<ElementRef<'_>> = browser.all("main *").into_iter().filter(is_shown).collect();
    assert!(!shown.is_empty(), "{} does not show it", browser.path);
    let turning: Vec<String> =
        shown.into_iter().filter(|element| !has_a_direction(*element)).map(|element| element.html()).collect();
    assert_eq!(turning, [""; 0], "{}", browser.path);
}

#[tokio::test(start_paused = true)]
async fn whatever_people_write_has_a_direction_of_its_own() {
    let api = Api::new();
    let body = json!({ "name": GREETING, "description": GREETING, "accessType": "OPEN" });
    let collection = api.post("alice", "/api/collections", body).await.expect(201)["id"].as_str().unwrap().to_owned();
    let mut cards = Vec::new();
    for (url, title) in [("https://example.com/page", ""), ("https://example.com/own", "Hello")] {
        let body = json!({ "url": url, "title": title, "note": GREETING, "collectionIds": [collection] });
        let saved = api.post("alice", "/api/cards/library/urls", body).await.expect(201);
        cards.push(saved["urlCardId"].as_str().unwrap().to_owned());
    }
    api.deliver().await;
    for _ in 0..2 {
        // One page of a host at once.
        for job in api.store.lease_fetches(&FetchRoom::idle(10), &FetchPolicy::default()).await.unwrap() {
            let text = || Some(GREETING.to_owned());
            let metadata = Metadata {
                title: text(),
                description: text(),
                site_name: text(),
                author: text(),
                ..Metadata::default()
            };
            assert!(api.store.finish_fetch(&job, &Ok(metadata), &FetchPolicy::default()).await.unwrap());
        }
    }

    let mut alice = Browser::of(&api, "alice");
    let query = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    for path in [
        "/".to_owned(),
        "/library".into(),
        format!("/cards/{}", cards[0]),
        format!("/cards/{}", cards[1]),
        "/collections".into(),
        format!("/collections/{collection}"),
        format!("/search?q={}", query(WORD)),
        format!("/search?q={}", query(&format!("{WORD} nowhere!"))),
        "/trends".into(),
    ] {
        alice.open(&path).await;
        check(&alice);
    }
    for (action, page) in [
        (format!("/cards/{}/remove", cards[0]), "/library".to_owned()),
        (format!("/collections/{collection}/delete"), format!("/collections/{collection}")),
    ] {
        alice.open(&page).await;
        alice.submit(&action, &[]).await;
        let asked = alice.text("main");
        assert!(asked.contains(&format!("“\u{2068}{GREETING}\u{2069}”")), "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_in_a_file_is_told_in_the_order_of_its_letters() {
    let api = Api::new();
    let stop = work(&api);
    let mut alice = Browser::of(&api, "alice");
    let file = "url\nhttps://example.com/\u{202e}fdp.exe\nno link\u{202e}at all\n";
    import(&mut alice, "Report \u{202e}vsc.csv", file.as_bytes()).await;
    assert_eq!(alice.text("h1 bdi"), "Report vsc.csv");
    let path = alice.path.clone();
    let told = finished(&mut alice, &path).await;
    let urls: Vec<&str> = told.iter().map(|(url, _)| url.as_str()).collect();
    assert_eq!(urls, ["https://example.com/%E2%80%AEfdp.exe", "no link%E2%80%AEat all"]);
    alice.open("/library").await;
    assert_eq!(alice.text(".items .title"), "example.com/%E2%80%AEfdp.exe");
    stop.cancel();
}
