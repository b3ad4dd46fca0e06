//! What people say about themselves, and how they like to save.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::ids::UserId;
use crate::text::checked;
use crate::visibility::Visibility;

/// Trimmed, 1 to 64 characters, some of them visible, without NUL and without characters that turn the direction of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    pub const MAX_CHARS: usize = 64;

    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self(checked("displayName", text, Self::MAX_CHARS)?))
    }

    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Trimmed, 1 to 500 characters, some of them visible, without NUL and without characters that turn the direction of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bio(String);

impl Bio {
    pub const MAX_CHARS: usize = 500;

    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self(checked("bio", text, Self::MAX_CHARS)?))
    }

    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Everybody has one, with or without an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub display_name: Option<DisplayName>,
    pub bio: Option<Bio>,
    /// Of a card that is new to the person's library, unless the save says otherwise.
    pub default_visibility: Visibility,
    /// When the account was made; `None` without one.
    pub created_at: Option<Timestamp>,
}

/// What becomes of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Edit<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Edit<T> {
    /// What a sent field means: without text, or with a blank one, the value goes.
    fn read(text: Option<&str>, parse: impl FnOnce(&str) -> Result<T>) -> Result<Self> {
        match text.filter(|text| !text.trim().is_empty()) {
            Some(text) => parse(text).map(Self::Set),
            None => Ok(Self::Clear),
        }
    }

    pub const fn keeps(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The new value; `None` also where the old one stays.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

impl Edit<DisplayName> {
    pub fn parse(text: Option<&str>) -> Result<Self> {
        Self::read(text, DisplayName::parse)
    }
}

impl Edit<Bio> {
    pub fn parse(text: Option<&str>) -> Result<Self> {
        Self::read(text, Bio::parse)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileChange {
    pub display_name: Edit<DisplayName>,
    pub bio: Edit<Bio>,
    /// `None`: as it is.
    pub default_visibility: Option<Visibility>,
}

#[async_trait]
pub trait ProfileRepository: Send + Sync {
    async fn profile(&self, person: &UserId) -> Result<Profile>;
    /// Changes of different parts at the same time do not undo each other. Returns the profile as it is then.
    async fn change_profile(&self, person: &UserId, change: &ProfileChange) -> Result<Profile>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bios_are_trimmed_visible_and_bounded() {
        assert_eq!(DisplayName::parse("  Alice ").unwrap().as_str(), "Alice");
        assert!(DisplayName::parse(&"ü".repeat(64)).is_ok() && Bio::parse(&"ü".repeat(500)).is_ok());
        assert!(DisplayName::parse(&"x".repeat(65)).is_err() && Bio::parse(&"x".repeat(501)).is_err());
        for bad in ["", "  ", "a\0", "\u{200b}", "a\u{202e}b"] {
            assert!(DisplayName::parse(bad).is_err() && Bio::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn blank_text_clears() {
        for blank in [None, Some(""), Some("  ")] {
            assert_eq!(Edit::<Bio>::parse(blank).unwrap(), Edit::Clear, "{blank:?}");
        }
        assert_eq!(Edit::<Bio>::parse(Some(" a ")).unwrap(), Edit::Set(Bio("a".into())));
        assert!(Edit::<DisplayName>::parse(Some("\u{200b}")).is_err());
    }
}
