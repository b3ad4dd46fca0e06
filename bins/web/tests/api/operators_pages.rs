//! The pages of administrators: drawn whole, each action in two steps, nothing for anybody else.

use std::time::Duration;

use actix_web::test::TestRequest;
use cardwire_events::{EventLog, Operator as _, Queue};
use scraper::{ElementRef, Html, Selector};

use crate::admin::{bury, counts, open_windows};
use crate::harness::{Answer, Api};
use crate::operators::sample;

const HOST: &str = "localhost:8080";

/// Somebody with a browser. With mock authentication who is not signed in is the administrator.
struct Browser<'a> {
    api: &'a Api,
    cookie: String,
    /// Of the last page.
    token: String,
}

impl<'a> Browser<'a> {
    fn new(api: &'a Api) -> Self {
        Self { api, cookie: String::new(), token: String::new() }
    }

    fn signed_in(api: &'a Api, person: &str) -> Self {
        Self { cookie: format!("session=did:plc:{person}"), ..Self::new(api) }
    }

    async fn send(&mut self, request: TestRequest) -> Answer {
        let request = request.insert_header(("host", HOST)).insert_header(("accept", "text/html"));
        let answer = self.api.send(request.insert_header(("cookie", self.cookie.clone()))).await;
        if let Some((visitor, _)) = answer.header("set-cookie").split_once(';') {
            self.cookie = format!("{}; {visitor}", self.cookie);
        }
        answer
    }

    /// A page, drawn whole.
    async fn page(&mut self, path: &str) -> String {
        let answer = self.send(TestRequest::get().uri(path)).await;
        self.shown(answer, path)
    }

    fn shown(&mut self, answer: Answer, path: &str) -> String {
        let body = String::from_utf8(answer.body.clone()).unwrap();
        assert_eq!(answer.status, 200, "{path}: {body}");
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
        assert!(answer.header("content-security-policy").contains("script-src 'self'"), "{path}");
        assert!(body.contains("</html>"), "{path}: {body}");
        assert!(!body.contains(" style=") && !body.contains("<script>"), "{path}: nothing inline");
        let html = Html::parse_document(&body);
        // A form ends the paragraph that it stands in, and leaves an empty one behind.
        assert!(select(&html, "p:empty:not(#told)").is_empty(), "{path}: {body}");
        for region in select(&html, ".scroll") {
            let can_be_scrolled_by_key = region.attr("tabindex") == Some("0");
            assert!(can_be_scrolled_by_key && region.attr("role") == Some("region"), "{path}: {}", region.html());
            assert!(region.attr("aria-label").is_some(), "{path}: {}", region.html());
        }
        if let Some(token) = value_of(&body, "csrf") {
            self.token = token;
        }
        body
    }

    async fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.token.clone();
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", token.as_str())]).collect();
        let request = TestRequest::post().uri(path).insert_header(("origin", format!("http://{HOST}")));
        self.send(request.set_form(fields)).await
    }

    /// Both steps; tells what the first one said.
    async fn confirmed(&mut self, fields: &[(&str, &str)]) -> String {
        let asked = self.form("/admin/confirm", fields).await;
        let page = self.shown(asked, "/admin/confirm");
        let once = value_of(&page, "once").unwrap();
        let fields: Vec<_> = fields.iter().copied().chain([("once", once.as_str())]).collect();
        for _ in 0..2 {
            let done = self.form("/admin/act", &fields).await;
            assert_eq!((done.status.as_u16(), done.header("location")), (303, "/admin/actions"), "sent twice, too");
        }
        page
    }
}

fn select<'a>(html: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    html.select(&Selector::parse(selector).unwrap()).collect()
}

/// Of the hidden field.
fn value_of(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

#[tokio::test(start_paused = true)]
async fn pages_show_what_is_where() {
    let api = Api::new();
    let id = bury(&api, Queue::Search, 1).await.remove(0);
    let key = open_windows(&api).await.remove(0);
    let mut browser = Browser::new(&api);
    let overview = browser.page("/admin").await;
    for part in ["feeds", "search", "analytics", "Workers", "Rebuild the search index", "/admin/queues/search/dead"] {
        assert!(overview.contains(part), "{part} is missing: {overview}");
    }
    assert!(browser.page("/admin/queues/search?minutes=360").await.contains("Nothing was measured"));
    let dead = browser.page("/admin/queues/search/dead?type=&text=ALICE&error=").await;
    assert!(dead.contains(&id) && dead.contains("1 dead letter found"), "{dead}");
    assert!(browser.page("/admin/queues/search/dead?text=bob").await.contains("0 dead letters found"));
    let letter = browser.page(&format!("/admin/queues/search/dead/{id}")).await;
    assert!(letter.contains("it is poison") && letter.contains("died") && letter.contains("specversion"), "{letter}");
    let windows = browser.page("/admin/windows").await;
    let open = api.state.operations.saga.open(None, 100).await.unwrap();
    let members: Vec<String> =
        open.iter().flat_map(|window| window.pending.members.keys()).map(ToString::to_string).collect();
    assert!(!members.is_empty() && members.iter().all(|id| windows.contains(id)), "{windows}");
    assert!(windows.contains(&key));
    assert!(browser.page("/admin/actions").await.contains("Nobody did anything"));
    for nothing in ["/admin/queues/nonsense", "/admin/queues/search/dead/nonsense", "/admin/nonsense"] {
        assert_eq!(browser.send(TestRequest::get().uri(nothing)).await.status, 404, "{nothing}");
    }
}

#[tokio::test(start_paused = true)]
async fn figures_that_are_not_known_are_left_out() {
    let api = Api::new();
    for waiting in [Some(4), None] {
        sample(&api, waiting).await;
        tokio::time::advance(Duration::from_secs(60)).await;
    }
    let page = Browser::new(&api).page("/admin/queues/search").await;
    let html = Html::parse_document(&page);
    let titles: Vec<String> = select(&html, "section h2").iter().map(|title| title.text().collect()).collect();
    assert_eq!(titles.len(), 8, "{titles:?}");
    // Waiting and workers of the second point, processed and failed attempts of the first.
    assert_eq!(select(&html, "svg rect").len(), 2 * titles.len() - 4);
    let cells: Vec<String> = select(&html, "tbody td").iter().map(|cell| cell.text().collect()).collect();
    let newest_first = [["7", "11", "", "1", "30", "2", "5", ""], ["7", "11", "4", "1", "", "", "5", "4"]];
    assert_eq!(cells, newest_first.concat());
}

#[tokio::test(start_paused = true)]
async fn each_action_is_asked_for_again_then_done_once() {
    let api = Api::new();
    let buried = bury(&api, Queue::Search, 4).await;
    let key = open_windows(&api).await.remove(0);
    let mut browser = Browser::new(&api);
    browser.page("/admin").await;
    let search = ("queue", "search");

    let asked = browser.form("/admin/confirm", &[("action", "pause"), search]).await;
    assert!(browser.shown(asked, "confirm").contains("Reason"));
    assert!(api.store.pauses().await.unwrap().is_empty(), "asking does nothing");
    browser.confirmed(&[("action", "pause"), search, ("reason", "a <b>bad</b> build")]).await;
    let overview = browser.page("/admin").await;
    assert!(overview.contains("a &#60;b&#62;bad") && !overview.contains("<b>bad"), "{overview}");
    browser.confirmed(&[("action", "resume"), search]).await;
    browser.confirmed(&[("action", "redeliver"), search]).await;

    let ticked = [("action", "redrive"), search, ("id", buried[0].as_str()), ("id", buried[1].as_str())];
    assert!(browser.confirmed(&ticked).await.contains("2 dead letters of search"));
    assert_eq!(counts(&api, Queue::Search).await, (2, 2));
    let found = [("action", "discard"), search, ("all", "true"), ("text", buried[2].as_str()), ("type", "")];
    assert!(browser.confirmed(&found).await.contains("1 events never take effect in search"));
    assert!(browser.confirmed(&[("action", "discard"), search, ("all", "true")]).await.contains("1 events"));
    assert_eq!(counts(&api, Queue::Search).await, (2, 0));
    browser.confirmed(&[("action", "flush"), ("key", key.as_str())]).await;
    browser.confirmed(&[("action", "rebuild"), ("queue", "")]).await;

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
    let actions = browser.page("/admin/actions").await;
    assert!(expected.iter().all(|action| actions.contains(action)), "{actions}");

    for refused in [vec![("action", "redrive"), search], vec![("action", "nonsense")], vec![]] {
        assert_eq!(browser.form("/admin/confirm", &refused).await.status, 422, "{refused:?}");
    }
    let unconfirmed = browser.form("/admin/act", &[("action", "pause"), search]).await;
    assert_eq!(unconfirmed.status, 422);
    browser.token = "stolen".into();
    let fields = [("action", "pause"), search, ("once", "x")];
    assert_eq!(browser.form("/admin/act", &fields).await.status, 403, "without its token");
    assert!(api.store.pauses().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_else_sees_or_does_anything() {
    let api = Api::new();
    bury(&api, Queue::Search, 1).await;
    let mut alice = Browser::signed_in(&api, "alice");
    alice.page("/library").await;
    for path in ["/admin", "/admin/queues/search", "/admin/queues/search/dead", "/admin/windows", "/admin/actions"] {
        let answer = alice.send(TestRequest::get().uri(path)).await;
        assert_eq!(answer.status, 403, "{path}");
    }
    let fields = [("action", "discard"), ("queue", "search"), ("all", "true"), ("once", "x")];
    for path in ["/admin/confirm", "/admin/act"] {
        assert_eq!(alice.form(path, &fields).await.status, 403, "{path}");
    }
    assert_eq!(counts(&api, Queue::Search).await, (0, 1));
    assert_eq!(api.store.backlog().await.unwrap().len(), 3);
}
