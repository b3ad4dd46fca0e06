//! What a card's owner calls it, in place of what its page calls itself.

use crate::error::{Error, Result};
use crate::text::{checked, is_visible, turns_direction};

/// On one line, with single blanks between its words: 1 to 500 characters, some of them visible, without control characters and without
/// characters that turn the direction of text. Everybody who sees the card sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title(String);

impl Title {
    pub const MAX_CHARS: usize = 500;

    /// `None` if it is blank: the card is called what its page is called.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if text.contains(char::is_control) {
            return Err(Error::invalid("title", "Remove the control characters."));
        }
        checked("title", &on_one_line(text), Self::MAX_CHARS).map(|text| Some(Self(text)))
    }

    /// As much as a title may hold of what a file says; `None` if nothing of that is visible.
    pub fn of_file(text: &str) -> Option<Self> {
        let text: String =
            text.chars().filter(|c| !turns_direction(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let text: String = on_one_line(&text).chars().take(Self::MAX_CHARS).collect();
        let text = text.trim_end();
        is_visible(text).then(|| Self(text.to_owned()))
    }

    /// Text that was checked before it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_trimmed_on_one_line_and_bounded_by_characters() {
        let check = |text: &str, expected: Option<&str>| {
            let title = Title::parse(text).unwrap();
            assert_eq!(title.as_ref().map(Title::as_str), expected, "{text:?}");
        };
        check("  Leeks under  snow\u{3000}2 \n", Some("Leeks under snow 2"));
        check("", None);
        check(" \t\n", None);
        let longest = "ü".repeat(500);
        check(&longest, Some(&longest));
        check(&format!(" {longest} "), Some(&longest));
    }

    #[test]
    fn a_title_that_breaks_a_rule_is_refused_with_it() {
        let check = |text: &str, expected: &str| {
            let Error::Invalid { field, rule } = Title::parse(text).unwrap_err() else { panic!("{text:?}") };
            assert_eq!((field.as_str(), rule.as_str()), ("title", expected), "{text:?}");
        };
        check(&"x".repeat(501), "Use 1 to 500 characters.");
        for control in ["a\nb", "a\tb", "a\0b", "a\u{7f}b", "a\u{85}b"] {
            check(control, "Remove the control characters.");
        }
        check("\u{200b}", "Use at least one visible character.");
        check("a\u{202e}b", "Remove the characters that change the direction of text.");
    }

    #[test]
    fn of_a_files_title_what_fits_is_taken() {
        let check = |text: &str, expected: Option<&str>| {
            let title = Title::of_file(text);
            assert_eq!(title.as_ref().map(Title::as_str), expected, "{text:?}");
            if let Some(title) = title {
                assert_eq!(Title::parse(title.as_str()).unwrap(), Some(title), "{text:?}");
            }
        };
        check(" a\n\tb\0c ", Some("a b c"));
        check("\u{202e}gnp.exe", Some("gnp.exe"));
        check("\u{200b} \u{202e}", None);
        check(&"x ".repeat(300), Some("x ".repeat(250).trim_end()));
    }
}
