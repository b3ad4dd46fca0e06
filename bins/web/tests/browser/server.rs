//! A web process to look at.

use std::collections::BTreeMap;

use cardwire_testkit::postgres::{Database, Postgres};
use cardwire_testkit::process::Process;
use serde_json::{Value, json};

fn environment(extra: &[(&str, &str)]) -> BTreeMap<String, String> {
    let base = [("USE_IN_MEMORY_EVENTS", "true"), ("USE_MOCK_AUTH", "true"), ("APP_ENV", "development")];
    base.iter().chain(extra).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Everything in memory.
pub async fn in_memory(extra: &[(&str, &str)]) -> Process {
    let extra: Vec<_> = [("USE_MOCK_REPOS", "true")].iter().chain(extra).copied().collect();
    let mut web = Process::start("web", &environment(&extra));
    web.ready().await;
    web
}

/// Over a database, so that it can be killed and started again.
pub struct Durable {
    pub web: Process,
    environment: BTreeMap<String, String>,
    _database: Database,
    _server: Postgres,
}

impl Durable {
    pub async fn start() -> Self {
        let server = Postgres::shared().unwrap();
        let database = server.database().await.unwrap();
        let mut environment = environment(&[("DATABASE_URL", database.url())]);
        let mut web = Process::start("web", &environment);
        web.ready().await;
        environment.insert("PORT".into(), web.port.to_string());
        Self { web, environment, _database: database, _server: server }
    }

    /// Kills it, and starts another on the same port.
    pub async fn restart(&mut self) {
        let port = self.web.port;
        self.web.kill();
        self.web = Process::start("web", &self.environment);
        self.web.port = port;
        self.web.ready().await;
    }
}

pub async fn post(web: &Process, person: &str, path: &str, body: Value) -> Value {
    let client = cardwire_testkit::net::http_client();
    let request = client.post(web.url(path)).header("authorization", format!("Bearer did:plc:{person}"));
    let answer = request.json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.unwrap()
}

/// Saves a URL and tells the card's id.
pub async fn save(web: &Process, person: &str, url: &str) -> String {
    let saved = post(web, person, "/api/cards/library/urls", json!({ "url": url })).await;
    saved["urlCardId"].as_str().unwrap().to_owned()
}
