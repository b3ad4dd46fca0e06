//! One application over one store in memory, and what to ask of it.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{Payload, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::test::{self, TestRequest};
use actix_web::web::{Bytes, ServiceConfig};
use async_trait::async_trait;
use cardwire_api::docs::ApiDocument;
use cardwire_domain::accounts::Registration;
use cardwire_domain::analytics::Analytics;
use cardwire_domain::feed::FeedRepository;
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{FetchFailure, FetchPolicy, Metadata, PageRepository as _};
use cardwire_domain::quotas::Quotas;
use cardwire_domain::records::RecordRepository as _;
use cardwire_domain::search::{Renewal, SearchIndex};
use cardwire_domain::{CollectedWindow, DomainEvent, Member, RecordedEvent, UserId};
use cardwire_events::memory::{InMemoryEventSubscriber, InMemoryQueues, InMemoryWorkerRegistry};
use cardwire_events::{EventLog, Handover, Message, Queue, QueueSettings};
use cardwire_http::origin::PublicUrl;
use cardwire_http::{
    AccountSettings, Accounts, AppState, Live, LiveSettings, MockAuthenticator, OperatedQueue, Operations, Places,
    Readiness, Reads, Searches, TokenAuthenticator, Uploads, Writes, app,
};
use cardwire_saga::{InMemorySagaStateStore, Timing};
use cardwire_storage::SqliteStore;
use cardwire_testkit::TokioClock;
use futures_util::Stream;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Under which the application is asked for.
pub const HOST: &str = "cardwire.example";

pub struct Ready;

#[async_trait]
impl Readiness for Ready {
    async fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Who may look at the console with mock authentication, and not act: `did:plc:observer`.
fn observer() -> UserId {
    UserId::parse("did:plc:observer").expect("a DID")
}

/// As in `web`: the API and the pages.
pub fn resources(config: &mut ServiceConfig) {
    cardwire_api::configure(config);
    cardwire_pages::configure(config);
}

pub struct Api {
    pub state: AppState,
    pub store: SqliteStore,
    pub queues: InMemoryQueues,
    pub shutdown: CancellationToken,
}

/// An answer that came whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    async fn whole(response: ServiceResponse<impl MessageBody>) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.ok().unwrap();
        Self { status, headers, body: body.to_vec() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body, once the status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The body, once it is a whole problem of this status and slug.
    #[track_caller]
    pub fn expect_problem(self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{slug}"), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        let trace_id = problem["traceId"].as_str().unwrap();
        assert!(trace_id.len() == 32 && trace_id.bytes().all(|b| b.is_ascii_hexdigit()), "{problem}");
        problem
    }
}

impl Default for Api {
    fn default() -> Self {
        Self::new()
    }
}

impl Api {
    pub fn new() -> Self {
        Self::with(LiveSettings::default())
    }

    pub fn with(live: LiveSettings) -> Self {
        let clock = Arc::new(TokioClock::new());
        let store = SqliteStore::in_memory(clock.clone(), Handover::default()).expect("SQLite is built in");
        let queues = InMemoryQueues::default();
        let operated = |queue| OperatedQueue {
            queue,
            subscriber: Arc::new(InMemoryEventSubscriber::new(&queues, queue)),
            settings: QueueSettings::of(queue),
        };
        let operations = Operations {
            log: Arc::new(store.clone()),
            operator: Arc::new(store.clone()),
            finder: Arc::new(store.clone()),
            history: Arc::new(store.clone()),
            rebuilds: Arc::new(store.clone()),
            replays: Arc::new(store.clone()),
            analytics: Arc::new(store.clone()),
            saga: Arc::new(InMemorySagaStateStore::new(clock.clone(), Timing::default())),
            registry: Arc::new(InMemoryWorkerRegistry::new(clock.clone(), Duration::from_secs(30))),
            queues: Queue::ALL.map(operated).into(),
            clock,
            trace_url: None,
        };
        let shutdown = CancellationToken::new();
        let shared = Arc::new(store.clone());
        let state = AppState {
            store: shared.clone(),
            library: shared.clone(),
            pages: shared.clone(),
            pictures: shared.clone(),
            collections: shared.clone(),
            feed: shared.clone(),
            public: shared.clone(),
            search: shared.clone(),
            searches: Searches::at_once(3),
            analytics: shared.clone(),
            imports: shared.clone(),
            uploads: Uploads::default(),
            exports: Places::new(1, 16),
            writes: Writes::default(),
            quotas: Quotas::default(),
            reads: Reads::default(),
            accounts: Accounts::new(shared.clone(), AccountSettings::of(Registration::Open)).unwrap(),
            authenticator: Arc::new(MockAuthenticator {
                accounts: Arc::new(TokenAuthenticator::new(shared.clone(), BTreeSet::new())),
                profiles: shared.clone(),
                observers: BTreeSet::from([observer()]),
                host: Some(HOST.into()),
            }),
            agents: None,
            records: shared.clone(),
            readiness: Arc::new(Ready),
            live: Live::new(shared, cardwire_api::feed::to_json, live, shutdown.clone()),
            operations,
            public_url: PublicUrl::default(),
            cors_origins: Arc::default(),
        };
        Self { state, store, queues, shutdown }
    }

    pub async fn send(&self, request: TestRequest) -> Answer {
        let service = test::init_service(app(self.state.clone(), resources)).await;
        let response = test::call_service(&service, request.to_request()).await;
        assert_documented(&response);
        Answer::whole(response).await
    }

    /// With a body that arrives in pieces.
    pub async fn send_stream(
        &self,
        request: TestRequest,
        pieces: impl Stream<Item = Result<Bytes, PayloadError>> + 'static,
    ) -> Answer {
        let service = test::init_service(app(self.state.clone(), resources)).await;
        let mut request = request.to_request();
        *request.payload() = Payload::Stream { payload: Box::pin(pieces) };
        Answer::whole(test::call_service(&service, request).await).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(TestRequest::get().uri(path)).await
    }

    pub async fn ask(&self, person: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.send(request(person, method, path, body)).await
    }

    pub async fn post(&self, person: &str, path: &str, body: Value) -> Answer {
        self.ask(person, Method::POST, path, Some(body)).await
    }

    /// Saves a URL and tells the card's id.
    pub async fn save(&self, person: &str, url: &str, collections: &[&str]) -> String {
        let body = json!({ "url": url, "collectionIds": collections });
        let saved = self.post(person, "/api/cards/library/urls", body).await.expect(201);
        saved["urlCardId"].as_str().unwrap().to_owned()
    }

    /// Makes a collection and tells its id.
    pub async fn collection(&self, person: &str, name: &str) -> String {
        let created = self.post(person, "/api/collections", json!({ "name": name })).await.expect(201);
        created["id"].as_str().unwrap().to_owned()
    }

    /// Has the person invited to the collection, as the only one, and accept.
    pub async fn share(&self, author: &str, collection: &str, person: &str) {
        let people = Some(json!({ "userIds": [format!("did:plc:{person}")] }));
        let path = format!("/api/collections/{collection}");
        self.ask(author, Method::PUT, &format!("{path}/collaborators"), people).await.expect(200);
        self.ask(person, Method::POST, &format!("{path}/membership"), None).await.expect(200);
    }

    /// Does at once what the workers do: everything that is owed takes effect, and names are found.
    pub async fn deliver(&self) {
        for queue in Queue::ALL {
            loop {
                let owed = self.store.lease(queue, 100, None).await.unwrap().events;
                if owed.is_empty() {
                    break;
                }
                for owed in owed {
                    self.take_effect(queue, &Message::parse(&owed.envelope.to_entry()).unwrap().decode().unwrap())
                        .await;
                }
            }
        }
        while self.store.renew(&mut Renewal::default(), 100).await.unwrap().count > 0 {}
    }

    async fn take_effect(&self, queue: Queue, recorded: &RecordedEvent) {
        let one = std::slice::from_ref(recorded);
        match queue {
            Queue::Feeds => self.show(recorded).await,
            Queue::Search => assert_eq!(self.store.index(one).await.unwrap(), 1),
            Queue::Analytics => assert_eq!(self.store.count(one).await.unwrap(), 1),
            Queue::Records => assert_eq!(self.store.owe(one, false).await.unwrap(), 1),
        }
    }

    async fn show(&self, recorded: &RecordedEvent) {
        if let DomainEvent::AccountDeleted { .. } = recorded.event {
            assert_eq!(self.store.forget_people(&[recorded.id]).await.unwrap(), 1);
            return;
        }
        let (Some(member), Some(card_id)) = (Member::of(recorded), recorded.event.card_id()) else {
            assert_eq!(self.store.settle(Queue::Feeds, &[recorded.id]).await.unwrap(), 1);
            return;
        };
        let actor_id = recorded.event.actor_id().clone();
        let window = CollectedWindow { card_id, actor_id, members: vec![member] };
        assert_eq!(self.store.add_activities(&[window]).await.unwrap(), 1);
    }

    /// Every page that is due is fetched, with this outcome.
    pub async fn fetch_pages(&self, outcome: Result<Metadata, FetchFailure>) {
        let policy = FetchPolicy::default();
        for job in self.store.lease_fetches(&FetchRoom::idle(10), &policy).await.unwrap() {
            assert!(self.store.finish_fetch(&job, &outcome, &policy).await.unwrap());
        }
    }

    /// Every page that is due is fetched, and says that this is its title.
    pub async fn title_pages(&self, title: &str) {
        self.fetch_pages(Ok(Metadata { title: Some(title.to_owned()), ..Metadata::default() })).await;
    }

    /// How many events the log owes to each queue.
    pub async fn owed(&self) -> Vec<u64> {
        self.store.backlog().await.unwrap().iter().map(|backlog| backlog.owed).collect()
    }

    /// Every item of a list, read in pages of `limit`.
    pub async fn all(&self, path: &str, limit: usize) -> Vec<Value> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut cursor = String::new();
        for _ in 0..100 {
            let page = self.get(&format!("{path}{joint}limit={limit}{cursor}")).await.expect(200);
            let found = page["items"].as_array().unwrap();
            assert!(found.len() <= limit);
            items.extend(found.iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
        panic!("{path} does not end");
    }

    pub async fn open(&self, request: TestRequest) -> Events {
        let service = test::init_service(app(self.state.clone(), resources)).await;
        let response =
            test::call_service(&service, request.insert_header(("accept-encoding", "gzip")).to_request()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().get("content-type").unwrap(), "text/event-stream");
        assert_eq!(response.headers().get("content-encoding").unwrap(), "identity", "not compressed");
        Events(Box::pin(response.into_body().boxed()))
    }
}

/// What an operation refuses with is in the OpenAPI document.
fn assert_documented(response: &ServiceResponse<impl MessageBody>) {
    // Of the connection or of the server, not of the operation: one entry of the document stands for them all.
    const OF_ANY: [u16; 5] = [405, 406, 408, 421, 500];
    let (request, status) = (response.request(), response.status().as_u16());
    let (Some(ApiDocument(document)), Some(path)) = (request.app_data(), request.match_pattern()) else { return };
    if status < 400 || OF_ANY.contains(&status) {
        return;
    }
    let document: Value = serde_json::from_str(document().as_ref().unwrap()).unwrap();
    let method = request.method().as_str().to_lowercase();
    let Some(operation) = document["paths"].get(&path).and_then(|item| item.get(&method)) else { return };
    let answers = &operation["responses"];
    assert!(answers.get(status.to_string()).is_some(), "{method} {path} answered {status}, which is not documented");
}

pub fn request(person: &str, method: Method, path: &str, body: Option<Value>) -> TestRequest {
    let request = TestRequest::default().method(method).uri(path);
    let request = request.insert_header(("authorization", format!("Bearer did:plc:{person}")));
    match body {
        Some(body) => request.set_json(body),
        None => request,
    }
}

/// A live feed that is being read.
pub struct Events(Pin<Box<BoxBody>>);

impl Events {
    /// `None` when the stream has ended.
    pub async fn chunk(&mut self) -> Option<String> {
        let chunk = std::future::poll_fn(|context| self.0.as_mut().poll_next(context)).await?;
        Some(String::from_utf8(chunk.unwrap().to_vec()).unwrap())
    }

    /// The next `count` activities as (id, data); passes over what is none.
    pub async fn activities(&mut self, count: usize) -> Vec<(String, Value)> {
        let mut activities = Vec::new();
        while activities.len() < count {
            let chunk = self.chunk().await.expect("the stream goes on");
            for block in chunk.split_terminator("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
                if field("event: ") == Some("activity") {
                    let data = serde_json::from_str(field("data: ").unwrap()).unwrap();
                    activities.push((field("id: ").unwrap().to_owned(), data));
                }
            }
        }
        activities
    }
}

/// With everything that differs from run to run replaced.
pub fn redacted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(redacted).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, field)| {
                let field = match (name.as_str(), field) {
                    ("traceId", Value::String(_)) => "[trace]".into(),
                    ("nextCursor", Value::String(_)) => "[cursor]".into(),
                    (_, field) => redacted(field),
                };
                (name, field)
            })
            .collect(),
        Value::String(text) if text.len() == 26 && text.parse::<cardwire_domain::CardId>().is_ok() => "[ulid]".into(),
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => "[time]".into(),
        other => other,
    }
}
