//! What the store holds opens nobody's repository.

use cardwire_atproto::{CallError, Repos};
use cardwire_domain::atproto::{AtprotoRepository, ConnectionKind, NewConnection};
use cardwire_testkit::network::HANDLE;
use serde_json::json;

use crate::harness::{KEY, Site, sign_in};

const METHOD: &str = "com.atproto.repo.putRecord";
const NEW_KEY: &str = "fedcba9876543210fedcba9876543210";

#[tokio::test]
async fn no_token_or_key_can_be_read_in_the_store() {
    let site = Site::start().await;
    let person = site.connected().await;
    let waiting = site.away(HANDLE, sign_in()).await;
    site.agents.procedure(&person, METHOD, json!({})).await.unwrap();
    let mut secrets: Vec<String> =
        site.network.with(|world| world.access.keys().chain(world.refresh.keys()).cloned().collect());
    secrets.extend([waiting.state.unwrap(), KEY.to_owned(), "code_verifier".into(), "OAuth".into()]);
    assert!(secrets.len() > 5, "{secrets:?}");
    for secret in secrets {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for text in [&secret, &hex] {
            assert_eq!(site.store.columns_holding(text).await.unwrap(), [""; 0], "{secret}");
        }
    }
    // Else nothing would be found in any case.
    assert!(!site.store.columns_holding(HANDLE).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_new_key_takes_over_while_the_old_one_still_opens() {
    let site = Site::start().await;
    let person = site.connected().await;
    let renewed = site.beside(&format!("{NEW_KEY},{KEY}"));
    renewed.procedure(&person, METHOD, json!({})).await.unwrap();
    // Too early, the session cannot be read, and is still there.
    let without = site.beside(NEW_KEY);
    let early = without.procedure(&person, METHOD, json!({})).await;
    assert!(matches!(&early, Err(CallError::Away(why)) if why.contains("Connect again")), "{early:?}");
    site.agents.procedure(&person, METHOD, json!({})).await.unwrap();
    // With a refresh it is sealed with the new one.
    site.network.with(|world| world.access.clear());
    renewed.procedure(&person, METHOD, json!({})).await.unwrap();
    let late = site.agents.procedure(&person, METHOD, json!({})).await;
    assert!(matches!(late, Err(CallError::Away(_))), "{late:?}");
    without.procedure(&person, METHOD, json!({})).await.unwrap();
}

#[tokio::test]
async fn a_session_does_not_open_in_somebody_elses_row() {
    let site = Site::start().await;
    let (alice, bob) = (site.connected().await, site.person("bob").await);
    let stolen = site.store.connection(&alice).await.unwrap().unwrap();
    site.agents.disconnect(&alice).await.unwrap();
    let planted = NewConnection {
        person: bob.clone(),
        did: stolen.did,
        handle: None,
        service: stolen.service,
        kind: ConnectionKind::OAuth,
        session: stolen.session.unwrap(),
    };
    site.store.connect(&planted).await.unwrap();
    let refused = site.agents.procedure(&bob, METHOD, json!({})).await;
    let Err(CallError::SessionEnded(why)) = refused else { panic!("{refused:?}") };
    assert!(!why.contains("token"), "{why}");
}
