//! Sessions are refreshed when needed, by one process at a time, and to the end.

use std::sync::Arc;
use std::time::Duration;

use cardwire_atproto::{CallError, Repos};
use cardwire_domain::atproto::AtprotoRepository;
use cardwire_testkit::network::DID;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::harness::{KEY, Site};

const METHOD: &str = "com.atproto.repo.putRecord";

fn refreshes(site: &Site) -> usize {
    let asked = site.network.asked("/token");
    // Without the first attempts, which lack a nonce.
    asked.iter().filter(|asked| asked.field("grant_type") == "refresh_token").count()
}

#[tokio::test]
async fn two_processes_at_once_refresh_once() {
    let site = Site::start().await;
    let person = site.connected().await;
    let other = site.beside(KEY);
    // Both know the nonces before.
    for agents in [&site.agents, &other] {
        agents.procedure(&person, METHOD, json!({})).await.unwrap();
    }
    for round in 1..=5 {
        let before = refreshes(&site);
        site.network.with(|world| world.access.clear());
        let calls = (0..4).map(|n| {
            let (agents, person) = (if n % 2 == 0 { site.agents.clone() } else { other.clone() }, person.clone());
            tokio::spawn(async move { agents.procedure(&person, METHOD, json!({ "n": n })).await })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap().unwrap()["by"], DID);
        }
        // The other process learns the nonce with its first refresh.
        let used = site.network.with(|world| world.refresh.len());
        assert_eq!(used, 1, "round {round}: one session is left");
        assert!(refreshes(&site) - before <= 2, "round {round}: {}", refreshes(&site) - before);
        let version = site.store.connection(&person).await.unwrap().unwrap().version;
        assert_eq!(version, 1 + round, "one refresh in each round");
    }
}

#[tokio::test]
async fn a_session_that_ends_soon_is_refreshed_before_it_is_used() {
    let site = Site::start().await;
    site.network.with(|world| world.expires_in = Some(5));
    let person = site.connected().await;
    site.network.with(|world| world.expires_in = None);
    site.agents.procedure(&person, METHOD, json!({})).await.unwrap();
    let attempts = site.network.asked(&format!("/xrpc/{METHOD}"));
    assert!(attempts.iter().all(|asked| !asked.header("authorization").ends_with("access-token-3")), "{attempts:?}");
    assert_eq!(site.store.connection(&person).await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn a_refresh_goes_on_without_who_asked_for_it() {
    let site = Site::start().await;
    let person = site.connected().await;
    site.agents.procedure(&person, METHOD, json!({})).await.unwrap();
    site.network.with(|world| world.access.clear());
    let gate = Arc::new(Semaphore::new(0));
    // The server does what it is asked, but its answer does not come.
    site.network.with(|world| world.gate_at = Some(("/token".into(), gate.clone())));
    let call = {
        let (agents, person) = (site.agents.clone(), person.clone());
        tokio::spawn(async move { agents.procedure(&person, METHOD, json!({})).await })
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while refreshes(&site) == 0 {
        assert!(tokio::time::Instant::now() < deadline, "nothing is refreshed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    call.abort();
    assert!(call.await.is_err());
    assert!(timeout(Duration::from_millis(50), site.agents.drained()).await.is_err(), "it is waited for");
    gate.add_permits(100);
    timeout(Duration::from_secs(10), site.agents.drained()).await.unwrap();
    assert_eq!(site.store.connection(&person).await.unwrap().unwrap().version, 2, "what it got was stored");
    site.agents.procedure(&person, METHOD, json!({})).await.unwrap();
    assert_eq!(site.network.with(|world| world.refresh.len()), 1);
}

#[tokio::test]
async fn a_revoked_session_ends_and_its_person_is_told() {
    let site = Site::start().await;
    let person = site.connected().await;
    site.network.with(|world| {
        world.access.clear();
        world.refresh.clear();
    });
    for _ in 0..2 {
        let ended = site.agents.procedure(&person, METHOD, json!({})).await;
        assert!(matches!(&ended, Err(CallError::SessionEnded(why)) if why.contains("Connect again")), "{ended:?}");
    }
    let connection = site.store.connection(&person).await.unwrap().unwrap();
    assert!(connection.ended.is_some() && connection.session.is_none(), "{connection:?}");
    site.agents.keep(&person, site.signed_in().await).await.unwrap();
    site.agents.procedure(&person, METHOD, json!({})).await.unwrap();
}

#[tokio::test]
async fn somebody_elses_session_is_not_taken() {
    let site = Site::start().await;
    let person = site.connected().await;
    site.network.with(|world| {
        world.access.clear();
        world.sub = Some("did:plc:mallory".into());
    });
    let ended = site.agents.procedure(&person, METHOD, json!({})).await;
    assert!(matches!(ended, Err(CallError::SessionEnded(_))), "{ended:?}");
}

#[tokio::test]
async fn a_server_that_is_away_ends_nothing() {
    let site = Site::start().await;
    let person = site.connected().await;
    site.network.with(|world| world.access.clear());
    for status in [500, 503, 429] {
        site.network.answer("/token", status, json!({}));
        let away = site.agents.procedure(&person, METHOD, json!({})).await;
        assert!(matches!(away, Err(CallError::Away(_))), "{status}: {away:?}");
    }
    let connection = site.store.connection(&person).await.unwrap().unwrap();
    assert!(connection.ended.is_none() && connection.last_error.is_some(), "{connection:?}");
    site.network.with(|world| world.forget_answers());
    site.agents.procedure(&person, METHOD, json!({})).await.unwrap();
    assert_eq!(site.store.connection(&person).await.unwrap().unwrap().last_error, None);
    site.network.answer(&format!("/xrpc/{METHOD}"), 429, json!({}));
    let limited = site.agents.procedure(&person, METHOD, json!({})).await;
    assert_eq!(limited, Err(CallError::RateLimited { retry_after: None }));
}
