//! What operators see and do. The clock stands still unless a test moves it, so everything ties.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use cardwire_apptest::away::Away;
use cardwire_apptest::harness::{Api, redacted, request};
use cardwire_apptest::operators::{ADMIN, QUEUES, SAGAS, bury, counts, dead, flush, open_windows};
use cardwire_apptest::people::NobodyWithoutToken;
use cardwire_domain::{EventId, Position};
use cardwire_events::memory::{InMemoryEventPublisher, InMemoryEventSubscriber};
use cardwire_events::{EventLog, EventPublisher, EventSubscriber, Queue, WorkerId, WorkerInfo};
use cardwire_http::cursor::List;
use jiff::Timestamp;
use serde_json::{Value, json};

fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn only_administrators_operate() {
    let mut api = Api::new();
    let letter = bury(&api, Queue::Search, 1).await.remove(0);
    let key = open_windows(&api).await.remove(0);
    let all = || json!({ "all": true });
    let calls = || {
        [
            (Method::GET, QUEUES.to_owned(), None),
            (Method::GET, dead(Queue::Search), None),
            (Method::DELETE, dead(Queue::Search), Some(all())),
            (Method::POST, format!("{}/redrive", dead(Queue::Search)), Some(all())),
            (Method::GET, format!("{}/count", dead(Queue::Search)), None),
            (Method::GET, format!("{}/{letter}", dead(Queue::Search)), None),
            (Method::POST, format!("{QUEUES}/search/pause"), Some(json!({}))),
            (Method::POST, format!("{QUEUES}/search/resume"), None),
            (Method::POST, format!("{QUEUES}/search/redeliver"), None),
            (Method::GET, format!("{QUEUES}/search/history"), None),
            (Method::GET, "/api/admin/search/rebuild".into(), None),
            (Method::POST, "/api/admin/search/rebuild".into(), None),
            (Method::GET, "/api/admin/audit".into(), None),
            (Method::POST, "/api/admin/cards/nonsense/hide".into(), Some(json!({ "reason": "r" }))),
            (Method::POST, "/api/admin/cards/nonsense/show".into(), None),
            (Method::POST, "/api/admin/invites".into(), None),
            (Method::POST, "/api/admin/users/did:plc:bob/suspend".into(), None),
            (Method::POST, "/api/admin/users/did:plc:bob/restore".into(), None),
            (Method::POST, "/api/admin/users/did:plc:bob/reset-password".into(), None),
            (Method::GET, SAGAS.into(), None),
            (Method::POST, format!("{SAGAS}/{key}/flush"), None),
            // Whether something exists is nobody else's business either.
            (Method::GET, format!("{QUEUES}/nonsense/dead"), None),
            (Method::POST, format!("{SAGAS}/nonsense/flush"), None),
        ]
    };
    let before = api.get(SAGAS).await.expect(200);
    for (method, path, body) in calls() {
        let answer = api.ask("alice", method, &path, body).await;
        answer.expect_problem(403, "forbidden");
    }
    assert_eq!(counts(&api, Queue::Search).await, (0, 1));
    assert_eq!(api.get(SAGAS).await.expect(200), before);
    api.state.authenticator = Arc::new(NobodyWithoutToken);
    for (method, path, body) in calls() {
        let mut request = actix_web::test::TestRequest::default().method(method).uri(&path);
        if let Some(body) = body {
            request = request.set_json(body);
        }
        api.send(request).await.expect_problem(401, "unauthenticated");
    }
    assert_eq!(counts(&api, Queue::Search).await, (0, 1));
    let operations = &api.state.operations;
    assert!(operations.operator.audit(None, 10).await.unwrap().is_empty(), "nobody did anything");
    assert!(operations.operator.pauses().await.unwrap().is_empty());
    assert!(operations.rebuilds.latest().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn queues_show_what_is_where_and_who_works() {
    let api = Api::new();
    let nothing = api.get(QUEUES).await.expect(200);
    assert_eq!(nothing["workers"], json!([]));
    assert_eq!(nothing["queues"][1]["oldestAgeSeconds"], Value::Null);

    bury(&api, Queue::Search, 2).await;
    let owed = api.store.lease(Queue::Feeds, 1, None).await.unwrap().events;
    let publisher = InMemoryEventPublisher::new(api.queues.clone());
    let entries: Vec<(String, String)> = (0..4).map(|_| (String::new(), owed[0].envelope.to_entry())).collect();
    publisher.publish(Queue::Feeds, &entries).await.unwrap();
    let subscriber = InMemoryEventSubscriber::new(&api.queues, Queue::Feeds);
    subscriber.claim(1).await.unwrap();
    tokio::time::advance(Duration::from_secs(20)).await;
    subscriber.reclaim().await.unwrap();
    // A suspect comes first; after it is given back, two others are claimed.
    let suspect = subscriber.claim(1).await.unwrap().unwrap();
    assert!(suspect.suspect);
    subscriber.claim(2).await.unwrap();
    subscriber.release(&suspect).await.unwrap();
    let worker = WorkerInfo {
        id: WorkerId::generate(),
        queue: Queue::Feeds,
        host: "machine-1".into(),
        pid: 7,
        version: "0.1.0".into(),
        started_at: Timestamp::UNIX_EPOCH,
        last_seen: Timestamp::UNIX_EPOCH,
        processed: 5,
        in_flight: 2,
    };
    api.state.operations.registry.beat(&worker).await.unwrap();

    let expected = json!({
        "transport": "ok",
        "queues": [
            {
                "queue": "feeds", "waiting": 1, "inFlight": 2, "suspects": 1, "owed": 2, "unpublished": 1, "dead": 0,
                "oldestAgeSeconds": 20, "paused": null, "settings": { "attempts": 3, "backoffMs": 2000, "concurrency": 15 },
            },
            {
                "queue": "search", "waiting": 0, "inFlight": 0, "suspects": 0, "owed": 0, "unpublished": 0, "dead": 2,
                "oldestAgeSeconds": null, "paused": null, "settings": { "attempts": 3, "backoffMs": 2000, "concurrency": 10 },
            },
            {
                "queue": "analytics", "waiting": 0, "inFlight": 0, "suspects": 0, "owed": 2, "unpublished": 2, "dead": 0,
                "oldestAgeSeconds": 20, "paused": null, "settings": { "attempts": 2, "backoffMs": 5000, "concurrency": 20 },
            },
            {
                "queue": "records", "waiting": 0, "inFlight": 0, "suspects": 0, "owed": 2, "unpublished": 2, "dead": 0,
                "oldestAgeSeconds": 20, "paused": null, "settings": { "attempts": 3, "backoffMs": 2000, "concurrency": 5 },
            },
        ],
        "workers": [{
            "id": worker.id.to_string(), "queue": "feeds", "host": "machine-1", "pid": 7, "version": "0.1.0",
            "startedAt": "1970-01-01T00:00:00Z", "lastSeen": "2026-11-22T10:00:20Z", "processed": 5,
            "inFlight": 2, "alive": true,
        }],
    });
    assert_eq!(api.get(QUEUES).await.expect(200), expected);
    tokio::time::advance(Duration::from_secs(60)).await;
    let workers = api.get(QUEUES).await.expect(200)["workers"].clone();
    assert_eq!((&workers[0]["alive"], &workers[0]["host"]), (&json!(false), &json!("machine-1")), "it fell silent");
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(api.get(QUEUES).await.expect(200)["workers"], json!([]), "it is forgotten");
}

#[tokio::test(start_paused = true)]
async fn without_the_transport_the_log_still_tells() {
    for away in [Away::Refusing, Away::Hanging] {
        let mut api = Api::new();
        bury(&api, Queue::Feeds, 1).await;
        let mut queues = api.state.operations.queues.to_vec();
        queues[0].subscriber = Arc::new(away);
        api.state.operations.queues = queues.into();
        let part = api.get(QUEUES).await.expect(200);
        assert_eq!(part["transport"], "unavailable");
        assert_eq!((&part["queues"][0]["waiting"], &part["queues"][1]["waiting"]), (&Value::Null, &json!(0)));
        assert_eq!(part["workers"], json!([]));

        api.state.operations.registry = Arc::new(away);
        let shown = api.get(QUEUES).await.expect(200);
        assert_eq!((&shown["transport"], &shown["workers"]), (&json!("unavailable"), &Value::Null));
        let feeds = &shown["queues"][0];
        assert_eq!([&feeds["inFlight"], &feeds["suspects"]], [&Value::Null; 2]);
        assert_eq!((&feeds["dead"], &feeds["owed"]), (&json!(1), &json!(0)), "the log knows");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_store_it_is_503_and_names_no_host() {
    let mut api = Api::new();
    api.state.operations.log = Arc::new(Away::Refusing);
    api.state.operations.saga = Arc::new(Away::Refusing);
    api.state.operations.operator = Arc::new(Away::Refusing);
    api.state.operations.history = Arc::new(Away::Refusing);
    api.state.operations.rebuilds = Arc::new(Away::Refusing);
    api.state.operations.replays = Arc::new(Away::Refusing);
    let key = "01JD4A3W5T8Q2V9X7Y6Z1B0C3D-did:plc:alice";
    for (method, path, body) in [
        (Method::GET, QUEUES.to_owned(), None),
        (Method::GET, dead(Queue::Feeds), None),
        (Method::DELETE, dead(Queue::Feeds), Some(json!({ "all": true }))),
        (Method::POST, format!("{}/redrive", dead(Queue::Feeds)), Some(json!({ "ids": [] }))),
        (Method::GET, format!("{}/count", dead(Queue::Feeds)), None),
        (Method::GET, format!("{}/{}", dead(Queue::Feeds), EventId::generate()), None),
        (Method::POST, format!("{QUEUES}/feeds/pause"), Some(json!({}))),
        (Method::POST, format!("{QUEUES}/feeds/resume"), None),
        (Method::POST, format!("{QUEUES}/feeds/redeliver"), None),
        (Method::GET, format!("{QUEUES}/feeds/history"), None),
        (Method::GET, "/api/admin/search/rebuild".into(), None),
        (Method::POST, "/api/admin/search/rebuild".into(), None),
        (Method::GET, "/api/admin/audit".into(), None),
        (Method::GET, SAGAS.into(), None),
        (Method::POST, format!("{SAGAS}/{key}/flush"), None),
    ] {
        let answer = api.ask(ADMIN, method, &path, body).await;
        assert_eq!(answer.header("retry-after"), "1");
        let problem = answer.expect_problem(503, "unavailable");
        assert!(!problem.to_string().contains("db.internal"), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_come_in_pages_and_show_their_event() {
    let api = Api::new();
    let buried = bury(&api, Queue::Search, 7).await;
    let letters = api.all(&dead(Queue::Search), 3).await;
    assert_eq!(ids(&letters), buried, "all died at once: none skipped, none repeated, in order");
    assert!(letters.windows(2).all(|pair| pair[0]["deadAt"] == pair[1]["deadAt"]), "they tie");
    assert_eq!(api.all(&dead(Queue::Search), 7).await, letters, "a full last page is the last");
    assert!(api.all(&dead(Queue::Analytics), 3).await.is_empty(), "each queue has its own");

    let letter = letters[0].clone();
    assert_eq!(letter["envelope"]["id"], letter["id"]);
    assert_eq!(letter["envelope"]["data"]["cardId"], letter["subject"]);
    assert_eq!(letter["envelope"]["time"], letter["occurredAt"]);
    let mut letter = redacted(letter);
    let envelope = letter.as_object_mut().unwrap().remove("envelope").unwrap();
    assert_eq!(
        letter,
        json!({
            "id": "[ulid]", "type": "CardAddedToLibrary.v2", "subject": "[ulid]", "tries": 1, "error": "it is poison",
            "deadAt": "[time]", "occurredAt": "[time]",
        })
    );
    assert_eq!((&envelope["specversion"], &envelope["type"]), (&json!("1.0"), &json!("CardAddedToLibrary.v2")));

    let page = api.get(&format!("{}?limit=1", dead(Queue::Search))).await.expect(200);
    let foreign = format!("{}?cursor={}", dead(Queue::Feeds), page["nextCursor"].as_str().unwrap());
    api.get(&foreign).await.expect_problem(400, "invalid-cursor");
    api.get(&format!("{}?limit=101", dead(Queue::Search))).await.expect_problem(400, "invalid-parameter");
}

#[tokio::test(start_paused = true)]
async fn some_or_all_dead_letters_are_redriven() {
    let api = Api::new();
    let buried = bury(&api, Queue::Search, 4).await;
    let redrive = format!("{}/redrive", dead(Queue::Search));
    // The same one twice, one that does not exist and one that is not an id.
    let body = json!({ "ids": [buried[1], buried[1], EventId::generate().to_string(), "nonsense", ""] });
    assert_eq!(api.post(ADMIN, &redrive, body.clone()).await.expect(200), json!({ "redriven": 1 }));
    assert_eq!(counts(&api, Queue::Search).await, (1, 3));
    let owed = api.store.lease(Queue::Search, 10, None).await.unwrap().events;
    assert_eq!(owed.iter().map(|owed| owed.envelope.id.to_string()).collect::<Vec<_>>(), [buried[1].clone()]);
    assert_eq!(api.post(ADMIN, &redrive, body).await.expect(200), json!({ "redriven": 0 }), "it is dead no more");
    assert_eq!(api.post(ADMIN, &redrive, json!({ "ids": [] })).await.expect(200), json!({ "redriven": 0 }));
    let elsewhere = format!("{}/redrive", dead(Queue::Analytics));
    assert_eq!(api.post(ADMIN, &elsewhere, json!({ "all": true })).await.expect(200), json!({ "redriven": 0 }));
    assert_eq!(api.post(ADMIN, &redrive, json!({ "all": true })).await.expect(200), json!({ "redriven": 3 }));
    assert_eq!(counts(&api, Queue::Search).await, (4, 0));
    assert!(api.all(&dead(Queue::Search), 10).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn some_or_all_dead_letters_are_discarded() {
    let api = Api::new();
    let buried = bury(&api, Queue::Search, 4).await;
    let discard = async |body: Value| {
        api.ask(ADMIN, Method::DELETE, &dead(Queue::Search), Some(body)).await.expect(200)["discarded"].clone()
    };
    assert_eq!(discard(json!({ "ids": [buried[0], buried[2], "nonsense"] })).await, 2);
    assert_eq!(ids(&api.all(&dead(Queue::Search), 10).await), [buried[1].clone(), buried[3].clone()]);
    assert_eq!(discard(json!({ "all": true, "ids": null })).await, 2);
    assert_eq!(discard(json!({ "all": true })).await, 0);
    assert_eq!(counts(&api, Queue::Search).await, (0, 0));
    assert_eq!(counts(&api, Queue::Feeds).await, (4, 0), "other queues are still owed the events");
}

#[tokio::test(start_paused = true)]
async fn bad_selections_and_unknown_queues_change_nothing() {
    let api = Api::new();
    let buried = bury(&api, Queue::Search, 1).await;
    let (list, redrive) = (dead(Queue::Search), format!("{}/redrive", dead(Queue::Search)));
    let id = &buried[0];
    for (method, path) in [(Method::DELETE, &list), (Method::POST, &redrive)] {
        for (body, field) in [
            (json!({}), "ids"),
            (json!({ "ids": null }), "ids"),
            (json!({ "all": false }), "all"),
            (json!({ "all": true, "ids": [id] }), "all"),
            (json!({ "all": false, "ids": [id] }), "all"),
            (json!({ "all": "true" }), "all"),
            (json!({ "ids": id }), "ids"),
            (json!({ "ids": [1] }), "ids[0]"),
            (json!({ "ids": vec![id; 1_001] }), "ids"),
            (json!({ "all": true, "queue": "search" }), "queue"),
            (json!([[id]]), "body"),
            (json!([null, true]), "body"),
        ] {
            let answer = api.ask(ADMIN, method.clone(), path, Some(body.clone())).await;
            assert_eq!(answer.expect_problem(422, "invalid-value")["field"], field, "{method} {body}");
        }
        api.ask(ADMIN, method.clone(), path, None).await.expect_problem(415, "unsupported-media-type");
        let bad_query = format!("{path}?all=true");
        let all = Some(json!({ "all": true }));
        api.ask(ADMIN, method.clone(), &bad_query, all.clone()).await.expect_problem(400, "invalid-parameter");
        for unknown in ["nonsense", "Search", "search%20"] {
            let path = path.replace("/search/", &format!("/{unknown}/"));
            api.ask(ADMIN, method.clone(), &path, all.clone()).await.expect_problem(404, "not-found");
        }
    }
    api.get(&format!("{QUEUES}/nonsense/dead")).await.expect_problem(404, "not-found");
    api.ask(ADMIN, Method::PUT, &list, None).await.expect_problem(405, "method-not-allowed");
    assert_eq!(counts(&api, Queue::Search).await, (0, 1));
    let most = json!({ "ids": vec![id; 1_000] });
    assert_eq!(api.post(ADMIN, &redrive, most).await.expect(200), json!({ "redriven": 1 }));
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_is_read_as_everywhere() {
    let api = Api::new();
    bury(&api, Queue::Search, 1).await;
    let key = open_windows(&api).await.remove(0);
    let posts = [
        (format!("{}/redrive", dead(Queue::Search)), Some(json!({ "all": true })), 200),
        (format!("{SAGAS}/{key}/flush"), None, 202),
    ];
    for (path, body, status) in posts {
        let with = |key: &str| {
            request(ADMIN, Method::POST, &path, body.clone()).insert_header(("idempotency-key", key.to_owned()))
        };
        api.send(with("a b")).await.expect_problem(400, "invalid-idempotency-key");
        assert_eq!(counts(&api, Queue::Search).await.1, u64::from(status == 200), "nothing was done for a bad key");
        let first = api.send(with(&status.to_string())).await.expect(status);
        // Done once: a second time there would be nothing to redrive and no window to flush.
        let again = api.send(with(&status.to_string())).await.expect(status);
        assert_eq!(first, again, "the same key, the same answer");
    }
    let another = request(ADMIN, Method::POST, &format!("{}/redrive", dead(Queue::Search)), Some(json!({ "ids": [] })));
    api.send(another.insert_header(("idempotency-key", "200"))).await.expect_problem(422, "idempotency-key-reused");
}

#[tokio::test(start_paused = true)]
async fn open_windows_are_listed_in_pages() {
    let api = Api::new();
    let collections = [api.collection("alice", "A").await, api.collection("alice", "B").await];
    let card = api.save("alice", "https://example.com/0", &[&collections[0], &collections[1]]).await;
    for index in 1..5 {
        api.save("alice", &format!("https://example.com/{index}"), &[]).await;
    }
    let keys = open_windows(&api).await;
    let windows = api.all(SAGAS, 2).await;
    let listed: Vec<&str> = windows.iter().map(|window| window["key"].as_str().unwrap()).collect();
    assert_eq!(listed, keys, "all are due at once: none skipped, none repeated, in order");
    assert!(windows.windows(2).all(|pair| pair[0]["dueAt"] == pair[1]["dueAt"]), "they tie");

    let key = format!("{card}-did:plc:alice");
    let mut window = windows.iter().find(|window| window["key"] == key).unwrap().clone();
    let members = window.as_object_mut().unwrap().remove("members").unwrap();
    assert_eq!(members.as_array().unwrap().len(), 3);
    assert!(members.as_array().unwrap().iter().all(|id| id.as_str().unwrap().parse::<EventId>().is_ok()));
    assert_eq!(
        window,
        json!({
            "key": key, "cardId": card, "actorId": "did:plc:alice", "collectionIds": collections,
            "timestamp": "2026-11-22T10:00:00Z", "hasLibraryEvent": true, "hasCollectionEvents": true,
            "dueAt": "2026-11-22T10:00:03Z", "locked": false, "failures": 0, "memberCount": 3,
        })
    );
    let plain = windows.iter().find(|window| window["key"] != key).unwrap();
    assert_eq!((&plain["hasCollectionEvents"], &plain["collectionIds"]), (&json!(false), &json!([])));

    for position in [
        Position { key: 0, id: "nonsense".into() },
        Position { key: i64::MAX, id: key },
        Position { key: 0, id: String::new() },
    ] {
        let forged = List::by_rank(&["sagas"]).encode(&position);
        let answer = api.get(&format!("{SAGAS}?cursor={forged}")).await;
        assert_eq!(answer.expect_problem(400, "invalid-cursor")["field"], "cursor");
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_is_flushed_when_told() {
    let api = Api::new();
    for index in 0..3 {
        api.save("alice", &format!("https://example.com/{index}"), &[]).await;
    }
    let keys = open_windows(&api).await;
    let saga = api.state.operations.saga.clone();
    assert!(saga.claim_due(10).await.unwrap().is_empty(), "nothing is due yet");
    assert_eq!(flush(&api, &keys[1]).await.expect(202), json!({ "key": keys[1] }));
    let soonest = &api.all(SAGAS, 10).await[0];
    assert_eq!((&soonest["key"], &soonest["dueAt"]), (&json!(keys[1]), &json!("2026-11-22T10:00:00Z")));
    // As clients that escape every reserved character write it.
    let escaped = keys[2].replace(':', "%3A");
    assert_eq!(flush(&api, &escaped).await.expect(202), json!({ "key": keys[2] }));

    let claimed = saga.claim_due(10).await.unwrap();
    let due: Vec<String> = claimed.iter().map(|window| window.key().to_string()).collect();
    assert_eq!(due, keys[1..]);
    let windows = api.all(SAGAS, 10).await;
    let locked = |key: &str| windows.iter().find(|window| window["key"] == key).unwrap()["locked"].clone();
    assert_eq!([locked(&keys[0]), locked(&keys[1])], [json!(false), json!(true)]);
    flush(&api, &keys[1]).await.expect(202);
    assert!(saga.claim_due(10).await.unwrap().is_empty(), "who flushes it is left to it");

    saga.commit(&claimed).await.unwrap();
    for gone in [&keys[1], "nonsense", "01JD4A3W5T8Q2V9X7Y6Z1B0C3D-did:plc:nobody", "-", "%00"] {
        flush(&api, gone).await.expect_problem(404, "not-found");
    }
    assert_eq!(api.all(SAGAS, 10).await.len(), 1);
}
