//! A site with something for each act to be about, and what its audit log says.

use std::collections::BTreeSet;

use actix_web::http::Method;
use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;
use cardwire_apptest::operators::{bury_owed, open_windows};
use cardwire_apptest::people::join;
use cardwire_apptest::routes;
use cardwire_events::Queue;
use serde_json::{Value, json};

pub struct Scene {
    pub api: Api,
    /// A private card of Carol's, with a note, in a private collection.
    pub card: String,
    /// Dead letters of search, about that card and others.
    pub dead: Vec<String>,
    /// The key of an open window.
    pub window: String,
    /// The id of somebody with an account, whose handle is `bob`.
    pub bob: String,
}

/// What only Carol may see: address, note and collection of her card.
const CONTENT: [&str; 3] = ["secret.example", "whispered", "hushed"];

impl Scene {
    pub async fn new() -> Self {
        let api = Api::new();
        // The first account is an administrator's.
        join(&api, "alice").await;
        let bob = join(&api, "bob").await;
        for n in 0..2 {
            api.save("dave", &format!("https://example.com/{n}"), &[]).await;
        }
        let collection = json!({ "name": "hushed", "visibility": "PRIVATE" });
        let collection = api.post("carol", "/api/collections", collection).await.expect(201);
        let body = json!({
            "url": "https://secret.example/", "note": "whispered", "visibility": "PRIVATE",
            "collectionIds": [collection["id"]],
        });
        let saved = api.post("carol", "/api/cards/library/urls", body).await.expect(201);
        let card = saved["urlCardId"].as_str().unwrap().to_owned();
        let shown = api.ask("carol", Method::GET, &format!("/api/cards/{card}"), None).await.expect(200).to_string();
        assert!(CONTENT.iter().all(|word| shown.contains(word)), "{shown}");
        let dead = bury_owed(&api, Queue::Search).await;
        assert!(dead.len() > 2, "{dead:?}");
        let window = open_windows(&api).await.remove(0);
        Self { api, card, dead, window, bob }
    }

    /// All routes below this path that change something.
    pub async fn changes_below(&self, path: &str) -> BTreeSet<String> {
        let document = self.api.get("/api/openapi.json").await.expect(200);
        let changes =
            |route: &String| route.split_once(' ').is_some_and(|(method, to)| method != "GET" && to.starts_with(path));
        routes::all(&document).into_iter().filter(changes).collect()
    }

    /// Newest first.
    pub async fn entries(&self) -> Vec<Value> {
        self.api.all("/api/admin/audit", 100).await
    }

    /// Checks that one entry came after these many, and what it tells: action, queue, target, parameters, and how much changed.
    pub async fn has_written(&self, before: usize, by: &str, told: &Value) {
        let entries = self.entries().await;
        assert_eq!(entries.len(), before + 1, "{told}: {entries:?}");
        let entry = &entries[0];
        let parts = ["action", "queue", "target", "parameters", "affected"].map(|part| entry[part].clone());
        assert_eq!(Value::from(parts.to_vec()), *told);
        assert_eq!(entry["by"], by, "{entry}");
        assert!(entry["at"].is_string() && entry["completedAt"].is_string(), "{entry}");
    }

    /// Checks that neither the log nor its page tells what only Carol may see.
    pub async fn tells_no_content(&self) {
        let log = Value::from(self.entries().await).to_string();
        let mut browser = Browser::new(&self.api);
        browser.open("/admin/actions").await;
        let page = browser.page.html();
        assert!(log.contains(&self.card) && page.contains(&self.card), "{log}");
        for word in CONTENT {
            assert!(!log.contains(word) && !page.contains(word), "{word}: {log}");
        }
    }
}
