//! The feed: groups, filters, and titles that come late.

use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;
use cardwire_apptest::people::with_accounts;
use cardwire_domain::metadata::Metadata;

/// Who saved how many, as the groups of the page say it.
fn groups(browser: &Browser<'_>) -> Vec<String> {
    let text = |line: scraper::ElementRef<'_>| line.text().collect::<String>();
    browser.all("#feed .who-saved").into_iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn saves_of_one_person_in_a_row_are_one_group() {
    let api = Api::new();
    for (person, count) in [("alice", 2), ("bob", 1), ("alice", 6)] {
        for n in 0..count {
            api.save(person, &format!("https://example.com/{person}/{count}/{n}"), &[]).await;
            api.deliver().await;
            tokio::time::advance(std::time::Duration::from_secs(1)).await;
        }
    }
    let mut reader = Browser::new(&api);
    reader.open("/").await;
    assert_eq!(groups(&reader), ["alice saved 6 links", "bob saved 1 link", "alice saved 2 links"]);
    assert_eq!(reader.all("#feed .item").len(), 9);
    assert_eq!(reader.text("#feed details summary"), "Show 3 more");
    assert_eq!(reader.all("#feed details .item").len(), 3, "the others are there without scripts");
    reader.open("/@alice").await;
    assert_eq!(reader.all("ol.items .item").len(), 8, "all that alice saved is on her page");
}

#[tokio::test(start_paused = true)]
async fn no_group_is_cut_by_the_end_of_a_page() {
    let api = Api::new();
    for n in 0..40 {
        // Three of alice, one of bob, and so on.
        let person = if n % 4 == 3 { "bob" } else { "alice" };
        api.save(person, &format!("https://example.com/{n}"), &[]).await;
        api.deliver().await;
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
    let mut reader = Browser::new(&api);
    reader.open("/").await;
    let mut all = groups(&reader);
    let older = reader.one("a[rel=next]").attr("href").unwrap().to_owned();
    reader.open(&older).await;
    all.extend(groups(&reader));
    assert_eq!(all.len(), 20);
    let whole = |group: &&String| ["alice saved 3 links", "bob saved 1 link"].contains(&group.as_str());
    assert!(all.iter().all(|group| whole(&group)), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn the_feed_is_filtered_by_plain_links() {
    let api = Api::new();
    let reading = api.collection("alice", "Reading").await;
    api.save("alice", "https://example.com/collected", &[&reading]).await;
    api.save("alice", "https://example.com/plain", &[]).await;
    api.save("bob", "https://example.com/bob", &[]).await;
    api.deliver().await;
    let mut alice = Browser::of(&api, "alice");
    alice.open("/").await;
    let links: Vec<String> = alice.all(".tabs a").iter().map(|link| link.attr("href").unwrap().to_owned()).collect();
    assert_eq!(links, ["/", "/?show=people", "/?show=collections"]);
    let titles = |browser: &Browser<'_>| {
        let mut titles: Vec<String> = browser.all("#feed .title").iter().map(|title| title.text().collect()).collect();
        titles.sort();
        titles
    };
    assert_eq!(titles(&alice).len(), 3);
    alice.open("/?show=people").await;
    assert_eq!(titles(&alice), ["example.com/bob"]);
    assert_eq!(alice.text(".tabs [aria-current]"), "Other people");
    assert!(alice.all("[data-stream]").is_empty(), "only everyone's feed is live");
    alice.open("/?show=collections").await;
    assert_eq!(titles(&alice), ["example.com/collected"]);
    assert_eq!(alice.get("/?show=nonsense").await.status.as_u16(), 400);
    let api = with_accounts();
    let mut somebody = Browser::new(&api);
    somebody.open("/?show=collections").await;
    assert_eq!(somebody.all(".tabs a").len(), 2, "everyone is other people to them");
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_finds_little_goes_on_where_it_looked_last() {
    let api = Api::new();
    for n in 0..50 {
        let person = if n < 35 { "bob" } else { "alice" };
        api.save(person, &format!("https://example.com/{n}"), &[]).await;
    }
    api.deliver().await;
    let mut alice = Browser::of(&api, "alice");
    let mut path = "/?show=people".to_owned();
    let mut found = 0;
    for _ in 0..3 {
        alice.open(&path).await;
        found += alice.all("#feed .item").len();
        match alice.all("a[rel=next]").first() {
            Some(next) => path = next.attr("href").unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(found, 35);
}

#[tokio::test(start_paused = true)]
async fn a_title_that_comes_late_reaches_the_feed() {
    let api = Api::new();
    let card = api.save("alice", "https://example.com/a", &[]).await;
    api.deliver().await;
    let mut reader = Browser::new(&api);
    reader.open("/").await;
    let look = reader.one("#feed .body").attr("data-hx-get").unwrap().to_owned();
    assert_eq!(look, format!("/cards/{card}/body?look=1"));
    let text = |text: &str| Some(text.to_owned());
    let metadata = Metadata { title: text("A title"), description: text("And more"), ..Metadata::default() };
    api.fetch_pages(Ok(metadata)).await;
    reader.open(&look).await;
    assert_eq!((reader.text(".body .title"), reader.text(".body .says")), ("A title".into(), "And more".into()));
    assert_eq!(reader.one(".body").attr("data-hx-get"), None, "it looks no more");
    reader.open("/").await;
    assert_eq!(reader.text("#feed .says"), "And more");
}

#[tokio::test(start_paused = true)]
async fn the_feed_looks_for_titles_a_few_times_and_tells_nothing_of_private_cards() {
    let api = Api::new();
    let card = api.save("alice", "https://example.com/a", &[]).await;
    api.deliver().await;
    let mut reader = Browser::new(&api);
    let mut path = format!("/cards/{card}/body");
    for looks in 1.. {
        reader.open(&path).await;
        match reader.one(".body").attr("data-hx-get") {
            Some(next) => path = next.to_owned(),
            None => {
                assert_eq!(looks, 6);
                break;
            }
        }
    }
    let private = serde_json::json!({ "url": "https://example.com/secret", "visibility": "PRIVATE" });
    let saved = api.post("alice", "/api/cards/library/urls", private).await.expect(201);
    let path = format!("/cards/{}/body", saved["urlCardId"].as_str().unwrap());
    assert_eq!(reader.get(&path).await.status.as_u16(), 404);
    Browser::of(&api, "alice").open(&path).await;
}
