//! What both stores say of people whose accounts are gone.

/// Stands where somebody has to be named whose account is gone.
pub(crate) const NOBODY: &str = "did:cardwire:deleted";
