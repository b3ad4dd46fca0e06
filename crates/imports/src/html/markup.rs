//! What titles and notes are made of: text, and the tags that people or programs write into it.

use crate::entities::decode;

/// Stands in a raw text for a line that a tag begins.
pub(super) const BREAK: &str = "\u{1}";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Markup {
    /// It begins or ends a line.
    Breaks,
    /// It changes how its text looks, or is a picture.
    Inline,
    /// Somebody wrote about it: "How the <script> element works".
    Words,
}

impl Markup {
    /// `name`: in lower case.
    pub fn of(name: &str) -> Self {
        match name {
            "blockquote" | "br" | "center" | "div" | "h1" | "h2" | "h4" | "h5" | "h6" | "li" | "ol" | "p" | "pre"
            | "table" | "tbody" | "td" | "th" | "tr" | "ul" => Self::Breaks,
            "a" | "abbr" | "b" | "big" | "body" | "cite" | "code" | "del" | "em" | "font" | "html" | "i" | "img"
            | "ins" | "kbd" | "mark" | "nobr" | "q" | "s" | "small" | "span" | "strike" | "strong" | "sub" | "sup"
            | "tt" | "u" | "var" | "wbr" => Self::Inline,
            _ => Self::Words,
        }
    }
}

/// A raw text on one line.
pub(super) fn words(raw: &str) -> String {
    let text = decode(raw, false).replace(BREAK, " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A raw text with its lines.
pub(super) fn lines(raw: &str) -> String {
    let raw = raw.replace("\r\n", "\n").replace('\r', "\n");
    let text = decode(&raw, false);
    let parts: Vec<&str> = text.split(BREAK).map(|part| part.trim_matches([' ', '\t', '\n'])).collect();
    // linkding writes a bookmark's description and its notes so.
    parts.join("\n").replace("[linkding-notes]", "\n\n").replace("[/linkding-notes]", "").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_keep_their_lines_and_titles_have_one() {
        let check = |raw: &str, in_lines: &str, in_words: &str| {
            assert_eq!((lines(raw).as_str(), words(raw).as_str()), (in_lines, in_words), "{raw:?}");
        };
        check(" one\r\ntwo\n\n three &amp; \n", "one\ntwo\n\n three &", "one two three &");
        check("one\u{1}\ntwo\u{1}\u{1}three", "one\ntwo\n\nthree", "one two three");
        check("one[linkding-notes]two[/linkding-notes]", "one\n\ntwo", "one[linkding-notes]two[/linkding-notes]");
    }
}
