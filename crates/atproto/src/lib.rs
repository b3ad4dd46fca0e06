//! The AT Protocol network: who people are there, signing in by it, and asking their repositories.
//!
//! Guarantees, shown by `tests/network`:
//!
//! - Nobody is taken for somebody else: a handle must lead to a DID and back, each server's metadata must name the server itself, and the
//!   answer to a sign-in must come from the server that was asked, to the browser that began it, once (`forgeries`).
//! - No server inside a private network is asked, at any hop (`private`).
//! - A session is refreshed by one process at a time, whatever is dropped meanwhile (`refreshing`).
//! - The store holds no token and no key that can be read without `APP__SECRET_KEY` (`secrets`).
//!
//! Not guaranteed: that a session survives a process that dies between a refresh and its storing. The person connects again then.

mod agents;
mod app_password;
mod call;
mod connections;
mod error;
mod identity;
mod jwt;
mod net;
mod nonces;
mod oauth;
mod refresh;
mod repo;
mod sealed;
mod session;
mod settings;

pub use agents::{Agents, Grant};
pub use error::Error;
pub use identity::{DidDocument, DnsNames, Identities, Identity, NetworkHandle, TxtNames};
pub use oauth::{Callback, Finished, Purpose};
pub use repo::{CallError, Repos};
pub use sealed::{Keys, MIN_KEY_CHARS, SealError};
pub use settings::{AtprotoSettings, ClientSite};
