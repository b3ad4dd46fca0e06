//! The account's pages: profile, password, sessions and API tokens.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::browser::{Browser, post};
use cardwire_apptest::harness::Api;
use cardwire_apptest::people::{PASSWORD, ask_with, signed_up, with_accounts};
use cardwire_http::operations::command_line::CommandLine;

const NEW: &str = "a new horse and a new staple";

async fn signed_in<'a>(api: &'a Api, handle: &str, password: &str) -> Browser<'a> {
    let mut browser = Browser::new(api);
    browser.open("/sign-in").await;
    browser.submit("/sign-in", &[("handle", handle), ("password", password)]).await;
    browser
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_changed_and_what_is_wrong_is_told_beside_the_field() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    alice.open("/account").await;
    assert_eq!(alice.one("input[name=defaultVisibility][checked]").attr("value"), Some("PUBLIC"));
    let fields = [("displayName", "Alice"), ("bio", "Reads.\nA lot."), ("defaultVisibility", "PRIVATE")];
    alice.submit("/account", &fields).await;
    assert_eq!((alice.path.as_str(), alice.text(".told").as_str()), ("/account?told=saved", "Saved."));
    assert_eq!(alice.one("#displayName").attr("value"), Some("Alice"));
    assert_eq!(alice.text("#bio"), "Reads.\nA lot.");
    assert_eq!(alice.one("input[name=defaultVisibility][checked]").attr("value"), Some("PRIVATE"));

    let long = "x".repeat(65);
    let answer = alice.submit("/account", &[("displayName", &long), ("bio", "kept")]).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert!(!alice.text("#displayName-wrong").is_empty());
    assert_eq!(alice.one("#displayName").attr("aria-invalid"), Some("true"));
    assert_eq!((alice.one("#displayName").attr("value"), alice.text("#bio")), (Some(long.as_str()), "kept".into()));
    alice.open("/account").await;
    assert_eq!(alice.one("#displayName").attr("value"), Some("Alice"));
    alice.submit("/account", &[("displayName", ""), ("bio", " ")]).await;
    assert_eq!((alice.one("#displayName").attr("value"), alice.text("#bio")), (Some(""), String::new()));
}

#[tokio::test(start_paused = true)]
async fn the_account_offers_everything_for_download() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    alice.open("/account").await;
    let link = alice.one("a[download]").attr("href").unwrap().to_owned();
    let file = alice.get(&link).await.expect(200);
    assert_eq!(file["account"]["handle"], "alice");
}

#[tokio::test(start_paused = true)]
async fn a_changed_password_signs_out_everywhere_else() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    let mut other = signed_in(&api, "alice", PASSWORD).await;
    alice.open("/account/password").await;
    let wrong = [("currentPassword", "a wrong one"), ("newPassword", NEW)];
    assert_eq!(alice.submit("/account/password", &wrong).await.status.as_u16(), 422);
    assert_eq!(alice.text("#currentPassword-wrong"), "That is not your current password.");
    let weak = [("currentPassword", PASSWORD), ("newPassword", "password")];
    assert_eq!(alice.submit("/account/password", &weak).await.status.as_u16(), 422);
    assert!(alice.text("#newPassword-wrong").contains("most common passwords"));
    for field in ["#currentPassword", "#newPassword"] {
        assert_eq!(alice.one(field).attr("value"), None, "a password is not sent back");
    }
    other.open("/library").await;
    assert_eq!(other.text("h1"), "Library");

    alice.submit("/account/password", &[("currentPassword", PASSWORD), ("newPassword", NEW)]).await;
    assert_eq!(alice.path, "/account/password?told=changed");
    assert!(alice.text(".told").contains("Your password has been changed"));
    other.open("/library").await;
    assert_eq!(other.text("h1"), "Sign in");
    let again = signed_in(&api, "alice", NEW).await;
    assert_eq!(again.text(".who a"), "alice");
}

#[tokio::test(start_paused = true)]
async fn too_many_wrong_passwords_are_not_called_sign_ins() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    let forms = [
        ("/account/password", vec![("currentPassword", "a wrong one"), ("newPassword", NEW)]),
        ("/account/delete", vec![("password", "a wrong one")]),
    ];
    for turn in 0..12 {
        let (path, fields) = &forms[turn % 2];
        alice.open(path).await;
        let status = alice.submit(path, fields).await.status.as_u16();
        assert_eq!(status, if turn < 10 { 422 } else { 429 }, "{turn}: {path}");
    }
    for (path, fields) in &forms {
        alice.open(path).await;
        let answer = alice.submit(path, fields).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "600"), "{path}");
        assert_eq!(alice.text("form .wrong"), "Too many wrong passwords. Try again in 10 minutes.", "{path}");
    }
}

/// Name, label, what a browser may fill in, and whether the rule for new passwords is told, of each field for a password.
fn password_fields(browser: &Browser<'_>) -> Vec<(String, String, String, bool)> {
    let field = |input: &scraper::ElementRef<'_>| {
        let [id, name, fills_in] = ["id", "name", "autocomplete"].map(|name| input.attr(name).unwrap().to_owned());
        assert_eq!((id.as_str(), input.attr("value")), (name.as_str(), None));
        let label = browser.text(&format!("label[for={id}]"));
        let has_rule = !browser.all(&format!("#{id} ~ .hint")).is_empty();
        (name, label, fills_in, has_rule)
    };
    browser.all("main input[type=password]").iter().map(field).collect()
}

#[tokio::test(start_paused = true)]
async fn every_field_for_a_password_says_which_one_it_takes() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    let mut nobody = Browser::new(&api);
    let id = api.state.accounts.person("alice").await.unwrap().unwrap();
    let command_line = CommandLine::new(api.state.accounts.clone(), api.state.operations.operator.clone());
    let link = command_line.reset_link(&id).await.unwrap().path();
    let field = |name: &str, label: &str, is_new: bool| {
        let fills_in = if is_new { "new-password" } else { "current-password" };
        (name.to_owned(), label.to_owned(), fills_in.to_owned(), is_new)
    };
    nobody.open("/sign-in").await;
    assert_eq!(password_fields(&nobody), [field("password", "Password", false)]);
    nobody.open("/sign-up").await;
    assert_eq!(password_fields(&nobody), [field("password", "Password", true)]);
    nobody.open(&link).await;
    assert_eq!(password_fields(&nobody), [field("newPassword", "New password", true)]);
    alice.open("/account/delete").await;
    assert_eq!(password_fields(&alice), [field("password", "Password", false)]);
    alice.open("/account/password").await;
    let both = [field("currentPassword", "Current password", false), field("newPassword", "New password", true)];
    assert_eq!(password_fields(&alice), both);
}

#[tokio::test(start_paused = true)]
async fn a_password_that_was_typed_into_a_late_form_is_not_kept() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    alice.open("/account/password").await;
    let mut form = alice.form("/account/password");
    form.retain(|(name, _)| name == "csrf");
    form.extend(
        [("currentPassword", PASSWORD), ("newPassword", NEW)].map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    tokio::time::advance(Duration::from_secs(31 * 86_400)).await;
    alice.send(post("/account/password", &form)).await;
    assert_eq!(alice.text("h1"), "Sign in");
    assert!(!alice.page.html().contains(PASSWORD) && !alice.page.html().contains(NEW));
}

#[tokio::test(start_paused = true)]
async fn other_sessions_are_listed_and_signed_out() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    let mut others = [signed_in(&api, "alice", PASSWORD).await, signed_in(&api, "alice", PASSWORD).await];
    alice.open("/account/sessions").await;
    assert_eq!(alice.all("[aria-labelledby=sessions] > li").len(), 3);
    assert_eq!(alice.all("[aria-labelledby=sessions] .tag").len(), 1, "one of them is this one");
    let ends = alice.all("form[action='/account/sessions/end'] input[name=id]");
    assert_eq!(ends.len(), 2, "this one is signed out by its own button");
    let id = ends[0].attr("value").unwrap().to_owned();
    let csrf = alice.form("/account/sessions/end-others")[0].clone();
    let end = [csrf, ("id".to_owned(), id)];
    for _ in 0..2 {
        alice.send(post("/account/sessions/end", &end)).await;
        assert_eq!(alice.text(".told"), "That session has been signed out.");
        assert_eq!(alice.all("[aria-labelledby=sessions] > li").len(), 2);
    }
    alice.submit("/account/sessions/end-others", &[]).await;
    assert_eq!(alice.text(".told"), "You are signed out everywhere else.");
    assert_eq!(alice.all("[aria-labelledby=sessions] > li").len(), 1);
    assert!(alice.all("form[action='/account/sessions/end-others']").is_empty());
    for other in &mut others {
        other.open("/library").await;
        assert_eq!(other.text("h1"), "Sign in");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_token_is_shown_once_and_revoked() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    alice.open("/account/tokens").await;
    assert!(alice.text("main").contains("You have no tokens yet."));
    let refused = alice.submit("/account/tokens", &[("name", "Backup"), ("expiresInDays", "soon")]).await;
    assert_eq!(refused.status.as_u16(), 422);
    assert_eq!(alice.text("#expiresInDays-wrong"), "Enter a whole number of days.");
    assert_eq!(alice.one("#name").attr("value"), Some("Backup"));
    assert_eq!(alice.submit("/account/tokens", &[("name", " "), ("expiresInDays", "")]).await.status.as_u16(), 422);
    assert!(!alice.text("#name-wrong").is_empty());

    let fields = [("name", "Back<b>up"), ("scope", "write"), ("expiresInDays", "30")];
    assert_eq!(alice.submit("/account/tokens", &fields).await.status.as_u16(), 201);
    let secret = alice.one("#secret").attr("value").unwrap().to_owned();
    let me = ask_with(&api, &secret, Method::GET, "/api/users/me", None).await.expect(200);
    assert_eq!(me["handle"], "alice");
    alice.open("/account/tokens").await;
    assert!(!alice.page.html().contains(&secret), "it is not shown again");
    assert_eq!(alice.text(".items bdi"), "Back<b>up");
    assert_eq!(alice.text(".items .tag"), "Read and write");
    assert!(alice.text(".items .about").contains("expires "));

    alice.submit("/account/tokens/revoke", &[]).await;
    assert_eq!(alice.text("h1"), "Revoke this token?");
    ask_with(&api, &secret, Method::GET, "/api/users/me", None).await.expect(200);
    alice.submit("/account/tokens/revoke", &[]).await;
    assert_eq!(alice.text(".told"), "The token has been revoked.");
    ask_with(&api, &secret, Method::GET, "/api/users/me", None).await.expect_problem(401, "unauthenticated");
}

#[tokio::test(start_paused = true)]
async fn an_account_is_deleted_with_its_password_after_a_warning() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    let mut other = signed_in(&api, "alice", PASSWORD).await;
    alice.open("/account").await;
    assert!(alice.text("main").contains("This cannot be undone."));
    let refused = alice.submit("/account/delete", &[("password", "a wrong one")]).await;
    assert_eq!((refused.status.as_u16(), alice.text("h1").as_str()), (422, "Delete account"));
    assert_eq!(alice.text("#password-wrong"), "That is not your current password.");
    assert_eq!(alice.one("#password").attr("value"), None, "a password is not sent back");
    other.open("/library").await;
    assert_eq!(other.text("h1"), "Library");

    alice.submit("/account/delete", &[("password", PASSWORD)]).await;
    assert_eq!((alice.path.as_str(), alice.text("h1").as_str()), ("/sign-in?told=deleted", "Sign in"));
    assert!(alice.text(".told").contains("is being deleted"));
    for browser in [&mut alice, &mut other] {
        browser.open("/library").await;
        assert_eq!(browser.text("h1"), "Sign in");
    }
    let again = [("handle", "alice"), ("password", PASSWORD)];
    alice.open("/sign-in").await;
    assert_eq!(alice.submit("/sign-in", &again).await.status.as_u16(), 422);
}

#[tokio::test(start_paused = true)]
async fn with_mock_authentication_there_is_a_profile_and_nothing_to_sign_in_to() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    alice.open("/account").await;
    alice.submit("/account", &[("displayName", "Alice"), ("defaultVisibility", "PRIVATE")]).await;
    assert_eq!(alice.one("#displayName").attr("value"), Some("Alice"));
    assert!(alice.all("form[action='/account/delete']").is_empty());
    for path in ["/account/password", "/account/sessions", "/account/tokens", "/account/delete"] {
        alice.open(path).await;
        assert!(alice.text("main").contains("without an account"), "{path}");
        assert!(alice.all("main form").is_empty(), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_pages_are_for_their_owner_who_is_signed_in() {
    let api = with_accounts();
    for path in ["/account", "/account/password", "/account/sessions", "/account/tokens", "/account/delete"] {
        let mut nobody = Browser::new(&api);
        nobody.open(path).await;
        assert_eq!(nobody.text("h1"), "Sign in", "{path}");
    }
    let answer = api.send(TestRequest::get().uri("/account/tokens")).await;
    answer.expect_problem(401, "unauthenticated");
}
