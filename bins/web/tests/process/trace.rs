//! One trace from a request to all of its effects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix_web::test::{self, TestRequest};
use cardwire_apptest::harness::{Ready, resources};
use cardwire_domain::SystemClock;
use cardwire_domain::accounts::Registration;
use cardwire_domain::quotas::Quotas;
use cardwire_events::Queue;
use cardwire_http::Uploads;
use cardwire_http::origin::PublicUrl;
use cardwire_http::{
    AccountSettings, Accounts, AppState, Live, LiveSettings, MockAuthenticator, OperatedQueue, Operations, Places,
    Reads, Searches, TokenAuthenticator, Writes,
};
use cardwire_runtime::adapters::Adapters;
use cardwire_runtime::traces::{Traces, without_spans};
use cardwire_runtime::{CliSettings, Environment, InMemoryEventWorkerProcess, Role, Settings};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use parking_lot::Mutex;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

/// Keeps what would be sent.
#[derive(Clone, Debug, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().extend(batch);
        Ok(())
    }
}

fn settings() -> Settings {
    let names = ["USE_IN_MEMORY_EVENTS", "USE_MOCK_REPOS", "USE_MOCK_AUTH"].map(|name| (name, "true"));
    let variables = names.into_iter().chain([("APP_ENV", "development")]);
    let variables: BTreeMap<_, _> = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let environment = Environment { variables, dotenv: None, terminal: false };
    Settings::load(Role::Web, &CliSettings::default(), &environment).unwrap()
}

fn state(adapters: &Adapters) -> AppState {
    let operated = |queue| OperatedQueue {
        queue,
        subscriber: adapters.subscriber(queue).unwrap(),
        settings: cardwire_events::QueueSettings::of(queue),
    };
    AppState {
        store: adapters.store.clone(),
        library: adapters.library.clone(),
        pages: adapters.pages.clone(),
        pictures: adapters.pictures.clone(),
        collections: adapters.collections.clone(),
        feed: adapters.feed.clone(),
        public: adapters.public.clone(),
        search: adapters.search.clone(),
        searches: Searches::at_once(3),
        agents: None,
        records: adapters.records.clone(),
        analytics: adapters.analytics.clone(),
        imports: adapters.imports.clone(),
        uploads: Uploads::default(),
        exports: Places::new(1, 16),
        writes: Writes::default(),
        quotas: Quotas::default(),
        reads: Reads::default(),
        accounts: Accounts::new(adapters.accounts.clone(), AccountSettings::of(Registration::Open)).unwrap(),
        authenticator: Arc::new(MockAuthenticator {
            observers: BTreeSet::new(),
            accounts: Arc::new(TokenAuthenticator::new(adapters.accounts.clone(), BTreeSet::new())),
            profiles: adapters.accounts.clone(),
            host: None,
        }),
        readiness: Arc::new(Ready),
        live: Live::new(
            adapters.feed.clone(),
            cardwire_api::feed::to_json,
            LiveSettings::default(),
            CancellationToken::new(),
        ),
        public_url: PublicUrl::default(),
        cors_origins: Arc::default(),
        operations: Operations {
            log: adapters.log.clone(),
            operator: adapters.operator.clone(),
            finder: adapters.finder.clone(),
            history: adapters.history.clone(),
            rebuilds: adapters.rebuilds.clone(),
            replays: adapters.replays.clone(),
            analytics: adapters.analytics.clone(),
            saga: adapters.saga_store.clone(),
            registry: adapters.registry.clone(),
            queues: Queue::ALL.map(operated).into(),
            clock: Arc::new(SystemClock),
            trace_url: None,
        },
    }
}

/// Saves a URL in a whole Cardwire in memory, waits for every effect, and returns the spans by name.
async fn spans_of_a_save(traceparent: Option<&str>) -> (Vec<SpanData>, String) {
    let settings = settings();
    let exported = Exported::default();
    let traces = Traces::to(exported.clone(), &settings);
    let log = Log::default();
    let written = log.clone();
    let lines = fmt::layer().json().with_writer(move || written.clone());
    let lines = lines.with_filter(without_spans(EnvFilter::new("info")));
    let subscriber = tracing_subscriber::registry().with(traces.layer()).with(lines);
    // Of this thread, which is the only one of the test's runtime.
    let collecting = tracing::subscriber::set_default(subscriber);

    let adapters = Adapters::plug(&settings).unwrap();
    let workers = InMemoryEventWorkerProcess::start(&adapters, &settings).unwrap();
    let service = test::init_service(cardwire_http::app(state(&adapters), resources)).await;
    let save = TestRequest::post().uri("/api/cards/library/urls").set_json(json!({ "url": "https://card.invalid/" }));
    let save = traceparent.into_iter().fold(save, |save, parent| save.insert_header(("traceparent", parent)));
    let response = test::call_service(&service, save.to_request()).await;
    assert_eq!(response.status().as_u16(), 201);
    test::read_body(response).await;
    let drained = workers.drain(Duration::from_secs(30)).await.unwrap();
    assert_eq!((drained.windows, drained.owed), (1, 0));

    drop(service);
    drop(collecting);
    tokio::task::spawn_blocking(move || traces.flush()).await.unwrap();
    let mut spans = exported.0.lock().clone();
    spans.sort_by_key(|span| span.start_time);
    (spans, log.text())
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn one<'a>(spans: &'a [SpanData], name: &str) -> &'a SpanData {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {:?}", spans.iter().map(|span| span.name.as_ref()).collect::<Vec<_>>());
    found[0]
}

#[actix_web::test]
async fn a_save_is_one_trace_from_the_request_over_the_queues_to_the_activity() {
    let (spans, log) = spans_of_a_save(None).await;
    let request = one(&spans, "POST /api/cards/library/urls");
    let trace_id = request.span_context.trace_id();
    let of_save: Vec<_> = spans.iter().filter(|span| span.span_context.trace_id() == trace_id).collect();
    for span in &of_save {
        println!("{} {} <- {}", span.name, span.span_context.span_id(), span.parent_span_id);
    }

    let mut names: Vec<_> = of_save.iter().map(|span| span.name.as_ref()).collect();
    names.sort_unstable();
    let mut expected = vec!["POST /api/cards/library/urls", "flush feeds"];
    for queue in ["analytics", "feeds", "records", "search"] {
        let (published, processed) =
            (one(&spans, &format!("publish {queue}")), one(&spans, &format!("process {queue}")));
        assert!(published.start_time <= processed.start_time, "{queue}");
        expected.extend([published.name.as_ref(), processed.name.as_ref()]);
    }
    expected.sort_unstable();
    assert_eq!(names, expected);

    for span in of_save.iter().filter(|span| span.name != request.name) {
        assert_eq!(span.parent_span_id, request.span_context.span_id(), "{}", span.name);
        assert!(span.start_time >= request.start_time, "{}", span.name);
        // What was worked on together is a trace of its own.
        let link = span.links.iter().next().unwrap_or_else(|| panic!("{} has no link", span.name));
        let batch = spans.iter().find(|other| other.span_context == link.span_context);
        let batch = batch.unwrap_or_else(|| panic!("the batch of {} is missing", span.name));
        assert_ne!(batch.span_context.trace_id(), trace_id);
    }
    assert!(one(&spans, "flush feeds").start_time >= one(&spans, "process feeds").end_time);
    let status = request.attributes.iter().find(|attribute| attribute.key.as_str() == "http.response.status_code");
    assert_eq!(status.unwrap().value.to_string(), "201");

    // The log's lines are found by the trace's id, and its spans are none of the log's.
    let answered = log.lines().find(|line| line.contains("answered")).unwrap();
    assert!(answered.contains(&trace_id.to_string()) && !answered.contains("otel."), "{answered}");
}

#[actix_web::test]
async fn a_callers_trace_is_continued_and_one_that_is_not_sampled_is_not_exported() {
    let (trace_id, span_id) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let (spans, _) = spans_of_a_save(Some(&format!("00-{trace_id}-{span_id}-01"))).await;
    let request = one(&spans, "POST /api/cards/library/urls");
    assert_eq!(request.span_context.trace_id().to_string(), trace_id);
    assert_eq!(request.parent_span_id.to_string(), span_id);
    assert_eq!(one(&spans, "flush feeds").span_context.trace_id().to_string(), trace_id);

    let (spans, log) = spans_of_a_save(Some(&format!("00-{trace_id}-{span_id}-00"))).await;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert!(!names.is_empty() && names.iter().all(|name| name.contains(" batch of ")), "{names:?}");
    assert!(log.contains(trace_id), "{log}");
}
