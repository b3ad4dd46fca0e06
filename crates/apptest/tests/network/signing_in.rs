//! Signing in and up with an AT Protocol handle.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::browser::Browser;
use cardwire_apptest::people::{ask_with, join, set_registration, signed_up, with_accounts};
use cardwire_domain::UserId;
use cardwire_domain::accounts::{AccountRepository, Handle, Registration, TokenHash};
use cardwire_domain::atproto::AtprotoRepository;
use cardwire_domain::invites::InviteRepository;
use cardwire_testkit::network::{DID, HANDLE};
use serde_json::Value;

use crate::scene::{away, site};

fn session(browser: &Browser<'_>) -> String {
    browser.cookies["__Host-session"].clone()
}

#[tokio::test]
async fn somebody_signs_up_signs_out_and_signs_in_again() {
    let (api, network) = site().await;
    let mut alice = Browser::new(&api);
    alice.open("/sign-in").await;
    assert!(alice.one("main a[href^='/sign-in/atproto']").text().collect::<String>().contains("AT Protocol"));
    let back = away(&mut alice, &network, HANDLE, DID, "").await;
    alice.open(&back).await;
    assert_eq!(alice.path, "/library", "where they wanted to go");
    assert_eq!(alice.text(".who a"), HANDLE);
    let me = ask_with(&api, &session(&alice), Method::GET, "/api/users/me", None).await.expect(200);
    assert_eq!((&me["id"], &me["handle"]), (&Value::from(DID), &Value::from(HANDLE)));
    let connection = ask_with(&api, &session(&alice), Method::GET, "/api/users/me/atproto", None).await.expect(200);
    assert_eq!((&connection["did"], &connection["state"]), (&Value::from(DID), &Value::from("connected")));
    alice.open("/account").await;
    alice.submit("/sign-out", &[]).await;
    let back = away(&mut alice, &network, HANDLE, DID, "").await;
    alice.open(&back).await;
    assert_eq!(alice.text(".who a"), HANDLE);
    assert_eq!(api.store.people(None, 10).await.unwrap().len(), 1, "it is the same account");
    // No password opens it.
    let refused = cardwire_apptest::people::log_in_with(&api, HANDLE, "!").await;
    refused.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_sign_in_ends_in_the_browser_that_began_it() {
    let (api, network) = site().await;
    let (mut mallory, mut victim) = (Browser::new(&api), Browser::new(&api));
    victim.open("/sign-in").await;
    // Mallory has the victim's browser open the way back to Mallory's account.
    let back = away(&mut mallory, &network, HANDLE, DID, "").await;
    let refused = victim.get(&back).await;
    assert_eq!(refused.status.as_u16(), 403);
    assert!(!victim.cookies.contains_key("__Host-session"));
    assert_eq!(api.store.people(None, 10).await.unwrap().len(), 0, "and no account was made");
    let forged = victim.get("/oauth/callback?state=x&iss=https://mallory.example&code=y").await;
    assert_eq!(forged.status.as_u16(), 403);
    assert!(victim.text("main [role=alert]").contains("Start again"));
}

#[tokio::test]
async fn who_may_sign_up_is_the_same_by_the_network() {
    let (mut api, network) = site().await;
    join(&api, "founder").await;
    set_registration(&mut api, Registration::Invite);
    let mut alice = Browser::new(&api);
    let back = away(&mut alice, &network, HANDLE, DID, "").await;
    let refused = alice.get(&back).await;
    assert_eq!(refused.status.as_u16(), 403);
    assert!(alice.text("main [role=alert]").contains("invite"), "{}", alice.text("main"));
    assert_eq!(network.with(|world| world.revoked.len()), 1, "the session is given up");
    let founder = api.store.account(&Handle::parse("founder").unwrap()).await.unwrap().unwrap().user.id;
    // SHA-256 of "letmein".
    let code = "1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032";
    let bytes: Vec<u8> = (0..32).map(|n| u8::from_str_radix(&code[2 * n..2 * n + 2], 16).unwrap()).collect();
    api.store.create_invite(&founder, &TokenHash(bytes.try_into().unwrap())).await.unwrap();
    let back = away(&mut alice, &network, HANDLE, DID, "letmein").await;
    alice.open(&back).await;
    assert_eq!(alice.text(".who a"), HANDLE);
}

#[tokio::test]
async fn a_suspended_account_is_not_opened() {
    let (api, network) = site().await;
    join(&api, "founder").await;
    let mut alice = Browser::new(&api);
    let back = away(&mut alice, &network, HANDLE, DID, "").await;
    alice.open(&back).await;
    api.store.suspend(&UserId::parse(DID).unwrap()).await.unwrap();
    let mut again = Browser::new(&api);
    let back = away(&mut again, &network, HANDLE, DID, "").await;
    let refused = again.get(&back).await;
    assert_eq!(refused.status.as_u16(), 403);
    assert!(again.text("main [role=alert]").contains("suspended"));
    assert!(!again.cookies.contains_key("__Host-session"));
}

#[tokio::test]
async fn names_that_are_taken_are_left_to_who_has_them() {
    let (api, network) = site().await;
    signed_up(&api, HANDLE).await;
    let mut alice = Browser::new(&api);
    let back = away(&mut alice, &network, HANDLE, DID, "").await;
    alice.open(&back).await;
    assert_eq!(alice.text(".who a"), "alice");
}

#[tokio::test]
async fn an_account_without_a_password_is_deleted_after_signing_in_again() {
    let (api, network) = site().await;
    let mut alice = Browser::new(&api);
    let back = away(&mut alice, &network, HANDLE, DID, "").await;
    alice.open(&back).await;
    alice.open("/account/delete").await;
    alice.submit("/account/delete", &[("password", "")]).await;
    assert_eq!(alice.path, "/sign-in?told=deleted");
    assert!(api.store.account_of(&UserId::parse(DID).unwrap()).await.unwrap().is_none());
    let connect = api.store.connection(&UserId::parse(DID).unwrap()).await.unwrap();
    assert!(connect.is_some(), "records are deleted with it, before it goes");
    let back = away(&mut alice, &network, HANDLE, DID, "").await;
    assert_eq!(alice.get(&back).await.status.as_u16(), 403, "nobody signs in to it meanwhile");
}

#[tokio::test]
async fn a_site_that_is_not_set_up_says_nothing_of_it() {
    let api = with_accounts();
    for path in ["/oauth/client-metadata.json", "/oauth/jwks.json", "/oauth/callback?state=x"] {
        assert_eq!(api.get(path).await.status.as_u16(), 404, "{path}");
    }
    let mut browser = Browser::new(&api);
    for path in ["/sign-in", "/sign-up"] {
        browser.open(path).await;
        assert!(browser.all("a[href^='/sign-in/atproto']").is_empty(), "{path}");
    }
}

#[tokio::test]
async fn other_servers_read_who_this_site_is() {
    let (api, _network) = site().await;
    let metadata = api.send(TestRequest::get().uri("/oauth/client-metadata.json")).await.expect(200);
    assert_eq!(metadata["redirect_uris"][0], "https://cardwire.example/oauth/callback");
    assert_eq!(metadata["jwks_uri"], "https://cardwire.example/oauth/jwks.json");
    let keys = api.send(TestRequest::get().uri("/oauth/jwks.json")).await.expect(200);
    assert_eq!(keys["keys"][0]["crv"], "P-256");
    assert_eq!(keys["keys"][0]["d"], Value::Null, "the private half stays here");
}
