//! Accounts: signing up, in and out, what belongs to an account, and telling who a token belongs to.
//!
//! Passwords are kept as argon2id hashes. Tokens are 256 random bits of which the store sees the SHA-256; what it holds lets
//! nobody in. Passwords are compared in one Unicode form (NFC). A sign-in does the same work and is refused in the same words whether the handle or the password is wrong.

mod access;
mod attempts;
mod authenticator;
mod client;
mod deletion;
mod error;
mod network;
mod password_change;
mod passwords;
mod people;
mod registration;
mod sign_in;
mod tokens;

pub use access::TokenRequest;
pub use authenticator::TokenAuthenticator;
pub use client::Client;
pub use error::Error;
pub use network::Newcomer;
pub use passwords::{Argon2id, PasswordScheme, SchemeError};
pub use people::{Invite, ResetLink, reset_path, sign_up_path};
pub use registration::{SignUp, Welcome};
pub use sign_in::{AccountSettings, Accounts};
pub use tokens::Tokens;
