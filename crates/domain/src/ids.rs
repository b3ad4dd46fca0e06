//! Newtyped identifiers. Everything Cardwire creates is a ULID (26 characters); people are DIDs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::error::{Error, Result};

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Ulid);

        impl $name {
            /// A new random id that sorts after those of earlier milliseconds.
            pub fn generate() -> Self {
                Self(Ulid::generate())
            }

            pub const fn from_ulid(ulid: Ulid) -> Self {
                Self(ulid)
            }

            pub const fn ulid(self) -> Ulid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        /// Ids are opaque to clients, so text that is no id of ours names something that does not exist.
        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Ulid::from_string(text)
                    .map(Self)
                    .map_err(|_| Error::not_found($what, text))
            }
        }
    };
}

ulid_id!(
    /// A URL card, or the note on one.
    CardId, "card"
);
ulid_id!(CollectionId, "collection");
ulid_id!(
    /// One stay of a card in a library or a collection. Adding a card again makes a new link.
    LinkId, "link"
);
ulid_id!(EventId, "event");
ulid_id!(ActivityId, "activity");
ulid_id!(ImportId, "import");
ulid_id!(
    /// Of a sign-in, until it ends.
    SessionId, "session"
);
ulid_id!(
    /// Of an API token. It is not the token itself, which only its owner knows.
    TokenId, "token"
);

impl CardId {
    /// Of the card that a row of an import makes. Lists show the newest first, and of equally old ones the highest id: so the earlier rows of
    /// a file have the higher ones.
    pub fn of_row(import: ImportId, number: u32) -> Self {
        let random = Ulid::generate().random() & ((1 << 48) - 1);
        Self(Ulid::from_parts(import.ulid().timestamp_ms(), (u128::from(u32::MAX - number) << 48) | random))
    }
}

/// A person's DID, such as `did:plc:alice`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct UserId(String);

impl UserId {
    pub const MAX_LEN: usize = 128;

    /// Accepts `did:<method>:<id>` of letters, digits, `.`, `_`, `-` and `:`.
    pub fn parse(text: &str) -> Result<Self> {
        let rest = text.strip_prefix("did:").unwrap_or("");
        let valid = text.len() <= Self::MAX_LEN
            && rest.split_once(':').is_some_and(|(method, id)| {
                !method.is_empty()
                    && method.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                    && !id.is_empty()
                    && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:".contains(&b))
            });
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::invalid("userId", "Use a DID such as did:plc:alice, of at most 128 characters."))
        }
    }

    /// The id of a person who signs up here.
    pub fn generate() -> Self {
        Self(format!("did:cardwire:{}", Ulid::generate().to_string().to_lowercase()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What to call a person who has no account here (mock authentication): the last part of the DID.
    pub fn fallback_handle(&self) -> &str {
        self.0.rsplit(':').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ids_are_dids() {
        for good in ["did:plc:alice", "did:web:example.com", "did:cardwire:01h"] {
            assert_eq!(UserId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "alice", "did:", "did:plc", "did:plc:", "did:PLC:x", "did:plc:a b", "did:plc:a\0"] {
            assert!(UserId::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(UserId::parse("did:plc:alice").unwrap().fallback_handle(), "alice");
    }

    #[test]
    fn the_cards_of_an_import_sort_against_its_rows() {
        let import = ImportId::generate();
        let ids: Vec<CardId> = (1..100).map(|number| CardId::of_row(import, number)).collect();
        assert!(ids.is_sorted_by(|one, next| one > next));
        assert_ne!(CardId::of_row(import, 1), ids[0], "nobody can guess one");
        assert_eq!(ids[0].ulid().timestamp_ms(), import.ulid().timestamp_ms());
    }

    #[test]
    fn text_that_is_no_ulid_names_nothing() {
        let error = "nonsense".parse::<CardId>().unwrap_err();
        assert!(matches!(error, Error::NotFound { what: "card", .. }));
    }
}
