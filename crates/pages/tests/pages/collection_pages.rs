//! Collections: names that are taken, settings that are folded up, invitations in one step.

use cardwire_apptest::browser::{Browser, post};
use cardwire_apptest::harness::Api;
use cardwire_apptest::people::{signed_up, with_accounts};

#[tokio::test(start_paused = true)]
async fn a_second_collection_of_one_name_is_told_and_created_only_if_that_is_wanted() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    alice.open("/collections").await;
    let twice = {
        let mut fields = alice.form("/collections");
        fields.retain(|(name, _)| name != "name");
        fields.push(("name".into(), "Reading".into()));
        fields
    };
    alice.send(post("/collections", &twice)).await;
    let first = alice.path.clone();
    alice.send(post("/collections", &twice)).await;
    assert_eq!(alice.path, first, "the same form sent twice creates one");

    alice.open("/collections").await;
    let answer = alice.submit("/collections", &[("name", " reading "), ("description", "typed with care")]).await;
    assert_eq!(answer.status.as_u16(), 409);
    assert_eq!(alice.one("#namesake a").attr("href"), Some(first.as_str()));
    assert_eq!(alice.text("textarea#description"), "typed with care");
    alice.submit("/collections", &[("anyway", "true")]).await;
    assert_ne!(alice.path, first);
    assert_eq!(alice.text("h1"), "reading");
    // That of somebody else is none of theirs.
    let mut bob = Browser::of(&api, "bob");
    bob.open("/collections").await;
    bob.submit("/collections", &[("name", "Reading")]).await;
    assert_eq!(bob.text("h1"), "Reading");
}

#[tokio::test(start_paused = true)]
async fn a_collection_is_not_renamed_to_the_name_of_another_one() {
    let api = Api::new();
    api.collection("alice", "Reading").await;
    let path = format!("/collections/{}", api.collection("alice", "Cooking").await);
    let mut alice = Browser::of(&api, "alice");
    alice.open(&path).await;
    let answer = alice.submit(&path, &[("name", " reading "), ("description", "typed with care")]).await;
    assert_eq!(answer.status.as_u16(), 409);
    assert!(alice.text("#name-wrong").starts_with("You already have a collection with this name."));
    assert_eq!(alice.text("textarea#description"), "typed with care");
    assert_eq!(alice.text("h1"), "Cooking");
    alice.submit(&path, &[("name", "cooking")]).await;
    assert_eq!(alice.text("h1"), "cooking", "it may be spelled another way");
}

#[tokio::test(start_paused = true)]
async fn settings_are_folded_up_until_a_form_in_them_is_refused() {
    let api = Api::new();
    let id = api.collection("alice", "Reading").await;
    let path = format!("/collections/{id}");
    let mut alice = Browser::of(&api, "alice");
    alice.open(&path).await;
    assert_eq!(alice.all("details.settings:not([open]) #name").len(), 1);
    let answer = alice.submit(&path, &[("name", "")]).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert_eq!(alice.all("details.settings[open] #name[autofocus]").len(), 1);
    let question = alice.one(&format!("form[action='{path}/delete']")).attr("data-confirm").unwrap().to_owned();
    alice.submit(&format!("{path}/delete"), &[]).await;
    assert_eq!(format!("{} {}", alice.text("h1"), alice.text("h1 + p")), question);
}

#[tokio::test(start_paused = true)]
async fn somebody_is_invited_in_one_step_and_the_others_stay() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    for handle in ["bob", "carol", "dave"] {
        signed_up(&api, handle).await;
    }
    alice.open("/collections").await;
    alice.submit("/collections", &[("name", "Ours")]).await;
    let invite = format!("{}/invite", alice.path);
    alice.submit(&invite, &[("handles", "bob")]).await;
    assert_eq!(alice.text(".about.invited"), "Invited, no answer yet: bob");
    alice.submit(&invite, &[("handles", "@Carol, dave")]).await;
    let invited = alice.text(".about.invited");
    assert!(["bob", "carol", "dave"].iter().all(|handle| invited.contains(handle)), "{invited}");
    for wrong in ["nobody-like-that", ""] {
        let answer = alice.submit(&invite, &[("handles", wrong)]).await;
        assert_eq!(answer.status.as_u16(), 422, "{wrong:?}");
        assert!(!alice.text("#handles-wrong").is_empty(), "{wrong:?}");
        assert_eq!(alice.one("#handles").attr("value"), Some(wrong), "what was typed is kept");
        assert_eq!(alice.text(".about.invited"), invited, "nobody is lost");
    }
    let mut bob = Browser::new(&api);
    bob.open(invite.trim_end_matches("/invite")).await;
    assert!(bob.all("#handles").is_empty(), "it is for its author");
}

#[tokio::test(start_paused = true)]
async fn a_card_is_removed_from_a_collection_on_the_page_of_the_list_that_was_open() {
    let api = Api::new();
    let id = api.collection("alice", "Reading").await;
    let path = format!("/collections/{id}");
    for n in 0..32 {
        api.save("alice", &format!("https://example.com/{n}"), &[&id]).await;
    }
    let mut alice = Browser::of(&api, "alice");
    alice.open(&path).await;
    let second = alice.one("a[rel=next]").attr("href").unwrap().to_owned();
    alice.open(&second).await;
    let card = alice.all("input[name=card]")[0].attr("value").unwrap().to_owned();
    let csrf = alice.all("input[name=csrf]")[0].attr("value").unwrap().to_owned();
    let fields: Vec<(String, String)> =
        [("csrf", csrf), ("card", card), ("sure", "true".into())].map(|(name, value)| (name.into(), value)).into();
    let referer = ("referer", format!("https://cardwire.example{second}"));
    alice.send(post(&format!("{path}/remove-link"), &fields).insert_header(referer)).await;
    assert_eq!(alice.path, second);
    assert_eq!(alice.all(".items > li").len(), 1);
}
