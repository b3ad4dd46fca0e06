//! What this site does in the network for its people.

use std::sync::Arc;

use cardwire_domain::atproto::AtprotoRepository;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::error::Error;
use crate::identity::{Identities, Identity};
use crate::jwt::SigningKey;
use crate::net::{LIMITS, Net};
use crate::nonces::Nonces;
use crate::sealed::Keys;
use crate::session::Session;
use crate::settings::{AtprotoSettings, OAuthClient};

/// One for the whole process: clones share it.
#[derive(Clone)]
pub struct Agents(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) keys: Keys,
    pub(crate) client: Option<OAuthClient>,
    pub(crate) allow_app_passwords: bool,
    pub(crate) net: Net,
    pub(crate) identities: Identities,
    pub(crate) repository: Arc<dyn AtprotoRepository>,
    pub(crate) nonces: Nonces,
    /// Refreshes that go on although nobody waits for them.
    pub(crate) tracker: TaskTracker,
}

/// A session in somebody's repository that is not stored yet: to be kept ([`Agents::keep`]) or given up ([`Agents::discard`]).
pub struct Grant {
    pub identity: Identity,
    pub(crate) session: Session,
}

impl Grant {
    pub(crate) fn new(identity: Identity, session: Session) -> Self {
        Self { identity, session }
    }
}

impl Agents {
    /// # Errors
    /// When TLS cannot be set up, or the site's address cannot be a client's.
    pub fn new(settings: AtprotoSettings, repository: Arc<dyn AtprotoRepository>) -> Result<Self, Error> {
        let AtprotoSettings { keys, site, plc, prefix, allow_app_passwords, policy, development, lookup, .. } =
            settings;
        let net = Net::new(policy, development, LIMITS, lookup)?;
        let identities = Identities::new(net.clone(), settings.names, plc, settings.well_known, development);
        let client = site.map(|site| OAuthClient::of(&site, &prefix)).transpose()?;
        let (nonces, tracker) = (Nonces::default(), TaskTracker::new());
        Ok(Self(Arc::new(Inner { keys, client, allow_app_passwords, net, identities, repository, nonces, tracker })))
    }

    /// Whether people can sign in by the network.
    pub fn signs_in(&self) -> bool {
        self.0.client.is_some()
    }

    /// The origin that browsers come back to, which must be the one that they left.
    pub fn origin(&self) -> Option<&str> {
        self.0.client.as_ref().map(OAuthClient::origin)
    }

    pub fn allows_app_passwords(&self) -> bool {
        self.0.allow_app_passwords
    }

    /// What other servers read of this site. `None`: it is not in public.
    pub fn client_metadata(&self) -> Option<Value> {
        self.0.client.as_ref().filter(|client| client.is_confidential).map(OAuthClient::metadata)
    }

    /// The public halves of this site's keys.
    pub fn public_keys(&self) -> Value {
        let key = |key: &SigningKey| {
            let mut public = key.public();
            public["kid"] = key.thumbprint().into();
            public["alg"] = "ES256".into();
            public["use"] = "sig".into();
            public
        };
        json!({ "keys": self.0.keys.signing().iter().map(key).collect::<Vec<_>>() })
    }

    pub fn identities(&self) -> &Identities {
        &self.0.identities
    }

    pub fn repository(&self) -> &Arc<dyn AtprotoRepository> {
        &self.0.repository
    }
}
