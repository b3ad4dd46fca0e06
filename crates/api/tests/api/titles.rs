//! Own titles: setting them, showing them to everybody who sees the card, finding them, and removing them.

use actix_web::http::Method;
use cardwire_apptest::harness::Api;
use serde_json::{Value, json};

const SAVE: &str = "/api/cards/library/urls";
const ASSOCIATIONS: &str = "/api/cards/url/associations";
const URL: &str = "https://example.com/growing";

async fn read(api: &Api, person: &str, path: &str) -> Value {
    api.ask(person, Method::GET, path, None).await.expect(200)
}

async fn set(api: &Api, card: &str, title: Value) {
    let body = json!({ "cardId": card, "title": title });
    api.ask("alice", Method::PUT, ASSOCIATIONS, Some(body)).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn a_title_of_ones_own_is_part_of_every_card_body() {
    let api = Api::new();
    let shelf = api.collection("alice", "Shelf").await;
    let body = json!({ "url": URL, "title": " Leeks under snow ", "collectionIds": [shelf] });
    let card = api.post("alice", SAVE, body).await.expect(201)["urlCardId"].as_str().unwrap().to_owned();
    let his = api.save("bob", URL, &[]).await;
    api.deliver().await;
    api.title_pages("Growing things").await;

    for person in ["alice", "bob"] {
        let one = read(&api, person, &format!("/api/cards/{card}")).await;
        assert_eq!((&one["title"], &one["metadata"]["title"]), (&json!("Leeks under snow"), &json!("Growing things")));
        let other = read(&api, person, &format!("/api/cards/{his}")).await;
        assert_eq!(other["title"], "Growing things", "his is called what its page is called");
        let collected = read(&api, person, &format!("/api/collections/{shelf}")).await;
        assert!(collected.to_string().contains("\"title\":\"Leeks under snow\""), "{collected}");
        let feed = read(&api, person, "/api/feeds/global").await;
        let titles: Vec<(&str, &str)> = feed["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| (item["actor"]["handle"].as_str().unwrap(), item["card"]["title"].as_str().unwrap()))
            .collect();
        assert!(titles.contains(&("alice", "Leeks under snow")) && titles.contains(&("bob", "Growing things")));
        let found = read(&api, person, "/api/search?q=leeks").await;
        let titles: Vec<&Value> = found["items"].as_array().unwrap().iter().map(|hit| &hit["title"]).collect();
        assert_eq!(titles, [&json!("Leeks under snow")]);
    }
    assert_eq!(read(&api, "alice", "/api/cards/my?q=leeks").await["items"][0]["title"], "Leeks under snow");
    let export = read(&api, "alice", "/api/users/me/export").await;
    assert_eq!(export["cards"][0]["title"], "Leeks under snow");
}

#[tokio::test(start_paused = true)]
async fn a_title_stays_until_it_is_changed_or_cleared() {
    let api = Api::new();
    let card = api.post("alice", SAVE, json!({ "url": URL, "title": "One" })).await.expect(201)["urlCardId"].clone();
    let card = card.as_str().unwrap();
    api.deliver().await;
    api.title_pages("The page's").await;
    let path = format!("/api/cards/{card}");
    let title = async || read(&api, "bob", &path).await["title"].clone();
    api.post("alice", SAVE, json!({ "url": URL, "note": "again" })).await.expect(200);
    assert_eq!(title().await, "One");
    let note = json!({ "cardId": card, "note": "changed" });
    api.ask("alice", Method::PUT, ASSOCIATIONS, Some(note)).await.expect(200);
    assert_eq!(title().await, "One");
    for (sent, expected) in
        [(json!("Two"), "Two"), (json!(null), "The page's"), (json!("Three"), "Three"), (json!("  "), "The page's")]
    {
        set(&api, card, sent.clone()).await;
        assert_eq!(title().await, expected, "{sent}");
    }
    for (sent, expected) in [(json!("Four"), "Four"), (json!(null), "The page's"), (json!("Five"), "Five")] {
        api.post("alice", SAVE, json!({ "url": URL, "title": sent })).await.expect(200);
        assert_eq!(title().await, expected, "{sent}");
    }
    api.post("alice", SAVE, json!({ "url": URL, "title": "" })).await.expect(200);
    assert_eq!(title().await, "The page's");
}

#[tokio::test(start_paused = true)]
async fn a_title_that_breaks_a_rule_is_refused_by_its_field_and_rule() {
    let api = Api::new();
    let card = api.save("alice", URL, &[]).await;
    let before = (api.owed().await, read(&api, "alice", "/api/cards/my").await);
    for (title, rule) in [
        (json!("x".repeat(501)), "Use 1 to 500 characters."),
        (json!("two\nlines"), "Remove the control characters."),
        (json!("a\u{7}"), "Remove the control characters."),
        (json!("\u{200b}"), "Use at least one visible character."),
        (json!("a\u{202e}b"), "Remove the characters that change the direction of text."),
        (json!("a\u{0}"), "Remove the NUL character."),
        (json!(1), "`title` must be a string."),
        (json!(["a"]), "`title` must be a string."),
    ] {
        let save = api.post("alice", SAVE, json!({ "url": "https://example.com/new", "title": title })).await;
        let body = json!({ "cardId": card, "title": title, "note": "changed" });
        let associate = api.ask("alice", Method::PUT, ASSOCIATIONS, Some(body)).await;
        for answer in [save, associate] {
            let problem = answer.expect_problem(422, "invalid-value");
            assert_eq!(problem["field"], "title", "{title}: {problem}");
            assert!(problem["detail"].as_str().unwrap().contains(rule), "{title}: {problem}");
        }
    }
    assert_eq!((api.owed().await, read(&api, "alice", "/api/cards/my").await), before);
    let longest = "ü".repeat(500);
    set(&api, &card, json!(longest)).await;
    assert_eq!(read(&api, "alice", &format!("/api/cards/{card}")).await["title"], longest);
}
