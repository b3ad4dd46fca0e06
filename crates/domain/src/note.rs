//! A person's note on one of their cards. Only its author reads it.

use crate::error::{Error, Result};
use crate::ids::CardId;
use crate::text::is_visible;

/// A note is a card of its own, so it has a card id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub id: CardId,
    pub text: NoteText,
}

/// Trimmed, 1 to 10,000 characters, without NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteText(String);

impl NoteText {
    pub const MAX_CHARS: usize = 10_000;

    /// `None` when nothing of it is visible: an empty note is no note.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        let text = text.trim();
        if text.contains('\0') {
            return Err(Error::invalid("note", "Remove the NUL character."));
        }
        if text.chars().count() > Self::MAX_CHARS {
            return Err(Error::invalid("note", "Notes are at most 10,000 characters long."));
        }
        Ok(is_visible(text).then(|| Self(text.to_owned())))
    }

    /// Text that was checked before it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Both, one below the other; it may be longer than what people can write.
    pub fn joined(&self, other: &Self) -> Self {
        Self(format!("{}\n\n{}", self.0, other.0))
    }

    /// Whether this is the text that a form sends back unchanged.
    pub fn is(&self, text: &str) -> bool {
        let lines = |text: &str| text.trim().replace("\r\n", "\n");
        lines(&self.0) == lines(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_trimmed_and_bounded_by_characters() {
        assert_eq!(NoteText::parse("  hi \n").unwrap().unwrap().as_str(), "hi");
        assert_eq!(NoteText::parse("   ").unwrap(), None);
        assert_eq!(NoteText::parse("\u{200b}\n").unwrap(), None);
        assert!(NoteText::parse(&"ü".repeat(10_000)).unwrap().is_some());
        assert!(NoteText::parse(&format!(" {} ", "x".repeat(10_000))).unwrap().is_some());
        assert!(NoteText::parse(&"x".repeat(10_001)).is_err());
        assert!(NoteText::parse("a\0b").is_err());
    }
}
