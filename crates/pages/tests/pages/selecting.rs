//! The library: sorted, counted, renamed in place, and many links changed at once.

use std::time::Duration;

use actix_web::http::Method;
use cardwire_apptest::browser::{Browser, post};
use cardwire_apptest::harness::{Answer, Api};
use serde_json::Value;

const SELECTED: &str = "/library/selected";

async fn saved(api: &Api, count: usize) -> Vec<String> {
    let mut cards = Vec::new();
    for n in 0..count {
        cards.push(api.save("alice", &format!("https://example.com/{n}"), &[]).await);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    cards
}

/// Ticks these cards on the page that is shown, and presses a button.
async fn press(browser: &mut Browser<'_>, cards: &[String], filled: &[(&str, &str)]) -> Answer {
    let mut fields = browser.form(SELECTED);
    for card in cards {
        let pick = browser.one(&format!("input[name=card][value='{card}']"));
        assert_eq!(pick.attr("form"), Some("selected"));
        fields.push(("card".to_owned(), card.clone()));
    }
    for (name, value) in filled {
        fields.retain(|(known, _)| known != name);
        fields.push(((*name).to_owned(), (*value).to_owned()));
    }
    browser.path = SELECTED.to_owned();
    browser.send(post(SELECTED, &fields)).await
}

async fn cards_of(api: &Api, path: &str) -> Vec<Value> {
    api.ask("alice", Method::GET, path, None).await.expect(200)["items"].as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_library_is_sorted_and_counted() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    for (url, title) in
        [("https://b.example/", "Cherry"), ("https://c.example/", "Apple"), ("https://a.example/", "Banana")]
    {
        alice.open("/library").await;
        alice.submit("/library", &[("url", url), ("title", title)]).await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    for (sort, expected) in [
        ("", ["Banana", "Apple", "Cherry"]),
        ("newest", ["Banana", "Apple", "Cherry"]),
        ("oldest", ["Cherry", "Apple", "Banana"]),
        ("title", ["Apple", "Banana", "Cherry"]),
        ("site", ["Banana", "Cherry", "Apple"]),
    ] {
        alice.open(&format!("/library?sort={sort}")).await;
        let titles: Vec<String> = alice.all(".items .title").iter().map(|title| title.text().collect()).collect();
        assert_eq!(titles, expected, "{sort}");
        assert_eq!(alice.text("#size"), "3 links");
    }
    assert_eq!(alice.one("#sort option[selected]").attr("value"), Some("site"));
    assert_eq!(alice.get("/library?sort=nonsense").await.status.as_u16(), 422);
}

#[tokio::test(start_paused = true)]
async fn a_sorted_library_goes_on_where_the_page_ends() {
    let api = Api::new();
    saved(&api, 65).await;
    for sort in ["newest", "oldest", "title", "site"] {
        let mut alice = Browser::of(&api, "alice");
        let mut path = format!("/library?sort={sort}&q=example");
        let mut titles = std::collections::BTreeSet::new();
        for page in 0.. {
            alice.open(&path).await;
            titles.extend(alice.all(".items .title").iter().map(|title| title.text().collect::<String>()));
            match alice.all("a[rel=next]").first() {
                Some(next) => path = next.attr("href").unwrap().to_owned(),
                None => {
                    assert_eq!(page, 2, "{sort}");
                    break;
                }
            }
        }
        assert_eq!(titles.len(), 65, "{sort}");
    }
}

#[tokio::test(start_paused = true)]
async fn ten_links_are_removed_at_once_after_one_question() {
    let api = Api::new();
    let cards = saved(&api, 12).await;
    let mut alice = Browser::of(&api, "alice");
    alice.open("/library?q=example&sort=oldest").await;
    let asked = press(&mut alice, &cards[..10], &[("do", "remove")]).await;
    assert_eq!((asked.status.as_u16(), alice.text("h1").as_str()), (200, "Remove 10 links?"));
    assert!(alice.text("main").contains("your notes on them are deleted"));
    assert_eq!(cards_of(&api, "/api/cards/my").await.len(), 12, "nothing was done yet");
    alice.submit(SELECTED, &[]).await;
    assert_eq!(alice.path, "/library?q=example&sort=oldest&told=removed&done=10", "the filters are kept");
    assert_eq!(alice.text(".told"), "10 links removed.");
    assert_eq!(cards_of(&api, "/api/cards/my").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn links_are_put_into_a_new_collection_without_leaving_the_library() {
    let api = Api::new();
    let cards = saved(&api, 3).await;
    let mut alice = Browser::of(&api, "alice");
    for chosen in [&cards[..1], &cards[1..]] {
        alice.open("/library").await;
        press(&mut alice, chosen, &[("do", "add"), ("new-collection", " Reading ")]).await;
    }
    assert_eq!(alice.text(".told"), "2 links added to the collection.");
    let collections = cards_of(&api, "/api/collections").await;
    assert_eq!(collections.len(), 1, "the second time it is the same");
    assert_eq!(collections[0]["name"], "Reading");
    alice.open(&format!("/collections/{}", collections[0]["id"].as_str().unwrap())).await;
    assert_eq!(alice.all(".items > li").len(), 3);

    alice.open("/library").await;
    let refused = press(&mut alice, &cards[..1], &[("do", "add")]).await;
    assert_eq!(refused.status.as_u16(), 422);
    assert!(alice.text("#new-collection-wrong").contains("Choose a collection"));
    press(&mut alice, &cards[..1], &[("do", "add"), ("new-collection", &"x".repeat(101))]).await;
    assert!(!alice.text("#new-collection-wrong").is_empty());
}

#[tokio::test(start_paused = true)]
async fn links_are_made_private_and_public_and_exported() {
    let api = Api::new();
    let cards = saved(&api, 3).await;
    let mut alice = Browser::of(&api, "alice");
    for (what, told, private) in [("private", "2 links are now private.", 2), ("public", "2 links are now public.", 0)]
    {
        alice.open("/library").await;
        press(&mut alice, &cards[..2], &[("do", what)]).await;
        assert_eq!(alice.text(".told"), told);
        assert_eq!(alice.all(".items .lock").len(), private);
    }
    alice.open("/library").await;
    let file = press(&mut alice, &cards[..2], &[("do", "export")]).await;
    assert!(file.header("content-disposition").starts_with("attachment"), "{}", file.header("content-disposition"));
    let text = String::from_utf8(file.body).unwrap();
    assert!(text.starts_with("<!DOCTYPE NETSCAPE-Bookmark-file-1>"));
    assert_eq!(text.matches("<DT><A HREF=").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_is_counted_and_stops_nothing() {
    let api = Api::new();
    let mut cards = saved(&api, 2).await;
    let mut alice = Browser::of(&api, "alice");
    alice.open("/library").await;
    let bobs = api.save("bob", "https://example.com/bobs", &[]).await;
    let fields = alice.form(SELECTED);
    cards.push(bobs.clone());
    let ticked = cards.iter().map(|card| ("card".to_owned(), card.clone()));
    let button = [("do".to_owned(), "private".to_owned())];
    let all: Vec<_> = fields.iter().cloned().chain(ticked).chain(button).collect();
    let answer = alice.send(post(SELECTED, &all)).await;
    assert_eq!(answer.status.as_u16(), 422);
    let told = alice.text("#cards .wrong");
    assert!(told.starts_with("2 done, 1 link could not be changed"), "{told}");
    let his = api.get(&format!("/api/cards/{bobs}")).await;
    assert_eq!(his.status.as_u16(), 200, "it is public as before");

    let answer = press(&mut alice, &[], &[("do", "private")]).await;
    assert_eq!((answer.status.as_u16(), alice.text("#cards .wrong").as_str()), (422, "Select the links first."));
    let many: Vec<_> = (0..101).map(|n| ("card".to_owned(), n.to_string())).collect();
    let answer = alice.send(post(SELECTED, &[fields, many].concat())).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert_eq!(alice.text("#cards .wrong"), "Select at most 100 links.");
}

#[tokio::test(start_paused = true)]
async fn a_title_is_edited_in_the_library() {
    let api = Api::new();
    let card = saved(&api, 1).await.remove(0);
    let mut alice = Browser::of(&api, "alice");
    let action = format!("/cards/{card}/title");
    alice.open("/library?q=example").await;
    assert_eq!(alice.one(".rename input[name=title]").attr("placeholder"), Some("example.com/0"));
    let way_back = ("back", "/library?q=example");
    alice.submit(&action, &[("title", "My own title"), way_back]).await;
    assert_eq!(alice.path, "/library?q=example&told=renamed");
    assert_eq!(alice.text(".items .title"), "My own title");
    let mut fields = alice.form(&action);
    fields.retain(|(name, _)| name != "title");
    fields.push(("title".into(), "By script".into()));
    let answer = alice.send(post(&action, &fields).insert_header(("hx-request", "true"))).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(alice.text(&format!("li#card-{card} .title")), "By script", "the row comes back alone");
    alice.open("/library").await;
    let answer = alice.submit(&action, &[("title", &"x".repeat(501))]).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert_eq!(alice.one("#title").attr("value").map(str::len), Some(501), "what was typed is kept");
}

#[tokio::test(start_paused = true)]
async fn removing_one_link_keeps_the_filters_and_asks_the_same_with_scripts() {
    let api = Api::new();
    let card = saved(&api, 2).await.remove(0);
    let mut alice = Browser::of(&api, "alice");
    let action = format!("/cards/{card}/remove");
    alice.open("/library?q=example&sort=title").await;
    let question = alice.one(&format!("form[action='{action}']")).attr("data-confirm").unwrap().to_owned();
    let referer = ("referer", "https://cardwire.example/library?q=example&sort=title&told=saved");
    let fields = alice.form(&action);
    alice.send(post(&action, &fields).insert_header(referer)).await;
    let asked = format!("{} {}", alice.text("h1"), alice.text("h1 + p"));
    assert_eq!(asked, question);
    alice.submit(&action, &[]).await;
    assert_eq!(alice.path, "/library?q=example&sort=title&told=removed");
}

#[tokio::test(start_paused = true)]
async fn a_card_s_own_page_has_no_edit_link_that_leads_to_itself() {
    let api = Api::new();
    let card = saved(&api, 1).await.remove(0);
    let mut alice = Browser::of(&api, "alice");
    let path = format!("/cards/{card}");
    alice.open(&path).await;
    assert!(alice.all(&format!("main a[href='{path}']")).is_empty());
    assert!(alice.all("input[name=card], .rename").is_empty());
    // Neither has the row that a script fetches for it.
    let row = alice.one("li.item").attr("data-hx-get").unwrap().to_owned();
    alice.open(&row).await;
    assert!(alice.all(&format!("a[href='{path}']")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_link_is_saved_into_a_collection_that_is_named_in_the_save_box() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    alice.open("/").await;
    let filled = [("url", "nonsense"), ("new-collection", "Garden"), ("visibility", "PRIVATE")];
    assert_eq!(alice.submit("/library", &filled).await.status.as_u16(), 422);
    assert_eq!(alice.one("#new-collection").attr("value"), Some("Garden"), "what was typed is kept");
    assert!(cards_of(&api, "/api/collections").await.is_empty(), "none for a link that is none");
    alice.submit("/library", &[("url", "https://example.com/a")]).await;
    assert!(alice.text(".items .about").contains("in Garden"));
    let collections = cards_of(&api, "/api/collections").await;
    assert_eq!(collections[0]["visibility"], "PRIVATE", "as the link");
    // On the page of a card as well.
    let card = alice.one(".items .about a[href^='/cards/']").attr("href").unwrap().to_owned();
    alice.open(&card).await;
    alice.submit(&card, &[("new-collection", "Leeks")]).await;
    assert!(alice.text(".items .about").contains("Leeks"));
}
