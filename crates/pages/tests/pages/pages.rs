//! The pages: headers, structure, and what people do with them without scripts.

use std::collections::BTreeSet;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::browser::{Browser, HOST, post};
use cardwire_apptest::harness::{Api, request};
use cardwire_apptest::people::{PASSWORD, with_accounts};

#[tokio::test(start_paused = true)]
async fn everything_a_person_does_works_without_scripts() {
    let api = with_accounts();
    let mut alice = Browser::new(&api);
    alice.open("/").await;
    assert!(alice.all("form.save").is_empty(), "nobody is signed in");
    alice.open("/library").await;
    assert_eq!(alice.path, "/sign-in?next=%2Flibrary", "Sign in first.");

    alice.open("/sign-up").await;
    alice.submit("/sign-up", &[("handle", "alice"), ("password", PASSWORD)]).await;
    assert_eq!((alice.path.as_str(), alice.text(".who a").as_str()), ("/", "alice"));
    alice.open("/collections").await;
    alice.submit("/collections", &[("name", "Reading"), ("description", "Long ones")]).await;
    assert_eq!(alice.text("h1"), "Reading");
    assert!(alice.text("main").contains("Everyone can see it · Only you and collaborators can add"));
    let collection = alice.path.strip_prefix("/collections/").unwrap().to_owned();

    alice.open("/").await;
    assert!(alice.text("form.save fieldset.collections").contains("Reading"));
    let fields = [("url", "https://example.com/a?utm_source=x"), ("note", "worth it"), ("collection", &collection)];
    alice.submit("/library", &fields).await;
    assert_eq!(alice.path, "/library?told=saved");
    assert_eq!(alice.text(".told"), "Saved.");
    assert_eq!(alice.text(".items .note"), "worth it");
    assert!(alice.text(".items .pending").contains("reading the page"));
    alice.submit("/library", &[("url", "https://example.com/a")]).await;
    assert_eq!(alice.path, "/library?told=again");
    assert_eq!(alice.all(".items > li").len(), 1, "no second card");
    assert_eq!(alice.text(".items .note"), "worth it", "an empty box drops no note");
    api.deliver().await;
    alice.open("/").await;
    let item = alice.text("#feed .group");
    assert!(item.contains("alice saved 1 link") && item.contains("in Reading"), "{item}");

    alice.open("/library?q=WORTH").await;
    let edit = alice.one(".items a[href^='/cards/']").attr("href").unwrap().to_owned();
    alice.open("/library?q=absent").await;
    assert!(alice.all(".items > li").is_empty());
    alice.open("/library?uncollected=true").await;
    assert!(alice.all(".items > li").is_empty(), "it is in a collection");
    alice.open(&edit).await;
    let kept: Vec<(String, String)> = alice.form(&edit).into_iter().filter(|(name, _)| name != "collection").collect();
    assert!(kept.iter().any(|(name, value)| name == "note" && value == "worth it"));
    alice.send(post(&edit, &[kept, vec![]].concat())).await;
    alice.open("/library?uncollected=true").await;
    assert_eq!(alice.all(".items > li").len(), 1, "unticked, it left the collection");

    let asked = is_asked(&mut alice, &format!("{edit}/remove"), &[], "Remove this link?").await;
    assert!(asked.contains("example.com/a") && asked.contains("your note on it is deleted"), "{asked}");
    let back = alice.one("main form a").attr("href").unwrap().to_owned();
    let remove = alice.path.clone();
    alice.open(&back).await;
    assert_eq!(alice.text("#note"), "worth it", "it is still there");
    is_asked(&mut alice, &remove, &[], "Remove this link?").await;
    alice.submit(&remove, &[]).await;
    assert_eq!(alice.text(".told"), "Removed.");
    assert!(alice.all(".items > li").is_empty());

    alice.open("/account").await;
    alice.submit("/sign-out", &[]).await;
    assert!(!alice.cookies.contains_key("__Host-session"));
    alice.open("/collections").await;
    assert_eq!(alice.text("h1"), "Sign in");
    alice.submit("/sign-in", &[("handle", "ALICE"), ("password", PASSWORD)]).await;
    assert_eq!(alice.path, "/collections", "back where they wanted to go");
    assert_eq!(alice.text(".items .line"), "Reading");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_removed_twice_is_gone_the_second_time() {
    let api = Api::new();
    let card = api.save("alice", "https://example.com/secret", &[]).await;
    let mut alice = Browser::of(&api, "alice");
    alice.open("/library").await;
    let remove = format!("/cards/{card}/remove");
    let fields = [alice.form(&remove), vec![("sure".to_owned(), "true".to_owned())]].concat();
    alice.send(post(&remove, &fields)).await;
    assert_eq!(alice.text(".told"), "Removed.");
    let before = api.owed().await;
    let again = alice.send(post(&remove, &fields)).await;
    assert_eq!((again.status.as_u16(), alice.text("h1").as_str()), (404, "Not found"));
    assert!(!alice.text("main").contains("secret"), "{}", alice.text("main"));
    assert_eq!(api.owed().await, before, "nothing was done twice");
    alice.open("/library").await;
    assert!(alice.all(".items > li").is_empty());
}

/// Without a script, this form is answered with a page that asks once more; tells what it says.
async fn is_asked(browser: &mut Browser<'_>, action: &str, filled: &[(&str, &str)], question: &str) -> String {
    let answer = browser.submit(action, filled).await;
    assert_eq!((answer.status.as_u16(), browser.text("h1").as_str()), (200, question));
    browser.text("main")
}

#[tokio::test(start_paused = true)]
async fn collections_are_opened_shared_and_deleted() {
    let api = with_accounts();
    let mut alice = Browser::new(&api);
    let mut bob = Browser::new(&api);
    for (browser, handle) in [(&mut alice, "alice"), (&mut bob, "bob")] {
        browser.open("/sign-up").await;
        browser.submit("/sign-up", &[("handle", handle), ("password", PASSWORD)]).await;
        assert_eq!(browser.text(".who a"), handle);
    }
    alice.open("/collections").await;
    alice.submit("/collections", &[("name", "Ours")]).await;
    let path = alice.path.clone();
    let id = path.strip_prefix("/collections/").unwrap().to_owned();

    bob.open(&path).await;
    assert!(bob.all("main form").is_empty(), "it is closed to him");
    bob.open(&format!("/save?url=https://example.com/b&collection={id}")).await;
    let answer = bob.submit("/library", &[]).await;
    assert_eq!(answer.status.as_u16(), 403);
    assert!(bob.text("form.save .wrong").contains("Only the author and the collaborators"));
    assert_eq!(bob.one("input#url").attr("value"), Some("https://example.com/b"), "what was typed is kept");

    let people = format!("{path}/collaborators");
    let answer = alice.submit(&people, &[("people", "bob\nnobody-like-that")]).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert_eq!(alice.text("#people-wrong"), "No account has the handle nobody-like-that.");
    assert_eq!(alice.text("textarea#people"), "bob\nnobody-like-that");
    // The pages take what is no handle for a DID, which nobody need have.
    let answer = alice.submit(&people, &[("people", "did:plc:nobody")]).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert!(alice.text("#people-wrong").contains("No account has the id did:plc:nobody."));
    alice.submit(&people, &[("people", "@Bob\n")]).await;
    bob.open("/collections").await;
    bob.submit(&format!("{path}/accept"), &[]).await;
    alice.open(&path).await;
    assert!(alice.text("main").contains("by alice, with bob"));
    assert_eq!(alice.text("textarea#people"), "bob");

    bob.open(&format!("/save?url=https://example.com/b&collection={id}")).await;
    bob.submit("/library", &[]).await;
    bob.open(&path).await;
    assert_eq!(bob.text(".items .title"), "example.com/b");
    alice.open(&path).await;
    let remove = format!("{path}/remove-link");
    is_asked(&mut alice, &remove, &[], "Remove this link from the collection?").await;
    alice.submit(&remove, &[]).await;
    assert_eq!(alice.path, path);
    assert!(alice.all(".items > li").is_empty());
    alice.submit(&path, &[("name", "Everybody's"), ("access", "OPEN")]).await;
    assert_eq!(alice.text("h1"), "Everybody's");
    assert!(alice.text("main").contains("Anyone can add"));
    let delete = format!("{path}/delete");
    assert!(is_asked(&mut alice, &delete, &[], "Delete this collection?").await.contains("Everybody's"));
    alice.open(&path).await;
    // As the page's own script sends it, once it has asked.
    alice.submit(&delete, &[("sure", "true")]).await;
    assert_eq!(alice.path, "/collections");
    assert_eq!(alice.get(&path).await.status.as_u16(), 404);
    assert_eq!(alice.text("h1"), "Not found");
}

#[tokio::test(start_paused = true)]
async fn every_page_is_sound_and_carries_the_policy() {
    let api = Api::new();
    let collection = api.collection("alice", "Reading").await;
    let card = api.save("alice", "https://example.com/a", &[&collection]).await;
    api.deliver().await;
    let paths = [
        "/".to_owned(),
        "/?actor=did:plc:alice".into(),
        "/library".into(),
        "/save".into(),
        format!("/cards/{card}"),
        "/collections".into(),
        format!("/collections/{collection}"),
        "/@alice".into(),
        "/@alice/collections".into(),
        "/collections/all".into(),
        "/url".into(),
        "/url?u=https://example.com/a".into(),
        "/url?u=nonsense".into(),
        "/save-from-anywhere".into(),
        format!("/saved?card={card}"),
        "/search".into(),
        "/search?q=example&type=article&mine=true".into(),
        "/trends".into(),
        "/trends?days=90".into(),
        "/account".into(),
        "/account/password".into(),
        "/account/sessions".into(),
        "/account/tokens".into(),
        "/account/atproto".into(),
        "/sign-in/atproto".into(),
        "/reset-password?token=nonsense".into(),
        "/import".into(),
        "/sign-in".into(),
        "/nothing-here".into(),
        "/cards/nothing".into(),
    ];
    for path in paths {
        let mut alice = Browser::of(&api, "alice");
        let answer = alice.get(&path).await;
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}");
        let policy = answer.header("content-security-policy").to_owned();
        for part in [
            "default-src 'none'",
            "script-src 'self';",
            "style-src 'self';",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(alice.all("h1").len(), 1, "{path}");
        assert_eq!(alice.one("html").attr("lang"), Some("en"));
        assert!(alice.text("head > title").ends_with("· Cardwire"), "{path}");
        let ids: Vec<&str> = alice.all("[id]").iter().filter_map(|element| element.attr("id")).collect();
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{path}: an id twice in {ids:?}");
        for field in alice.all("input:not([type=hidden]), textarea, select") {
            let labelled = field.attr("id").is_some_and(|id| !alice.all(&format!("label[for={id}]")).is_empty());
            let inside = field.ancestors().filter_map(scraper::ElementRef::wrap).any(|e| e.value().name() == "label");
            assert!(labelled || inside, "{path}: {}", field.html());
        }
        for named in alice.all("[aria-describedby], [aria-labelledby]") {
            let names = named.attr("aria-describedby").or(named.attr("aria-labelledby")).unwrap();
            assert!(names.split(' ').all(|id| ids.contains(&id)), "{path}: {names}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn files_are_kept_for_good_under_a_name_that_changes_with_them() {
    let api = Api::new();
    let mut browser = Browser::new(&api);
    browser.open("/").await;
    let mut files: Vec<String> =
        browser.all("script[src]").iter().map(|script| script.attr("src").unwrap().to_owned()).collect();
    files.extend(browser.all("link[href]").iter().map(|link| link.attr("href").unwrap().to_owned()));
    // The others are made for this site.
    files.retain(|file| file.starts_with("/static/"));
    assert_eq!(files.len(), 8, "{files:?}");
    for file in files {
        let answer = api.get(&file).await;
        assert_eq!(answer.status.as_u16(), 200, "{file}");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.body.is_empty());
    }
    api.get("/static/000000000000/app.css").await.expect_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn a_card_is_looked_at_again_until_its_page_is_there_and_not_for_ever() {
    let api = Api::new();
    let card = api.save("alice", "https://example.com/a", &[]).await;
    let mut alice = Browser::of(&api, "alice");
    let mut path = "/library".to_owned();
    for looks in 0.. {
        alice.open(&path).await;
        let row = alice.one(&format!("#card-{card}"));
        let Some(next) = row.attr("data-hx-get") else {
            assert_eq!(looks, 16);
            break;
        };
        assert_eq!(row.attr("data-hx-swap"), Some("outerHTML"));
        path = next.to_owned();
    }
}

#[tokio::test(start_paused = true)]
async fn lists_go_on_where_the_page_ends() {
    let api = Api::new();
    for n in 0..65 {
        api.save("alice", &format!("https://example.com/{n:02}"), &[]).await;
    }
    api.deliver().await;
    for (start, title) in
        [("/", "#feed .title"), ("/library?q=example", ".items .title"), ("/search?q=example", "#hits .title")]
    {
        let mut alice = Browser::of(&api, "alice");
        let mut titles = Vec::new();
        let mut path = start.to_owned();
        for _ in 0..5 {
            alice.open(&path).await;
            titles.extend(alice.all(title).iter().map(|title| title.text().collect::<String>()));
            match alice.all("a[rel=next]").first() {
                Some(next) => path = next.attr("href").unwrap().to_owned(),
                None => break,
            }
        }
        assert_eq!(titles.len(), 65, "{start}");
        assert_eq!(titles.iter().collect::<BTreeSet<_>>().len(), 65, "{start}");
    }
}

#[tokio::test(start_paused = true)]
async fn trends_are_drawn_and_told_as_a_table() {
    let api = Api::new();
    for person in ["alice", "bob"] {
        api.save(person, "https://example.com/a", &[]).await;
    }
    api.deliver().await;
    let mut browser = Browser::new(&api);
    browser.open("/trends?days=7").await;
    assert_eq!(browser.all("svg[role=img] > title").len(), 2);
    assert_eq!(browser.all("svg rect").len(), 14);
    let last = browser.all("section table tbody tr");
    let cells: Vec<String> = last[6].text().map(str::to_owned).collect();
    assert_eq!(cells.last().map(String::as_str), Some("2"), "today's saves: {cells:?}");
    assert!(browser.text("main").contains("2 saves"));
    assert!(browser.text("#saves-desc").starts_with("2 in all. Most on "), "{}", browser.text("#saves-desc"));
    assert!(!browser.text("#curators-desc").contains("in all"), "one person may be in each bar");
    assert!(browser.text("#main").contains("example.com"));
    assert!(browser.all("svg.chart[viewBox]").is_empty(), "texts do not shrink with the chart");
    for (days, per_chart) in [(7, 7), (30, 5), (90, 5)] {
        browser.open(&format!("/trends?days={days}")).await;
        let today = browser.all("section table tbody th")[days - 1].text().collect::<String>();
        let ticks = browser.all("svg.chart text:not([x='-4'])");
        assert_eq!(ticks.len(), 2 * per_chart, "{days} days");
        let last = ticks[per_chart - 1];
        assert_eq!(last.text().collect::<String>(), today[5..], "{days} days");
        let whole = if days == 7 { "middle" } else { "end" };
        assert_eq!(last.attr("text-anchor"), Some(whole), "it does not stick out");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_title_is_cut_in_the_window_s_title_only() {
    let api = Api::new();
    let long = format!("example.com/{}", "ü0".repeat(500));
    let card = api.save("alice", &format!("https://{long}"), &[]).await;
    let mut alice = Browser::of(&api, "alice");
    alice.open(&format!("/cards/{card}")).await;
    let title = alice.text("head > title");
    assert!(title.starts_with("example.com/ü0") && title.chars().count() < 100, "{title}");
    assert_eq!(alice.text("h1"), long);
}

#[tokio::test(start_paused = true)]
async fn programs_are_answered_as_before() {
    let api = Api::new();
    for path in ["/library", "/nothing-here", "/cards/x"] {
        let answer = api.send(TestRequest::get().uri(path).insert_header(("accept", "*/*"))).await;
        assert!(answer.status.is_client_error() || answer.status.is_success(), "{path}");
        if answer.status.is_client_error() {
            assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        }
    }
    let page = TestRequest::get().uri("/api/nothing").insert_header(("accept", "text/html"));
    api.send(page).await.expect_problem(404, "not-found");
    let not_there = request("alice", Method::PUT, "/library", None).insert_header(("host", HOST));
    api.send(not_there).await.expect_problem(405, "method-not-allowed");
}
