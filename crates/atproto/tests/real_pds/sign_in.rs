//! Signing up, signing in, and what is refused.

use cardwire_atproto::{CallError, Callback, Error, Finished, Repos};
use cardwire_testkit::real_pds::brought;

use crate::site::{BROWSER, Site, record};

const PUT: &str = "com.atproto.repo.putRecord";
const CARD: &str = "network.cosmik.card";

#[track_caller]
fn refused(result: Result<Finished, Error>) -> Error {
    match result {
        Ok(_) => panic!("it was let through"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn real_pds_somebody_signs_up_and_signs_in_by_handle_did_or_server() {
    let site = Site::start().await;
    let alice = site.joined("alice").await;
    let written = site.agents.procedure(&alice, PUT, record(&alice, CARD)).await.unwrap();
    assert_eq!(written["uri"], format!("at://{alice}/{CARD}/3jzfcijpj2z2a"));
    let parameters = [("repo", alice.as_str()), ("collection", CARD)];
    let held = site.agents.query(&alice, "com.atproto.repo.listRecords", &parameters).await.unwrap();
    assert_eq!(held["records"].as_array().map(Vec::len), Some(1));
    // It is let in to write these records, and no others.
    let other = site.agents.procedure(&alice, PUT, record(&alice, "com.example.note")).await;
    assert!(matches!(&other, Err(CallError::Refused { status: 403, .. })), "{other:?}");

    let service = site.pds.service();
    for typed in ["alice.test", alice.as_str(), &service] {
        let callback = site.signed_in(typed, "alice").await;
        let finished = site.finish(callback).await.unwrap_or_else(|error| panic!("{typed}: {error}"));
        let identity = &finished.grant.identity;
        assert_eq!((&identity.did, identity.handle.as_deref()), (&alice, Some("alice.test")), "{typed}");
        assert_eq!(identity.service.as_str(), format!("{service}/"));
        site.agents.discard(finished.grant).await;
    }
}

#[tokio::test]
async fn real_pds_whatever_is_wrong_with_a_sign_in_it_is_refused_with_a_reason() {
    let site = Site::start().await;
    site.joined("alice").await;
    site.joined("bob").await;
    let page = site.page("alice.test").await;
    let denied = refused(site.finish(brought(&site.browser.refuse(&page).await.unwrap())).await);
    assert!(matches!(&denied, Error::Denied(why) if why.contains("access was denied")), "{denied}");

    let callback = site.signed_in("alice.test", "alice").await;
    let elsewhere = refused(site.agents.finish(callback, "another browser", None).await);
    assert!(matches!(elsewhere, Error::Stale), "{elsewhere}");

    let callback = site.signed_in("alice.test", "alice").await;
    let forged = Callback { iss: Some("http://mallory.example".into()), ..callback };
    let forged = refused(site.finish(forged).await);
    assert!(matches!(&forged, Error::Untrusted(why) if why.contains("mallory.example answered")), "{forged}");

    let callback = site.signed_in("alice.test", "bob").await;
    let other = refused(site.finish(callback).await);
    assert!(matches!(&other, Error::Untrusted(why) if why.contains("somebody else")), "{other}");

    let callback = site.signed_in("alice.test", "alice").await;
    let finished = site.finish(callback.clone()).await.unwrap_or_else(|error| panic!("{error}"));
    let replayed = refused(site.agents.finish(callback.clone(), BROWSER, None).await);
    assert!(matches!(replayed, Error::Stale), "{replayed}");
    site.agents.discard(finished.grant).await;
    // A code is good once, and in the sign-in that it was given for.
    for code in [callback.code, site.signed_in("alice.test", "alice").await.code] {
        let swapped = Callback { code, ..site.signed_in("alice.test", "alice").await };
        let swapped = refused(site.finish(swapped).await);
        assert!(matches!(&swapped, Error::Denied(why) if why.contains("invalid_grant")), "{swapped}");
    }
}
