//! People and collections that are found by their names.

use crate::ids::CollectionId;
use crate::user::User;

/// So many are found of each, the best.
pub const MAX_NAMES: usize = 10;

/// Somebody with an account that is neither suspended nor being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonFound {
    pub user: User,
    pub display_name: Option<String>,
}

/// A public collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionFound {
    pub id: CollectionId,
    pub name: String,
    pub description: String,
    pub author: User,
    /// Of the cards that everybody sees.
    pub card_count: u64,
}
