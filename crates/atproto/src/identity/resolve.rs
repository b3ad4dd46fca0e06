//! From a name or a DID to somebody's server.

use std::sync::Arc;

use cardwire_domain::UserId;
use url::Url;

use super::document::DidDocument;
use super::names::{NetworkHandle, TxtNames};
use crate::error::Error;
use crate::net::{Net, shown};

const DIRECTORY: &str = "the DID directory";
const DID_SERVER: &str = "the server of the DID";
const NAME_SERVER: &str = "the server of the handle";

/// Somebody of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub did: UserId,
    /// Only if the name leads to the DID, and the DID to the name.
    pub handle: Option<String>,
    /// The origin of their server.
    pub service: Url,
}

/// Finds people. Clones share it.
#[derive(Clone)]
pub struct Identities {
    net: Net,
    names: Arc<dyn TxtNames>,
    plc: Url,
    /// Where a name's server tells its DID. Tests ask elsewhere.
    well_known: Arc<str>,
    development: bool,
}

impl Identities {
    pub(crate) fn new(
        net: Net,
        names: Arc<dyn TxtNames>,
        plc: Url,
        well_known: Option<String>,
        development: bool,
    ) -> Self {
        let well_known = well_known.unwrap_or_else(|| "https://{handle}/.well-known/atproto-did".to_owned());
        Self { net, names, plc, well_known: well_known.into(), development }
    }

    pub(crate) fn handle(&self, text: &str) -> Option<NetworkHandle> {
        NetworkHandle::parse(text, self.development)
    }

    /// Who has this handle. It must lead to a DID that claims the handle.
    pub async fn by_handle(&self, handle: &NetworkHandle) -> Result<Identity, Error> {
        let Some(did) = self.did_of(handle).await? else {
            return Err(Error::Invalid(format!("No AT Protocol account has the handle {}.", handle.as_str())));
        };
        let document = self.document(&did).await?;
        if document.claims.as_deref().and_then(|name| self.handle(name)).as_ref() != Some(handle) {
            let handle = handle.as_str();
            return Err(Error::untrusted(format!("The handle {handle} leads to an account that does not have it.")));
        }
        self.identity(document, Some(handle.as_str().to_owned()))
    }

    /// Whoever this DID is. A handle that does not lead back is left out.
    pub async fn by_did(&self, did: &UserId) -> Result<Identity, Error> {
        let document = self.document(did).await?;
        let claimed = document.claims.as_deref().and_then(|name| self.handle(name));
        let handle = match &claimed {
            Some(handle) => match self.did_of(handle).await {
                Ok(found) if found.as_ref() == Some(did) => Some(handle.as_str().to_owned()),
                Ok(_) => None,
                // Whoever they are does not depend on it.
                Err(error) => {
                    tracing::info!(%did, %error, "a handle could not be checked");
                    None
                }
            },
            None => None,
        };
        self.identity(document, handle)
    }

    fn identity(&self, document: DidDocument, handle: Option<String>) -> Result<Identity, Error> {
        let service = self.net.origin("the person's server", &document.service)?;
        Ok(Identity { did: document.did, handle, service })
    }

    /// By DNS, or else by the name's own server.
    async fn did_of(&self, handle: &NetworkHandle) -> Result<Option<UserId>, Error> {
        let handle = handle.as_str();
        let records = match self.names.txt(&format!("_atproto.{handle}")).await {
            Ok(records) => records,
            Err(error) => {
                tracing::info!(handle, %error, "DNS did not say whose handle it is");
                Vec::new()
            }
        };
        let dids: Vec<&str> = records.iter().filter_map(|record| record.trim().strip_prefix("did=")).collect();
        match dids.as_slice() {
            [] => {}
            [did] => return read_did(did).map(Some),
            _ => return Err(Error::untrusted(format!("DNS names several accounts for {handle}."))),
        }
        let url = self.well_known.replace("{handle}", handle);
        let url = Url::parse(&url).map_err(|_| Error::Invalid(format!("{handle} is not a handle.")))?;
        match self.net.line(NAME_SERVER, url).await {
            Ok(Some(line)) if line.starts_with("did:") => read_did(&line).map(Some),
            Ok(_) | Err(Error::Away { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn document(&self, did: &UserId) -> Result<DidDocument, Error> {
        let (what, url) = match did.as_str().split_once(':').and_then(|(_, rest)| rest.split_once(':')) {
            Some(("plc", _)) => {
                let mut url = self.plc.clone();
                url.set_path(did.as_str());
                (DIRECTORY, url)
            }
            Some(("web", host)) => (DID_SERVER, self.web_document(host)?),
            _ => return Err(unsupported(did.as_str())),
        };
        let document = self.net.document(what, url).await?;
        let document = document.ok_or_else(|| Error::Invalid(format!("There is no account with the DID {did}.")))?;
        DidDocument::read(did, &document)
    }

    /// Of a host alone: the network takes no did:web with a path.
    fn web_document(&self, host: &str) -> Result<Url, Error> {
        let handle = self.handle(host).ok_or_else(|| unsupported(host))?;
        Url::parse(&format!("https://{}/.well-known/did.json", handle.as_str())).map_err(|_| unsupported(host))
    }
}

fn unsupported(did: &str) -> Error {
    Error::Invalid(format!("{} is not a supported DID. Use did:plc or did:web.", shown(did)))
}

fn read_did(text: &str) -> Result<UserId, Error> {
    UserId::parse(text.trim()).map_err(|_| unsupported(text))
}
