//! Who uses the application: people with accounts, or nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use cardwire_http::auth::{self, Credential, Identity};
use cardwire_http::{Authenticator, TokenAuthenticator};

use crate::browser::Browser;
use crate::harness::Api;

pub const PASSWORD: &str = "correct horse battery staple";

pub fn with_accounts() -> Api {
    let mut api = Api::new();
    api.state.authenticator = Arc::new(TokenAuthenticator::new(Arc::new(api.store.clone()), BTreeSet::new()));
    api
}

pub async fn signed_up<'a>(api: &'a Api, handle: &str) -> Browser<'a> {
    let mut browser = Browser::new(api);
    browser.open("/sign-up").await;
    browser.submit("/sign-up", &[("handle", handle), ("password", PASSWORD)]).await;
    assert_eq!(browser.text(".who a"), handle);
    browser
}

/// What authentication is without mock: nobody, unless a token is shown.
pub struct NobodyWithoutToken;

#[async_trait]
impl Authenticator for NobodyWithoutToken {
    async fn authenticate(&self, credential: Option<Credential<'_>>) -> Result<Option<Identity>, auth::Error> {
        match credential {
            None => Ok(None),
            Some(_) => Err(auth::Error::Refused("no such token")),
        }
    }
}
