//! Signing in as OAuth has it for AT Protocol: pushed requests, PKCE, DPoP, client assertions.

mod begin;
mod finish;
mod form;
mod request;
mod server;
mod tokens;

pub use finish::{Callback, Finished};
pub use request::Purpose;

pub(crate) use tokens::{refresh, revoke};
