//! A web process to look at.

use std::collections::BTreeMap;
use std::sync::Arc;

use cardwire_testkit::postgres::{Database, Postgres};
use cardwire_testkit::process::Process;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

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
    pub database: Arc<Database>,
    _server: Postgres,
}

impl Durable {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(extra: &[(&str, &str)]) -> Self {
        let server = Postgres::shared().unwrap();
        let database = server.database().await.unwrap();
        let mut environment = environment(&[&[("DATABASE_URL", database.url())], extra].concat());
        let mut web = Process::start("web", &environment);
        web.ready().await;
        environment.insert("PORT".into(), web.port.to_string());
        Self { web, environment, database: Arc::new(database), _server: server }
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

/// A page of another site that is answered only once it is open.
pub struct LatePage {
    pub url: String,
    gate: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl LatePage {
    pub async fn start(html: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/page", listener.local_addr().unwrap());
        let (gate, opened) = watch::channel(false);
        let serving = tokio::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut opened = opened.clone();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _read = connection.read(&mut request).await;
                    opened.wait_for(|open| *open).await.unwrap();
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{html}",
                        html.len()
                    );
                    let _written = connection.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { url, gate, serving }
    }

    pub fn open(&self) {
        self.gate.send(true).unwrap();
    }
}

impl Drop for LatePage {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub async fn get(web: &Process, person: &str, path: &str) -> Value {
    ask(cardwire_testkit::net::http_client().get(web.url(path)), person, path).await
}

pub async fn post(web: &Process, person: &str, path: &str, body: Value) -> Value {
    ask(cardwire_testkit::net::http_client().post(web.url(path)).json(&body), person, path).await
}

async fn ask(request: reqwest::RequestBuilder, person: &str, path: &str) -> Value {
    let answer = request.header("authorization", format!("Bearer did:plc:{person}")).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.unwrap()
}

/// What cannot be written into a table of this name from now on, and why, as the log of events tells it. `condition` is about `NEW`.
pub async fn refuse(database: &Database, table: &str, condition: &str, why: &str) {
    let sql = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $body$ BEGIN IF {condition} THEN RAISE EXCEPTION '{why}'; END IF; RETURN NEW; END $body$; \
         CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
    );
    database.run(&sql).await.unwrap();
}

/// Saves a URL and tells the card's id.
pub async fn save(web: &Process, person: &str, url: &str) -> String {
    let saved = post(web, person, "/api/cards/library/urls", json!({ "url": url })).await;
    saved["urlCardId"].as_str().unwrap().to_owned()
}
