//! Who works on a collection with its author. People are invited, and collaborate once they accept; nobody can be made to.

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::feed::CollectionName;
use crate::ids::UserId;
use crate::user::User;

// Requests that run at the same moment do not see each other's invitations, blocks and acceptances, so each of these bounds may be exceeded
// by as many as a deployment runs at once. They keep lists short; nothing breaks with a few more.

/// The most invitations one person can have open.
pub const MAX_OPEN_INVITATIONS: usize = 100;
/// The most of them that come from one author.
pub const MAX_OPEN_INVITATIONS_BY_AUTHOR: usize = 10;
/// The most collections of others in which one person collaborates.
pub const MAX_COLLABORATIONS: usize = 1_000;

/// What somebody who was invited sees of a collection until they answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    pub collection: CollectionName,
    pub author: User,
    pub invited_at: Timestamp,
}

/// A person who cannot invite the one who blocked them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub person: User,
    pub blocked_at: Timestamp,
}

/// Somebody whom an author is about to invite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitee {
    pub person: UserId,
    /// Open invitations of this person.
    pub open: usize,
    /// Those from this author.
    pub open_by_author: usize,
    pub has_blocked_author: bool,
}

impl Invitee {
    /// Whether there is room for one more invitation of this author.
    pub fn admit(&self) -> Result<()> {
        let person = &self.person;
        // Neither is for strangers to tell apart: that somebody blocked them, or how many others have asked.
        let rule = if self.has_blocked_author || self.open >= MAX_OPEN_INVITATIONS {
            format!("{person} cannot be invited at the moment.")
        } else if self.open_by_author >= MAX_OPEN_INVITATIONS_BY_AUTHOR {
            format!(
                "{person} has {MAX_OPEN_INVITATIONS_BY_AUTHOR} open invitations from you, which is the limit. Wait for an answer, or \
                 withdraw one."
            )
        } else {
            return Ok(());
        };
        Err(Error::invalid("userIds", rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_that_is_refused_names_the_field_the_person_and_the_rule() {
        let check = |open, open_by_author, has_blocked_author, expected: Option<&str>| {
            let person = UserId::parse("did:plc:bob").unwrap();
            let told = Invitee { person, open, open_by_author, has_blocked_author }.admit().err();
            let told = told.map(|error| error.to_string());
            match expected {
                None => assert_eq!(told, None),
                Some(rule) => {
                    let told = told.expect("it is refused");
                    assert!(told.starts_with("userIds: did:plc:bob ") && told.contains(rule), "{told}");
                }
            }
        };
        check(99, 9, false, None);
        check(0, 0, true, Some("cannot be invited at the moment"));
        check(10, 10, false, Some("10 open invitations from you"));
        check(100, 0, false, Some("cannot be invited at the moment"));
    }
}
