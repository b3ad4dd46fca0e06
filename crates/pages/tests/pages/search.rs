//! The search page and the library's box.

use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;
use cardwire_apptest::people::{signed_up, with_accounts};

#[tokio::test(start_paused = true)]
async fn people_and_collections_have_sections_on_the_first_page() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    let mut bob = signed_up(&api, "bob").await;
    alice.open("/collections").await;
    alice.submit("/collections", &[("name", "Alice's reading"), ("description", "Books by alice")]).await;
    let collection = alice.path.clone();
    api.deliver().await;
    bob.open("/search?q=alice").await;
    let person = bob.one("#people a");
    assert_eq!(person.attr("href"), Some("/@alice"));
    assert_eq!(bob.text("#people mark"), "alice");
    assert_eq!(bob.one("#collections a").attr("href"), Some(collection.as_str()));
    assert!(bob.text("#collections .about").contains("0 links · by alice"), "{}", bob.text("#collections"));
    assert!(!bob.text("#hits").contains("No results"));
    for path in ["/search?q=alice&mine=true", "/search?q=alice&type=article", "/search?q=carol"] {
        bob.open(path).await;
        assert!(bob.all("#people, #collections").is_empty(), "{path}");
        assert!(bob.text("#hits").contains("No results for"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_corrected_search_says_so_and_a_library_offers_it() {
    let api = Api::new();
    api.save("alice", "https://example.com/memory", &[]).await;
    api.deliver().await;
    let mut alice = Browser::of(&api, "alice");
    alice.open("/search?q=memroy").await;
    assert_eq!(alice.text("#corrected"), "No links for “memroy”. Showing results for memory.");
    assert_eq!(alice.one("#corrected a").attr("href"), Some("/search?q=memory"));
    assert!(alice.all("#hits mark").iter().all(|mark| mark.text().collect::<String>() == "memory"));
    assert!(!alice.all("#hits mark").is_empty());
    alice.open("/search?q=memory").await;
    assert!(alice.all("#corrected").is_empty());

    alice.open("/library?q=memroy").await;
    assert!(alice.all(".items > li").is_empty());
    assert_eq!(alice.one("#cards p a[dir]").attr("href"), Some("/library?q=memory"));
    let mut bob = Browser::of(&api, "bob");
    bob.open("/library?q=memroy").await;
    assert!(bob.all("#cards p a[dir]").is_empty(), "it is not in this library");
}

#[tokio::test(start_paused = true)]
async fn a_long_title_that_is_pasted_finds_its_page() {
    let api = Api::new();
    let long: String = (0..60).map(|number| format!("word{number} ")).collect();
    api.save("alice", "https://example.com/a", &[]).await;
    api.deliver().await;
    api.title_pages(long.trim_end()).await;
    let mut alice = Browser::of(&api, "alice");
    for (path, found) in [("/search", "#hits .item"), ("/library", ".items > li")] {
        alice.open(&format!("{path}?q={}", long.trim_end().replace(' ', "+"))).await;
        assert_eq!(alice.all(found).len(), 1, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn words_of_any_writing_are_marked() {
    let api = Api::new();
    api.save("alice", "https://example.com/a", &[]).await;
    api.deliver().await;
    api.title_pages("Café: 東京で検索 in C++").await;
    let mut alice = Browser::of(&api, "alice");
    for (query, marked) in [("cafe", "Café"), ("%E6%A4%9C%E7%B4%A2", "検索"), ("c%2B%2B", "C++")] {
        alice.open(&format!("/search?q={query}")).await;
        assert_eq!(alice.text("#hits .title mark"), marked);
    }
}
