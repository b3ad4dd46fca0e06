//! What people and pages wrote is text on every page, whatever it looks like.

use cardwire_apptest::browser::{Browser, HOST, post};
use cardwire_apptest::harness::Api;
use cardwire_apptest::operators::{ADMIN, QUEUES, dead};
use cardwire_domain::UserId;
use cardwire_domain::accounts::{Account, AccountRepository, Admission};
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{FetchFailure, FetchPolicy, Metadata, PageKind, PageRepository};
use cardwire_domain::user::User;
use cardwire_events::{EventLog as _, Failure, Queue, QueueSettings, Verdict};
use serde_json::json;

const SCRIPT: &str = "</title></textarea><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}";
/// [`URL`], as it is stored.
const STORED: &str = "https://example.com/%22%3E%3Cscript%3Ealert(1)%3C/script%3E'onmouseover='alert(1)";
const URL: &str = "https://example.com/\"><script>alert(1)</script>'onmouseover='alert(1)";

/// What a browser would make of the page holds nothing that runs, and leads nowhere but to web pages.
fn is_harmless(browser: &Browser<'_>) {
    let path = &browser.path;
    for script in browser.all("script") {
        let src = script.attr("src").unwrap_or_default();
        assert!(src.starts_with("/static/"), "{path}: {}", script.html());
        assert_eq!(script.text().collect::<String>().trim(), "", "{path}");
    }
    assert!(
        browser.all("style, [style], base, iframe, object, embed, img:not([src^='/static/'])").is_empty(),
        "{path}"
    );
    for element in browser.all("*") {
        for (name, value) in element.value().attrs() {
            assert!(!name.starts_with("on"), "{path}: {}", element.html());
            let leads = ["href", "src", "action", "formaction", "data-hx-get", "data-hx-post"].contains(&name);
            let allowed = ["/", "http://", "https://", "#"].iter().any(|start| value.starts_with(start));
            let is_bookmarklet = element.attr("class") == Some("bookmarklet");
            assert!(!leads || allowed || is_bookmarklet, "{path}: {}", element.html());
        }
    }
    let left: Vec<_> = browser.all("link").iter().filter_map(|link| link.attr("href")).map(str::to_owned).collect();
    let site = format!("https://{HOST}/");
    assert!(left.iter().all(|href| href.starts_with('/') || href.starts_with(&site)), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn script_in_anything_is_shown_as_text_on_every_page() {
    let api = Api::new();
    let mallory = UserId::parse("did:plc:mallory").unwrap();
    // A handle that no sign-up would take: as if somebody had got it into the database.
    let user = User { id: mallory, handle: SCRIPT.into() };
    let account = Account { user, password_hash: String::new() };
    api.store.create_account(&account, &Admission::Open).await.unwrap();
    let body = json!({ "name": SCRIPT, "description": SCRIPT, "accessType": "OPEN" });
    let collection = api.post("mallory", "/api/collections", body).await.expect(201)["id"].as_str().unwrap().to_owned();
    let mut cards = Vec::new();
    for url in [URL, "https://example.org/failed<script>alert(1)</script>", "https://example.net/pending"] {
        let body = json!({ "url": url, "note": SCRIPT, "collectionIds": [collection] });
        let saved = api.post("mallory", "/api/cards/library/urls", body).await.expect(201);
        cards.push(saved["urlCardId"].as_str().unwrap().to_owned());
    }
    api.deliver().await;
    let policy = FetchPolicy::default();
    for job in api.store.lease_fetches(&FetchRoom::idle(10), &policy).await.unwrap() {
        let text = || Some(SCRIPT.to_owned());
        let metadata = Metadata {
            title: text(),
            description: text(),
            image: Some("https://example.com/x.png".into()),
            icon: None,
            site_name: text(),
            author: text(),
            kind: Some(PageKind::Article),
            language: text(),
        };
        let outcome = match job.host.as_str() {
            "example.com" => Ok(metadata),
            "example.org" => Err(FetchFailure::passing(SCRIPT)),
            _ => continue,
        };
        assert!(api.store.finish_fetch(&job, &outcome, &policy).await.unwrap());
    }

    let word = "alert";
    let paths = [
        "/".to_owned(),
        "/?actor=did:plc:mallory".into(),
        "/library".into(),
        format!("/library?q={word}"),
        "/library?q=%3C%2Ftitle%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%3E".into(),
        format!("/cards/{}", cards[0]),
        format!("/cards/{}", cards[1]),
        format!("/cards/{}", cards[2]),
        format!("/cards/{}/row?look=1", cards[0]),
        format!("/cards/{}/body?look=1", cards[0]),
        "/collections".into(),
        format!("/collections/{collection}"),
        "/collections/all".into(),
        "/url?u=https%3A%2F%2Fexample.com%2F%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E".into(),
        "/save-from-anywhere".into(),
        format!("/search?q={word}"),
        "/search?q=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E".into(),
        "/trends".into(),
        "/account".into(),
        "/save?url=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E&note=%3C%2Ftextarea%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E"
            .into(),
        "/sign-in?next=%22%3E%3Cscript%3E".into(),
    ];
    for person in ["mallory", "bob"] {
        let mut browser = Browser::of(&api, person);
        for path in &paths {
            browser.open(path).await;
            is_harmless(&browser);
        }
    }
    let mut browser = Browser::of(&api, "mallory");
    let shown = |browser: &Browser<'_>, selector: &str| browser.text(selector);
    browser.open(&format!("/cards/{}", cards[0])).await;
    assert_eq!(shown(&browser, "h1"), SCRIPT);
    assert_eq!(shown(&browser, ".item .note"), SCRIPT);
    assert_eq!(shown(&browser, ".says"), SCRIPT);
    assert_eq!(shown(&browser, "textarea#note"), SCRIPT);
    assert_eq!(browser.one(".item a.title").attr("href"), Some(STORED));
    assert!(browser.all(".facts dd").iter().any(|fact| fact.text().collect::<String>() == SCRIPT));
    browser.open(&format!("/cards/{}", cards[1])).await;
    assert_eq!(shown(&browser, ".facts dd"), SCRIPT, "why its page could not be read");
    browser.open(&format!("/collections/{collection}")).await;
    assert!(shown(&browser, "h1").starts_with(SCRIPT));
    assert_eq!(browser.one("input#name").attr("value"), Some(SCRIPT));
    browser.open("/").await;
    let actors: Vec<String> = browser.all("#feed .actor").iter().map(|actor| actor.text().collect()).collect();
    assert_eq!(actors, [SCRIPT]);
    assert_eq!(browser.all("#feed .item").len(), 3);
    browser.open("/search?q=alert").await;
    let marks: Vec<String> = browser.all("#hits mark").iter().map(|mark| mark.text().collect()).collect();
    // The second is of an address, which is shown as it is encoded.
    assert!(marks.iter().all(|mark| mark == "alert" || mark == "3Ealert"), "{marks:?}");
    let title: String = browser.all("#hits .title").into_iter().map(|title| title.text().collect::<String>()).collect();
    assert!(title.contains(SCRIPT), "{title}");
    // Refused forms tell what was typed, as text.
    browser.open("/library").await;
    let answer = browser.submit("/library", &[("url", SCRIPT), ("note", SCRIPT)]).await;
    assert_eq!(answer.status.as_u16(), 422);
    is_harmless(&browser);
    assert_eq!(browser.one("input#url").attr("value"), Some(SCRIPT));
    assert_eq!(shown(&browser, "textarea#note"), SCRIPT);
    // So do pages about what is not there.
    let answer = browser.get("/collections/%3Cscript%3Ealert(1)%3C%2Fscript%3E").await;
    assert_eq!(answer.status.as_u16(), 404);
    is_harmless(&browser);
    assert!(shown(&browser, "main").contains("<script>alert(1)</script>"));
}

#[tokio::test(start_paused = true)]
async fn script_in_what_died_and_what_was_done_is_shown_as_text_to_operators() {
    let api = Api::new();
    api.save("alice", "https://example.com/", &[]).await;
    let owed = api.store.lease(Queue::Search, 1, None).await.unwrap().events.remove(0);
    let failure = Failure { event_id: owed.envelope.id, error: SCRIPT.into(), verdict: Verdict::Reject };
    api.store.fail(Queue::Search, &[failure], &QueueSettings::of(Queue::Search)).await.unwrap();
    api.post(ADMIN, &format!("{QUEUES}/search/pause"), json!({ "reason": SCRIPT })).await.expect(200);
    let nothing = json!({ "matching": { "text": SCRIPT } });
    api.post(ADMIN, &format!("{}/redrive", dead(Queue::Search)), nothing).await.expect(200);
    let encoded = percent_encoding::utf8_percent_encode(SCRIPT, percent_encoding::NON_ALPHANUMERIC);
    let mut browser = Browser::of(&api, ADMIN);
    let list = "/admin/queues/search/dead";
    for (path, selector, times) in [
        ("/admin".to_owned(), ".told", 1),
        ("/admin/queues/search".into(), ".told", 1),
        (list.into(), ".says", 1),
        (format!("{list}/{}", owed.envelope.id), ".facts dd, ol li", 2),
        ("/admin/actions".into(), "td", 2),
        ("/admin/windows".into(), "nothing", 0),
    ] {
        browser.open(&path).await;
        is_harmless(&browser);
        // In JSON quotes are escaped.
        let whole = |text: String| text.replace("\\\"", "\"").contains(SCRIPT);
        let shown = browser.all(selector).into_iter().filter(|element| whole(element.text().collect())).count();
        assert_eq!(shown, times, "{path}");
    }
    browser.open(&format!("{list}?type={encoded}&text={encoded}&error={encoded}")).await;
    is_harmless(&browser);
    for field in ["text", "error"] {
        assert_eq!(browser.one(&format!("#{field}")).attr("value"), Some(SCRIPT));
    }
    let confirm = [("action", "redrive"), ("queue", "search"), ("all", "true"), ("error", SCRIPT)];
    browser.open("/library").await;
    let mut fields: Vec<(String, String)> =
        browser.form("/library").into_iter().filter(|(name, _)| name == "csrf").collect();
    fields.extend(confirm.map(|(name, value)| (name.to_owned(), value.to_owned())));
    browser.path = "/admin/confirm".into();
    assert_eq!(browser.send(post("/admin/confirm", &fields)).await.status.as_u16(), 200);
    is_harmless(&browser);
    assert_eq!(browser.one("input[name=error]").attr("value"), Some(SCRIPT));
    assert!(browser.text("h1 + p").starts_with("1 event of search will be retried"));
}
