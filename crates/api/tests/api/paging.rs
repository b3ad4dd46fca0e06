//! Lists in pages: the clock stands still, so everything ties.

use actix_web::http::Method;
use cardwire_apptest::harness::Api;
use serde_json::Value;

fn ids(items: &[Value], name: &str) -> Vec<String> {
    items.iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn check_complete(mut found: Vec<String>, mut expected: Vec<String>) {
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "none skipped, none repeated");
}

#[tokio::test(start_paused = true)]
async fn ties_neither_skip_nor_repeat() {
    let api = Api::new();
    let collection = api.collection("mock123", "Reading").await;
    let (mut cards, mut urls) = (Vec::new(), Vec::new());
    for index in 0..7 {
        let url = format!("https://example.com/{index}");
        cards.push(api.save("mock123", &url, &[&collection]).await);
        urls.push(url);
    }
    api.deliver().await;
    let feed = api.all("/api/feeds/global", 2).await;
    check_complete(feed.iter().map(|item| item["card"]["id"].as_str().unwrap().to_owned()).collect(), cards.clone());
    assert!(feed.windows(2).all(|pair| pair[0]["createdAt"] == pair[1]["createdAt"]), "they tie");
    check_complete(ids(&api.all("/api/feeds/global?actorId=did:plc:mock123", 3).await, "id"), ids(&feed, "id"));
    check_complete(ids(&api.all("/api/cards/my", 2).await, "id"), cards.clone());
    check_complete(ids(&api.all("/api/cards/my?q=EXAMPLE", 2).await, "id"), cards.clone());
    check_complete(ids(&api.all("/api/search?q=example", 2).await, "url"), urls);

    let mut in_collection = Vec::new();
    let mut path = format!("/api/collections/{collection}?limit=3");
    loop {
        let page = api.get(&path).await.expect(200);
        assert_eq!(page["cardCount"], 7);
        in_collection.extend(ids(page["cards"]["items"].as_array().unwrap(), "id"));
        match page["cards"]["nextCursor"].as_str() {
            Some(cursor) => path = format!("/api/collections/{collection}?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    check_complete(in_collection, cards);
}

#[tokio::test(start_paused = true)]
async fn collections_of_a_person_come_in_pages() {
    let api = Api::new();
    let mut made = Vec::new();
    for index in 0..5 {
        made.push(api.collection("mock123", &format!("c{index}")).await);
    }
    check_complete(ids(&api.all("/api/collections", 2).await, "id"), made);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_belongs_to_its_list() {
    let api = Api::new();
    let collection = api.collection("mock123", "Reading").await;
    for index in 0..3 {
        api.save("mock123", &format!("https://example.com/{index}"), &[&collection]).await;
    }
    api.deliver().await;
    let feed = api.get("/api/feeds/global?limit=1").await.expect(200);
    let cursor = feed["nextCursor"].as_str().unwrap();
    for path in [
        "/api/feeds/global?actorId=did:plc:mock123&cursor=".to_owned(),
        "/api/cards/my?cursor=".into(),
        "/api/collections?cursor=".into(),
        "/api/search?q=example&cursor=".into(),
        format!("/api/collections/{collection}?cursor="),
    ] {
        api.get(&format!("{path}{cursor}")).await.expect_problem(400, "invalid-cursor");
    }
    let own = api.ask("alice", Method::GET, "/api/cards/my?limit=1", None).await;
    own.expect(200);
    let mine = api.get("/api/cards/my?limit=1").await.expect(200);
    let path = format!("/api/cards/my?cursor={}", mine["nextCursor"].as_str().unwrap());
    api.ask("alice", Method::GET, &path, None).await.expect_problem(400, "invalid-cursor");
    for forged in ["", "x", "AAAA", &cursor[1..], &format!("{cursor}A"), "%00"] {
        let answer = api.get(&format!("/api/feeds/global?cursor={forged}")).await;
        assert_eq!(answer.expect_problem(400, "invalid-cursor")["field"], "cursor");
    }
}
