//! What somebody sees who comes for the first time, before and after signing up.

use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;
use cardwire_apptest::people::{PASSWORD, set_registration, signed_up, with_accounts, with_registration};
use cardwire_domain::accounts::Registration;

#[tokio::test(start_paused = true)]
async fn the_front_page_says_what_this_is_and_where_to_go() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    alice.submit("/library", &[("url", "https://example.com/a")]).await;
    api.deliver().await;
    let mut somebody = Browser::new(&api);
    somebody.open("/").await;
    assert!(somebody.text(".welcome").contains("Cardwire is a library for links"));
    for path in ["/sign-up", "/sign-in"] {
        assert_eq!(somebody.all(&format!(".welcome a[href='{path}']")).len(), 1, "{path}");
    }
    assert_eq!(somebody.text(".welcome a[href='/sign-up']"), "Sign up");
    let picture = somebody.one(".welcome img").attr("src").unwrap().to_owned();
    let answer = api.get(&picture).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/svg+xml"));
    assert!(answer.body.len() < 5_000);
    assert_eq!(somebody.text("#saves"), "What others are saving");
    assert_eq!(somebody.text("#feed .title"), "example.com/a");
    alice.open("/").await;
    assert!(alice.all(".welcome").is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_first_account_is_offered_whatever_the_registration_setting() {
    for (registration, later) in
        [(Registration::Open, Some("Sign up")), (Registration::Invite, Some("Sign up")), (Registration::Closed, None)]
    {
        let mut api = with_registration(registration);
        {
            let mut first = Browser::new(&api);
            first.open("/").await;
            assert_eq!(first.text(".welcome a[href='/sign-up']"), "Create the first account", "{registration:?}");
            first.open("/sign-up").await;
            first.submit("/sign-up", &[("handle", "alice"), ("password", PASSWORD)]).await;
            assert_eq!(first.text(".who a"), "alice", "{registration:?}");
        }
        set_registration(&mut api, registration);
        let mut second = Browser::new(&api);
        second.open("/").await;
        let offered: Vec<String> =
            second.all(".welcome a[href='/sign-up']").iter().map(|link| link.text().collect()).collect();
        assert_eq!(offered.first().map(String::as_str), later, "{registration:?}");
        let needs_invite = second.text(".welcome").contains("You need an invite");
        assert_eq!(needs_invite, matches!(registration, Registration::Invite));
    }
}

#[tokio::test(start_paused = true)]
async fn empty_pages_say_what_to_do_next_and_the_first_save_takes_one_step() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    assert!(alice.text("#empty").contains("Paste a link into the box above"));
    alice.open("/library").await;
    assert!(alice.text(".next").contains("Nothing saved yet"));
    assert!(!alice.all(".next a[href='/import']").is_empty());
    assert!(alice.all("#cards, .selected").is_empty());
    alice.open("/collections").await;
    assert!(alice.text("main").contains("You have no collections yet"));

    alice.open("/").await;
    let answer = alice.submit("/library", &[("url", "https://example.com/a")]).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!((alice.text(".told").as_str(), alice.text("#size").as_str()), ("Saved.", "1 link"));
}

#[tokio::test(start_paused = true)]
async fn a_sign_up_tells_all_that_is_wrong_at_once_and_the_focus_is_where_it_begins() {
    let api = with_accounts();
    let mut somebody = Browser::new(&api);
    somebody.open("/sign-up").await;
    let answer = somebody.submit("/sign-up", &[("handle", "x"), ("password", "short")]).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert_eq!(somebody.all("[aria-invalid=true]").len(), 2);
    assert!(!somebody.text("#handle-wrong").is_empty() && !somebody.text("#password-wrong").is_empty());
    assert_eq!(somebody.one("[autofocus]").attr("id"), Some("handle"));
    somebody.submit("/sign-up", &[("handle", "alice"), ("password", "short")]).await;
    assert_eq!(somebody.one("[aria-invalid=true]").attr("id"), Some("password"));
    assert_eq!(somebody.one("[autofocus]").attr("id"), Some("password"));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_not_there_knows_who_is_signed_in() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    for path in ["/nothing-here", "/cards/nothing", "/collections/nothing"] {
        alice.get(path).await;
        assert_eq!(alice.text(".who a"), "alice", "{path}");
        assert!(!alice.all("header a[href='/library']").is_empty(), "{path}");
    }
    let api = with_accounts();
    let mut somebody = Browser::new(&api);
    assert_eq!(somebody.get("/nothing-here").await.status.as_u16(), 404);
    assert_eq!(somebody.text(".who a"), "Sign in");
}
