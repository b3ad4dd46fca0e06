use std::fmt;

use cardwire_domain::UserId;

/// Who did something that is in the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DoneBy {
    Person(UserId),
    /// Somebody with a shell on the server. We do not know who.
    CommandLine,
}

/// How the command line is stored. Older releases read it as a person's id, but nobody has it: ids made here end in a
/// ULID.
const STORED_COMMAND_LINE: &str = "did:cardwire:command-line";

impl DoneBy {
    /// For display: the id of a person, or `command line`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Person(id) => id.as_str(),
            Self::CommandLine => "command line",
        }
    }

    pub fn stored(&self) -> &str {
        match self {
            Self::Person(id) => id.as_str(),
            Self::CommandLine => STORED_COMMAND_LINE,
        }
    }

    /// # Errors
    /// When the text is not what [`Self::stored`] gives.
    pub fn from_stored(text: &str) -> cardwire_domain::Result<Self> {
        match text {
            STORED_COMMAND_LINE => Ok(Self::CommandLine),
            id => UserId::parse(id).map(Self::Person),
        }
    }
}

impl From<UserId> for DoneBy {
    fn from(id: UserId) -> Self {
        Self::Person(id)
    }
}

impl fmt::Display for DoneBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_as_it_was() {
        let alice = UserId::parse("did:plc:alice").unwrap();
        for by in [DoneBy::from(alice), DoneBy::CommandLine] {
            assert_eq!(DoneBy::from_stored(by.stored()).unwrap(), by);
            assert!(UserId::parse(by.stored()).is_ok(), "older releases can read it");
        }
        for nobody in ["", "alice", "command line"] {
            assert!(DoneBy::from_stored(nobody).is_err(), "{nobody:?}");
        }
    }
}
