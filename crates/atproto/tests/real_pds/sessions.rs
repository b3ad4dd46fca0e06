//! Sessions: refreshed by two processes at once, and revoked from either side.

use std::time::Duration;

use cardwire_atproto::{CallError, Repos};
use cardwire_domain::atproto::{AtprotoRepository, NewConnection};
use cardwire_testkit::real_pds::{PASSWORD, Passwords, RealPds};

use crate::site::{Site, record};

const PUT: &str = "com.atproto.repo.putRecord";
const CARD: &str = "network.cosmik.card";

#[tokio::test(flavor = "multi_thread")]
async fn real_pds_two_processes_that_refresh_one_session_at_once_keep_it() {
    // So short that each call refreshes first.
    let site = Site::over(RealPds::with_tokens_for(Duration::from_secs(20)).await.unwrap());
    let alice = site.joined("alice").await;
    let other = site.beside();
    for round in 0..10 {
        let (before, _) = site.session(&alice).await;
        let (one, two) = tokio::join!(
            site.agents.procedure(&alice, PUT, record(&alice, CARD)),
            other.procedure(&alice, PUT, record(&alice, CARD)),
        );
        assert!(one.is_ok() && two.is_ok(), "round {round}: {one:?} {two:?}");
        let (after, ended) = site.session(&alice).await;
        // A server ends a session whose old token it is shown again.
        assert_eq!(ended, None, "round {round}");
        assert!((before + 1..=before + 2).contains(&after), "round {round}: {before} {after}");
    }
}

#[tokio::test]
async fn real_pds_a_session_is_revoked_by_who_disconnects_and_by_their_server() {
    let site = Site::start().await;
    let alice = site.joined("alice").await;
    let kept = site.store.connection(&alice).await.unwrap().unwrap();
    assert!(site.agents.disconnect(&alice).await.unwrap());
    assert_eq!(site.agents.procedure(&alice, PUT, record(&alice, CARD)).await, Err(CallError::NotConnected));
    // What was stored opens nothing any more, wherever it comes from.
    let (person, did, handle, service, kind) = (kept.person, kept.did, kept.handle, kept.service, kept.kind);
    let stolen = NewConnection { person, did, handle, service, kind, session: kept.session.unwrap() };
    site.store.connect(&stolen).await.unwrap();
    let revoked = site.agents.procedure(&alice, PUT, record(&alice, CARD)).await;
    assert!(matches!(&revoked, Err(CallError::SessionEnded(why)) if why.contains("Connect again")), "{revoked:?}");
    assert!(site.session(&alice).await.1.is_some());

    let again = site.signed_in("alice.test", "alice").await;
    let again = site.finish(again).await.unwrap_or_else(|error| panic!("{error}"));
    site.agents.keep(&alice, again.grant).await.unwrap();
    site.agents.procedure(&alice, PUT, record(&alice, CARD)).await.unwrap();
    assert_eq!(site.browser.shut_sites_out("alice").await.unwrap(), 1);
    let revoked = site.agents.procedure(&alice, PUT, record(&alice, CARD)).await;
    assert!(matches!(&revoked, Err(CallError::SessionEnded(_))), "{revoked:?}");
    assert!(site.session(&alice).await.1.is_some_and(|why| why.contains("Connect again")));
}

#[tokio::test]
async fn real_pds_a_password_connects_where_that_is_allowed() {
    let site = Site::start().await;
    let service = site.pds.service();
    let bob = Passwords::on(&service).sign_up("bob").await.unwrap();
    site.names.add("bob.test", &bob);
    let wrong = site.agents.connect_with_app_password(&bob, &service, "bob.test", &"wrong password".into()).await;
    assert!(wrong.is_err_and(|error| error.to_string().contains("does not know")));
    site.agents.connect_with_app_password(&bob, &service, "bob.test", &PASSWORD.into()).await.unwrap();
    site.agents.procedure(&bob, PUT, record(&bob, CARD)).await.unwrap();
    assert!(site.agents.disconnect(&bob).await.unwrap());
}
