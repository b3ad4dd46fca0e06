//! What both stores say of people whose accounts are gone.

use cardwire_domain::UserId;

/// Stands where somebody has to be named whose account is gone.
pub(crate) const NOBODY: &str = "did:cardwire:deleted";

/// As events name somebody.
pub(crate) fn named(person: &UserId) -> String {
    format!("\"{person}\"")
}
