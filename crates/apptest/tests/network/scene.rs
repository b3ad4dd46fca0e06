//! A site that is set up for the network.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_trait::async_trait;
use cardwire_apptest::browser::{Browser, HOST};
use cardwire_apptest::harness::Api;
use cardwire_apptest::people::with_accounts;
use cardwire_atproto::{Agents, AtprotoSettings, ClientSite, Error, Keys, TxtNames};
use cardwire_guard::{AddressPolicy, Lookup};
use cardwire_testkit::network::{Network, origin};
use url::Url;

/// Nobody has set anything in DNS.
struct NoNames;

#[async_trait]
impl TxtNames for NoNames {
    async fn txt(&self, _: &str) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }
}

pub async fn site() -> (Api, Network) {
    let network = Network::start().await.unwrap();
    let mut api = with_accounts();
    let inside: Lookup = Arc::new(|_| Box::pin(async { Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]) }));
    let settings = AtprotoSettings {
        keys: Keys::parse(&"0123456789abcdef0123456789abcdef".into()).unwrap(),
        site: Some(ClientSite::Public(Url::parse(&format!("https://{HOST}")).unwrap())),
        plc: Url::parse(&origin(network.directory)).unwrap(),
        prefix: "network.cosmik".into(),
        allow_app_passwords: true,
        policy: AddressPolicy { exempt: BTreeSet::from(network.servers()), ..AddressPolicy::default() },
        development: true,
        lookup: inside,
        names: Arc::new(NoNames),
        well_known: Some(network.well_known()),
    };
    api.state.agents = Some(Agents::new(settings, Arc::new(api.store.clone())).unwrap());
    api.state.accounts = api.state.accounts.clone().with_clock(api.state.operations.clock.clone());
    (api, network)
}

/// Where the page that this form led to sends its reader.
pub fn leads_to(browser: &Browser<'_>) -> Url {
    Url::parse(browser.one("main a").attr("href").unwrap()).unwrap()
}

/// The way back from the server, for somebody who signed in there as this person.
pub fn way_back(network: &Network, address: &Url, did: &str) -> String {
    let (state, iss, code) = network.sign_in(address, did);
    let mut url = Url::parse("https://x/oauth/callback").unwrap();
    url.query_pairs_mut().append_pair("state", &state).append_pair("iss", &iss).append_pair("code", &code);
    format!("{}?{}", url.path(), url.query().unwrap())
}

/// Signs in by the network, as far as the way back.
pub async fn away(browser: &mut Browser<'_>, network: &Network, handle: &str, did: &str, invite: &str) -> String {
    browser.open(&format!("/sign-in/atproto?next=/library&invite={invite}")).await;
    let answer = browser.submit("/sign-in/atproto", &[("identifier", handle)]).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", String::from_utf8_lossy(&answer.body));
    let address = leads_to(browser);
    assert_eq!(answer.header("refresh"), format!("0; url={address}"));
    way_back(network, &address, did)
}
