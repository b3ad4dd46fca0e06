//! Connecting a repository to an account with a password.

use actix_web::http::Method;
use cardwire_apptest::people::{ask_with, join, log_in, signed_up};
use cardwire_testkit::network::{APP_PASSWORD, DID, HANDLE, origin};
use serde_json::{Value, json};

use crate::scene::{away, leads_to, site, way_back};

const ATPROTO: &str = "/api/users/me/atproto";

#[tokio::test]
async fn a_repository_is_connected_and_disconnected_on_the_account_page() {
    let (api, network) = site().await;
    let mut quinn = signed_up(&api, "quinn").await;
    quinn.open("/account/atproto").await;
    quinn.submit("/account/atproto/connect", &[("identifier", HANDLE)]).await;
    let back = way_back(&network, &leads_to(&quinn), DID);
    quinn.open(&back).await;
    assert_eq!(quinn.path, "/account/atproto?told=connected");
    assert!(quinn.text("dl.facts").contains(HANDLE));
    // It is Quinn's account from now on, whichever way Quinn signs in.
    let mut elsewhere = cardwire_apptest::browser::Browser::new(&api);
    let back = away(&mut elsewhere, &network, HANDLE, DID, "").await;
    elsewhere.open(&back).await;
    assert_eq!(elsewhere.text(".who a"), "quinn");
    quinn.open("/account/atproto").await;
    quinn.submit("/account/atproto/disconnect", &[]).await;
    assert_eq!(quinn.path, "/account/atproto?told=disconnected");
    assert!(quinn.all("dl.facts").is_empty());
    assert!(!network.with(|world| world.revoked.is_empty()));
}

#[tokio::test]
async fn what_is_wrong_is_said_beside_the_field() {
    let (api, _network) = site().await;
    let mut quinn = signed_up(&api, "quinn").await;
    for (typed, why) in
        [("nobody.example.net", "has the handle"), ("not a handle", "not an AT Protocol handle"), ("", "Enter")]
    {
        quinn.open("/account/atproto").await;
        let answer = quinn.submit("/account/atproto/connect", &[("identifier", typed)]).await;
        assert_eq!(answer.status.as_u16(), 422, "{typed}");
        assert!(quinn.text("#identifier-wrong").contains(why), "{typed}: {}", quinn.text("#identifier-wrong"));
    }
}

#[tokio::test]
async fn an_app_password_connects_through_the_api() {
    let (api, network) = site().await;
    join(&api, "quinn").await;
    let session = log_in(&api, "quinn").await;
    let body =
        |password: &str| json!({ "service": origin(network.pds), "identifier": HANDLE, "appPassword": password });
    ask_with(&api, &session, Method::GET, ATPROTO, None).await.expect_problem(404, "not-found");
    let wrong = ask_with(&api, &session, Method::POST, ATPROTO, Some(body("wrong"))).await;
    let problem = wrong.expect_problem(422, "invalid-value");
    assert!(!problem.to_string().contains("wrong\""), "{problem}");
    let made = ask_with(&api, &session, Method::POST, ATPROTO, Some(body(APP_PASSWORD))).await.expect(200);
    let expected = json!({
        "did": DID, "handle": HANDLE, "service": origin(network.pds), "state": "connected", "published": 0, "waiting": 0,
    });
    assert_eq!(made, expected);
    assert_eq!(ask_with(&api, &session, Method::GET, ATPROTO, None).await.expect(200), expected);
    let export = ask_with(&api, &session, Method::GET, "/api/users/me/export", None).await.expect(200);
    assert_eq!(export["atproto"], expected);
    assert!(!export.to_string().contains("token-"), "{export}");
    // Somebody else cannot have it, too.
    join(&api, "mallory").await;
    let other = log_in(&api, "mallory").await;
    ask_with(&api, &other, Method::POST, ATPROTO, Some(body(APP_PASSWORD))).await.expect_problem(409, "conflict");
    assert_eq!(ask_with(&api, &session, Method::DELETE, ATPROTO, None).await.expect(204), Value::Null);
    ask_with(&api, &session, Method::DELETE, ATPROTO, None).await.expect_problem(404, "not-found");
}
