//! Connecting a repository to an account with a password.

use std::time::Duration;

use actix_web::http::Method;
use cardwire_apptest::harness::Api;
use cardwire_apptest::people::{ask_with, join, log_in, signed_up};
use cardwire_domain::records::{Ending, RecordRepository, Turn};
use cardwire_testkit::network::{APP_PASSWORD, DID, HANDLE, origin};
use serde_json::{Value, json};

use crate::scene::{away, leads_to, site, way_back};

const ATPROTO: &str = "/api/users/me/atproto";
const RETRY: &str = "form[action='/account/atproto/retry'] button";
const LEASE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// A publisher's turn for the only person who is due.
async fn turn(api: &Api) -> Turn {
    let turn = api.store.begin_turn(LEASE).await.unwrap().unwrap();
    if turn.is_new {
        api.store.owe_everything(&turn).await.unwrap();
    }
    turn
}

#[tokio::test]
async fn a_repository_is_connected_and_disconnected_on_the_account_page() {
    let (api, network) = site().await;
    let mut quinn = signed_up(&api, "quinn").await;
    quinn.open("/account/atproto").await;
    quinn.submit("/account/atproto/connect", &[("identifier", HANDLE)]).await;
    let back = way_back(&network, &leads_to(&quinn), DID);
    quinn.open(&back).await;
    assert_eq!(quinn.path, "/account/atproto?told=connected");
    assert!(quinn.text("main dl.facts").contains(HANDLE));
    // It is Quinn's account from now on, whichever way Quinn signs in.
    let mut elsewhere = cardwire_apptest::browser::Browser::new(&api);
    let back = away(&mut elsewhere, &network, HANDLE, DID, "").await;
    elsewhere.open(&back).await;
    assert_eq!(elsewhere.text(".who a"), "quinn");
    quinn.open("/account/atproto").await;
    quinn.submit("/account/atproto/disconnect", &[]).await;
    assert_eq!(quinn.path, "/account/atproto?told=disconnected");
    assert!(quinn.all("main dl.facts").is_empty());
    assert!(!network.with(|world| world.revoked.is_empty()));
}

#[tokio::test]
async fn the_account_page_says_how_publishing_goes_and_tries_again() {
    let (api, network) = site().await;
    let mut quinn = signed_up(&api, "quinn").await;
    quinn.open("/account/atproto").await;
    quinn.submit("/account/atproto/connect", &[("identifier", HANDLE)]).await;
    let back = way_back(&network, &leads_to(&quinn), DID);
    quinn.open(&back).await;
    let session = log_in(&api, "quinn").await;
    let url = json!({ "url": "https://a.example/", "visibility": "PUBLIC" });
    ask_with(&api, &session, Method::POST, "/api/cards/library/urls", Some(url)).await.expect(201);
    api.deliver().await;
    let told = async || ask_with(&api, &session, Method::GET, ATPROTO, None).await.expect(200);
    let fine = told().await;
    assert_eq!((&fine["state"], &fine["waiting"], &fine["lastError"]), (&json!("connected"), &json!(1), &Value::Null));
    quinn.open("/account/atproto").await;
    assert!(quinn.all(RETRY).is_empty(), "there is nothing to try again");

    let reason = "the server does not answer".to_owned();
    let ending = Ending::Paused { pause: HOUR, reason: reason.clone(), is_asked: false };
    assert!(api.store.end_turn(&turn(&api).await, &[], &ending).await.unwrap());
    let failing = told().await;
    assert_eq!((&failing["state"], &failing["lastError"]), (&json!("failing"), &json!(reason)));
    assert_eq!((&failing["waiting"], &failing["published"]), (&json!(1), &json!(0)));
    quinn.open("/account/atproto").await;
    let facts = quinn.text("main dl.facts");
    assert!(facts.contains("Publishing fails at the moment.") && facts.contains(&reason), "{facts}");
    assert_eq!(quinn.text(RETRY), "Try again now");
    assert!(api.store.begin_turn(LEASE).await.unwrap().is_none(), "it waits");
    quinn.submit("/account/atproto/retry", &[]).await;
    assert_eq!(quinn.path, "/account/atproto?told=retrying");
    assert!(quinn.text("main p.told").contains("trying again"));
    assert!(quinn.all(RETRY).is_empty());
    let again = told().await;
    assert_eq!((&again["state"], &again["lastError"]), (&json!("connected"), &Value::Null));

    // As much as an hour's budget.
    let spent = turn(&api).await;
    assert!(api.store.attempt(&spent, &[], 4_000, LEASE).await.unwrap());
    assert!(api.store.end_turn(&spent, &[], &Ending::OutOfBudget(HOUR)).await.unwrap());
    assert_eq!(told().await["state"], "limited");
    quinn.open("/account/atproto").await;
    let facts = quinn.text("main dl.facts");
    assert!(facts.contains("The server takes no more for now.") && facts.contains("1 (about 6"), "{facts}");
    quinn.submit("/account/atproto/retry", &[]).await;
    assert_eq!(told().await["state"], "connected");

    let ending = Ending::Ended("It was revoked.".to_owned());
    assert!(api.store.end_turn(&turn(&api).await, &[], &ending).await.unwrap());
    let ended = told().await;
    assert_eq!((&ended["state"], &ended["lastError"]), (&json!("ended"), &json!("It was revoked.")));
    quinn.open("/account/atproto").await;
    assert!(quinn.all(RETRY).is_empty(), "only connecting again helps");
    quinn.submit("/account/atproto/connect", &[]).await;
    let back = way_back(&network, &leads_to(&quinn), DID);
    quinn.open(&back).await;
    assert_eq!(told().await["state"], "connected");
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
