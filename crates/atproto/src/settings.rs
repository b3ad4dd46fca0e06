//! What this site is in the network, and whom it asks.

use std::sync::Arc;

use cardwire_domain::records::RecordKind;
use cardwire_guard::{AddressPolicy, Lookup};
use serde_json::{Value, json};
use url::Url;
use url::form_urlencoded;

use crate::error::Error;
use crate::identity::TxtNames;
use crate::net::ascii;
use crate::sealed::Keys;

/// Where this site is, as other servers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientSite {
    /// By HTTPS; other servers read who it is there.
    Public(Url),
    /// On this machine, for development: other servers take its word.
    Loopback { port: u16 },
}

/// Everything that [`crate::Agents`] needs to know.
pub struct AtprotoSettings {
    pub keys: Keys,
    /// `None`: nobody signs in by the network, and connections are made with app passwords alone.
    pub site: Option<ClientSite>,
    /// The directory of did:plc.
    pub plc: Url,
    /// Of the records' collections, such as `network.cosmik`.
    pub prefix: String,
    pub allow_app_passwords: bool,
    pub policy: AddressPolicy,
    /// Servers without TLS, and names that mean something in development alone.
    pub development: bool,
    pub lookup: Lookup,
    pub names: Arc<dyn TxtNames>,
    /// Instead of `https://{handle}/.well-known/atproto-did`, for tests.
    pub well_known: Option<String>,
}

/// This site as an OAuth client.
#[derive(Clone, Debug)]
pub(crate) struct OAuthClient {
    pub(crate) id: String,
    pub(crate) redirect: String,
    pub(crate) scope: String,
    /// It proves who it is, with a key.
    pub(crate) is_confidential: bool,
    origin: String,
}

const CALLBACK: &str = "/oauth/callback";

impl OAuthClient {
    pub(crate) fn of(site: &ClientSite, prefix: &str) -> Result<Self, Error> {
        let mut scope = "atproto".to_owned();
        for kind in RecordKind::ALL {
            scope.push_str(&format!(" repo:{prefix}.{}", kind.name()));
        }
        Ok(match site {
            ClientSite::Public(url) => {
                if url.scheme() != "https" {
                    return Err(Error::Invalid("The address of this site must begin with https://.".into()));
                }
                let origin = ascii(url);
                let (id, redirect) = (format!("{origin}/oauth/client-metadata.json"), format!("{origin}{CALLBACK}"));
                Self { id, redirect, scope, is_confidential: true, origin }
            }
            ClientSite::Loopback { port } => {
                // Names do not do: other servers lead back to an address.
                let origin = format!("http://127.0.0.1:{port}");
                let redirect = format!("{origin}{CALLBACK}");
                let query = form_urlencoded::Serializer::new(String::new())
                    .append_pair("redirect_uri", &redirect)
                    .append_pair("scope", &scope)
                    .finish();
                Self { id: format!("http://localhost?{query}"), redirect, scope, is_confidential: false, origin }
            }
        })
    }

    /// The origin that browsers come back to.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn metadata(&self) -> Value {
        let method = if self.is_confidential { "private_key_jwt" } else { "none" };
        let mut metadata = json!({
            "client_id": self.id,
            "client_name": "Cardwire",
            "client_uri": self.origin,
            "application_type": "web",
            "redirect_uris": [self.redirect],
            "scope": self.scope,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": method,
            "dpop_bound_access_tokens": true,
        });
        if self.is_confidential {
            metadata["token_endpoint_auth_signing_alg"] = "ES256".into();
            metadata["jwks_uri"] = format!("{}/oauth/jwks.json", self.origin).into();
        }
        metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_named_by_where_it_is() {
        let public = ClientSite::Public(Url::parse("https://Links.example:443/").unwrap());
        let client = OAuthClient::of(&public, "network.cosmik").unwrap();
        assert_eq!(client.id, "https://links.example/oauth/client-metadata.json");
        assert_eq!(client.redirect, "https://links.example/oauth/callback");
        assert_eq!(
            client.scope,
            "atproto repo:network.cosmik.card repo:network.cosmik.collection repo:network.cosmik.collectionLink \
             repo:network.cosmik.collectionLinkRemoval"
        );
        assert_eq!(client.metadata()["token_endpoint_auth_method"], "private_key_jwt");
        let plain = ClientSite::Public(Url::parse("http://links.example").unwrap());
        assert!(OAuthClient::of(&plain, "x.y").is_err());
        let local = OAuthClient::of(&ClientSite::Loopback { port: 8080 }, "x.y").unwrap();
        assert!(
            local.id.starts_with(
                "http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Foauth%2Fcallback&scope=atproto"
            ),
            "{}",
            local.id
        );
        assert_eq!(local.metadata()["jwks_uri"], Value::Null);
    }
}
