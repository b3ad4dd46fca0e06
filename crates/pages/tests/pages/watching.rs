//! What operators look at: what is the matter, and the way of one save.

use std::time::Duration;

use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;
use cardwire_apptest::operators::{ADMIN, bury, open_windows};
use cardwire_domain::{CardId, EventId, UserId};
use cardwire_events::latency::Histogram;
use cardwire_events::operations::Finder as _;
use cardwire_events::registry::{WorkerId, WorkerInfo};
use cardwire_events::{Action, EventLog as _, Operator as _, Queue, WorkHistory as _};
use serde_json::json;

const URL: &str = "https://example.com/page";

async fn beat(api: &Api, queue: Queue, pid: u32) {
    let now = api.state.operations.clock.now();
    let worker = WorkerInfo {
        id: WorkerId::generate(),
        queue,
        host: "here".into(),
        pid,
        version: "1".into(),
        started_at: now,
        last_seen: now,
        processed: 5,
        in_flight: 0,
    };
    api.state.operations.registry.beat(&worker).await.unwrap();
}

async fn beat_all(api: &Api) {
    for (pid, queue) in (1..).zip(Queue::ALL) {
        beat(api, queue, pid).await;
    }
}

/// What needs a person, what is only noted, and where each leads.
fn matters(browser: &Browser<'_>) -> Vec<(String, String)> {
    let text = |item: &scraper::ElementRef<'_>| item.text().collect::<String>();
    let link = scraper::Selector::parse("a").unwrap();
    let href = |item: &scraper::ElementRef<'_>| item.select(&link).next().unwrap().attr("href").unwrap().to_owned();
    browser.all(".matters li").iter().map(|item| (text(item), href(item))).collect()
}

async fn told(browser: &mut Browser<'_>) -> Vec<(String, String)> {
    browser.open("/admin").await;
    matters(browser)
}

#[tokio::test(start_paused = true)]
async fn nothing_needs_attention_while_all_is_well() {
    let api = Api::new();
    beat_all(&api).await;
    let mut browser = Browser::of(&api, ADMIN);
    assert_eq!(told(&mut browser).await, []);
    assert_eq!(browser.text("#matters .fine"), "Nothing needs attention.");
    assert_eq!(browser.one("#live").attr("data-every"), Some("5"));
    assert!(browser.text("#age").starts_with("As of "), "without a script it says when it was drawn");
    assert_eq!(browser.one("#reload").attr("href"), Some("/admin"));
    assert_eq!(browser.all("section.queue").len(), Queue::ALL.len(), "queues side by side");
}

#[tokio::test(start_paused = true)]
async fn a_queue_without_a_worker_is_told() {
    let api = Api::new();
    beat_all(&api).await;
    tokio::time::advance(Duration::from_secs(31)).await;
    for queue in Queue::ALL.into_iter().filter(|queue| *queue != Queue::Search) {
        beat(&api, queue, 9).await;
    }
    let mut browser = Browser::of(&api, ADMIN);
    let told = told(&mut browser).await;
    assert!(told[0].0.contains("No worker of search is running."), "{told:?}");
    assert_eq!(told[0].1, "/admin/workers#search");
    assert!(told.iter().filter(|(text, _)| text.starts_with("Act")).count() == 1, "{told:?}");
    browser.open("/admin/workers").await;
    assert_eq!(browser.all("p.bad").len(), 1, "the page behind the link says so, too");
    let heading = browser.one("#search");
    assert_eq!(heading.text().collect::<String>(), "search");
}

#[tokio::test(start_paused = true)]
async fn a_pause_dead_letters_and_late_events_are_told() {
    let api = Api::new();
    beat_all(&api).await;
    let mut browser = Browser::of(&api, ADMIN);
    let id = bury(&api, Queue::Search, 1).await.remove(0);
    let dead = told(&mut browser).await;
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert!(dead[0].0.contains("1 event of search failed for good."), "{dead:?}");
    browser.open(&dead[0].1).await;
    assert!(browser.page.html().contains(&id), "one click leads to what failed, by its error");
    assert_eq!(browser.path, "/admin/queues/search/failures");

    let by = UserId::parse("did:plc:mock123").unwrap();
    let pause = Action::Pause { queue: Queue::Feeds, reason: Some("a <b>bad</b> build".into()) };
    api.store.act(&by, &pause).await.unwrap();
    tokio::time::advance(Duration::from_secs(31)).await;
    beat_all(&api).await;
    let all = told(&mut browser).await;
    let texts: Vec<&str> = all.iter().map(|(text, _)| text.as_str()).filter(|text| text.starts_with("Act")).collect();
    assert!(texts[0].contains("feeds is paused: a <b>bad</b> build."), "{texts:?}");
    assert!(
        texts.iter().any(|text| text.contains("analytics is late: its oldest event has waited 31 s.")),
        "{texts:?}"
    );
    assert!(!texts.iter().any(|text| text.contains("feeds is late")), "a paused queue is late on purpose: {texts:?}");
}

#[tokio::test(start_paused = true)]
async fn events_that_were_lost_on_the_way_are_noted() {
    let api = Api::new();
    beat_all(&api).await;
    api.save("alice", URL, &[]).await;
    // Published twice: the copy of the first time is nowhere.
    api.store.lease(Queue::Search, 10, None).await.unwrap();
    tokio::time::advance(Duration::from_secs(65)).await;
    api.store.lease(Queue::Search, 10, None).await.unwrap();
    beat_all(&api).await;
    let mut browser = Browser::of(&api, ADMIN);
    let told = told(&mut browser).await;
    let expected = "1 event of search got lost on the way and had to be sent again.";
    assert!(told.iter().any(|(text, _)| text.starts_with("Note") && text.contains(expected)), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn figures_tell_how_long_events_took() {
    let api = Api::new();
    beat_all(&api).await;
    let mut took = Histogram::default();
    (0..99).for_each(|_| took.record(Duration::from_millis(40)));
    took.record(Duration::from_secs(8));
    api.store.add_latencies(Queue::Search, &took).await.unwrap();
    let mut browser = Browser::of(&api, ADMIN);
    browser.open("/admin").await;
    let facts: Vec<String> = browser
        .all("section.queue[aria-labelledby=queue-search] dd")
        .iter()
        .map(|fact| fact.text().collect())
        .collect();
    assert_eq!(facts[1], "40 ms", "{facts:?}");
    let median: f64 = facts[1].trim_end_matches(" ms").parse().unwrap();
    assert!((30.0..=50.0).contains(&median), "within its bucket");
    assert_eq!(browser.all("section.queue[aria-labelledby=queue-search] polyline").len(), 2, "half, and nearly all");
}

/// What the timeline says of each queue: its state, and everything else.
async fn ways(browser: &mut Browser<'_>, event: &str) -> Vec<(String, String)> {
    browser.open(&format!("/admin/saves/{event}")).await;
    let title = scraper::Selector::parse("h3").unwrap();
    let of = |way: &scraper::ElementRef<'_>| {
        let heading: String = way.select(&title).next().unwrap().text().collect();
        (heading, way.text().collect::<Vec<_>>().join(" "))
    };
    browser.all("section.queue").iter().map(of).collect()
}

fn of<'a>(ways: &'a [(String, String)], queue: &str) -> &'a (String, String) {
    ways.iter().find(|(heading, _)| heading.starts_with(queue)).unwrap()
}

async fn save_of(api: &Api, card: &str) -> String {
    let card: CardId = card.parse().unwrap();
    let events = api.store.events_of_card(card, 100).await.unwrap();
    let saved = events.iter().find(|envelope| envelope.kind.starts_with("CardAddedToLibrary")).unwrap();
    saved.id.to_string()
}

#[tokio::test(start_paused = true)]
async fn the_way_of_a_save_is_told_at_each_stage() {
    let api = Api::new();
    let card = api.save("alice", URL, &[]).await;
    let event = save_of(&api, &card).await;
    let mut browser = Browser::of(&api, ADMIN);

    let waiting = ways(&mut browser, &event).await;
    for queue in ["feeds", "search", "analytics"] {
        let (heading, _) = of(&waiting, queue);
        assert!(heading.ends_with("waiting") || heading.ends_with("in the queue"), "{waiting:?}");
    }
    assert_eq!(browser.one("#live").attr("data-every"), Some("1"), "it is live while something is on its way");
    assert!(browser.page.html().contains(URL));

    open_windows(&api).await;
    let gathering = ways(&mut browser, &event).await;
    let (heading, text) = of(&gathering, "feeds");
    assert!(heading.ends_with("in a window") && text.contains("its window of 1 event closes"), "{gathering:?}");
    assert!(text.contains("ms"), "to the millisecond: {text}");

    beat(&api, Queue::Search, 77).await;
    api.store.lease(Queue::Search, 10, None).await.unwrap();
    let published = ways(&mut browser, &event).await;
    let (heading, text) = of(&published, "search");
    assert!(heading.ends_with("in the queue") && text.contains("here (process 77)"), "{published:?}");
    tokio::time::advance(Duration::from_secs(60)).await;

    api.deliver().await;
    let done = ways(&mut browser, &event).await;
    assert!(done.iter().all(|(heading, _)| heading.ends_with("done")), "{done:?}");
    assert!(of(&done, "search").1.contains("indexed: search has the card"), "{done:?}");
    assert!(of(&done, "search").1.contains("not recorded"), "what is not known is said to be: {done:?}");
    assert!(of(&done, "analytics").1.contains("counted"), "{done:?}");
    let feed = api.get("/api/feeds/global").await.expect(200);
    let activity = feed["items"][0]["id"].as_str().unwrap();
    assert!(of(&done, "feeds").1.contains(activity), "{done:?}");
    assert_eq!(browser.one("#live").attr("data-every"), Some("0"), "nothing more will happen");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_part_of_the_way_and_one_click_from_it() {
    let api = Api::new();
    let event = bury(&api, Queue::Search, 1).await.remove(0);
    let mut browser = Browser::of(&api, ADMIN);
    let dead = ways(&mut browser, &event).await;
    let (heading, text) = of(&dead, "search");
    assert!(heading.ends_with("dead letter") && text.contains("failed for good: it is poison"), "{dead:?}");
    let letter = format!("/admin/queues/search/dead/{event}");
    assert_eq!(browser.all(&format!("a[href='{letter}']")).len(), 1);
    assert_eq!(browser.get(&letter).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_trace_is_linked_where_traces_are_shown() {
    let mut api = Api::new();
    let card = api.save("alice", URL, &[]).await;
    let event: EventId = save_of(&api, &card).await.parse().unwrap();
    // Every request has one, whether or not anybody collects them.
    assert_eq!(api.state.operations.journey(event).await.unwrap().trace.and_then(|trace| trace.url), None);
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
    let by = UserId::parse("did:plc:bob").unwrap();
    let request = cardwire_domain::use_cases::Request {
        traceparent: Some(traceparent),
        ..cardwire_domain::use_cases::Request::by(by)
    };
    let save = cardwire_domain::use_cases::AddUrlToLibrary { url: URL.into(), ..Default::default() };
    let saved = cardwire_domain::use_cases::execute(&api.store, &request, &save).await.unwrap();
    let event = save_of(&api, &saved.url_card_id.to_string()).await;
    {
        let mut browser = Browser::of(&api, ADMIN);
        ways(&mut browser, &event).await;
        assert!(browser.page.html().contains("0af7651916cd43dd8448eb211c80319c"), "its id, without a link");
        assert!(browser.all("a[href*='0af7651916cd43dd8448eb211c80319c']").is_empty());
    }
    api.state.operations.trace_url = Some("https://traces.example/trace/{traceId}".into());
    let mut browser = Browser::of(&api, ADMIN);
    ways(&mut browser, &event).await;
    let link = "a[href='https://traces.example/trace/0af7651916cd43dd8448eb211c80319c']";
    assert_eq!(browser.all(link).len(), 1);
}

async fn find(browser: &mut Browser<'_>, text: &str) -> String {
    let asked = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
    browser.open(&format!("/admin/find?q={asked}")).await;
    browser.text("main")
}

#[tokio::test(start_paused = true)]
async fn a_save_is_found_by_whatever_is_at_hand() {
    let api = Api::new();
    let card = api.save("alice", URL, &[]).await;
    let event = save_of(&api, &card).await;
    let mut browser = Browser::of(&api, ADMIN);
    find(&mut browser, &format!(" {event} ")).await;
    assert_eq!(browser.path, format!("/admin/saves/{event}"), "an event leads to its way at once");
    find(&mut browser, &card).await;
    assert_eq!(browser.all(&format!("a[href='/admin/saves/{event}']")).len(), 1);
    for text in [URL, "HTTPS://EXAMPLE.com/page", "did:plc:alice"] {
        let page = find(&mut browser, text).await;
        assert!(page.contains(&card), "{text}: {page}");
        assert_eq!(browser.all(&format!("a[href='/admin/find?q={card}']")).len(), 1, "{text}");
    }
    for text in ["did:plc:nobody", "https://example.com/other"] {
        assert!(find(&mut browser, text).await.contains("No cards that everyone can see."), "{text}");
    }
    for text in ["nobody", "did:", "01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
        assert!(find(&mut browser, text).await.contains("No results for"), "{text}");
    }
    for path in ["/admin/saves/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/admin/saves/nonsense"] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_operators_find_anything_and_nobody_sees_what_is_private() {
    let api = Api::new();
    let body = json!({ "url": "https://secret.example/unmistakable", "visibility": "PRIVATE", "note": "saffron" });
    let saved = api.post("alice", "/api/cards/library/urls", body).await.expect(201);
    let card = saved["urlCardId"].as_str().unwrap().to_owned();
    let event = save_of(&api, &card).await;
    let paths = [
        "/admin/workers".to_owned(),
        "/admin/find?q=did:plc:alice".into(),
        format!("/admin/find?q={card}"),
        format!("/admin/saves/{event}"),
    ];
    let mut alice = Browser::of(&api, "alice");
    for path in &paths {
        assert_eq!(alice.get(path).await.status, 403, "{path}");
    }
    let mut admin = Browser::of(&api, ADMIN);
    for path in &paths {
        admin.open(path).await;
        let page = admin.page.html();
        assert!(!page.contains("unmistakable") && !page.contains("saffron"), "{path}: {page}");
    }
    let page = find(&mut admin, "https://secret.example/unmistakable").await;
    assert!(page.contains("No cards that everyone can see."), "nobody learns who keeps it: {page}");
    assert!(!page.contains(&card));
}
