//! People whose accounts are gone, for both stores.

use cardwire_domain::UserId;

/// Stored in place of a person whose account is gone.
pub(crate) const NOBODY: &str = "did:cardwire:deleted";

/// The name in events.
pub(crate) fn named(person: &UserId) -> String {
    format!("\"{person}\"")
}
