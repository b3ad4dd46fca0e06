//! Signing in as it should be.

use cardwire_atproto::{Callback, Error, Purpose, Repos};
use cardwire_domain::UserId;
use cardwire_testkit::network::{DID, HANDLE, origin};
use serde_json::json;

use crate::harness::{BROWSER, Site, finished, refused, sign_in};

#[tokio::test]
async fn somebody_signs_in_by_handle_did_or_server() {
    let site = Site::start().await;
    let service = origin(site.network.pds);
    let issuer = origin(site.network.issuer);
    for typed in [HANDLE, "@Alice.Example.NET", DID, &service, &issuer] {
        let callback = site.away(typed, sign_in()).await;
        let finished = finished(site.agents.finish(callback, BROWSER, None).await);
        assert_eq!(finished.purpose, sign_in());
        let identity = &finished.grant.identity;
        assert_eq!((identity.did.as_str(), identity.handle.as_deref()), (DID, Some(HANDLE)), "{typed}");
        assert_eq!(identity.service.as_str(), format!("{service}/"));
    }
}

#[tokio::test]
async fn dns_tells_whose_a_handle_is_before_its_server_does() {
    let site = Site::start().await;
    site.network.with(|world| world.handles.clear());
    let nobody = refused(site.agents.begin(HANDLE, BROWSER, sign_in()).await);
    assert!(matches!(nobody, Error::Invalid(_)), "{nobody}");
    site.names.0.lock().push((format!("_atproto.{HANDLE}"), format!("did={DID}")));
    site.away(HANDLE, sign_in()).await;
    site.names.0.lock().push((format!("_atproto.{HANDLE}"), "did=did:plc:mallory".into()));
    let two = refused(site.agents.begin(HANDLE, BROWSER, sign_in()).await);
    assert!(matches!(two, Error::Untrusted(_)), "{two}");
}

#[tokio::test]
async fn the_server_learns_who_asks_and_for_what() {
    let site = Site::start().await;
    let callback = site.away(HANDLE, sign_in()).await;
    site.agents.finish(callback, BROWSER, None).await.unwrap_or_else(|error| panic!("{error}"));
    let pushed = site.network.asked("/par").pop().unwrap();
    assert_eq!(pushed.field("client_id"), "https://cardwire.example/oauth/client-metadata.json");
    assert_eq!(pushed.field("redirect_uri"), "https://cardwire.example/oauth/callback");
    assert_eq!(pushed.field("login_hint"), HANDLE);
    assert!(pushed.field("scope").starts_with("atproto repo:network.cosmik.card "), "{}", pushed.field("scope"));
    assert_eq!(pushed.field("code_challenge_method"), "S256");
    let [par, token] = ["/par", "/token"].map(|path| site.network.asked(path).pop().unwrap());
    for asked in [&par, &token] {
        assert!(asked.field("client_assertion_type").ends_with("jwt-bearer"));
        assert_eq!(asked.field("client_assertion").split('.').count(), 3);
    }
    assert_ne!(par.field("client_assertion"), token.field("client_assertion"), "each is good once");
    // Without a nonce the first request was refused, and sent again.
    assert_eq!((site.network.asked("/par").len(), site.network.asked("/token").len()), (2, 1));
    let metadata = site.agents.client_metadata().unwrap();
    assert_eq!(metadata["client_id"], pushed.field("client_id").as_str());
    assert_eq!(site.agents.public_keys()["keys"].as_array().unwrap().len(), 1);
    assert!(!site.agents.public_keys().to_string().contains("\"d\""), "only public halves");
}

#[tokio::test]
async fn a_connection_writes_in_its_persons_name_whatever_the_nonce() {
    let site = Site::start().await;
    let person = site.connected().await;
    for nonce in [0, 1, 1, 7] {
        site.network.with(|world| world.nonce = nonce);
        let done = site.agents.procedure(&person, "com.atproto.repo.putRecord", json!({ "a": nonce })).await.unwrap();
        assert_eq!(done, json!({ "by": DID, "method": "com.atproto.repo.putRecord", "body": { "a": nonce } }));
    }
    let read = site.agents.query(&person, "com.atproto.repo.listRecords", &[("repo", DID), ("x", "a b&c")]).await;
    assert_eq!(read.unwrap()["by"], DID);
}

#[tokio::test]
async fn a_connection_is_made_by_who_began_it() {
    let site = Site::start().await;
    let (alice, bob) = (site.person("alice").await, site.person("bob").await);
    let purpose = Purpose::Connect { person: alice.clone() };
    for viewer in [None, Some(&bob)] {
        let callback = site.away(HANDLE, purpose.clone()).await;
        let refusal = refused(site.agents.finish(callback, BROWSER, viewer).await);
        assert!(matches!(refusal, Error::Stale), "{refusal}");
    }
    let callback = site.away(HANDLE, purpose.clone()).await;
    let done = finished(site.agents.finish(callback, BROWSER, Some(&alice)).await);
    assert_eq!(done.purpose, purpose);
    site.agents.keep(&alice, done.grant).await.unwrap();
    let grant = site.signed_in().await;
    let taken = refused(site.agents.keep(&bob, grant).await);
    assert!(matches!(taken, Error::Taken), "{taken}");
    assert_eq!(site.network.with(|world| world.revoked.len()), 1, "Bob's session is not kept");
}

#[tokio::test]
async fn whoever_says_no_is_not_signed_in() {
    let site = Site::start().await;
    let callback = site.away(HANDLE, sign_in()).await;
    let denied = Callback { code: None, error: Some("access_denied".into()), ..callback };
    let refusal = refused(site.agents.finish(denied, BROWSER, None).await);
    assert!(matches!(&refusal, Error::Denied(why) if why.contains("access was denied")), "{refusal}");
}

#[tokio::test]
async fn disconnecting_revokes_the_newest_token() {
    let site = Site::start().await;
    let person = site.connected().await;
    site.network.with(|world| world.access.clear());
    site.agents.procedure(&person, "com.atproto.repo.putRecord", json!({})).await.unwrap();
    let newest = site.network.with(|world| world.refresh.keys().cloned().collect::<Vec<_>>());
    assert_eq!(newest.len(), 1, "the first one was used up");
    assert!(site.agents.disconnect(&person).await.unwrap());
    assert!(site.network.with(|world| world.revoked.contains(&newest[0])));
    assert!(!site.agents.disconnect(&person).await.unwrap());
    let gone = site.agents.procedure(&person, "com.atproto.repo.putRecord", json!({})).await;
    assert_eq!(gone, Err(cardwire_atproto::CallError::NotConnected));
    let stranger = UserId::parse("did:plc:stranger").unwrap();
    assert!(!site.agents.disconnect(&stranger).await.unwrap());
}
