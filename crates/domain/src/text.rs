//! Characters that make a text look like another, or like none.

use crate::error::{Error, Result};

/// Checks a short text that people are shown: trimmed, 1 to `max_chars` characters, some of them visible, without NUL and without characters
/// that turn the direction of text. `field` is its name on the wire.
pub fn checked(field: &str, text: &str, max_chars: usize) -> Result<String> {
    let text = text.trim();
    if text.contains('\0') {
        return Err(Error::invalid(field, "Remove the NUL character."));
    }
    if !(1..=max_chars).contains(&text.chars().count()) {
        return Err(Error::invalid(field, format!("Use 1 to {max_chars} characters.")));
    }
    if !is_visible(text) {
        return Err(Error::invalid(field, "Use at least one visible character."));
    }
    if text.contains(turns_direction) {
        return Err(Error::invalid(field, "Remove the characters that change the direction of text."));
    }
    Ok(text.to_owned())
}

/// The longest reason that an administrator gives.
pub const MAX_REASON_CHARS: usize = 500;

/// An administrator's reason, trimmed.
pub fn reason(text: &str) -> Result<&str> {
    let text = text.trim();
    if text.contains('\0') || !(1..=MAX_REASON_CHARS).contains(&text.chars().count()) {
        return Err(Error::invalid("reason", "Use 1 to 500 characters, none of them NUL."));
    }
    Ok(text)
}

/// Whether anything of it is to be seen: a name of nothing but spaces and characters without a picture cannot be clicked or told apart.
pub fn is_visible(text: &str) -> bool {
    !text.chars().all(is_invisible)
}

/// Unicode's white space, controls and default-ignorable characters, and the blank Braille pattern.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(u32::from(c),
            0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x202a..=0x202e
            | 0x2060..=0x206f | 0x2800 | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfff8 | 0x1bca0..=0x1bca3
            | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// Invisible characters that change how their neighbours look, so that texts need them: the joiners of Persian words and of emoji, variation
/// selectors, and the tags of flags.
pub(crate) fn shapes(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0020}'..='\u{e007f}')
}

/// Characters that turn the direction of what follows them, beyond the text itself (U+202A to U+202E, U+2066 to U+2069): `annexe` can be
/// made to read `exenna`. Languages written from right to left do not need them.
pub fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_without_a_picture_are_invisible() {
        for blank in
            ["", " ", "\u{200b}", "\u{2060}\u{feff}", "\u{ad} \u{3164}", "\u{2800}", "\u{e0041}", "\u{202e}\u{202c}"]
        {
            assert!(!is_visible(blank), "{blank:?}");
        }
        for shown in ["a", "\u{200b}.", "日", "👩\u{200d}🚀", "می\u{200c}خواهم"] {
            assert!(is_visible(shown), "{shown:?}");
        }
    }

    #[test]
    fn joiners_and_selectors_shape_other_characters() {
        assert!("می\u{200c}خواهم👩\u{200d}🚀❤\u{fe0f}".chars().filter(|c| is_invisible(*c)).all(shapes));
        assert!(!"\u{200b}\u{200e}\u{202e}\u{2060}\u{feff}\u{ad} a".chars().any(shapes));
    }

    #[test]
    fn only_overrides_embeddings_and_isolates_turn_the_direction() {
        assert!(
            "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}".chars().all(turns_direction)
        );
        assert!(!"שלום \u{200f}\u{200e}\u{61c} مرحبا".chars().any(turns_direction));
    }
}
