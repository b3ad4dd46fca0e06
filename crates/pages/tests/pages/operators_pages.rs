//! The pages of administrators: drawn whole, each action in two steps, nothing for anybody else.

use std::time::Duration;

use cardwire_apptest::browser::{Browser, post};
use cardwire_apptest::harness::{Answer, Api};
use cardwire_apptest::operators::sample;
use cardwire_apptest::operators::{bury, counts, open_windows};
use cardwire_events::{EventLog, Operator as _, Queue};

/// What it holds, once it is drawn whole.
fn drawn(browser: &Browser<'_>, answer: &Answer) -> String {
    let path = &browser.path;
    let body = String::from_utf8(answer.body.clone()).unwrap();
    assert_eq!(answer.status, 200, "{path}: {body}");
    assert!(answer.header("content-type").starts_with("text/html"), "{path}");
    assert!(answer.header("content-security-policy").contains("script-src 'self'"), "{path}");
    assert!(body.contains("</html>"), "{path}: {body}");
    assert!(!body.contains(" style=") && !body.contains("<script>"), "{path}: nothing inline");
    // A form ends the paragraph that it stands in, and leaves an empty one behind.
    assert!(browser.all("p:empty:not(#told)").is_empty(), "{path}: {body}");
    for region in browser.all(".scroll") {
        let can_be_scrolled_by_key = region.attr("tabindex") == Some("0");
        assert!(can_be_scrolled_by_key && region.attr("role") == Some("region"), "{path}: {}", region.html());
        assert!(region.attr("aria-label").is_some(), "{path}: {}", region.html());
    }
    body
}

async fn page(browser: &mut Browser<'_>, path: &str) -> String {
    let answer = browser.get(path).await;
    drawn(browser, &answer)
}

/// A form with these fields, and a good token unless it is among them.
async fn ask(browser: &mut Browser<'_>, path: &str, fields: &[(&str, &str)]) -> Answer {
    browser.open("/library").await;
    let token = browser.form("/library").into_iter().filter(|(name, _)| name == "csrf");
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let fields: Vec<_> = fields.chain(token).collect();
    browser.path = path.to_owned();
    browser.send(post(path, &fields)).await
}

/// Both steps; tells what the first one said.
async fn confirmed(browser: &mut Browser<'_>, fields: &[(&str, &str)]) -> String {
    let asked = ask(browser, "/admin/confirm", fields).await;
    let said = drawn(browser, &asked);
    let mut form = browser.form("/admin/act");
    if let Some((_, reason)) = fields.iter().find(|(name, _)| *name == "reason") {
        form.iter_mut().filter(|(name, _)| name == "reason").for_each(|(_, value)| (*reason).clone_into(value));
    }
    for _ in 0..2 {
        let done = browser.send(post("/admin/act", &form)).await;
        let told = format!("/admin/actions?told={}", fields[0].1);
        assert_eq!((done.status.as_u16(), &browser.path), (200, &told), "sent twice, too");
        assert_eq!(browser.one(".told").attr("role"), Some("status"), "{fields:?}");
    }
    said
}

#[tokio::test(start_paused = true)]
async fn pages_show_what_is_where() {
    let api = Api::new();
    let id = bury(&api, Queue::Search, 1).await.remove(0);
    let key = open_windows(&api).await.remove(0);
    let mut browser = Browser::new(&api);
    let overview = page(&mut browser, "/admin").await;
    for part in
        ["feeds", "search", "analytics", "records", "Workers", "Rebuild the search index", "/admin/queues/search/dead"]
    {
        assert!(overview.contains(part), "{part} is missing: {overview}");
    }
    assert!(page(&mut browser, "/admin/queues/search?minutes=360").await.contains("Nothing was measured"));
    let dead = page(&mut browser, "/admin/queues/search/dead?type=&text=ALICE&error=").await;
    assert!(dead.contains(&id) && dead.contains("1 dead letter found"), "{dead}");
    assert!(page(&mut browser, "/admin/queues/search/dead?text=bob").await.contains("0 dead letters found"));
    let letter = page(&mut browser, &format!("/admin/queues/search/dead/{id}")).await;
    assert!(letter.contains("it is poison") && letter.contains("died") && letter.contains("specversion"), "{letter}");
    let windows = page(&mut browser, "/admin/windows").await;
    let open = api.state.operations.saga.open(None, 100).await.unwrap();
    let members: Vec<String> =
        open.iter().flat_map(|window| window.pending.members.keys()).map(ToString::to_string).collect();
    assert!(!members.is_empty() && members.iter().all(|id| windows.contains(id)), "{windows}");
    assert!(windows.contains(&key));
    assert!(page(&mut browser, "/admin/actions").await.contains("No actions yet"));
    for nothing in ["/admin/queues/nonsense", "/admin/queues/search/dead/nonsense", "/admin/nonsense"] {
        assert_eq!(browser.get(nothing).await.status, 404, "{nothing}");
    }
}

#[tokio::test(start_paused = true)]
async fn figures_that_are_not_known_are_left_out() {
    let api = Api::new();
    for waiting in [Some(4), None] {
        sample(&api, waiting).await;
        tokio::time::advance(Duration::from_secs(60)).await;
    }
    let mut browser = Browser::new(&api);
    page(&mut browser, "/admin/queues/search").await;
    let titles: Vec<String> = browser.all("section h2").iter().map(|title| title.text().collect()).collect();
    assert_eq!(titles.len(), 10, "{titles:?}");
    // Waiting and workers of the second point, processed and failed attempts of the first, and how long events took of both.
    assert_eq!(browser.all("svg rect").len(), 2 * titles.len() - 4 - 4);
    let cells: Vec<String> = browser.all("tbody td").iter().map(|cell| cell.text().collect()).collect();
    let newest_first =
        [["7", "11", "", "1", "30", "2", "5", "", "", ""], ["7", "11", "4", "1", "", "", "5", "", "", "4"]];
    assert_eq!(cells, newest_first.concat());
}

#[tokio::test(start_paused = true)]
async fn each_action_is_asked_for_again_then_done_once() {
    let api = Api::new();
    let buried = bury(&api, Queue::Search, 4).await;
    let key = open_windows(&api).await.remove(0);
    let mut browser = Browser::new(&api);
    page(&mut browser, "/admin").await;
    let search = ("queue", "search");

    let asked = ask(&mut browser, "/admin/confirm", &[("action", "pause"), search]).await;
    assert!(drawn(&browser, &asked).contains("Reason"));
    assert!(api.store.pauses().await.unwrap().is_empty(), "asking does nothing");
    confirmed(&mut browser, &[("action", "pause"), search, ("reason", "a <b>bad</b> build")]).await;
    let overview = page(&mut browser, "/admin").await;
    assert!(overview.contains("a &#60;b&#62;bad") && !overview.contains("<b>bad"), "{overview}");
    confirmed(&mut browser, &[("action", "resume"), search]).await;
    confirmed(&mut browser, &[("action", "redeliver"), search]).await;

    let ticked = [("action", "redrive"), search, ("id", buried[0].as_str()), ("id", buried[1].as_str())];
    assert!(confirmed(&mut browser, &ticked).await.contains("2 events of search"));
    assert_eq!(browser.text(".told"), "The events are retried.");
    assert_eq!(counts(&api, Queue::Search).await, (2, 2));
    let found = [("action", "discard"), search, ("all", "true"), ("text", buried[2].as_str()), ("type", "")];
    assert!(confirmed(&mut browser, &found).await.contains("1 event will never take effect in search"));
    assert!(confirmed(&mut browser, &[("action", "discard"), search, ("all", "true")]).await.contains("1 event "));
    assert_eq!(counts(&api, Queue::Search).await, (2, 0));
    confirmed(&mut browser, &[("action", "flush"), ("key", key.as_str())]).await;
    confirmed(&mut browser, &[("action", "rebuild"), ("queue", "")]).await;

    let entries = api.store.audit(None, 100).await.unwrap();
    let mut done: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
    done.reverse();
    let expected = [
        "queue.pause",
        "queue.resume",
        "queue.redeliver",
        "dead-letters.redrive",
        "dead-letters.discard",
        "dead-letters.discard",
        "saga.flush",
        "search.rebuild",
    ];
    assert_eq!(done, expected, "each once, although its form was sent twice");
    let actions = page(&mut browser, "/admin/actions").await;
    assert!(expected.iter().all(|action| actions.contains(action)), "{actions}");

    for refused in [vec![("action", "redrive"), search], vec![("action", "nonsense")], vec![]] {
        assert_eq!(ask(&mut browser, "/admin/confirm", &refused).await.status, 422, "{refused:?}");
    }
    let unconfirmed = ask(&mut browser, "/admin/act", &[("action", "pause"), search]).await;
    assert_eq!(unconfirmed.status, 422);
    let fields = [("action", "pause"), search, ("once", "x"), ("csrf", "stolen")];
    assert_eq!(ask(&mut browser, "/admin/act", &fields).await.status, 403, "without its token");
    assert!(api.store.pauses().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn when_no_dead_letter_is_ticked_the_same_list_says_so() {
    let api = Api::new();
    let buried = bury(&api, Queue::Search, 40).await;
    let mut browser = Browser::new(&api);
    page(&mut browser, "/admin/queues/search/dead?text=alice").await;
    let next = browser.one("a[rel=next]").attr("href").unwrap().to_owned();
    page(&mut browser, &next).await;
    let shown = |browser: &Browser<'_>| -> Vec<String> {
        browser.all("input[name=id]").iter().map(|box_| box_.attr("value").unwrap().to_owned()).collect()
    };
    let listed = shown(&browser);
    assert_eq!(listed.len(), 10);
    let form = browser.all("main form[action='/admin/confirm']")[0];
    let hidden = form.select(&scraper::Selector::parse("input[type=hidden]").unwrap()).collect::<Vec<_>>();
    let mut fields: Vec<(String, String)> = hidden
        .iter()
        .map(|field| (field.attr("name").unwrap().to_owned(), field.attr("value").unwrap().to_owned()))
        .collect();
    fields.push(("action".into(), "redrive".into()));
    let answer = browser.send(post("/admin/confirm", &fields)).await;
    assert_eq!(answer.status, 422);
    assert_eq!(browser.text("form #id-wrong"), "Select at least one dead letter first.");
    assert_eq!((shown(&browser), browser.one("#text").attr("value")), (listed.clone(), Some("alice")));
    fields.push(("id".into(), listed[0].clone()));
    let answer = browser.send(post("/admin/confirm", &fields)).await;
    assert!(drawn(&browser, &answer).contains("1 event of search will be retried"));
    let act = browser.form("/admin/act");
    browser.send(post("/admin/act", &act)).await;
    assert_eq!(counts(&api, Queue::Search).await, (1, buried.len() as u64 - 1), "the filter changes nothing");
}

#[tokio::test(start_paused = true)]
async fn nobody_else_sees_or_does_anything() {
    let api = Api::new();
    bury(&api, Queue::Search, 1).await;
    let mut alice = Browser::of(&api, "alice");
    page(&mut alice, "/library").await;
    for path in [
        "/admin",
        "/admin/queues/search",
        "/admin/queues/search/dead",
        "/admin/queues/search/failures",
        "/admin/rejected",
        "/admin/replays",
        "/admin/records",
        "/admin/windows",
        "/admin/actions",
        "/admin/workers",
        "/admin/find",
    ] {
        let answer = alice.get(path).await;
        assert_eq!(answer.status, 403, "{path}");
    }
    let fields = [("action", "discard"), ("queue", "search"), ("all", "true"), ("once", "x")];
    for path in ["/admin/confirm", "/admin/act"] {
        assert_eq!(ask(&mut alice, path, &fields).await.status, 403, "{path}");
    }
    assert_eq!(counts(&api, Queue::Search).await, (0, 1));
    assert_eq!(api.store.backlog().await.unwrap().len(), Queue::ALL.len());
}
