//! All of Cardwire as processes: real servers, the real binaries, and somebody who saves links.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::history::{Checked, History};
use crate::postgres::{Database, Postgres};
use crate::process::Process;
use crate::redis::RedisServer;

/// What a stack is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    pub feed_workers: usize,
    /// The binary of the feed-workers.
    pub feed_worker: &'static str,
    /// Settings of every process, beside those that connect them.
    pub settings: Vec<(&'static str, String)>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { feed_workers: 1, feed_worker: "feed-worker", settings: Vec::new() }
    }
}

/// Servers and processes. Everything is killed when it is dropped.
pub struct Stack {
    pub web: Process,
    pub workers: Vec<Worker>,
    environment: BTreeMap<String, String>,
    pool: PgPool,
    database: Database,
    pub redis: RedisServer,
    pub postgres: Postgres,
}

/// A worker and the name of its binary.
pub struct Worker {
    pub name: &'static str,
    pub process: Process,
}

impl Stack {
    /// # Panics
    /// When something does not start.
    pub async fn start(plan: &Plan) -> Self {
        let postgres = Postgres::start().expect("PostgreSQL starts");
        let port = postgres.port().expect("a server of our own");
        Self::start_on(plan, postgres, port).await
    }

    /// On this server, which everybody reaches by this port.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start_on(plan: &Plan, postgres: Postgres, port: u16) -> Self {
        let database = postgres.database().await.expect("a database is made");
        let own = postgres.port().expect("a server of our own");
        let database_url = database.url().replace(&format!(":{own}/"), &format!(":{port}/"));
        let redis = RedisServer::start();
        let mut environment: BTreeMap<String, String> = [
            ("APP_ENV", "development".to_owned()),
            ("USE_MOCK_AUTH", "true".to_owned()),
            ("DATABASE_URL", database_url.clone()),
            ("REDIS_URL", redis.url()),
            ("RUST_LOG", "info,actix_server=warn,cardwire_http=warn".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        environment.extend(plan.settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let web = Process::start("web", &environment);
        let feeds = std::iter::repeat_n(plan.feed_worker, plan.feed_workers);
        let workers = feeds
            .chain(["search-worker", "analytics-worker", "record-worker"])
            .map(|name| Worker { name, process: Process::start(name, &environment) })
            .collect();
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy(&database_url).expect("the URL is good");
        let mut stack = Self { web, workers, environment, pool, database, redis, postgres };
        stack.web.ready().await;
        for worker in &mut stack.workers {
            worker.process.ready().await;
        }
        stack
    }

    /// Of every process.
    pub const fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    pub fn database_url(&self) -> &str {
        self.database.url()
    }

    /// Runs statements as somebody with a shell would.
    ///
    /// # Errors
    /// When the server refuses them.
    pub async fn run(&self, sql: &str) -> anyhow::Result<()> {
        self.database.run(sql).await
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// SIGKILL, then the same again: the new process has the same settings but no memory.
    pub fn kill_and_restart(&mut self, worker: usize) {
        let worker = &mut self.workers[worker];
        worker.process.kill();
        worker.process = Process::start(worker.name, &self.environment);
    }

    /// As [`Self::kill_and_restart`], with more in the environment; returns when it is ready.
    pub async fn restart_with(&mut self, worker: usize, more: &BTreeMap<String, String>) {
        let worker = &mut self.workers[worker];
        worker.process.kill();
        let environment = self.environment.iter().chain(more).map(|(name, value)| (name.clone(), value.clone()));
        worker.process = Process::start(worker.name, &environment.collect());
        worker.process.ready().await;
    }

    pub fn kill_web(&mut self) {
        self.web.kill();
    }

    pub async fn restart_web(&mut self) {
        self.web = Process::start("web", &self.environment);
        self.web.ready().await;
    }

    /// One more worker of a kind.
    pub fn add_worker(&mut self, name: &'static str) {
        self.workers.push(Worker { name, process: Process::start(name, &self.environment) });
    }

    pub fn signal_worker(&self, worker: usize, signal: Signal) {
        self.workers[worker].process.signal(signal);
    }

    /// A client of the web process as it runs now: one that is started again listens elsewhere.
    pub fn client(&self) -> Client {
        Client::of(&self.web)
    }

    /// Waits until nothing is owed to any queue but dead letters.
    ///
    /// # Panics
    /// When that takes longer than `within`.
    pub async fn settled(&self, within: Duration) -> Duration {
        let started = Instant::now();
        loop {
            let query = "SELECT count(*) FROM deliveries WHERE dead_at IS NULL";
            let owed: Result<i64, _> = sqlx::query_scalar(query).fetch_one(&self.pool).await;
            match owed {
                Ok(0) => return started.elapsed(),
                owed if started.elapsed() > within => {
                    let logs: Vec<_> =
                        self.workers.iter().map(|w| format!("--- {}\n{}", w.name, w.process.log())).collect();
                    panic!("after {within:?} still owed: {owed:?}\n{}", logs.join("\n"))
                }
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// # Panics
    /// When something accepted has no effect, or two.
    pub async fn check(&self, history: &History) -> Checked {
        match history.check(&self.pool).await {
            Ok(checked) => checked,
            Err(error) => panic!("{error:#}"),
        }
    }
}

/// Saves links over HTTP, and remembers what it was answered.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

/// How long a request may take before its client gives up.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

impl Client {
    /// Of this web process, and of those that are started again on its port.
    pub fn of(web: &Process) -> Self {
        Self { http: crate::net::http_client(), base: web.url("") }
    }

    /// The status and the body; `None` when there was no answer.
    pub async fn post(&self, person: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        self.ask(Method::POST, person, path, Some(body)).await
    }

    /// As [`Self::post`], with any method.
    pub async fn ask(&self, method: Method, person: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(person);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.timeout(REQUEST_PATIENCE).send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.ok()?))
    }

    /// Collections of this person, so that saves can name them.
    pub async fn collections(&self, person: &str, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for n in 0..count {
            let body = json!({ "name": format!("collection {n}"), "accessType": "CLOSED" });
            // Without an answer it is tried again, as a save is.
            let answer = loop {
                match self.post(person, "/api/collections", &body).await {
                    Some((201, answer)) => break answer,
                    Some((503, _)) | None => sleep(Duration::from_millis(100)).await,
                    Some((status, answer)) => panic!("a collection was answered {status}: {answer}"),
                }
            };
            ids.push(answer["id"].as_str().expect("a collection has an id").to_owned());
        }
        ids
    }

    /// Saves a URL, booking the answer; false without a good answer.
    pub async fn save(&self, person: &str, url: &str, collections: &[String], history: &mut History) -> bool {
        let body = json!({ "url": url, "collectionIds": collections });
        match self.post(person, "/api/cards/library/urls", &body).await {
            Some((200 | 201, answer)) => {
                history.accept(person, url, &answer);
                true
            }
            Some((503, _)) | None => false,
            Some((status, answer)) => panic!("a save was answered {status}: {answer}"),
        }
    }

    /// `people` save at once, `each` URLs each, one after the other with `pause` between; what fails is tried again until
    /// it is answered, as a client would.
    pub async fn load(&self, people: usize, each: usize, pause: Duration) -> History {
        let mut savers = JoinSet::new();
        for n in 0..people {
            let client = self.clone();
            savers.spawn(async move {
                let person = format!("did:plc:person{n}");
                let mut history = History::default();
                for url in 0..each {
                    let url = format!("https://example.com/{n}/{url}");
                    while !client.save(&person, &url, &[], &mut history).await {
                        sleep(Duration::from_millis(100)).await;
                    }
                    sleep(pause).await;
                }
                history
            });
        }
        let mut history = History::default();
        while let Some(saved) = savers.join_next().await {
            history.merge(saved.expect("a saver does not panic"));
        }
        history
    }
}
