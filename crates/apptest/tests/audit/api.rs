//! The acts of the API.

use std::collections::BTreeSet;

use actix_web::http::Method;
use cardwire_apptest::operators::ADMIN;
use serde_json::{Value, json};

use crate::scene::Scene;

pub struct Act {
    pub route: &'static str,
    pub body: Option<Value>,
    /// See [`Scene::has_written`].
    told: Value,
}

/// In an order in which each changes something.
pub fn acts(scene: &Scene) -> Vec<Act> {
    let Scene { card, dead, window, bob, .. } = scene;
    let act = |route, body, told| Act { route, body, told };
    vec![
        act(
            "POST /api/admin/queues/{queue}/pause",
            Some(json!({ "reason": " a bad build " })),
            json!(["queue.pause", "search", null, { "reason": "a bad build" }, 1]),
        ),
        act("POST /api/admin/queues/{queue}/resume", None, json!(["queue.resume", "search", null, {}, 1])),
        act("POST /api/admin/queues/{queue}/redeliver", None, json!(["queue.redeliver", "search", null, {}, 0])),
        act(
            "POST /api/admin/queues/{queue}/dead/redrive",
            Some(json!({ "ids": [dead[0]] })),
            json!(["dead-letters.redrive", "search", null, { "ids": [dead[0]] }, 1]),
        ),
        act(
            "DELETE /api/admin/queues/{queue}/dead",
            Some(json!({ "all": true })),
            json!(["dead-letters.discard", "search", null, { "all": true }, dead.len() - 1]),
        ),
        act("POST /api/admin/sagas/{key}/flush", None, json!(["saga.flush", null, window, {}, 1])),
        act(
            "POST /api/admin/replays",
            Some(json!({ "queue": "search", "from": "2000-01-01", "until": "2001-01-01", "actorId": bob })),
            json!([
                "replay.start",
                "search",
                null,
                { "from": "2000-01-01T00:00:00Z", "until": "2001-01-01T00:00:00Z", "actorId": bob },
                1
            ]),
        ),
        act("POST /api/admin/replays/{id}/cancel", None, json!(["replay.cancel", "search", "1", {}, 1])),
        act("POST /api/admin/search/rebuild", None, json!(["search.rebuild", null, null, {}, 1])),
        act(
            "POST /api/admin/cards/{id}/hide",
            Some(json!({ "reason": " spam " })),
            json!(["card.hide", null, card, { "reason": "spam" }, 1]),
        ),
        act("POST /api/admin/cards/{id}/show", None, json!(["card.show", null, card, {}, 1])),
        act("POST /api/admin/invites", None, json!(["user.invite", null, null, {}, 1])),
        act("POST /api/admin/users/{id}/suspend", None, json!(["user.suspend", null, bob, {}, 1])),
        act("POST /api/admin/users/{id}/restore", None, json!(["user.restore", null, bob, {}, 1])),
        act("POST /api/admin/users/{id}/reset-password", None, json!(["user.reset-password", null, bob, {}, 1])),
    ]
}

pub fn request(scene: &Scene, route: &str) -> (Method, String) {
    let (method, path) = route.split_once(' ').unwrap();
    let id = match path {
        path if path.contains("/users/") => &scene.bob,
        // The first there is.
        path if path.contains("/replays/") => "1",
        _ => &scene.card,
    };
    let path = path.replace("{queue}", "search").replace("{key}", &scene.window).replace("{id}", id);
    (Method::from_bytes(method.as_bytes()).unwrap(), path)
}

#[tokio::test(start_paused = true)]
async fn every_act_of_the_api_is_written_down_once() {
    let scene = Scene::new().await;
    let acts = acts(&scene);
    let known: BTreeSet<String> = acts.iter().map(|act| act.route.to_owned()).collect();
    let there = scene.changes_below("/api/admin/").await;
    assert_eq!(known, there, "the table must say of each route what it writes down");
    for (before, Act { route, body, told }) in acts.into_iter().enumerate() {
        let (method, path) = request(&scene, route);
        let answer = scene.api.ask(ADMIN, method, &path, body).await;
        assert!(answer.status.is_success(), "{route}: {}", String::from_utf8_lossy(&answer.body));
        scene.has_written(before, "did:plc:mock123", &told).await;
    }
    scene.tells_no_content().await;
}
