//! What administrators do, how it is recorded, and the figures over time.

use std::time::Duration;

use actix_web::http::Method;
use cardwire_apptest::harness::{Api, redacted, request};
use cardwire_apptest::operators::{ADMIN, QUEUES, bury, counts, dead, flush, open_windows, sample};
use cardwire_events::operations::{RunLease, SAMPLE_EVERY};
use cardwire_events::{EventLog, Operator as _, Queue, Rebuilds as _};
use serde_json::{Value, json};

const AUDIT: &str = "/api/admin/audit";
const REBUILD: &str = "/api/admin/search/rebuild";

async fn post(api: &Api, path: &str) -> cardwire_apptest::harness::Answer {
    api.ask(ADMIN, Method::POST, path, None).await
}

async fn audit(api: &Api) -> Vec<Value> {
    api.all(AUDIT, 2).await
}

#[tokio::test(start_paused = true)]
async fn every_action_is_written_down() {
    let api = Api::new();
    assert!(audit(&api).await.is_empty());
    let buried = bury(&api, Queue::Search, 3).await;
    let key = open_windows(&api).await.remove(0);
    let redrive = format!("{}/redrive", dead(Queue::Search));
    api.post(ADMIN, &redrive, json!({ "ids": [buried[0]] })).await.expect(200);
    api.ask(ADMIN, Method::DELETE, &dead(Queue::Search), Some(json!({ "all": true }))).await.expect(200);
    api.post(ADMIN, &format!("{QUEUES}/search/pause"), json!({ "reason": " a bad build " })).await.expect(200);
    post(&api, &format!("{QUEUES}/search/resume")).await.expect(200);
    post(&api, &format!("{QUEUES}/analytics/redeliver")).await.expect(202);
    flush(&api, &key).await.expect(202);
    flush(&api, "01JD4A3W5T8Q2V9X7Y6Z1B0C3D-did:plc:nobody").await.expect_problem(404, "not-found");
    post(&api, REBUILD).await.expect(202);
    // A request that is refused before anything is done is not an action.
    api.post(ADMIN, &redrive, json!({ "all": false })).await.expect_problem(422, "invalid-value");

    let entries = audit(&api).await;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| json!([entry["action"], entry["queue"], entry["target"], entry["parameters"], entry["affected"]]))
        .collect();
    let expected = [
        json!(["search.rebuild", null, null, {}, 1]),
        json!(["saga.flush", null, "01JD4A3W5T8Q2V9X7Y6Z1B0C3D-did:plc:nobody", {}, 0]),
        json!(["saga.flush", null, key, {}, 1]),
        json!(["queue.redeliver", "analytics", null, {}, 0]),
        json!(["queue.resume", "search", null, {}, 1]),
        json!(["queue.pause", "search", null, { "reason": "a bad build" }, 1]),
        json!(["dead-letters.discard", "search", null, { "all": true }, 2]),
        json!(["dead-letters.redrive", "search", null, { "ids": [buried[0]] }, 1]),
    ];
    assert_eq!(told, expected, "newest first");
    for entry in entries {
        assert_eq!((&entry["by"], &entry["at"]), (&json!("did:plc:mock123"), &json!("2026-11-22T10:00:00Z")));
        assert_eq!(entry["completedAt"], entry["at"]);
    }
    api.get(&format!("{AUDIT}?limit=0")).await.expect_problem(400, "invalid-parameter");
    api.get(&format!("{AUDIT}?queue=feeds")).await.expect_problem(400, "invalid-parameter");
    api.ask(ADMIN, Method::DELETE, AUDIT, None).await.expect_problem(405, "method-not-allowed");
}

#[tokio::test(start_paused = true)]
async fn under_one_idempotency_key_an_action_is_done_and_written_down_once() {
    let api = Api::new();
    let posts = [
        (format!("{QUEUES}/search/pause"), Some(json!({})), 200),
        (format!("{QUEUES}/search/resume"), None, 200),
        (format!("{QUEUES}/search/redeliver"), None, 202),
        (REBUILD.to_owned(), None, 202),
    ];
    for (index, (path, body, status)) in posts.into_iter().enumerate() {
        let with =
            |key: String| request(ADMIN, Method::POST, &path, body.clone()).insert_header(("idempotency-key", key));
        api.send(with("a b".into())).await.expect_problem(400, "invalid-idempotency-key");
        let first = api.send(with(path.clone())).await.expect(status);
        assert_eq!(api.send(with(path.clone())).await.expect(status), first);
        assert_eq!(audit(&api).await.len(), index + 1, "{path}");
    }
    let reused = request(ADMIN, Method::POST, &format!("{QUEUES}/feeds/resume"), None);
    let key = format!("{QUEUES}/search/resume");
    api.send(reused.insert_header(("idempotency-key", key))).await.expect_problem(422, "idempotency-key-reused");
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_paused_and_resumed() {
    let api = Api::new();
    let (pause, resume) = (format!("{QUEUES}/feeds/pause"), format!("{QUEUES}/feeds/resume"));
    let reason = json!({ "reason": "the disk is full" });
    assert_eq!(post(&api, &resume).await.expect(200), json!({ "paused": false, "changed": false }));
    assert_eq!(api.post(ADMIN, &pause, reason).await.expect(200), json!({ "paused": true, "changed": true }));
    tokio::time::advance(Duration::from_secs(60)).await;
    let again = api.post(ADMIN, &pause, json!({ "reason": null })).await.expect(200);
    assert_eq!(again, json!({ "paused": true, "changed": false }));
    let queues = api.get(QUEUES).await.expect(200)["queues"].clone();
    let paused = json!({ "since": "2026-11-22T10:00:00Z", "by": "did:plc:mock123", "reason": "the disk is full" });
    assert_eq!((&queues[0]["paused"], &queues[1]["paused"]), (&paused, &Value::Null));
    assert_eq!(post(&api, &resume).await.expect(200), json!({ "paused": false, "changed": true }));
    assert_eq!(api.get(QUEUES).await.expect(200)["queues"][0]["paused"], Value::Null);

    for (body, field) in [
        (json!({ "reason": "  " }), "reason"),
        (json!({ "reason": "x".repeat(501) }), "reason"),
        (json!({ "reason": "a\u{0}b" }), "reason"),
        (json!({ "reason": 1 }), "reason"),
        (json!({ "why": "x" }), "why"),
    ] {
        let problem = api.post(ADMIN, &pause, body).await.expect_problem(422, "invalid-value");
        assert_eq!(problem["field"], field);
    }
    api.post(ADMIN, &pause, json!({ "reason": "ü".repeat(500) })).await.expect(200);
    for action in ["pause", "resume", "redeliver"] {
        let path = format!("{QUEUES}/nonsense/{action}");
        let body = (action == "pause").then(|| json!({}));
        api.ask(ADMIN, Method::POST, &path, body).await.expect_problem(404, "not-found");
        let path = format!("{QUEUES}/feeds/{action}");
        api.ask(ADMIN, Method::GET, &path, None).await.expect_problem(405, "method-not-allowed");
    }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_found_counted_and_chosen_by_what_they_match() {
    let api = Api::new();
    let buried = bury(&api, Queue::Search, 3).await;
    let list = dead(Queue::Search);
    let count = async |query: &str| api.get(&format!("{list}/count?{query}")).await.expect(200)["count"].clone();
    assert_eq!(count("").await, 3);
    assert_eq!(count("type=CardAddedToLibrary.v2&text=ALICE&error=poison").await, 3);
    assert_eq!(count("type=CardAddedToLibrary").await, 0);
    assert_eq!(count("text=bob").await, 0);
    assert_eq!(count(&format!("text={}", buried[1])).await, 1);
    let found = api.all(&format!("{list}?text=alice&error=POISON"), 2).await;
    assert_eq!(found.iter().map(|letter| letter["id"].as_str().unwrap()).collect::<Vec<_>>(), buried);
    let page = api.get(&format!("{list}?limit=1&text=alice")).await.expect(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    api.get(&format!("{list}?text=bob&cursor={cursor}")).await.expect_problem(400, "invalid-cursor");

    let redrive = format!("{list}/redrive");
    let matching = json!({ "matching": { "text": buried[2], "error": "poison" } });
    assert_eq!(api.post(ADMIN, &redrive, matching.clone()).await.expect(200), json!({ "redriven": 1 }));
    assert_eq!(audit(&api).await[0]["parameters"], matching);
    let matching = Some(json!({ "matching": { "type": "CardAddedToLibrary.v2" } }));
    let discarded = api.ask(ADMIN, Method::DELETE, &list, matching).await.expect(200);
    assert_eq!(discarded, json!({ "discarded": 2 }));
    assert_eq!(counts(&api, Queue::Search).await, (1, 0));

    let long = "x".repeat(201);
    for query in ["type=", "text=%00", &format!("error={long}"), "kind=x", "text=a&text=b"] {
        for path in [list.clone(), format!("{list}/count")] {
            api.get(&format!("{path}?{query}")).await.expect_problem(400, "invalid-parameter");
        }
    }
    for (body, field) in [
        (json!({ "matching": {} }), "matching"),
        (json!({ "matching": { "text": null } }), "matching"),
        (json!({ "matching": { "text": "a" }, "all": true }), "matching"),
        (json!({ "matching": { "text": "a" }, "ids": [] }), "matching"),
        (json!({ "matching": { "text": "" } }), "matching.text"),
        (json!({ "matching": { "error": long } }), "matching.error"),
        (json!({ "matching": { "kind": "a" } }), "matching.kind"),
    ] {
        let problem = api.post(ADMIN, &redrive, body.clone()).await.expect_problem(422, "invalid-value");
        assert_eq!(problem["field"], field, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_tells_the_way_it_took() {
    let api = Api::new();
    let id = bury(&api, Queue::Search, 1).await.remove(0);
    let path = format!("{}/{id}", dead(Queue::Search));
    let way = api.get(&path).await.expect(200);
    assert_eq!((&way["id"], &way["envelope"]["id"], &way["error"]), (&json!(id), &json!(id), &json!("it is poison")));
    assert_eq!(way["acceptedAt"], way["occurredAt"]);
    assert_eq!((&way["publishedAt"], &way["publishedAgain"]), (&way["acceptedAt"], &json!(0)));
    let steps = json!([
        { "at": "[time]", "step": "failed", "detail": "it is poison" },
        { "at": "[time]", "step": "died" },
    ]);
    assert_eq!(redacted(way["steps"].clone()), steps);

    for nothing in [format!("{}/{id}", dead(Queue::Feeds)), format!("{}/nonsense", dead(Queue::Search))] {
        api.get(&nothing).await.expect_problem(404, "not-found");
    }
    api.post(ADMIN, &format!("{}/redrive", dead(Queue::Search)), json!({ "all": true })).await.expect(200);
    api.get(&path).await.expect_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn what_is_owed_is_published_again() {
    let api = Api::new();
    api.save("alice", "https://example.com/1", &[]).await;
    let due = async || api.store.lease(Queue::Feeds, 10, None).await.unwrap().events.len();
    assert_eq!((due().await, due().await), (1, 0));
    let redeliver = format!("{QUEUES}/feeds/redeliver");
    assert_eq!(post(&api, &redeliver).await.expect(202), json!({ "redelivered": 1 }));
    assert_eq!(due().await, 1);
}

#[tokio::test(start_paused = true)]
async fn figures_are_told_over_time() {
    let api = Api::new();
    let path = format!("{QUEUES}/search/history");
    let nothing = api.get(&path).await.expect(200);
    assert_eq!(nothing, json!({ "queue": "search", "minutes": 60, "stepSeconds": 15, "points": [] }));
    for waiting in [Some(4), None] {
        sample(&api, waiting).await;
        tokio::time::advance(SAMPLE_EVERY).await;
    }
    let history = api.get(&format!("{path}?minutes=5")).await.expect(200);
    let point = |at: &str, waiting: Value, more: [Value; 3]| {
        let [processed, rate, retries] = more;
        json!({
            "at": at, "waiting": waiting, "inFlight": 1, "suspects": 2, "owed": 7, "unpublished": 3, "dead": 5,
            "oldestAgeSeconds": 11, "workers": waiting, "processed": processed, "processedPerSecond": rate,
            "retries": retries,
        })
    };
    let points = [
        point("2026-11-22T10:00:00Z", json!(4), [Value::Null, Value::Null, Value::Null]),
        point("2026-11-22T10:00:15Z", Value::Null, [json!(30), json!(2.0), json!(2)]),
    ];
    assert_eq!(history["points"], json!(points));
    assert_eq!(api.get(&format!("{path}?minutes=1440")).await.expect(200)["stepSeconds"], 360);
    for query in ["minutes=0", "minutes=1441", "minutes=x", "hours=1"] {
        api.get(&format!("{path}?{query}")).await.expect_problem(400, "invalid-parameter");
    }
    api.get(&format!("{QUEUES}/nonsense/history")).await.expect_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn the_index_is_rebuilt_on_demand() {
    let api = Api::new();
    assert_eq!(api.get(REBUILD).await.expect(200), json!({ "rebuild": null }));
    let first = post(&api, REBUILD).await.expect(202);
    assert_eq!(
        first,
        json!({
            "new": true,
            "rebuild": {
                "id": "1", "state": "waiting", "requestedBy": "did:plc:mock123", "requestedAt": "2026-11-22T10:00:00Z",
                "startedAt": null, "finishedAt": null, "error": null, "done": 0, "total": null,
            },
        })
    );
    let again = post(&api, REBUILD).await.expect(202);
    assert_eq!((&again["new"], &again["rebuild"]), (&json!(false), &first["rebuild"]));

    let lease = RunLease::generate();
    let mut rebuild = api.store.claim(lease).await.unwrap().unwrap();
    (rebuild.done, rebuild.total) = (500, Some(700));
    assert!(api.store.advance(lease, &rebuild).await.unwrap());
    let running = api.get(REBUILD).await.expect(200)["rebuild"].clone();
    assert_eq!([&running["state"], &running["done"], &running["total"]], [&json!("running"), &json!(500), &json!(700)]);
    assert!(api.store.finish(lease, rebuild.id, Some("a defect")).await.unwrap());
    let failed = api.get(REBUILD).await.expect(200)["rebuild"].clone();
    assert_eq!([&failed["state"], &failed["error"]], [&json!("failed"), &json!("a defect")]);
    assert_eq!(post(&api, REBUILD).await.expect(202)["rebuild"]["id"], "2");
    assert_eq!(api.store.audit(None, 10).await.unwrap().len(), 3);
}
