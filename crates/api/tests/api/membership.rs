//! Nobody collaborates, is listed or sees anything before accepting.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::harness::{Answer, Api, request};
use cardwire_apptest::people::{signed_up, with_accounts};
use serde_json::{Value, json};

const MINE: &str = "/api/collections";
const INVITATIONS: &str = "/api/users/me/invitations";
const BLOCKS: &str = "/api/users/me/blocks";

async fn invite(api: &Api, author: &str, collection: &str, people: &[&str]) -> Answer {
    let people: Vec<String> = people.iter().map(|person| format!("did:plc:{person}")).collect();
    let path = format!("{MINE}/{collection}/collaborators");
    api.ask(author, Method::PUT, &path, Some(json!({ "userIds": people }))).await
}

async fn read(api: &Api, person: &str, path: &str) -> Value {
    api.ask(person, Method::GET, path, None).await.expect(200)
}

/// The names of the collections in a list of invitations.
fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["collection"]["name"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn forced_collections_change_nothing_of_what_a_person_sees() {
    let api = Api::new();
    let own = api.collection("bob", "Bob's own").await;
    api.save("bob", "https://example.com/a", &[&own]).await;
    let lists = [MINE, "/api/cards/my", "/api/cards/library/status?url=https://example.com/a"];
    let mut before = Vec::new();
    for path in lists {
        before.push(read(&api, "bob", path).await);
    }
    for number in 0..110 {
        let forced = api.collection("mallory", &format!("forced {number}")).await;
        let answer = invite(&api, "mallory", &forced, &["bob"]).await;
        if number < 10 {
            answer.expect(200);
        } else {
            let problem = answer.expect_problem(422, "invalid-value");
            assert_eq!(problem["field"], "userIds");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("did:plc:bob has 10 open invitations from you"), "{detail}");
        }
    }
    for (path, before) in lists.iter().zip(&before) {
        assert_eq!(read(&api, "bob", path).await, *before, "{path}");
    }
    assert_eq!(names(&read(&api, "bob", INVITATIONS).await).len(), 10);
}

#[tokio::test(start_paused = true)]
async fn an_invitation_is_accepted_and_left_again() {
    let api = Api::new();
    let collection = api.collection("alice", "Shared").await;
    let path = format!("{MINE}/{collection}");
    let membership = format!("{path}/membership");
    api.ask("bob", Method::POST, &membership, None).await.expect_problem(404, "not-found");
    invite(&api, "alice", &collection, &["bob", "carol"]).await.expect(200);

    let save = json!({ "url": "https://example.com/a", "collectionIds": [collection] });
    api.post("bob", "/api/cards/library/urls", save.clone()).await.expect_problem(403, "forbidden");
    for _ in 0..2 {
        let accepted = api.ask("bob", Method::POST, &membership, None).await.expect(200);
        assert_eq!(accepted["collaborators"], json!([{ "id": "did:plc:bob", "handle": "bob" }]));
    }
    api.post("bob", "/api/cards/library/urls", save).await.expect(201);
    assert_eq!(read(&api, "bob", INVITATIONS).await["items"], json!([]));
    assert_eq!(read(&api, "bob", MINE).await["items"][0]["id"], collection.as_str());
    for _ in 0..2 {
        assert_eq!(api.ask("bob", Method::DELETE, &membership, None).await.status, 204);
    }
    assert_eq!(read(&api, "bob", MINE).await["items"], json!([]));
    assert_eq!(api.ask("carol", Method::DELETE, &membership, None).await.status, 204);
    assert_eq!(read(&api, "carol", INVITATIONS).await["items"], json!([]));
    let refused = api.ask("alice", Method::DELETE, &membership, None).await.expect_problem(403, "forbidden");
    assert!(refused["detail"].as_str().unwrap().contains("Delete it instead"), "{refused}");
    for method in [Method::POST, Method::DELETE] {
        let path = format!("{MINE}/nonsense/membership");
        api.ask("bob", method, &path, None).await.expect_problem(404, "not-found");
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_author_is_told_who_is_invited() {
    let api = Api::new();
    let collection = api.collection("alice", "Shared").await;
    api.share("alice", &collection, "bob").await;
    let set = invite(&api, "alice", &collection, &["bob", "carol"]).await.expect(200);
    let path = format!("{MINE}/{collection}");
    let carol = json!([{ "id": "did:plc:carol", "handle": "carol" }]);
    assert_eq!(set["invited"], carol);
    assert_eq!(read(&api, "alice", &path).await["invited"], carol);
    assert_eq!(read(&api, "alice", MINE).await["items"][0]["invited"], carol);
    let renamed = api.ask("alice", Method::PUT, &path, Some(json!({ "name": "Ours" }))).await.expect(200);
    assert_eq!(renamed["invited"], carol, "a new name leaves them invited");
    for told in [
        read(&api, "bob", &path).await,
        read(&api, "bob", MINE).await,
        read(&api, "carol", &path).await,
        api.get(&path).await.expect(200),
        api.ask("bob", Method::POST, &format!("{path}/membership"), None).await.expect(200),
    ] {
        assert!(!told.to_string().contains("carol") && !told.to_string().contains("invited"), "{told}");
    }
    // She sees only the invitation.
    let invitations = read(&api, "carol", INVITATIONS).await;
    assert_eq!(names(&invitations), ["Ours"]);
    let fields: Vec<&String> = invitations["items"][0].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["author", "collection", "invitedAt"]);
    assert_eq!(read(&api, "carol", MINE).await["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn blocking_takes_invitations_back_and_refuses_new_ones() {
    let api = Api::new();
    let collection = api.collection("mallory", "Forced").await;
    invite(&api, "mallory", &collection, &["bob"]).await.expect(200);
    let mallory = format!("{BLOCKS}/did:plc:mallory");
    for _ in 0..2 {
        assert_eq!(api.ask("bob", Method::PUT, &mallory, None).await.status, 204);
    }
    assert_eq!(read(&api, "bob", INVITATIONS).await["items"], json!([]));
    let blocked = read(&api, "bob", BLOCKS).await;
    let (person, next) = (&blocked["items"][0], &blocked["nextCursor"]);
    assert_eq!((&person["id"], &person["handle"], next), (&json!("did:plc:mallory"), &json!("mallory"), &Value::Null));
    let refused = invite(&api, "mallory", &collection, &["bob"]).await.expect_problem(422, "invalid-value");
    assert_eq!(refused["detail"], "did:plc:bob cannot be invited at the moment.");
    for _ in 0..2 {
        assert_eq!(api.ask("bob", Method::DELETE, &mallory, None).await.status, 204);
    }
    assert_eq!(read(&api, "bob", BLOCKS).await["items"], json!([]));
    invite(&api, "mallory", &collection, &["bob"]).await.expect(200);
    let myself = format!("{BLOCKS}/did:plc:bob");
    api.ask("bob", Method::PUT, &myself, None).await.expect_problem(403, "forbidden");
    api.ask("bob", Method::PUT, &format!("{BLOCKS}/nonsense"), None).await.expect_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn blocked_people_and_invitations_come_in_pages() {
    let api = Api::new();
    for number in 0..5 {
        let path = format!("{BLOCKS}/did:plc:person{number}");
        assert_eq!(api.ask("mock123", Method::PUT, &path, None).await.status, 204);
        let collection = api.collection("alice", &number.to_string()).await;
        invite(&api, "alice", &collection, &["mock123"]).await.expect(200);
    }
    for path in [BLOCKS, INVITATIONS] {
        assert_eq!(api.all(path, 2).await.len(), 5, "{path}");
        let cursor = api.get(&format!("{path}?limit=1")).await.expect(200)["nextCursor"].as_str().unwrap().to_owned();
        let foreign = request("alice", Method::GET, &format!("{path}?cursor={cursor}"), None);
        api.send(foreign).await.expect_problem(400, "invalid-cursor");
    }
}

#[tokio::test(start_paused = true)]
async fn only_people_who_are_here_can_be_blocked() {
    let api = with_accounts();
    let bob = signed_up(&api, "bob").await;
    let block = TestRequest::put().uri(&format!("{BLOCKS}/did:plc:nobody"));
    let block = bob.request(block).insert_header(("origin", format!("https://{}", cardwire_apptest::harness::HOST)));
    let block = block.insert_header(("accept", "application/json"));
    api.send(block).await.expect_problem(404, "not-found");
}
