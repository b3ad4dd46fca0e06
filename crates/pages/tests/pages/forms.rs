//! Who may send a form: cookies, tokens, origins, and what is told when it is refused.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::browser::{Browser, HOST, post};
use cardwire_apptest::harness::{Api, resources};
use cardwire_apptest::people::{PASSWORD, signed_up, with_accounts};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_form_sent_twice_makes_one_collection() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    alice.open("/collections").await;
    let mut fields = alice.form("/collections");
    fields.retain(|(name, _)| name != "name");
    let named = |name: &str| [fields.clone(), vec![("name".to_owned(), name.to_owned())]].concat();
    for _ in 0..2 {
        alice.send(post("/collections", &named("Bread"))).await;
        assert!(alice.text("h1").starts_with("Bread"));
    }
    alice.send(post("/collections", &named("Cake"))).await;
    alice.open("/collections").await;
    let names: Vec<String> = alice.all(".items a.title").iter().map(|link| link.text().collect()).collect();
    assert_eq!(names, ["Cake", "Bread"], "something else is something new");
}

#[tokio::test(start_paused = true)]
async fn a_save_sent_twice_makes_one_card() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    alice.open("/library").await;
    let mut fields = alice.form("/library");
    fields.retain(|(name, _)| name != "url");
    fields.push(("url".into(), "example.com/bread".into()));
    for told in ["saved", "again"] {
        alice.send(post("/library", &fields)).await;
        assert_eq!(alice.path, format!("/library?told={told}"));
        assert_eq!(alice.text(".items .title"), "example.com/bread");
        assert_eq!(alice.one(".items a.title").attr("href"), Some("https://example.com/bread"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_break_of_a_browser_is_one_character() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    alice.open("/").await;
    // 10,000 as they were typed, 15,000 as they are sent.
    let typed = "a\n".repeat(5_000);
    let sent = typed.replace('\n', "\r\n");
    alice.submit("/library", &[("url", "https://example.com/"), ("note", &sent)]).await;
    alice.open("/library").await;
    let card = alice.one(".items a[href^='/cards/']").attr("href").unwrap().to_owned();
    alice.open(&card).await;
    assert_eq!(alice.text("textarea[name=note]"), typed.trim());
}

#[tokio::test(start_paused = true)]
async fn a_form_from_elsewhere_or_without_its_token_changes_nothing() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    let bob = signed_up(&api, "bob").await;
    alice.open("/").await;
    let token = alice.form("/library").into_iter().find(|(name, _)| name == "csrf").unwrap().1;
    let fields =
        |token: &str| vec![("url".to_owned(), "https://example.com/".to_owned()), ("csrf".into(), token.into())];
    let before = api.owed().await;
    let good = || post("/library", &fields(&token));
    let cases = [
        ("no token", "Not sent yet", post("/library", &fields(""))),
        ("a wrong token", "Not sent yet", post("/library", &fields(&format!("{token}x")))),
        ("another site", "Not allowed", good().insert_header(("origin", "https://evil.example"))),
        ("a neighbour", "Not allowed", good().insert_header(("origin", format!("https://evil.{HOST}")))),
        ("another port", "Not allowed", good().insert_header(("origin", format!("https://{HOST}:8443")))),
        ("without TLS", "Not allowed", good().insert_header(("origin", format!("http://{HOST}")))),
        ("a sandbox", "Not allowed", good().insert_header(("origin", "null"))),
    ];
    for (case, title, request) in cases {
        let answer = alice.send(request).await;
        assert_eq!(answer.status.as_u16(), 403, "{case}");
        assert_eq!(alice.text("h1"), title, "{case}");
    }
    let mut headers_only = alice.request(good());
    headers_only = headers_only.append_header(("x-checked", "1"));
    let mut without_origin = headers_only.to_request();
    without_origin.headers_mut().remove("origin");
    let service = actix_web::test::init_service(cardwire_http::app(api.state.clone(), resources)).await;
    assert_eq!(actix_web::test::call_service(&service, without_origin).await.status().as_u16(), 403, "no Origin");

    // Bob's token is of no use with Alice's session, nor hers in a browser that has only her session.
    let mut mixed = Browser::new(&api);
    mixed.cookies = bob.cookies.clone();
    mixed.cookies.insert("__Host-session".into(), alice.cookies["__Host-session"].clone());
    assert_eq!(mixed.send(good()).await.status.as_u16(), 403);
    let mut session_only = Browser::new(&api);
    session_only.cookies.insert("__Host-session".into(), alice.cookies["__Host-session"].clone());
    assert_eq!(session_only.send(good()).await.status.as_u16(), 403);
    assert_eq!(api.owed().await, before, "nothing was stored");

    assert_eq!(alice.send(good()).await.status.as_u16(), 200);
    assert_eq!(alice.path, "/library?told=saved");
}

#[tokio::test(start_paused = true)]
async fn the_token_from_before_signing_in_is_of_no_use_after() {
    let api = with_accounts();
    signed_up(&api, "alice").await;
    let mut alice = Browser::new(&api);
    alice.open("/sign-in").await;
    let before = alice.form("/sign-in").into_iter().find(|(name, _)| name == "csrf").unwrap();
    alice.submit("/sign-in", &[("handle", "alice"), ("password", PASSWORD)]).await;
    let answer = alice.send(post("/library", &[before, ("url".into(), "https://example.com/".into())])).await;
    assert_eq!(answer.status.as_u16(), 403);
}

#[tokio::test(start_paused = true)]
async fn cookies_are_out_of_reach_of_scripts_and_other_sites() {
    let api = with_accounts();
    let mut browser = Browser::new(&api);
    let first = browser.get("/sign-up").await;
    let visitor = first.header("set-cookie").to_owned();
    let fields = browser.form("/sign-up").into_iter().filter(|(name, _)| name == "csrf");
    let fields: Vec<_> =
        fields.chain([("handle".into(), "alice".into()), ("password".into(), PASSWORD.into())]).collect();
    let answer = api.send(browser.request(post("/sign-up", &fields))).await;
    assert_eq!(answer.status.as_u16(), 303);
    let session = answer.header("set-cookie").to_owned();
    for (name, cookie) in [("__Host-visitor=", visitor), ("__Host-session=", session)] {
        assert!(cookie.starts_with(name), "{cookie}");
        for flag in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=2592000"] {
            assert!(cookie.split("; ").any(|part| part == flag), "{flag}: {cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    let local = TestRequest::get().uri("/sign-up").insert_header(("host", "127.0.0.1:8080"));
    let cookie = api.send(local).await.header("set-cookie").to_owned();
    assert!(cookie.starts_with("visitor=") && !cookie.contains("Secure") && cookie.contains("HttpOnly"), "{cookie}");
}

#[tokio::test(start_paused = true)]
async fn the_session_cookie_opens_the_api_to_pages_of_this_site_only() {
    let api = with_accounts();
    let alice = signed_up(&api, "alice").await;
    let me = api.send(alice.request(TestRequest::get().uri("/api/users/me"))).await.expect(200);
    assert_eq!(me["handle"], "alice");
    let save = || {
        let request = TestRequest::post().uri("/api/cards/library/urls");
        alice.request(request.set_json(json!({ "url": "https://example.com/" })))
    };
    let before = api.owed().await;
    api.send(save()).await.expect_problem(403, "forbidden");
    api.send(save().insert_header(("origin", "https://evil.example"))).await.expect_problem(403, "forbidden");
    assert_eq!(api.owed().await, before);
    api.send(save().insert_header(("origin", format!("https://{HOST}")))).await.expect(201);
    // A bearer token says whose request it is; a cookie beside it is nothing.
    let bearer = save().insert_header(("authorization", "Bearer nonsense"));
    api.send(bearer).await.expect_problem(401, "unauthenticated");

    let out = alice.request(TestRequest::default().method(Method::POST).uri("/api/users/logout"));
    api.send(out.insert_header(("origin", format!("https://{HOST}")))).await.expect(204);
    api.send(alice.request(TestRequest::get().uri("/api/users/me"))).await.expect_problem(401, "unauthenticated");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_over_is_nobody() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    tokio::time::advance(Duration::from_secs(29 * 86_400)).await;
    alice.open("/library").await;
    assert_eq!(alice.path, "/library");
    tokio::time::advance(Duration::from_secs(2 * 86_400)).await;
    alice.open("/").await;
    assert_eq!(alice.text(".who a"), "Sign in");
    alice.open("/library").await;
    assert_eq!(alice.text("h1"), "Sign in");
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_page_leads_the_whole_page_to_signing_in() {
    let api = with_accounts();
    let alice = signed_up(&api, "alice").await;
    let ask = |path: &str| alice.request(TestRequest::get().uri(path));
    let part = || ask("/library?q=x").insert_header(("hx-request", "true"));
    assert_eq!(api.send(part()).await.status.as_u16(), 200);
    tokio::time::advance(Duration::from_secs(31 * 86_400)).await;
    let answer = api.send(part()).await;
    assert_eq!((answer.status.as_u16(), answer.header("hx-redirect")), (401, "/sign-in?next=%2Flibrary%3Fq%3Dx"));
    assert!(answer.body.is_empty(), "nothing to put into the page");
    let around = ("hx-current-url", format!("https://{HOST}/imports/1?refused=true#main"));
    let answer = api.send(part().insert_header(around)).await;
    assert_eq!(answer.header("hx-redirect"), "/sign-in?next=%2Fimports%2F1%3Frefused%3Dtrue");
    assert_eq!(api.send(ask("/library")).await.status.as_u16(), 303, "a page is led there as ever");
}

#[tokio::test(start_paused = true)]
async fn signing_out_ends_the_session_wherever_its_cookie_went() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    let mut thief = Browser::new(&api);
    thief.cookies = alice.cookies.clone();
    thief.open("/library").await;
    assert_eq!(thief.text("h1"), "Library");
    alice.open("/account").await;
    alice.submit("/sign-out", &[]).await;
    thief.open("/library").await;
    assert_eq!(thief.text("h1"), "Sign in");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_beside_the_field_and_what_was_typed_stays() {
    let api = with_accounts();
    let mut browser = Browser::new(&api);
    let refused = |browser: &Browser<'_>, field: &str, rule: &str| {
        let wrong = browser.one(&format!("#{field}-wrong"));
        assert_eq!(wrong.text().collect::<String>(), rule);
        let input = browser.one(&format!("#{field}"));
        assert_eq!(input.attr("aria-invalid"), Some("true"));
        assert_eq!(input.attr("aria-describedby"), Some(format!("{field}-wrong").as_str()));
    };
    browser.open("/sign-up").await;
    assert_eq!(browser.submit("/sign-up", &[("handle", "a"), ("password", PASSWORD)]).await.status.as_u16(), 422);
    refused(&browser, "handle", "Handles are 3 to 30 characters long.");
    assert_eq!(browser.one("#handle").attr("value"), Some("a"));
    assert_eq!(browser.one("#password").attr("value"), None, "a password is not sent back");
    assert_eq!(browser.submit("/sign-up", &[("handle", "alice"), ("password", "short")]).await.status.as_u16(), 422);
    refused(&browser, "password", "Passwords are 8 to 256 characters long.");
    browser.submit("/sign-up", &[("handle", "alice"), ("password", PASSWORD)]).await;

    let mut second = Browser::new(&api);
    second.open("/sign-up").await;
    assert_eq!(second.submit("/sign-up", &[("handle", "Alice"), ("password", PASSWORD)]).await.status.as_u16(), 409);
    refused(&second, "handle", "This handle is taken. Choose another one.");
    second.open("/sign-in").await;
    assert_eq!(second.submit("/sign-in", &[("handle", "alice"), ("password", "wrong one")]).await.status.as_u16(), 422);
    assert_eq!(second.text("form .wrong"), "The handle or the password is wrong.");
    assert_eq!(second.one("#handle").attr("value"), Some("alice"));

    let long = "x".repeat(10_001);
    for (fields, field, rule) in [
        (vec![("url", "")], "url", "This cannot be empty."),
        (vec![("url", "javascript:alert(1)")], "url", "Links start with http:// or https://."),
        (vec![("url", "https://u:p@example.com/")], "url", "Remove the user name and password from the link."),
        (vec![("url", "https://example.com/"), ("note", &long)], "note", "Notes are at most 10,000 characters long."),
    ] {
        browser.open("/").await;
        assert_eq!(browser.submit("/library", &fields).await.status.as_u16(), 422, "{fields:?}");
        refused(&browser, field, rule);
        assert_eq!(browser.one("#url").attr("value"), Some(fields[0].1));
    }
    assert_eq!(browser.text("#note").len(), 10_001);
    browser.open("/collections").await;
    assert_eq!(
        browser
            .submit("/collections", &[("name", " "), ("description", "kept"), ("access", "OPEN")])
            .await
            .status
            .as_u16(),
        422
    );
    refused(&browser, "name", "Use 1 to 100 characters.");
    assert_eq!(browser.text("#description"), "kept");
    assert!(browser.one("input[value=OPEN]").attr("checked").is_some());
    let answer = browser.get(&format!("/search?q={}", "x".repeat(201))).await;
    assert_eq!(answer.status.as_u16(), 422);
    refused(&browser, "q", "Use at most 200 characters.");
    let answer = browser.get("/search?q=rust&type=foo").await;
    assert_eq!(answer.status.as_u16(), 422);
    refused(&browser, "type", "Choose article, audio, book, document, image, profile, video or website.");
    assert_eq!(browser.one("#q").attr("value"), Some("rust"));
    assert!(!browser.text("#hits").contains("No results"));
    browser.open("/search?q=rust&type=").await;
}

#[tokio::test(start_paused = true)]
async fn signing_in_again_and_again_is_slowed_down() {
    let api = with_accounts();
    signed_up(&api, "alice").await;
    let mut browser = Browser::new(&api);
    browser.open("/sign-in").await;
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(browser.submit("/sign-in", &[("handle", "alice"), ("password", "a wrong one")]).await);
    }
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 2, "{statuses:?}");
    assert_eq!(answers[11].header("retry-after"), "600");
    let told = browser.text("form .wrong");
    assert!(told.contains("have failed") && told.contains("Try again in 10 minutes."), "{told}");
}

#[tokio::test(start_paused = true)]
async fn mock_authentication_takes_a_name() {
    let api = Api::new();
    let mut browser = Browser::new(&api);
    browser.open("/").await;
    assert_eq!(browser.text(".who a"), "mock123");
    browser.open("/sign-in").await;
    assert!(browser.all("#password").is_empty());
    assert_eq!(browser.submit("/sign-in", &[("handle", "a b")]).await.status.as_u16(), 422);
    browser.submit("/sign-in", &[("handle", "alice")]).await;
    assert_eq!(browser.text(".who a"), "alice");
    browser.submit("/library", &[("url", "https://example.com/")]).await;
    assert_eq!(browser.text(".items .title"), "example.com");
    browser.open("/account").await;
    browser.submit("/sign-out", &[]).await;
    assert_eq!(browser.text(".who a"), "mock123");
}

#[tokio::test(start_paused = true)]
async fn a_form_that_is_too_large_or_none_is_refused() {
    let api = Api::new();
    let mut browser = Browser::new(&api);
    browser.open("/").await;
    let large = browser.submit("/library", &[("note", &"x".repeat(300 * 1024))]).await;
    assert_eq!(large.status.as_u16(), 413);
    let json = post("/library", &[]).insert_header(("content-type", "application/json"));
    assert_eq!(browser.send(json).await.status.as_u16(), 415);
    let broken = post("/library", &[]).set_payload("url=%ff");
    assert_eq!(browser.send(broken).await.status.as_u16(), 400);
}

#[tokio::test(start_paused = true)]
async fn the_bookmarklet_leads_to_the_host_that_was_asked_for_whatever_else_the_client_claims() {
    let api = Api::new();
    let browser = Browser::of(&api, "alice");
    for (host, origin) in [(HOST, "https://cardwire.example"), ("localhost:8080", "http://localhost:8080")] {
        let claims = TestRequest::get()
            .uri("/account")
            .insert_header(("x-forwarded-host", "evil.example"))
            .insert_header(("x-forwarded-proto", "ftp"))
            .insert_header(("forwarded", "host=evil.example;proto=ftp"));
        let answer = api.send(browser.request(claims).insert_header(("host", host))).await;
        let page = String::from_utf8(answer.body).unwrap();
        assert!(page.contains(&format!("{origin}/save?url=")) && !page.contains("evil"), "{page}");
    }
}
