//! A page that could not be read, and the button that has it fetched again.

use std::time::Duration;

use cardwire_apptest::browser::{Browser, post};
use cardwire_apptest::harness::Api;
use cardwire_domain::metadata::{FetchAgain, FetchFailure, Metadata};

#[tokio::test(start_paused = true)]
async fn a_page_that_could_not_be_read_has_a_retry_button() {
    let api = Api::new();
    let card = api.save("alice", "https://example.com/away", &[]).await;
    api.deliver().await;
    let action = format!("/cards/{card}/retry");
    let button = format!("form[action=\"{action}\"] button");
    let mut alice = Browser::of(&api, "alice");
    alice.open("/library").await;
    assert!(alice.all(&button).is_empty(), "it is still being read");
    api.fetch_pages(Err(FetchFailure::lasting("answered 404"))).await;
    alice.open("/library").await;
    assert_eq!(alice.text(&button), "Retry example.com/away");
    let mut bob = Browser::of(&api, "bob");
    bob.open(&format!("/cards/{card}")).await;
    assert!(bob.text(".failed").contains("could not be read"));
    assert!(bob.all(&button).is_empty(), "it is not his");

    let answer = alice.submit(&action, &[]).await;
    assert_eq!(answer.status.as_u16(), 429);
    assert!(alice.text("main").contains("read a moment ago"), "{}", alice.text("main"));
    tokio::time::advance(FetchAgain::GAP + Duration::from_secs(1)).await;
    alice.open("/library").await;
    alice.submit(&action, &[]).await;
    assert_eq!(alice.path, format!("/cards/{card}"));
    assert!(alice.text(".pending").contains("reading the page"));
    api.fetch_pages(Ok(Metadata { title: Some("Back again".into()), ..Metadata::default() })).await;
    alice.open("/library").await;
    assert_eq!(alice.text(".items .title"), "Back again");
    assert!(alice.all(&button).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_script_gets_the_row_that_takes_the_place_of_the_old_one() {
    let api = Api::new();
    let card = api.save("alice", "https://example.com/away", &[]).await;
    api.deliver().await;
    api.fetch_pages(Err(FetchFailure::lasting("answered 404"))).await;
    tokio::time::advance(FetchAgain::GAP + Duration::from_secs(1)).await;
    let action = format!("/cards/{card}/retry");
    let mut alice = Browser::of(&api, "alice");
    alice.open("/library").await;
    let form = alice.one(&format!("form[action=\"{action}\"]"));
    assert_eq!(form.attr("data-hx-post"), Some(action.as_str()));
    assert_eq!(form.attr("data-hx-target"), Some(format!("#card-{card}").as_str()));
    let fields = alice.form(&action);
    for _ in 0..2 {
        let answer = alice.send(post(&action, &fields).insert_header(("hx-request", "true"))).await;
        assert_eq!(answer.status.as_u16(), 200);
        let row = alice.one(&format!("li#card-{card}"));
        assert!(row.attr("data-hx-get").is_some(), "it looks for news");
        assert!(alice.text(".pending").contains("reading the page"), "the second time as well");
    }
}
