//! What an operator sees when something breaks: what the overview says after how many seconds, without being reloaded, and how many
//! clicks the cause is away from there. Each case breaks something in a stack of real processes and prints a line.

use std::net::SocketAddr;
use std::time::Duration;

use cardwire_testkit::network::{APP_PASSWORD, DID, Network, origin};
use cardwire_testkit::postgres::Postgres;
use cardwire_testkit::proxy::{Fault, Proxy};
use cardwire_testkit::stack::{Plan, Stack};
use serde_json::json;
use tokio::time::Instant;

use crate::every_page::{axe, barriers};
use crate::server::{post, save};
use crate::window::{Driver, Window};

/// In a stack of one worker of each kind.
const SEARCH_WORKER: usize = 1;
const WELL: &str = "Nothing needs attention.";

/// Opens the overview and waits until all is well.
async fn overview(stack: &Stack, driver: &Driver) -> Window {
    let window = driver.window(1000, false).await;
    window.sign_in(&stack.web.url("/sign-in?next=/admin"), "mock123").await;
    window.open(&stack.web.url("/admin")).await;
    says(&window, WELL).await;
    window
}

/// Until the overview, which is open, says so by itself.
async fn says(window: &Window, text: &str) {
    window.until(&format!("document.getElementById('matters').textContent.includes('{text}')")).await;
}

/// Something that was broken, what the overview said of it, and the way from there to the cause.
struct Case<'a> {
    window: &'a Window,
    name: &'static str,
    said: &'static str,
    after: Duration,
    clicks: u32,
}

impl<'a> Case<'a> {
    /// Waits until the overview, which is open, says it, beginning now.
    async fn said(window: &'a Window, name: &'static str, said: &'static str, within: Duration) -> Self {
        let broken = Instant::now();
        says(window, said).await;
        let after = broken.elapsed();
        assert!(after < within, "{name}: “{said}” after {after:?}");
        Self { window, name, said, after, clicks: 0 }
    }

    /// Clicks the link beside what was said, and waits for that page.
    async fn follow(&mut self, path: &str) {
        let item = format!(
            "Array.from(document.querySelectorAll('.matters li')).find((item) => item.textContent.includes('{}'))",
            self.said
        );
        self.window.evaluate(&format!("{item}.querySelector('a').click()")).await;
        self.window.until(&format!("location.pathname === '{path}'")).await;
        self.clicks += 1;
    }

    /// Clicks something on that page, which leads to another.
    async fn click(&mut self, selector: &str) {
        let before = self.window.evaluate("location.pathname").await;
        self.window.wait(selector).await.click().await.unwrap();
        self.window.until(&format!("location.pathname !== {before}")).await;
        self.clicks += 1;
    }

    /// The page that is open now shows all of this.
    async fn shows(self, cause: &[&str]) {
        self.window.until("document.readyState === 'complete'").await;
        let page = self.window.evaluate("document.querySelector('main').textContent").await;
        for text in cause {
            assert!(page.as_str().is_some_and(|page| page.contains(text)), "{}: no “{text}” in {page}", self.name);
        }
        assert_eq!(barriers(self.window, &axe()).await, Vec::<serde_json::Value>::new(), "{}", self.name);
        let (place, clicks) = (self.window.evaluate("location.pathname").await, self.clicks);
        let clicks = if clicks == 1 { "1 click".to_owned() } else { format!("{clicks} clicks") };
        let place = place.as_str().unwrap_or_default();
        println!("{}: said “{}” after {:.1} s, {clicks} to {place}", self.name, self.said, self.after.as_secs_f64());
    }
}

#[tokio::test]
async fn a_dead_server_of_a_person_is_told_and_its_cause_is_one_click_away() {
    let network = Network::start().await.unwrap();
    // Their server is reached through this, so that it can be away while the directory is not.
    let pds = Proxy::start(network.pds.port()).await;
    let service = origin(SocketAddr::from(([127, 0, 0, 1], pds.port())));
    network.with(|world| {
        let document = world.documents.get_mut(DID).unwrap();
        document["service"][0]["serviceEndpoint"] = json!(service);
        // Nobody asks DNS whether a handle is theirs.
        document["alsoKnownAs"] = json!([]);
    });
    let settings = vec![
        ("APP__SECRET_KEY", "0123456789abcdef0123456789abcdef".to_owned()),
        ("APP__ATPROTO__PLC_URL", origin(network.directory)),
        ("APP__ATPROTO__ALLOW_APP_PASSWORDS", "true".to_owned()),
        ("APP__ATPROTO__ALLOW_PRIVATE_HOSTS", "true".to_owned()),
    ];
    let stack = Stack::start(&Plan { settings, ..Plan::default() }).await;
    let connection = json!({ "service": service, "identifier": DID, "appPassword": APP_PASSWORD });
    let connected = post(&stack.web, "alice", "/api/users/me/atproto", connection).await;
    assert_eq!(connected["service"], json!(service), "{connected}");
    let driver = Driver::start().await;
    let window = overview(&stack, &driver).await;

    drop(pds);
    save(&stack.web, "alice", "https://example.com/").await;
    let text = "Publishing fails for 1 person. 1 change waits and will be tried again.";
    let mut case = Case::said(&window, "a dead PDS", text, Duration::from_secs(30)).await;
    case.follow("/admin/records").await;
    case.shows(&["did:plc:alice", &service, "failed attempt", "Waiting changes1"]).await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

#[tokio::test]
async fn a_poison_event_is_told_and_its_cause_is_two_clicks_away() {
    let settings = vec![("APP__QUEUES__SEARCH__ATTEMPTS", "1".to_owned())];
    let stack = Stack::start(&Plan { settings, ..Plan::default() }).await;
    let poison = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                      $body$ BEGIN IF NEW.owner_id = 'did:plc:mallory' THEN RAISE EXCEPTION 'it is poison'; END IF; RETURN NEW; END $body$; \
                  CREATE TRIGGER refuse BEFORE INSERT ON search_documents FOR EACH ROW EXECUTE FUNCTION refuse()";
    stack.run(poison).await.unwrap();
    let driver = Driver::start().await;
    let window = overview(&stack, &driver).await;
    save(&stack.web, "mallory", "https://example.com/").await;
    let text = "1 event of search failed for good.";
    let mut case = Case::said(&window, "a poison event", text, Duration::from_secs(20)).await;
    assert_eq!(barriers(&window, &axe()).await, Vec::<serde_json::Value>::new());
    case.follow("/admin/queues/search/failures").await;
    case.click(".items .says a").await;
    window.wait("pre").await;
    case.shows(&["it is poison", "did:plc:mallory"]).await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

#[tokio::test]
async fn a_worker_that_stopped_and_a_redis_that_lost_everything_are_told() {
    let mut stack = Stack::start(&Plan::default()).await;
    let driver = Driver::start().await;
    let window = overview(&stack, &driver).await;
    stack.workers[SEARCH_WORKER].process.kill();
    // It counts as alive for 30 s after its last beat.
    let text = "No worker of search is running.";
    let mut case = Case::said(&window, "a stopped search-worker", text, Duration::from_secs(45)).await;
    save(&stack.web, "alice", "https://example.com/").await;
    case.follow("/admin/workers").await;
    window.until("document.querySelector('p.bad') !== null").await;
    assert_eq!(window.evaluate("location.hash").await, json!("#search"));
    case.shows(&["No worker is running. Start one"]).await;

    window.open(&stack.web.url("/admin")).await;
    says(&window, text).await;
    stack.redis.flushall();
    let text = "1 event of search got lost on the way and had to be sent again.";
    let mut case = Case::said(&window, "Redis FLUSHALL", text, Duration::from_secs(45)).await;
    case.follow("/admin/queues/search").await;
    case.shows(&["1 event got lost in the queue, which happens when Redis loses its data"]).await;

    window.open(&stack.web.url("/admin")).await;
    stack.kill_and_restart(SEARCH_WORKER);
    says(&window, WELL).await;
    stack.settled(Duration::from_secs(60)).await;
    window.close().await;
}

#[tokio::test]
async fn a_slow_database_is_told_and_one_that_is_away_makes_figures_old() {
    let postgres = Postgres::start().expect("PostgreSQL starts");
    let proxy = Proxy::start(postgres.port().expect("a server of our own")).await;
    let stack = Stack::start_on(&Plan::default(), postgres, proxy.port()).await;
    let driver = Driver::start().await;
    let window = overview(&stack, &driver).await;
    proxy.set(Fault::Delay(Duration::from_millis(50)));
    let text = "The database is slow: a small query takes";
    let mut case = Case::said(&window, "a slow PostgreSQL (50 ms)", text, Duration::from_secs(20)).await;
    case.follow("/admin/workers").await;
    window.wait("#live").await;
    case.shows(&["A small query to the database takes"]).await;
    proxy.set(Fault::None);
    window.open(&stack.web.url("/admin")).await;
    says(&window, WELL).await;

    proxy.set(Fault::HalfOpen);
    let started = Instant::now();
    window.until("document.getElementById('age').textContent.startsWith('Cannot update')").await;
    println!("a PostgreSQL that is away: said “Cannot update” after {:.1} s", started.elapsed().as_secs_f64());
    assert_eq!(window.evaluate("document.getElementById('age').classList.contains('old')").await, json!(true));
    proxy.set(Fault::None);
    window.until("document.getElementById('age').textContent.startsWith('Just updated')").await;
    window.close().await;
}
