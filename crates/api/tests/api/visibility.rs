//! Private and hidden cards do not exist for others, from the moment the request is answered.

use std::time::Duration;

use actix_web::http::Method;
use cardwire_apptest::harness::{Api, request};
use serde_json::{Value, json};

const SAVE: &str = "/api/cards/library/urls";
const ASSOCIATIONS: &str = "/api/cards/url/associations";
const COLLECTIONS: &str = "/api/collections";
const ADMIN: &str = "mock123";
const URL: &str = "https://secret.example/page";

async fn read(api: &Api, person: &str, path: &str) -> Value {
    api.ask(person, Method::GET, path, None).await.expect(200)
}

async fn save(api: &Api, person: &str, url: &str, visibility: &str, collections: &[&str]) -> String {
    let body = json!({ "url": url, "visibility": visibility, "collectionIds": collections });
    api.post(person, SAVE, body).await.expect(201)["urlCardId"].as_str().unwrap().to_owned()
}

async fn set(api: &Api, person: &str, card: &str, visibility: &str) {
    let body = json!({ "cardId": card, "visibility": visibility });
    api.ask(person, Method::PUT, ASSOCIATIONS, Some(body)).await.expect(200);
}

async fn collection(api: &Api, person: &str, name: &str, visibility: &str) -> String {
    let body = json!({ "name": name, "accessType": "OPEN", "visibility": visibility });
    let created = api.post(person, COLLECTIONS, body).await.expect(201);
    assert_eq!(created["visibility"], visibility);
    created["id"].as_str().unwrap().to_owned()
}

/// The places where the person sees the URL, among all that might show it.
async fn places(api: &Api, person: &str, card: &str, collection: &str) -> Vec<&'static str> {
    let mut seen = Vec::new();
    for (place, path) in [
        ("card", format!("/api/cards/{card}")),
        ("collection", format!("{COLLECTIONS}/{collection}")),
        ("feed", "/api/feeds/global".into()),
        ("actor", "/api/feeds/global?actorId=did:plc:alice".into()),
        ("search", "/api/search?q=secret".into()),
        ("urls", "/api/analytics/top-urls".into()),
        ("domains", "/api/analytics/top-domains".into()),
        ("summary", "/api/analytics/summary".into()),
    ] {
        let answer = api.ask(person, Method::GET, &path, None).await;
        if String::from_utf8(answer.body).unwrap().contains("secret.example") {
            seen.push(place);
        }
    }
    seen
}

const EVERYWHERE: [&str; 8] = ["card", "collection", "feed", "actor", "search", "urls", "domains", "summary"];
const BY_ITS_OWNER: [&str; 3] = ["card", "collection", "search"];

#[tokio::test(start_paused = true)]
async fn a_private_card_exists_for_its_owner_only() {
    let api = Api::new();
    let shelf = collection(&api, "alice", "Shelf", "PUBLIC").await;
    let card = save(&api, "alice", URL, "PRIVATE", &[&shelf]).await;
    api.deliver().await;
    for person in ["bob", ADMIN] {
        assert_eq!(places(&api, person, &card, &shelf).await, [""; 0], "{person}");
        assert_eq!(read(&api, person, &format!("{COLLECTIONS}/{shelf}")).await["cardCount"], 0, "{person}");
        let path = format!("/api/cards/{card}");
        api.ask(person, Method::GET, &path, None).await.expect_problem(404, "not-found");
        // It looks exactly like one that never existed.
        let via = json!({ "url": "https://example.com/", "viaCardId": card });
        api.post(person, SAVE, via).await.expect_problem(404, "not-found");
        let uncollect = Some(json!({ "collectionIds": [shelf] }));
        let path = format!("{path}/collections");
        api.ask(person, Method::DELETE, &path, uncollect).await.expect_problem(404, "not-found");
    }
    assert_eq!(read(&api, "bob", "/api/analytics/summary").await["totals"], json!({ "saves": 0, "newCards": 0 }));

    assert_eq!(places(&api, "alice", &card, &shelf).await, BY_ITS_OWNER);
    assert_eq!(read(&api, "alice", &format!("{COLLECTIONS}/{shelf}")).await["cardCount"], 1);
    for (path, pointer) in [
        (format!("/api/cards/{card}"), "/visibility"),
        (format!("{COLLECTIONS}/{shelf}"), "/cards/items/0/visibility"),
        ("/api/cards/my".into(), "/items/0/visibility"),
        ("/api/search?q=secret&mine=true".into(), "/items/0/visibility"),
        (format!("/api/cards/library/status?url={URL}"), "/visibility"),
    ] {
        assert_eq!(read(&api, "alice", &path).await.pointer(pointer), Some(&json!("PRIVATE")), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_made_private_is_gone_with_the_answer_and_comes_back_as_saved_just_now() {
    let api = Api::new();
    let shelf = collection(&api, "alice", "Shelf", "PUBLIC").await;
    let card = save(&api, "alice", URL, "PUBLIC", &[&shelf]).await;
    api.deliver().await;
    assert_eq!(places(&api, "bob", &card, &shelf).await, EVERYWHERE);
    let before = read(&api, "bob", "/api/feeds/global").await["items"].as_array().unwrap().clone();
    let added = read(&api, "alice", &format!("/api/cards/{card}")).await["addedAt"].clone();

    set(&api, "alice", &card, "PRIVATE").await;
    // Trends follow by events.
    let left = places(&api, "bob", &card, &shelf).await;
    assert!(left.iter().all(|place| ["urls", "domains", "summary"].contains(place)), "{left:?}");
    api.deliver().await;
    assert_eq!(places(&api, "bob", &card, &shelf).await, [""; 0]);
    assert_eq!(places(&api, "alice", &card, &shelf).await, BY_ITS_OWNER);

    // Events within one window are one activity, which would keep its id.
    tokio::time::advance(Duration::from_secs(4)).await;
    set(&api, "alice", &card, "PUBLIC").await;
    api.deliver().await;
    assert_eq!(places(&api, "bob", &card, &shelf).await, EVERYWHERE);
    let after = read(&api, "bob", "/api/feeds/global").await["items"].as_array().unwrap().clone();
    assert!(
        after.iter().all(|item| before.iter().all(|old| old["id"] != item["id"])),
        "it is a new activity: {after:?}"
    );
    assert_eq!(read(&api, "alice", &format!("/api/cards/{card}")).await["addedAt"], added, "it keeps its date");
}

#[tokio::test(start_paused = true)]
async fn saving_again_changes_who_can_see_a_card_only_if_that_is_asked() {
    let api = Api::new();
    let card = save(&api, "alice", URL, "PRIVATE", &[]).await;
    let visibility = async || read(&api, "alice", &format!("/api/cards/{card}")).await["visibility"].clone();
    api.post("alice", SAVE, json!({ "url": URL, "note": "again" })).await.expect(200);
    assert_eq!(visibility().await, "PRIVATE");
    let note = Some(json!({ "cardId": card, "note": "and again" }));
    api.ask("alice", Method::PUT, ASSOCIATIONS, note).await.expect(200);
    assert_eq!(visibility().await, "PRIVATE");
    api.post("alice", SAVE, json!({ "url": URL, "visibility": "PUBLIC" })).await.expect(200);
    assert_eq!(visibility().await, "PUBLIC");

    for body in [json!({ "url": URL, "visibility": "private" }), json!({ "url": URL, "visibility": 1 })] {
        assert_eq!(api.post("alice", SAVE, body).await.expect_problem(422, "invalid-value")["field"], "visibility");
    }
    let body = Some(json!({ "cardId": card, "visibility": "SECRET" }));
    let refused = api.ask("alice", Method::PUT, ASSOCIATIONS, body).await.expect_problem(422, "invalid-value");
    assert_eq!(refused["field"], "visibility");
    let body = Some(json!({ "cardId": card, "visibility": "PRIVATE" }));
    api.ask("bob", Method::PUT, ASSOCIATIONS, body).await.expect_problem(403, "forbidden");
}

#[tokio::test(start_paused = true)]
async fn a_new_card_is_as_the_account_says() {
    let api = Api::new();
    let usual = Some(json!({ "defaultVisibility": "PRIVATE" }));
    api.ask("alice", Method::PUT, "/api/users/me", usual).await.expect(200);
    let private = api.save("alice", "https://example.com/private", &[]).await;
    let public = save(&api, "alice", "https://example.com/public", "PUBLIC", &[]).await;
    for (card, visibility) in [(private, "PRIVATE"), (public, "PUBLIC")] {
        assert_eq!(read(&api, "alice", &format!("/api/cards/{card}")).await["visibility"], visibility);
    }
    let shelf = api.post("alice", COLLECTIONS, json!({ "name": "Shelf" })).await.expect(201);
    assert_eq!(shelf["visibility"], "PUBLIC", "of cards only");
}

#[tokio::test(start_paused = true)]
async fn a_private_collection_exists_for_its_author_and_collaborators_only() {
    let api = Api::new();
    let secret = collection(&api, "alice", "Secret plans", "PRIVATE").await;
    let path = format!("{COLLECTIONS}/{secret}");
    let card = save(&api, "alice", "https://example.com/plan", "PUBLIC", &[&secret]).await;
    api.deliver().await;
    let people = Some(json!({ "userIds": ["did:plc:carol"] }));
    api.ask("alice", Method::PUT, &format!("{path}/collaborators"), people).await.expect(200);
    let of_card = format!("/api/cards/{card}");
    for person in ["bob", "carol", ADMIN] {
        api.ask(person, Method::GET, &path, None).await.expect_problem(404, "not-found");
        let rename = Some(json!({ "name": "Mine" }));
        api.ask(person, Method::PUT, &path, rename).await.expect_problem(404, "not-found");
        api.ask(person, Method::DELETE, &path, None).await.expect_problem(404, "not-found");
        let add = json!({ "url": "https://example.com/theirs", "collectionIds": [secret] });
        api.post(person, SAVE, add).await.expect_problem(404, "not-found");
        for path in ["/api/feeds/global", of_card.as_str(), COLLECTIONS] {
            let told = read(&api, person, path).await.to_string();
            assert!(!told.contains("Secret plans") && !told.contains(&secret), "{person} {path}: {told}");
        }
    }
    api.ask("bob", Method::POST, &format!("{path}/membership"), None).await.expect_problem(404, "not-found");
    assert_eq!(read(&api, "alice", &of_card).await["collections"][0]["visibility"], "PRIVATE");

    // She sees only the invitation.
    let invitation = read(&api, "carol", "/api/users/me/invitations").await["items"][0].clone();
    let expected = json!({ "id": secret, "name": "Secret plans", "visibility": "PRIVATE" });
    assert_eq!(invitation["collection"], expected);
    api.ask("carol", Method::POST, &format!("{path}/membership"), None).await.expect(200);
    assert_eq!(read(&api, "carol", &path).await["cardCount"], 1);
    assert_eq!(read(&api, "carol", &of_card).await["collections"][0]["name"], "Secret plans");
    api.ask("carol", Method::DELETE, &path, None).await.expect_problem(403, "forbidden");

    // A client that does not know about visibility does not make it public.
    let renamed = api.ask("alice", Method::PUT, &path, Some(json!({ "name": "Plans" }))).await.expect(200);
    assert_eq!(renamed["visibility"], "PRIVATE");
    let published = Some(json!({ "name": "Plans", "visibility": "PUBLIC" }));
    assert_eq!(api.ask("alice", Method::PUT, &path, published).await.expect(200)["visibility"], "PUBLIC");
    assert_eq!(read(&api, "bob", &path).await["cards"]["items"][0]["id"], card.as_str());
    assert_eq!(read(&api, "bob", "/api/feeds/global").await["items"][0]["collections"][0]["name"], "Plans");
}

#[tokio::test(start_paused = true)]
async fn an_administrator_hides_a_card_from_everyone_but_its_owner() {
    let api = Api::new();
    let shelf = collection(&api, "alice", "Shelf", "PUBLIC").await;
    let card = save(&api, "alice", URL, "PUBLIC", &[&shelf]).await;
    api.deliver().await;
    let (hide, show) = (format!("/api/admin/cards/{card}/hide"), format!("/api/admin/cards/{card}/show"));
    let hidden = async || read(&api, "alice", &format!("/api/cards/{card}")).await["hidden"].clone();
    assert_eq!(hidden().await, false);
    for reason in ["", "  ", "a\u{0}b"] {
        let refused = api.post(ADMIN, &hide, json!({ "reason": reason })).await;
        assert_eq!(refused.expect_problem(422, "invalid-value")["field"], "reason", "{reason:?}");
    }
    for _ in 0..2 {
        assert_eq!(api.post(ADMIN, &hide, json!({ "reason": " spam " })).await.status, 204);
    }
    api.deliver().await;
    for person in ["bob", ADMIN] {
        assert_eq!(places(&api, person, &card, &shelf).await, [""; 0], "{person}");
    }
    assert_eq!(places(&api, "alice", &card, &shelf).await, BY_ITS_OWNER);
    assert_eq!(hidden().await, true);
    // Even if its owner made it public.
    set(&api, "alice", &card, "PRIVATE").await;
    set(&api, "alice", &card, "PUBLIC").await;
    api.deliver().await;
    assert_eq!(places(&api, "bob", &card, &shelf).await, [""; 0]);

    assert_eq!(api.ask(ADMIN, Method::POST, &show, None).await.status, 204);
    api.deliver().await;
    assert_eq!(places(&api, "bob", &card, &shelf).await, EVERYWHERE);
    assert_eq!(hidden().await, false);
    let nothing = "01JD4A3W5T8Q2V9X7Y6Z1B0C3D";
    for unknown in [nothing, "nonsense"] {
        let path = format!("/api/admin/cards/{unknown}/hide");
        api.post(ADMIN, &path, json!({ "reason": "spam" })).await.expect_problem(404, "not-found");
    }

    let entries = api.all("/api/admin/audit", 10).await;
    let told: Vec<Value> = entries
        .iter()
        .map(|entry| json!([entry["action"], entry["target"], entry["parameters"], entry["affected"]]))
        .collect();
    let expected = [
        json!(["card.hide", nothing, { "reason": "spam" }, 0]),
        json!(["card.show", card, {}, 1]),
        json!(["card.hide", card, { "reason": "spam" }, 0]),
        json!(["card.hide", card, { "reason": "spam" }, 1]),
    ];
    assert_eq!(told, expected, "newest first");
    assert!(entries.iter().all(|entry| entry["completedAt"] == entry["at"]), "{entries:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_private_is_never_told_by_the_live_feed() {
    let api = Api::new();
    let mut live = api.open(request("bob", Method::GET, "/api/feeds/global/stream", None)).await;
    live.chunk().await.unwrap();
    let secret = collection(&api, "alice", "Secret plans", "PRIVATE").await;
    save(&api, "alice", URL, "PRIVATE", &[]).await;
    save(&api, "alice", "https://example.com/plan", "PUBLIC", &[&secret]).await;
    api.deliver().await;
    let (_, told) = live.activities(1).await.remove(0);
    assert_eq!((&told["card"]["url"], &told["collections"]), (&json!("https://example.com/plan"), &json!([])));
}

#[tokio::test(start_paused = true)]
async fn owners_remove_their_cards_from_a_collection_that_was_made_private_and_learn_nothing_of_it() {
    let api = Api::new();
    let shelf = collection(&api, "alice", "Shelf", "PUBLIC").await;
    let other = collection(&api, "alice", "Other", "PUBLIC").await;
    let cards = [
        save(&api, "bob", "https://example.com/one", "PUBLIC", &[&shelf]).await,
        save(&api, "bob", "https://example.com/two", "PRIVATE", &[&shelf]).await,
    ];
    for id in [&shelf, &other] {
        let private = json!({ "name": "Hers", "accessType": "OPEN", "visibility": "PRIVATE" });
        api.ask("alice", Method::PUT, &format!("{COLLECTIONS}/{id}"), Some(private)).await.expect(200);
    }
    let remove = |person: &'static str, card: &str, id: &str| {
        let path = format!("/api/cards/{card}/collections");
        api.send(request(person, Method::DELETE, &path, Some(json!({ "collectionIds": [id] }))))
    };
    let change = |id: &str| {
        let body = json!({ "cardId": cards[1], "removeFromCollections": [id] });
        api.send(request("bob", Method::PUT, ASSOCIATIONS, Some(body)))
    };
    // A collection they cannot see looks exactly like one that never existed.
    let nothing = "01JD4A3W5T8Q2V9X7Y6Z1B0C3D";
    for id in [other.as_str(), nothing] {
        for answer in [remove("bob", &cards[0], id).await, change(id).await] {
            let problem = answer.expect_problem(404, "not-found");
            assert_eq!(problem["detail"], format!("There is no collection {id}."));
        }
    }
    remove("carol", &cards[0], &shelf).await.expect_problem(404, "not-found");

    let answer = remove("bob", &cards[0], &shelf).await.expect(200);
    assert_eq!(answer, json!({ "cardId": cards[0] }));
    assert_eq!(change(&shelf).await.expect(200), json!({ "cardId": cards[1], "collectionIds": [] }));
    assert_eq!(read(&api, "alice", &format!("{COLLECTIONS}/{shelf}")).await["cardCount"], 0);
    api.ask("bob", Method::GET, &format!("{COLLECTIONS}/{shelf}"), None).await.expect_problem(404, "not-found");
    for answer in [remove("bob", &cards[0], &shelf).await, change(&shelf).await] {
        answer.expect_problem(404, "not-found");
    }
}
