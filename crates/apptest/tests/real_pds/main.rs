//! Signing up, out and in on the pages, by a real server of people's repositories on loopback. `scripts/test-atproto.sh` installs it.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;
use cardwire_apptest::people::with_accounts;
use cardwire_atproto::Agents;
use cardwire_domain::accounts::AccountRepository;
use cardwire_http::origin::PublicUrl;
use cardwire_testkit::real_pds::{self, KnownNames, RealPds, settings};
use url::Url;

const PORT: u16 = 8080;

/// A site on this machine, where other servers lead browsers back to.
fn site(pds: &RealPds, names: &KnownNames) -> Api {
    let mut api = with_accounts();
    api.state.public_url = PublicUrl(Some(Url::parse(&format!("http://127.0.0.1:{PORT}")).unwrap()));
    api.state.agents = Some(Agents::new(settings(pds, PORT, names), Arc::new(api.store.clone())).unwrap());
    api
}

/// Leaves for the server. Its page, on which somebody is asked whether they let the site in.
async fn leave(browser: &mut Browser<'_>, typed: &str) -> Url {
    browser.open("/sign-in/atproto?next=/library").await;
    let answer = browser.submit("/sign-in/atproto", &[("identifier", typed)]).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", String::from_utf8_lossy(&answer.body));
    Url::parse(browser.one("main a").attr("href").unwrap()).unwrap()
}

fn path(back: &Url) -> String {
    assert_eq!(back.origin().ascii_serialization(), format!("http://127.0.0.1:{PORT}"));
    format!("{}?{}", back.path(), back.query().unwrap_or_default())
}

#[tokio::test]
async fn real_pds_somebody_signs_up_signs_out_and_signs_in_on_the_pages() {
    let pds = RealPds::start().await.unwrap();
    let (names, there) = (KnownNames::default(), real_pds::Browser::on(&pds.service()));
    let api = site(&pds, &names);
    let mut alice = Browser::new(&api);
    let page = leave(&mut alice, &pds.service()).await;
    let back = there.sign_up(&page, "alice").await.unwrap();
    alice.open(&path(&back)).await;
    assert_eq!(alice.path, "/library", "where they wanted to go");
    let name = alice.text(".who a");
    alice.open("/account/atproto").await;
    let facts = alice.text("dl.facts");
    assert!(facts.contains(&pds.service()) && facts.contains("Connected"), "{facts}");

    let people = api.store.people(None, 10).await.unwrap();
    names.add("alice.test", &people[0].user.id);
    alice.open("/account").await;
    alice.submit("/sign-out", &[]).await;
    let page = leave(&mut alice, "alice.test").await;
    let refused = alice.get(&path(&there.refuse(&page).await.unwrap())).await;
    assert_eq!(refused.status.as_u16(), 422);
    assert!(alice.text("main [role=alert]").contains("access was denied"));
    let page = leave(&mut alice, "alice.test").await;
    alice.open(&path(&there.sign_in(&page, "alice").await.unwrap())).await;
    assert_eq!(alice.text(".who a"), name);
    assert_eq!(api.store.people(None, 10).await.unwrap(), people, "it is the same account");
    alice.open("/account/atproto").await;
    assert!(alice.text("dl.facts").contains("alice.test"));
    alice.submit("/account/atproto/disconnect", &[]).await;
    assert_eq!(alice.path, "/account/atproto?told=disconnected");
    assert_eq!(there.shut_sites_out("alice").await.unwrap(), 0, "both sessions were given up");
}
