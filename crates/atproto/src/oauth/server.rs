//! From somebody's server to the one that signs them in. Each document must be about the server that gave it.

use serde_json::Value;
use url::Url;

use crate::error::Error;
use crate::net::{Net, ascii, shown};

const RESOURCE: &str = "the person's server";
const ISSUER: &str = "the sign-in server";

/// A server that signs people in.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// Its origin.
    pub(super) issuer: String,
    pub(super) authorization: Url,
    pub(super) request: Url,
    pub(super) token: Url,
    pub(super) revocation: Option<Url>,
}

/// The one that this server trusts. `None`: it says nothing of any.
pub(super) async fn issuer_of(net: &Net, service: &Url) -> Result<Option<Url>, Error> {
    let mut url = service.clone();
    url.set_path("/.well-known/oauth-protected-resource");
    let Some(document) = net.document(RESOURCE, url).await? else { return Ok(None) };
    let resource = document["resource"].as_str().unwrap_or_default();
    if Url::parse(resource).map(|url| ascii(&url)).ok() != Some(ascii(service)) {
        return Err(Error::untrusted(format!(
            "{} says that it is another server: {}.",
            ascii(service),
            shown(resource)
        )));
    }
    match document["authorization_servers"].as_array().map(Vec::as_slice) {
        Some([issuer]) => net.origin(ISSUER, issuer.as_str().unwrap_or_default()).map(Some),
        _ => Err(Error::untrusted(format!("{} does not name one server that signs people in.", ascii(service)))),
    }
}

/// What the issuer says of itself.
pub(super) async fn server(net: &Net, issuer: &Url) -> Result<Server, Error> {
    let mut url = issuer.clone();
    url.set_path("/.well-known/oauth-authorization-server");
    let document = net.document(ISSUER, url).await?;
    let issuer = ascii(issuer);
    let document = document.ok_or_else(|| Error::Invalid(format!("{issuer} does not sign people in.")))?;
    let named = document["issuer"].as_str().unwrap_or_default();
    if named != issuer {
        return Err(Error::untrusted(format!("{issuer} says that it is another server: {}.", shown(named))));
    }
    let lists = |name: &str, value: &str| {
        document[name].as_array().is_some_and(|list| list.iter().any(|item| item.as_str() == Some(value)))
    };
    let says = |name: &str| document[name].as_bool() == Some(true);
    let is_fit = lists("code_challenge_methods_supported", "S256")
        && lists("dpop_signing_alg_values_supported", "ES256")
        && lists("scopes_supported", "atproto")
        && says("authorization_response_iss_parameter_supported");
    if !is_fit {
        return Err(Error::untrusted(format!("{issuer} does not sign people in as AT Protocol requires.")));
    }
    let endpoint = |name: &str| net.endpoint(ISSUER, &document, name);
    Ok(Server {
        authorization: endpoint("authorization_endpoint")?,
        request: endpoint("pushed_authorization_request_endpoint")?,
        token: endpoint("token_endpoint")?,
        revocation: match &document["revocation_endpoint"] {
            Value::Null => None,
            _ => Some(endpoint("revocation_endpoint")?),
        },
        issuer,
    })
}
