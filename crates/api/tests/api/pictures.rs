//! Covers and icons: where cards name them, and who can read them.

use std::num::NonZeroU32;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::harness::{Answer, Api, request};
use cardwire_apptest::people::{NobodyWithoutToken, ask_with, join, log_in, with_accounts};
use cardwire_apptest::pictures::{COVER, ICON, illustrate};
use cardwire_http::Reads;
use serde_json::{Value, json};

const URL: &str = "https://example.com/page";
const ADMIN: &str = "mock123";

async fn read(api: &Api, person: &str, path: &str) -> Value {
    api.ask(person, Method::GET, path, None).await.expect(200)
}

async fn status(api: &Api, person: &str, path: &str) -> u16 {
    api.ask(person, Method::GET, path, None).await.status.as_u16()
}

async fn set_visibility(api: &Api, card: &str, visibility: &str) {
    let body = json!({ "cardId": card, "visibility": visibility });
    api.ask("alice", Method::PUT, "/api/cards/url/associations", Some(body)).await.expect(200);
}

/// Where the cover of alice's card is.
async fn cover(api: &Api, card: &str) -> String {
    let card = read(api, "alice", &format!("/api/cards/{card}")).await;
    card["cover"]["url"].as_str().unwrap_or_else(|| panic!("{card}")).to_owned()
}

/// A card of alice's with pictures, and where its cover is.
async fn illustrated(api: &Api) -> (String, String) {
    let card = api.save("alice", URL, &[]).await;
    api.deliver().await;
    illustrate(api).await;
    let cover = cover(api, &card).await;
    (card, cover)
}

#[tokio::test(start_paused = true)]
async fn pictures_are_named_wherever_a_card_is() {
    let api = Api::new();
    let shelf = api.collection("alice", "Shelf").await;
    let card = api.save("alice", URL, &[&shelf]).await;
    api.deliver().await;
    let before = read(&api, "alice", &format!("/api/cards/{card}")).await;
    assert_eq!((before.get("cover"), before.get("icon")), (None, None));
    illustrate(&api).await;
    let card = read(&api, "alice", &format!("/api/cards/{card}")).await;
    assert_eq!((&card["cover"]["width"], &card["cover"]["height"]), (&json!(640), &json!(336)));
    for (path, pointer) in [
        ("/api/cards/my".to_owned(), "/items/0"),
        ("/api/feeds/global".to_owned(), "/items/0/card"),
        ("/api/search?q=illustrated".to_owned(), "/items/0"),
        (format!("/api/collections/{shelf}"), "/cards/items/0"),
    ] {
        let answer = read(&api, "bob", &path).await;
        let answer = if path == "/api/cards/my" { read(&api, "alice", &path).await } else { answer };
        let shown = answer.pointer(pointer).unwrap_or_else(|| panic!("{path}: {answer}"));
        assert_eq!((&shown["cover"], &shown["icon"]), (&card["cover"], &card["icon"]), "{path}");
    }
    let found = |answer: &Answer, kind: &str| {
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, kind));
    };
    let answer = api.ask("bob", Method::GET, card["icon"]["url"].as_str().unwrap(), None).await;
    found(&answer, "image/png");
    assert_eq!(answer.body, ICON);
    let answer = api.ask("bob", Method::GET, card["cover"]["url"].as_str().unwrap(), None).await;
    found(&answer, "image/jpeg");
    assert_eq!(answer.body, COVER);
}

#[tokio::test(start_paused = true)]
async fn a_picture_is_kept_by_browsers_and_does_nothing_but_show() {
    let api = Api::new();
    let (_, cover) = illustrated(&api).await;
    let answer = api.ask("bob", Method::GET, &cover, None).await;
    assert_eq!(answer.header("cache-control"), "private, max-age=31536000, immutable");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    let tag = answer.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", cover.trim_start_matches("/pictures/")));
    for (known, expected) in
        [(tag.as_str(), 304), ("*", 304), (&format!("\"x\", W/{tag}"), 304), ("\"x\"", 200), ("x", 200)]
    {
        let asked = request("bob", Method::GET, &cover, None).insert_header(("if-none-match", known));
        let answer = api.send(asked).await;
        assert_eq!((answer.status.as_u16(), answer.body.is_empty()), (expected, expected == 304), "{known}");
        assert_eq!(answer.header("etag"), tag);
    }
    assert_eq!(api.ask("bob", Method::HEAD, &cover, None).await.status.as_u16(), 200);
    assert_eq!(api.ask("bob", Method::POST, &cover, None).await.status.as_u16(), 405);
    assert_eq!(status(&api, "bob", &format!("{cover}?size=1")).await, 400);
    for other in ["/pictures/nonsense".to_owned(), format!("/pictures/{}", "0".repeat(64)), cover.to_uppercase()] {
        assert_eq!(status(&api, "bob", &other).await, 404, "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_picture_is_gone_for_others_with_the_answer_that_makes_its_card_private_or_hides_it() {
    let api = Api::new();
    let (card, cover) = illustrated(&api).await;
    for person in ["alice", "bob", ADMIN] {
        assert_eq!(status(&api, person, &cover).await, 200, "{person}");
    }
    set_visibility(&api, &card, "PRIVATE").await;
    for is_worked_off in [false, true] {
        if is_worked_off {
            api.deliver().await;
        }
        for person in ["bob", ADMIN] {
            let refused = api.ask(person, Method::GET, &cover, None).await;
            assert_eq!(refused.header("cache-control"), "no-store", "{person}");
            refused.expect_problem(404, "not-found");
        }
        // Having the picture already must not reveal that it is stored here.
        let asked = request("bob", Method::GET, &cover, None).insert_header(("if-none-match", "*"));
        assert_eq!(api.send(asked).await.status.as_u16(), 404);
    }
    assert_eq!(status(&api, "alice", &cover).await, 200);

    set_visibility(&api, &card, "PUBLIC").await;
    api.deliver().await;
    assert_eq!(status(&api, "bob", &cover).await, 200);
    let hide = format!("/api/admin/cards/{card}/hide");
    api.post(ADMIN, &hide, json!({ "reason": "spam" })).await.expect(204);
    assert_eq!((status(&api, "bob", &cover).await, status(&api, ADMIN, &cover).await), (404, 404));
    api.deliver().await;
    assert_eq!((status(&api, "bob", &cover).await, status(&api, "alice", &cover).await), (404, 200));
    api.ask("alice", Method::DELETE, &format!("/api/cards/{card}/library"), None).await.expect(200);
    assert_eq!(status(&api, "alice", &cover).await, 404);
}

#[tokio::test(start_paused = true)]
async fn the_picture_of_a_private_card_is_its_owners_even_if_others_know_its_address() {
    let api = Api::new();
    let body = json!({ "url": URL, "visibility": "PRIVATE" });
    let saved = api.post("alice", "/api/cards/library/urls", body).await.expect(201);
    api.deliver().await;
    illustrate(&api).await;
    let cover = cover(&api, saved["urlCardId"].as_str().unwrap()).await;
    let statuses = [status(&api, "alice", &cover).await, status(&api, "bob", &cover).await];
    assert_eq!((statuses, status(&api, ADMIN, &cover).await), ([200, 404], 404));
    // Saving the same link does not reveal it.
    let his = api.save("bob", URL, &[]).await;
    api.deliver().await;
    assert_eq!(read(&api, "bob", &format!("/api/cards/{his}")).await.get("cover"), None);
    assert_eq!(status(&api, "bob", &cover).await, 404);
}

#[tokio::test(start_paused = true)]
async fn somebody_suspended_reads_no_picture_and_those_of_their_public_cards_stay() {
    let api = with_accounts();
    let (_, bob) = (join(&api, "alice").await, join(&api, "bob").await);
    let (alice, session) = (log_in(&api, "alice").await, log_in(&api, "bob").await);
    let mut covers = Vec::new();
    for (url, visibility) in [(URL, "PUBLIC"), ("https://example.com/own", "PRIVATE")] {
        let body = json!({ "url": url, "visibility": visibility });
        let saved = ask_with(&api, &session, Method::POST, "/api/cards/library/urls", Some(body)).await.expect(201);
        covers.push(format!("/api/cards/{}", saved["urlCardId"].as_str().unwrap()));
    }
    api.deliver().await;
    illustrate(&api).await;
    let card = ask_with(&api, &session, Method::GET, &covers[0], None).await.expect(200);
    let cover = card["cover"]["url"].as_str().unwrap();
    let own = ask_with(&api, &session, Method::GET, &covers[1], None).await.expect(200);
    assert_eq!(own["cover"]["url"], cover, "the same picture is kept once");
    assert_eq!(ask_with(&api, &session, Method::GET, cover, None).await.status.as_u16(), 200);
    ask_with(&api, &alice, Method::POST, &format!("/api/admin/users/{bob}/suspend"), None).await.expect(204);
    ask_with(&api, &session, Method::GET, cover, None).await.expect_problem(401, "unauthenticated");
    assert_eq!(api.get(cover).await.status.as_u16(), 200, "what they published stays");
}

#[tokio::test(start_paused = true)]
async fn a_page_full_of_pictures_counts_as_one_read_and_guessing_counts() {
    let mut api = Api::new();
    let (_, cover) = illustrated(&api).await;
    api.state.authenticator = Arc::new(NobodyWithoutToken);
    api.state.reads = Reads::per_second(NonZeroU32::new(1));
    let from = |path: &str| api.send(TestRequest::get().uri(path).peer_addr("10.0.0.1:40000".parse().unwrap()));
    for _ in 0..50 {
        assert_eq!(from(&cover).await.status.as_u16(), 200);
    }
    let guess = format!("/pictures/{}", "0".repeat(64));
    for _ in 0..10 {
        assert_eq!(from(&guess).await.status.as_u16(), 404);
    }
    assert_eq!(from(&guess).await.status.as_u16(), 429);
    assert_eq!(from(&cover).await.status.as_u16(), 200);
}
