//! What an operator sees when something breaks: what the overview says after how many seconds, without being reloaded, and how many
//! clicks the cause is away from there.

use std::time::Duration;

use cardwire_testkit::postgres::Postgres;
use cardwire_testkit::proxy::{Fault, Proxy};
use cardwire_testkit::stack::{Plan, Stack};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::every_page::{axe, barriers};
use crate::server::{in_memory, save};
use crate::window::{Driver, Window};

/// In a stack of one worker of each kind.
const SEARCH_WORKER: usize = 1;

/// Until the overview, which is open, says so by itself. Tells after how long.
async fn says(window: &Window, text: &str) -> Duration {
    let started = Instant::now();
    window.until(&format!("document.getElementById('matters').textContent.includes('{text}')")).await;
    let took = started.elapsed();
    println!("“{text}” after {:.1} s", took.as_secs_f64());
    took
}

/// Clicks the link beside it, and waits for that page.
async fn follow(window: &Window, text: &str, path: &str) {
    let item = format!(
        "Array.from(document.querySelectorAll('.matters li')).find((item) => item.textContent.includes('{text}'))"
    );
    window.evaluate(&format!("{item}.querySelector('a').click()")).await;
    window.until(&format!("location.pathname === '{path}'")).await;
}

async fn overview(stack: &Stack, driver: &Driver) -> Window {
    let window = driver.window(1000, false).await;
    window.sign_in(&stack.web.url("/sign-in?next=/admin"), "mock123").await;
    window.open(&stack.web.url("/admin")).await;
    says(&window, "Nothing needs attention.").await;
    window
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
    assert!(says(&window, text).await < Duration::from_secs(20));
    assert_eq!(barriers(&window, &axe()).await, Vec::<serde_json::Value>::new());
    follow(&window, text, "/admin/queues/search/failures").await;
    window.wait(".items .says a").await.click().await.unwrap();
    window.wait("pre").await;
    let page = window.evaluate("document.querySelector('main').textContent").await;
    assert!(page.as_str().is_some_and(|page| page.contains("it is poison")), "{page}");
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

#[tokio::test]
async fn a_worker_that_stopped_and_a_redis_that_lost_everything_are_told() {
    let mut stack = Stack::start(&Plan::default()).await;
    let driver = Driver::start().await;
    let window = overview(&stack, &driver).await;
    stack.workers[SEARCH_WORKER].process.kill();
    let text = "No worker of search is running.";
    // It counts as alive for 30 s after its last beat.
    assert!(says(&window, text).await < Duration::from_secs(45));
    save(&stack.web, "alice", "https://example.com/").await;
    follow(&window, text, "/admin/workers").await;
    window.until("document.querySelector('p.bad') !== null").await;
    assert_eq!(window.evaluate("location.hash").await, json!("#search"), "one click away");

    window.open(&stack.web.url("/admin")).await;
    stack.redis.flushall();
    let text = "1 event of search got lost on the way and had to be sent again.";
    assert!(says(&window, text).await < Duration::from_secs(45));
    follow(&window, text, "/admin/queues/search").await;

    window.open(&stack.web.url("/admin")).await;
    stack.kill_and_restart(SEARCH_WORKER);
    says(&window, "Nothing needs attention.").await;
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
    assert!(says(&window, text).await < Duration::from_secs(20));
    follow(&window, text, "/admin/workers").await;
    let page = window.evaluate("document.querySelector('#live').textContent").await;
    assert!(page.as_str().is_some_and(|page| page.contains("A small query to the database takes")), "{page}");
    proxy.set(Fault::None);
    window.open(&stack.web.url("/admin")).await;
    says(&window, "Nothing needs attention.").await;

    proxy.set(Fault::HalfOpen);
    let started = Instant::now();
    window.until("document.getElementById('age').textContent.startsWith('Cannot update')").await;
    println!("“Cannot update” after {:.1} s", started.elapsed().as_secs_f64());
    assert_eq!(window.evaluate("document.getElementById('age').classList.contains('old')").await, json!(true));
    proxy.set(Fault::None);
    window.until("document.getElementById('age').textContent.startsWith('Just updated')").await;
    window.close().await;
}

#[tokio::test]
async fn the_overview_updates_itself_keeps_its_place_and_can_be_paused() {
    let web = in_memory(&[]).await;
    let driver = Driver::start().await;
    let window = driver.window(500, true).await;
    window.sign_in(&web.url("/sign-in?next=/admin"), "mock123").await;
    window.open(&web.url("/admin")).await;
    window.until("document.getElementById('age').textContent.startsWith('Just updated')").await;
    let mark = "document.getElementById('live').dataset.mark = 'seen'";
    let is_new = "document.getElementById('live').dataset.mark === undefined";
    window.evaluate("(document.getElementById('pause-search').focus(), scrollTo(0, 300), scrollY)").await;
    let scrolled = window.evaluate("scrollY").await;
    window.evaluate(mark).await;
    window.until(is_new).await;
    assert_eq!(window.evaluate("document.activeElement.id").await, json!("pause-search"), "focus stays");
    assert_eq!(window.evaluate("scrollY").await, scrolled, "and so does the place");
    assert_eq!(barriers(&window, &axe()).await, Vec::<serde_json::Value>::new());

    window.evaluate("document.getElementById('reload').focus()").await;
    window.evaluate("document.getElementById('pause-updates').focus()").await;
    window.keys("\u{e007}").await;
    window.until("document.getElementById('age').textContent.startsWith('Paused')").await;
    window.evaluate(mark).await;
    sleep(Duration::from_secs(8)).await;
    assert_eq!(window.evaluate(is_new).await, json!(false), "nothing moves while it is paused");
    window.keys("\u{e007}").await;
    window.until(is_new).await;

    // The way of a save is live until it is over.
    let card = save(&web, "alice", "https://example.com/").await;
    window.open(&web.url(&format!("/admin/find?q={card}"))).await;
    window.wait(".items .line a").await.click().await.unwrap();
    window.wait(".way").await;
    let done = "Array.from(document.querySelectorAll('h3')).every((way) => way.textContent.endsWith('done'))";
    window.until(done).await;
    window.until("document.getElementById('age').textContent.startsWith('Complete')").await;
    assert_eq!(barriers(&window, &axe()).await, Vec::<serde_json::Value>::new());
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}
