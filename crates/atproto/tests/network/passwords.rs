//! App passwords, in development.

use cardwire_atproto::{CallError, Error, Repos};
use cardwire_domain::atproto::AtprotoRepository;
use cardwire_testkit::network::{APP_PASSWORD, DID, HANDLE, origin};
use serde_json::json;

use crate::harness::{Site, refused};

const METHOD: &str = "com.atproto.repo.putRecord";

#[tokio::test]
async fn an_app_password_connects_refreshes_and_ends() {
    let site = Site::start().await;
    let person = site.person("alice").await;
    let service = origin(site.network.pds);
    let wrong = site.agents.connect_with_app_password(&person, &service, HANDLE, &"wrong".into()).await;
    assert!(matches!(refused(wrong), Error::Denied(_)));
    site.agents.connect_with_app_password(&person, &service, HANDLE, &APP_PASSWORD.into()).await.unwrap();
    let connection = site.store.connection(&person).await.unwrap().unwrap();
    assert_eq!((connection.did.as_str(), connection.service), (DID, service));
    assert_eq!(site.agents.procedure(&person, METHOD, json!({})).await.unwrap()["by"], DID);
    site.network.with(|world| world.access.clear());
    assert_eq!(site.agents.procedure(&person, METHOD, json!({})).await.unwrap()["by"], DID);
    assert_eq!(site.network.with(|world| world.refresh.len()), 1);
    assert!(site.agents.disconnect(&person).await.unwrap());
    assert_eq!(site.network.with(|world| world.revoked.len()), 1);

    site.agents.connect_with_app_password(&person, &origin(site.network.pds), DID, &APP_PASSWORD.into()).await.unwrap();
    site.network.with(|world| {
        world.access.clear();
        world.refresh.clear();
    });
    let ended = site.agents.procedure(&person, METHOD, json!({})).await;
    assert!(matches!(ended, Err(CallError::SessionEnded(_))), "{ended:?}");
}

#[tokio::test]
async fn a_server_cannot_say_that_somebody_is_somebody_else() {
    let site = Site::start().await;
    let person = site.person("mallory").await;
    let (pds, other) = (origin(site.network.pds), origin(site.network.issuer));
    // Mallory's server claims that Mallory is Alice, who is elsewhere.
    let claim = json!({ "did": DID, "accessJwt": "a", "refreshJwt": "r" });
    site.network.answer("/xrpc/com.atproto.server.createSession", 200, claim);
    let refusal = refused(site.agents.connect_with_app_password(&person, &other, HANDLE, &"x".into()).await);
    assert!(matches!(&refusal, Error::Untrusted(why) if why.contains(&pds)), "{refusal}");
    assert!(site.store.connection(&person).await.unwrap().is_none());
}
