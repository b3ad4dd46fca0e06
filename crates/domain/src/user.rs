//! People.

use crate::ids::UserId;

/// How a person is shown to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub handle: String,
}

impl User {
    /// A person without an account here (mock authentication).
    pub fn unregistered(id: UserId) -> Self {
        let handle = id.fallback_handle().to_owned();
        Self { id, handle }
    }
}
