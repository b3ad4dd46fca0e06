//! Who somebody is in the network: a name leads to a DID, the DID to a document, the document to a server, and back to the name.

mod document;
mod names;
mod resolve;

pub use document::DidDocument;
pub use names::{DnsNames, NetworkHandle, TxtNames};
pub use resolve::{Identities, Identity};
