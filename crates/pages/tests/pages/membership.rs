//! Invitations on the pages: answering one, leaving, and blocking.

use cardwire_apptest::browser::Browser;
use cardwire_apptest::people::{signed_up, with_accounts};

/// The ids of new collections of the browser's person, each shared with these people.
async fn shared(browser: &mut Browser<'_>, names: &[&str], people: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for name in names {
        browser.open("/collections").await;
        browser.submit("/collections", &[("name", name)]).await;
        paths.push(browser.path.clone());
        let answer = browser.submit(&format!("{}/collaborators", browser.path.clone()), &[("people", people)]).await;
        assert_eq!(answer.status.as_u16(), 200, "{name}");
    }
    paths
}

#[tokio::test(start_paused = true)]
async fn an_invitation_is_accepted_and_the_collection_left() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    let mut bob = signed_up(&api, "bob").await;
    let path = shared(&mut alice, &["Ours"], "bob").await.remove(0);
    assert_eq!(alice.text(".invited"), "Invited, no answer yet: bob");
    assert_eq!(alice.text("textarea#people"), "bob");
    assert!(!alice.text("main").contains("with bob"));

    bob.open("/collections").await;
    assert_eq!(bob.text(".items .title"), "Ours");
    assert!(bob.text(".items .about").starts_with("from alice"));
    bob.open(&path).await;
    assert!(!bob.text("main").contains("bob"), "who is invited is shown to the author alone");
    assert!(bob.all("main form").is_empty());
    bob.open("/save").await;
    assert!(bob.all("input[name=collection]").is_empty());

    bob.open("/collections").await;
    bob.submit(&format!("{path}/accept"), &[]).await;
    assert_eq!(bob.path, path);
    assert!(bob.text("main").contains("by alice, with bob"));
    bob.open("/save").await;
    assert_eq!(bob.all("input[name=collection]").len(), 1);
    alice.open(&path).await;
    assert!(alice.all(".invited").is_empty());

    bob.open(&path).await;
    let leave = format!("{path}/leave");
    bob.submit(&leave, &[]).await;
    assert_eq!(bob.text("h1"), "Leave this collection?");
    assert!(bob.text("main").contains("The links you added stay in “\u{2068}Ours\u{2069}”."));
    bob.submit(&leave, &[]).await;
    assert_eq!(bob.path, "/collections");
    assert!(bob.all(".items > li").is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_invitation_is_declined() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    let mut bob = signed_up(&api, "bob").await;
    let path = shared(&mut alice, &["Ours"], "bob").await.remove(0);
    bob.open("/collections").await;
    bob.submit(&format!("{path}/decline"), &[]).await;
    assert_eq!(bob.path, "/collections");
    assert!(bob.all(".items > li").is_empty() && bob.all("#invitations").is_empty());
    alice.open(&path).await;
    assert!(alice.all(".invited").is_empty());
}

#[tokio::test(start_paused = true)]
async fn blocking_is_confirmed_and_can_be_undone() {
    let api = with_accounts();
    let mut mallory = signed_up(&api, "mallory").await;
    let mut bob = signed_up(&api, "bob").await;
    let path = shared(&mut mallory, &["Forced"], "bob").await.remove(0);
    bob.open("/account").await;
    assert!(bob.text("main").contains("You have not blocked anyone."));
    bob.open("/collections").await;
    bob.submit("/account/block", &[]).await;
    assert_eq!(bob.text("h1"), "Block mallory?");
    assert!(bob.text("main").contains("they can no longer invite you"));
    bob.submit("/account/block", &[]).await;
    assert_eq!(bob.path, "/collections");
    assert!(bob.all("#invitations").is_empty());

    mallory.open(&path).await;
    let people = format!("{path}/collaborators");
    let answer = mallory.submit(&people, &[("people", "@Bob")]).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert_eq!(mallory.text("#people-wrong"), "@Bob cannot be invited at the moment.");
    assert_eq!(mallory.text("textarea#people"), "@Bob");

    bob.open("/account").await;
    assert_eq!(bob.text("[aria-labelledby=blocked] a"), "mallory");
    assert_eq!(bob.text("[aria-labelledby=blocked] button"), "Unblock mallory");
    bob.submit("/account/unblock", &[]).await;
    assert_eq!(bob.path, "/account");
    assert!(bob.all("[aria-labelledby=blocked] li").is_empty());
    assert_eq!(mallory.submit(&people, &[]).await.status.as_u16(), 200);
}

#[tokio::test(start_paused = true)]
async fn forced_collections_do_not_reach_the_pages() {
    let api = with_accounts();
    let mut bob = signed_up(&api, "bob").await;
    bob.open("/collections").await;
    bob.submit("/collections", &[("name", "Bob's own")]).await;
    let mut mallory = signed_up(&api, "mallory").await;
    let ten: Vec<String> = (0..10).map(|number| format!("Forced {number}")).collect();
    let names: Vec<&str> = ten.iter().map(String::as_str).collect();
    let paths = shared(&mut mallory, &names, "bob").await;
    mallory.open("/collections").await;
    mallory.submit("/collections", &[("name", "Eleventh")]).await;
    let eleventh = mallory.path.clone();
    let answer = mallory.submit(&format!("{eleventh}/collaborators"), &[("people", "bob")]).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert!(mallory.text("#people-wrong").starts_with("bob has 10 open invitations from you"));
    bob.open("/save").await;
    assert_eq!(bob.text("#choices .choice"), "Bob's own");
    bob.open("/collections").await;
    assert_eq!(bob.all("[aria-labelledby=invitations] > li").len(), 10);
    assert_eq!(bob.text("[aria-labelledby=mine] .title"), "Bob's own");
    // Those that he accepts are listed behind his own.
    bob.submit(&format!("{}/accept", paths[9]), &[]).await;
    bob.open("/collections").await;
    let listed: Vec<String> = bob.all("[aria-labelledby=mine] .title").iter().map(|one| one.text().collect()).collect();
    assert_eq!(listed, ["Bob's own", "Forced 9"]);
}
