//! The pages of administrators that are about what went wrong: failures by error, rejected entries, replays.

use cardwire_apptest::browser::{Browser, post};
use cardwire_apptest::harness::Api;
use cardwire_apptest::operators::{bury, counts};
use cardwire_apptest::people::join;
use cardwire_events::operations::Replays as _;
use cardwire_events::{EventLog as _, Queue};

/// Presses the button with this action in the only form of the page that has one, and then the one that confirms it.
async fn press(browser: &mut Browser<'_>, form: usize, action: &str, more: &[(&str, &str)]) {
    let forms = browser.all("main form[action='/admin/confirm']");
    let hidden = scraper::Selector::parse("input[type=hidden]").unwrap();
    let field = |input: scraper::ElementRef<'_>| {
        (input.attr("name").unwrap().to_owned(), input.attr("value").unwrap_or_default().to_owned())
    };
    let mut fields: Vec<_> = forms[form].select(&hidden).map(field).collect();
    let more = std::iter::once(("action", action)).chain(more.iter().copied());
    let more = more.map(|(name, value)| (name.to_owned(), value.to_owned()));
    fields.retain(|(name, _)| name != "action");
    fields.extend(more);
    let asked = browser.send(post("/admin/confirm", &fields)).await;
    assert_eq!(asked.status.as_u16(), 200, "{}", String::from_utf8_lossy(&asked.body));
    let done = browser.submit("/admin/act", &[]).await;
    assert_eq!(done.status.as_u16(), 200, "{}", String::from_utf8_lossy(&done.body));
}

#[tokio::test(start_paused = true)]
async fn a_group_of_failures_is_retried_and_the_page_says_how_many() {
    let api = Api::new();
    let buried = bury(&api, Queue::Search, 3).await;
    let mut browser = Browser::new(&api);
    browser.open("/admin/queues/search/failures").await;
    assert_eq!(browser.text(".items .line"), "it is poison");
    assert_eq!(browser.text(".items .about a"), "3 dead letters");
    assert_eq!(browser.text(".items .says a"), *buried.iter().max().unwrap(), "the newest is the example");
    press(&mut browser, 0, "redrive", &[]).await;
    assert!(browser.path.starts_with("/admin/queues/search/failures?told=redrive"), "{}", browser.path);
    assert_eq!(browser.text(".told"), "3 events are retried.");
    assert_eq!(counts(&api, Queue::Search).await, (3, 0));
    assert!(browser.all(".items li").is_empty());
}

#[tokio::test(start_paused = true)]
async fn after_an_action_on_dead_letters_the_same_part_of_the_same_list_is_shown() {
    let api = Api::new();
    bury(&api, Queue::Search, 40).await;
    let mut browser = Browser::new(&api);
    browser.open("/admin/queues/search/dead?text=alice&type=CardAddedToLibrary.v2").await;
    assert_eq!(browser.one("option[selected]").text().collect::<String>(), "CardAddedToLibrary.v2");
    let next = browser.one("a[rel=next]").attr("href").unwrap().to_owned();
    browser.open(&next).await;
    let listed = browser.all("input[name=id]").len();
    let chosen = browser.all("input[name=id]")[0].attr("value").unwrap().to_owned();
    press(&mut browser, 0, "discard", &[("id", &chosen)]).await;
    assert!(browser.path.starts_with(&next), "{} and not {next}", browser.path);
    assert_eq!(browser.text(".told"), "1 event is discarded.");
    assert_eq!(browser.all("input[name=id]").len(), listed - 1);
    assert_eq!(browser.one("#text").attr("value"), Some("alice"));
}

#[tokio::test(start_paused = true)]
async fn no_form_leads_back_to_another_site() {
    let api = Api::new();
    bury(&api, Queue::Search, 1).await;
    let mut browser = Browser::new(&api);
    for back in ["https://evil.example/", "//evil.example", "/sign-out"] {
        browser.open("/admin/queues/search/failures").await;
        let csrf = browser.all("input[name=csrf]")[0].attr("value").unwrap().to_owned();
        let fields = [("action", "redeliver"), ("queue", "search"), ("back", back), ("csrf", &csrf)];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        browser.send(post("/admin/confirm", &fields)).await;
        assert_eq!(browser.one("main form a").attr("href"), Some("/admin"), "{back}");
        browser.submit("/admin/act", &[]).await;
        assert!(browser.path.starts_with("/admin/actions"), "{back}: {}", browser.path);
    }
}

#[tokio::test(start_paused = true)]
async fn rejected_entries_are_listed_by_queue_and_shown_as_text() {
    let api = Api::new();
    api.store.reject_entry(Queue::Feeds, "<b>bold</b>", "not an event: no id").await.unwrap();
    api.store.reject_entry(Queue::Search, "nonsense", "not an event: no type").await.unwrap();
    let mut browser = Browser::new(&api);
    browser.open("/admin/rejected").await;
    let raw: Vec<String> = browser.all(".items pre").iter().map(|entry| entry.text().collect()).collect();
    assert_eq!(raw, ["nonsense", "<b>bold</b>"], "newest first");
    browser.open("/admin/rejected?queue=feeds").await;
    assert_eq!(browser.text(".items .line"), "not an event: no id");
    assert_eq!(browser.get("/admin/rejected?queue=nonsense").await.status.as_u16(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_replay_is_counted_started_watched_and_cancelled() {
    let api = Api::new();
    let bob = join(&api, "bob").await;
    for n in 0..3 {
        api.save("alice", &format!("https://example.com/{n}"), &[]).await;
    }
    let mut browser = Browser::new(&api);
    let time = "from=2000-01-01T00:00&until=2900-01-01T00:00";
    browser.open(&format!("/admin/replays?queue=search&{time}&type=&cardId=&actorId=bob")).await;
    assert_eq!(browser.text("main > p[role=status]"), "0 events would go to search again.");
    browser.open(&format!("/admin/replays?queue=search&{time}&type=&cardId=&actorId=")).await;
    assert_eq!(browser.text("main > p[role=status]"), "3 events would go to search again.");
    press(&mut browser, 0, "replay", &[]).await;
    assert!(browser.path.starts_with("/admin/replays?told=replay"), "{}", browser.path);
    assert_eq!(browser.text(".items .tag"), "Waiting");
    assert!(browser.text(".items .about").contains("0 of 3 events"), "{}", browser.text(".items .about"));
    press(&mut browser, 0, "cancel-replay", &[]).await;
    assert_eq!(
        (browser.text(".told"), browser.text(".items .tag")),
        ("The replay is cancelled.".into(), "Cancelled".into())
    );
    assert!(api.store.replays(1).await.unwrap()[0].is_cancelled);
    for wrong in ["queue=search&from=&until=2000-01-01", "queue=analytics&from=2000-01-01&until=2001-01-01&actorId=bob"]
    {
        assert_eq!(browser.get(&format!("/admin/replays?{wrong}")).await.status.as_u16(), 422, "{wrong}");
        assert_eq!(browser.all(".wrong").len(), 1, "{wrong}");
    }
    assert!(!bob.is_empty());
}
