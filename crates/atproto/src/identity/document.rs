//! DID documents: what a DID says of its server and its name.

use cardwire_domain::UserId;
use serde_json::Value;

use crate::error::Error;

/// What matters of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DidDocument {
    pub did: UserId,
    /// The name that it claims, not checked yet.
    pub claims: Option<String>,
    /// The address of the person's server, as it stands there.
    pub service: String,
}

impl DidDocument {
    /// # Errors
    /// When it is somebody else's, or names no server.
    pub fn read(did: &UserId, document: &Value) -> Result<Self, Error> {
        if document["id"].as_str() != Some(did.as_str()) {
            return Err(Error::untrusted("The document of this DID is somebody else's."));
        }
        let names = document["alsoKnownAs"].as_array().into_iter().flatten();
        let claims = names.filter_map(|name| name.as_str()?.strip_prefix("at://")).next().map(str::to_owned);
        let services = document["service"].as_array().into_iter().flatten();
        let is_pds = |service: &&Value| {
            let id = service["id"].as_str().unwrap_or_default();
            let is_named = id.strip_prefix(did.as_str()).unwrap_or(id) == "#atproto_pds";
            is_named && service["type"].as_str() == Some("AtprotoPersonalDataServer")
        };
        let service = services.clone().find(is_pds).and_then(|service| service["serviceEndpoint"].as_str());
        let service = service.ok_or_else(|| Error::untrusted("The document of this DID names no server (PDS)."))?;
        Ok(Self { did: did.clone(), claims, service: service.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_names_its_own_did_a_name_and_a_server() {
        let did = UserId::parse("did:plc:abc").unwrap();
        let pds =
            json!({ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "https://pds.net" });
        let mut document =
            json!({ "id": "did:plc:abc", "alsoKnownAs": ["https://x.com", "at://alice.net"], "service": [pds] });
        let read = DidDocument::read(&did, &document).unwrap();
        assert_eq!((read.claims.as_deref(), read.service.as_str()), (Some("alice.net"), "https://pds.net"));
        document["service"][0]["id"] = json!("did:plc:abc#atproto_pds");
        assert!(DidDocument::read(&did, &document).is_ok());
        document["service"][0]["id"] = json!("did:plc:other#atproto_pds");
        assert!(DidDocument::read(&did, &document).is_err());
        document["id"] = json!("did:plc:other");
        assert!(DidDocument::read(&did, &document).is_err());
        assert!(DidDocument::read(&did, &json!([])).is_err());
    }
}
