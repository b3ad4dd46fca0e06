//! Saving from elsewhere: by the bookmarklet's small window, and from a phone's share sheet.

use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;
use cardwire_apptest::people::{PASSWORD, signed_up, with_accounts};

const SMALL: &str = "/save?url=https%3A%2F%2Fexample.com%2Fa&window=small&note=Some%20words";

#[tokio::test(start_paused = true)]
async fn the_small_window_ends_on_a_page_that_closes_it() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    alice.open(SMALL).await;
    assert_eq!(alice.one("input#url").attr("value"), Some("https://example.com/a"));
    assert_eq!(alice.text("textarea#note"), "Some words");
    // Refused once, it is still the small window.
    alice.submit("/library", &[("url", "nonsense")]).await;
    alice.submit("/library", &[("url", "https://example.com/a")]).await;
    assert!(alice.path.starts_with("/saved?card="), "{}", alice.path);
    assert_eq!(alice.text("h1"), "Saved");
    assert!(alice.all("script").iter().any(|script| script.attr("src").unwrap().ends_with("/close.js")));
    assert_eq!(alice.all("main a[href='/library']").len(), 1, "for when it cannot be closed");
    let saved = alice.path.clone();
    assert_eq!(Browser::of(&api, "bob").get(&saved).await.status.as_u16(), 200, "a public card");
    // Elsewhere the library is next.
    alice.open("/save?url=https%3A%2F%2Fexample.com%2Fb").await;
    alice.submit("/library", &[]).await;
    assert!(alice.path.starts_with("/library"), "{}", alice.path);
}

#[tokio::test(start_paused = true)]
async fn the_way_to_the_save_page_survives_signing_in_and_signing_up() {
    let api = with_accounts();
    signed_up(&api, "alice").await;
    let mut browser = Browser::new(&api);
    browser.open(SMALL).await;
    assert_eq!(browser.text("h1"), "Sign in");
    let sign_in = browser.path.clone();
    let sign_up = browser.one("main a[href^='/sign-up']").attr("href").unwrap().to_owned();
    browser.open(&sign_up).await;
    // Refused once.
    browser.submit("/sign-up", &[("handle", "alice"), ("password", PASSWORD)]).await;
    let back = browser.one("main a[href^='/sign-in']").attr("href").unwrap().to_owned();
    assert_eq!(back, sign_in);
    browser.submit("/sign-up", &[("handle", "bob"), ("password", PASSWORD)]).await;
    assert_eq!((browser.path.as_str(), browser.text("h1").as_str()), (SMALL, "Save a link"));
    browser.submit("/library", &[]).await;
    assert_eq!(browser.text("h1"), "Saved");

    let mut alice = Browser::new(&api);
    alice.open(SMALL).await;
    alice.submit("/sign-in", &[("handle", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(alice.path, SMALL);
    // Never to another site.
    let mut eve = Browser::new(&api);
    eve.open("/sign-up?next=%2F%2Fevil.example").await;
    eve.submit("/sign-up", &[("handle", "eve"), ("password", PASSWORD)]).await;
    assert_eq!(eve.path, "/");
}

#[tokio::test(start_paused = true)]
async fn what_a_phone_shares_is_in_the_form() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    for (query, url, note) in [
        ("title=Leeks&text=https%3A%2F%2Fexample.com%2Fa&url=", "https://example.com/a", ""),
        ("title=Leeks&text=Leeks+https%3A%2F%2Fexample.com%2Fa", "https://example.com/a", ""),
        ("text=Read+this%3A+https%3A%2F%2Fexample.com%2Fa", "https://example.com/a", "Read this:"),
        ("url=https%3A%2F%2Fexample.com%2Fa", "https://example.com/a", ""),
        ("text=no+link", "", "no link"),
    ] {
        alice.open(&format!("/save?{query}")).await;
        assert_eq!(alice.one("input#url").attr("value"), Some(url), "{query}");
        assert_eq!(alice.text("textarea#note"), note, "{query}");
    }
}
