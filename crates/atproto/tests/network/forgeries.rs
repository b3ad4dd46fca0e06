//! Nobody is taken for somebody else.

use cardwire_atproto::{Callback, Error};
use cardwire_testkit::network::{DID, HANDLE, origin};
use serde_json::{Value, json};

use crate::harness::{BROWSER, Site, refused, sign_in};

const RESOURCE: &str = "/.well-known/oauth-protected-resource";
const SERVER: &str = "/.well-known/oauth-authorization-server";

#[track_caller]
fn untrusted<T>(result: Result<T, Error>) {
    let error = refused(result);
    assert!(matches!(error, Error::Untrusted(_)), "{error}");
}

#[tokio::test]
async fn an_answer_of_another_server_is_refused() {
    let site = Site::start().await;
    for iss in [None, Some("https://mallory.example".to_owned()), Some(format!("{}/", origin(site.network.issuer)))] {
        let callback = site.away(HANDLE, sign_in()).await;
        untrusted(site.agents.finish(Callback { iss, ..callback }, BROWSER, None).await);
    }
    assert!(site.network.asked("/token").is_empty(), "no code is shown to anybody");
}

#[tokio::test]
async fn a_sign_in_ends_once_and_in_its_own_browser() {
    let site = Site::start().await;
    let callback = site.away(HANDLE, sign_in()).await;
    site.agents.finish(callback.clone(), BROWSER, None).await.unwrap_or_else(|error| panic!("{error}"));
    let again = refused(site.agents.finish(callback, BROWSER, None).await);
    assert!(matches!(again, Error::Stale), "{again}");
    let stolen = site.away(HANDLE, sign_in()).await;
    let elsewhere = refused(site.agents.finish(stolen.clone(), "another browser", None).await);
    assert!(matches!(elsewhere, Error::Stale), "{elsewhere}");
    // Whoever tried it there used it up.
    let late = refused(site.agents.finish(stolen, BROWSER, None).await);
    assert!(matches!(late, Error::Stale), "{late}");
    for state in [None, Some("made-up".to_owned())] {
        let made_up = Callback { state, iss: Some(origin(site.network.issuer)), code: Some("x".into()), error: None };
        let refusal = refused(site.agents.finish(made_up, BROWSER, None).await);
        assert!(matches!(refusal, Error::Stale), "{refusal}");
    }
    assert_eq!(site.network.asked("/token").len(), 1);
}

#[tokio::test]
async fn a_code_that_was_used_before_signs_nobody_in() {
    let site = Site::start().await;
    let first = site.away(HANDLE, sign_in()).await;
    let code = first.code.clone();
    site.agents.finish(first, BROWSER, None).await.unwrap_or_else(|error| panic!("{error}"));
    let second = site.away(HANDLE, sign_in()).await;
    let replayed = refused(site.agents.finish(Callback { code, ..second }, BROWSER, None).await);
    assert!(matches!(replayed, Error::Denied(_)), "{replayed}");
}

#[tokio::test]
async fn a_code_of_another_sign_in_is_good_for_nothing() {
    let site = Site::start().await;
    let (mine, theirs) = (site.away(HANDLE, sign_in()).await, site.away(HANDLE, sign_in()).await);
    let swapped = Callback { code: theirs.code, ..mine };
    let refusal = refused(site.agents.finish(swapped, BROWSER, None).await);
    assert!(matches!(refusal, Error::Denied(_)), "{refusal}");
}

#[tokio::test]
async fn somebody_else_than_was_meant_is_not_signed_in() {
    let site = Site::start().await;
    site.network.add("did:plc:mallory", "mallory.example.net");
    let address = site.agents.begin(HANDLE, BROWSER, sign_in()).await.unwrap();
    let (state, iss, code) = site.network.sign_in(&address, "did:plc:mallory");
    let callback = Callback { state: Some(state), iss: Some(iss), code: Some(code), error: None };
    untrusted(site.agents.finish(callback, BROWSER, None).await);
    assert_eq!(site.network.with(|world| world.revoked.len()), 1, "the session that came of it is given up");
}

#[tokio::test]
async fn a_server_signs_in_its_own_people_alone() {
    let site = Site::start().await;
    // The victim's server is another one, which trusts another server.
    let elsewhere = json!({
        "id": "did:plc:victim",
        "service": [{ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": origin(site.network.directory) }],
    });
    site.network.with(|world| world.documents.insert("did:plc:victim".into(), elsewhere));
    let address = site.agents.begin(&origin(site.network.issuer), BROWSER, sign_in()).await.unwrap();
    let (state, iss, code) = site.network.sign_in(&address, "did:plc:victim");
    let callback = Callback { state: Some(state), iss: Some(iss), code: Some(code), error: None };
    let refusal = refused(site.agents.finish(callback, BROWSER, None).await);
    assert!(matches!(refusal, Error::Untrusted(_) | Error::Invalid(_)), "{refusal}");
}

#[tokio::test]
async fn a_handle_must_lead_there_and_back() {
    let site = Site::start().await;
    site.network.with(|world| world.handles.insert("alice.example.org".into(), DID.into()));
    untrusted(site.agents.begin("alice.example.org", BROWSER, sign_in()).await);
    // By the DID, the person is who they are; only their name is not believed.
    site.network.with(|world| world.handles.insert(HANDLE.into(), "did:plc:somebody".into()));
    let callback = site.away(DID, sign_in()).await;
    let done = site.agents.finish(callback, BROWSER, None).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(done.grant.identity.handle, None);
}

#[tokio::test]
async fn documents_are_about_who_gave_them() {
    let site = Site::start().await;
    let (pds, issuer) = (origin(site.network.pds), origin(site.network.issuer));
    let document = site.network.with(|world| world.documents[DID].clone());
    let others = json!({ "id": "did:plc:mallory", "service": document["service"] });
    site.network.with(|world| world.documents.insert(DID.into(), others));
    untrusted(site.agents.begin(DID, BROWSER, sign_in()).await);
    site.network.with(|world| world.documents.insert(DID.into(), document));
    for (path, body) in [
        (RESOURCE, json!({ "resource": "https://mallory.example", "authorization_servers": [issuer] })),
        (RESOURCE, json!({ "resource": pds, "authorization_servers": [] })),
        (RESOURCE, json!({ "resource": pds, "authorization_servers": [issuer, "https://mallory.example"] })),
        (RESOURCE, json!({ "resource": pds, "authorization_servers": [format!("{issuer}/tenant")] })),
        (SERVER, json!({ "issuer": "https://mallory.example" })),
        (SERVER, json!({ "issuer": issuer })),
    ] {
        site.network.answer(path, 200, body);
        untrusted(site.agents.begin(DID, BROWSER, sign_in()).await);
        site.network.with(|world| world.forget_answers());
    }
    site.away(DID, sign_in()).await;
}

#[tokio::test]
async fn a_token_of_another_kind_or_scope_is_refused() {
    let site = Site::start().await;
    let good =
        json!({ "access_token": "a", "refresh_token": "r", "token_type": "DPoP", "scope": "atproto", "sub": DID });
    for (field, value) in [
        ("token_type", json!("Bearer")),
        ("sub", Value::Null),
        ("sub", json!("nobody")),
        ("scope", json!("atprotocol")),
        ("access_token", Value::Null),
    ] {
        let callback = site.away(DID, sign_in()).await;
        let mut answer = good.clone();
        answer[field] = value.clone();
        site.network.answer("/token", 200, answer);
        untrusted(site.agents.finish(callback, BROWSER, None).await);
        site.network.with(|world| world.forget_answers());
    }
}
