//! Titles of one's own, typed into the save box and on the page of a card.

use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;
use serde_json::json;

const URL: &str = "https://example.com/growing";

#[tokio::test(start_paused = true)]
async fn a_link_is_saved_with_a_title_and_called_so_everywhere() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    alice.open("/library").await;
    assert_eq!(alice.one("form.save details input[name=title]").attr("value"), Some(""));
    alice.submit("/library", &[("url", URL), ("title", " Leeks under snow ")]).await;
    assert_eq!(alice.path, "/library?told=saved");
    api.deliver().await;
    api.title_pages("Growing things").await;
    let mut bob = Browser::of(&api, "bob");
    alice.open("/library").await;
    assert_eq!(alice.text(".items .title"), "Leeks under snow");
    let card = alice.one(".items .about a[href^='/cards/']").attr("href").unwrap().to_owned();
    for browser in [&mut alice, &mut bob] {
        browser.open("/").await;
        assert_eq!(browser.text("#feed .title"), "Leeks under snow");
        browser.open("/search?q=leeks").await;
        assert_eq!(browser.text("#hits .title"), "Leeks under snow");
        assert_eq!(browser.text("#hits mark"), "Leeks");
        browser.open(&card).await;
        assert_eq!(browser.text("h1 bdi"), "Leeks under snow");
        assert!(browser.text(".facts").contains("Growing things"), "what the page calls itself");
    }
    assert!(bob.all("input[name=title]").is_empty(), "it is not his to edit");

    // An empty box asks for nothing.
    alice.open("/library").await;
    alice.submit("/library", &[("url", URL), ("note", "again")]).await;
    assert_eq!(alice.path, "/library?told=again");
    assert_eq!(alice.text(".items .title"), "Leeks under snow");
}

#[tokio::test(start_paused = true)]
async fn a_title_is_edited_and_cleared_on_the_page_of_the_card() {
    let api = Api::new();
    let card = format!("/cards/{}", api.save("alice", URL, &[]).await);
    api.deliver().await;
    api.title_pages("Growing things").await;
    let mut alice = Browser::of(&api, "alice");
    alice.open(&card).await;
    let field = alice.one("form input[name=title]");
    assert_eq!((field.attr("value"), field.attr("placeholder")), (Some(""), Some("Growing things")));
    assert_eq!(alice.text("h1 bdi"), "Growing things");
    alice.submit(&card, &[("title", "Leeks <b>under</b> snow")]).await;
    assert_eq!(alice.text("h1 bdi"), "Leeks <b>under</b> snow");
    assert_eq!(alice.one("form input[name=title]").attr("value"), Some("Leeks <b>under</b> snow"));
    // A form that was drawn before there was the field leaves the title.
    alice.open(&card).await;
    let mut fields = alice.form(&card);
    fields.retain(|(name, _)| name != "title");
    alice.send(cardwire_apptest::browser::post(&card, &fields)).await;
    assert_eq!(alice.text("h1 bdi"), "Leeks <b>under</b> snow");
    alice.submit(&card, &[("title", "  ")]).await;
    assert_eq!(alice.text("h1 bdi"), "Growing things");
}

#[tokio::test(start_paused = true)]
async fn a_title_that_breaks_a_rule_is_told_beside_the_field_and_nothing_is_lost() {
    let api = Api::new();
    let card = format!("/cards/{}", api.save("alice", URL, &[]).await);
    let mut alice = Browser::of(&api, "alice");
    let long = "x".repeat(501);
    for (page, form) in [("/library", "/library"), (card.as_str(), card.as_str())] {
        alice.open(page).await;
        let mut filled = vec![("title", long.as_str()), ("note", "typed with care")];
        if form == "/library" {
            filled.push(("url", "https://example.com/new"));
        }
        let answer = alice.submit(form, &filled).await;
        assert_eq!(answer.status.as_u16(), 422, "{page}");
        assert_eq!(alice.text("#title-wrong"), "Use 1 to 500 characters.", "{page}");
        assert_eq!(alice.one("input[name=title]").attr("value"), Some(long.as_str()), "{page}");
        assert_eq!(alice.text("textarea[name=note]"), "typed with care", "{page}");
        assert_eq!(alice.all("details:not([open]) input[name=title]").len(), 0, "{page}: it can be seen");
    }
    let kept = api.ask("alice", actix_web::http::Method::GET, "/api/cards/my", None).await.expect(200);
    assert_eq!((kept["items"].as_array().unwrap().len(), &kept["items"][0]["note"]), (1, &json!(null)));
}

#[tokio::test(start_paused = true)]
async fn the_save_page_is_filled_with_a_title() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    alice.open("/save?url=https%3A%2F%2Fexample.com%2F&title=Leeks%20%22under%22%20snow").await;
    assert_eq!(alice.one("details[open] input[name=title]").attr("value"), Some("Leeks \"under\" snow"));
}
