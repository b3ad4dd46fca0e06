//! From what people paste to the URL that a browser would open. `docs/guide/LINKS.md` says what is taken for a URL, and what is not.
//!
//! Linear in the length of the text. What it returns, it returns unchanged when it is given that.

use super::pasted::{self, Pasted};
use super::percent;
use crate::text::{is_invisible, shapes};

const CONTROL: &str = "Remove the control characters.";

/// A text that begins with `http://` or `https://`, in which nothing is blank or unseen, or the rule that `text` breaks.
pub(super) fn repair(text: &str) -> Result<String, &'static str> {
    let url = spell(pasted::find(text)?)?;
    // What is left once the unseen is gone may begin with another scheme.
    let Pasted { scheme, rest } = pasted::find(&url)?;
    Ok(format!("{scheme}://{rest}"))
}

fn spell(Pasted { scheme, rest }: Pasted) -> Result<String, &'static str> {
    let mut url = format!("{scheme}://");
    let mut is_behind_path = false;
    for c in rest.chars() {
        match c {
            // Of a link that was wrapped, or made so that it can be.
            '\t' | '\n' | '\r' | '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}' => {}
            '\\' if !is_behind_path => url.push('/'),
            '?' | '#' => {
                is_behind_path = true;
                url.push(c);
            }
            _ if c.is_control() => return Err(CONTROL),
            // Browsers encode them all, too. What turns the direction of text would show another address than the link leads to.
            '"' | '<' | '>' => percent::push_char(&mut url, c),
            _ if c.is_whitespace() || (is_invisible(c) && !shapes(c)) => percent::push_char(&mut url, c),
            _ => url.push(c),
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_in_a_url_is_encoded_or_vanishes() {
        let check = |text: &str, expected: &str| {
            assert_eq!(repair(text).as_deref(), Ok(expected), "{text:?}");
            assert_eq!(repair(expected).as_deref(), Ok(expected), "{text:?} again");
        };
        check("HTTPS://Port.Example:443/x", "https://Port.Example:443/x");
        check("https://report.example/My Report.pdf", "https://report.example/My%20Report.pdf");
        check("https://wrapped.example/?q=two words", "https://wrapped.example/?q=two%20words");
        check("https://wrapped.example/#two words", "https://wrapped.example/#two%20words");
        check(
            "https://wrapped.example/very/long/\r\npath/that/was/wrapped",
            "https://wrapped.example/very/long/path/that/was/wrapped",
        );
        check("\n   https://wrapped.example/trimmed   ", "https://wrapped.example/trimmed");
        check("https://wrapped.example/a\tb", "https://wrapped.example/ab");
        check("https://wrapped.example/a\u{a0}b\u{3000}c", "https://wrapped.example/a%C2%A0b%E3%80%80c");
        check("https://wrapped.example/lo\u{ad}ng\u{200b}er\u{2060}\u{feff}", "https://wrapped.example/longer");
        check("https://turned.example/\u{202e}fdp.exe", "https://turned.example/%E2%80%AEfdp.exe");
        check(
            "https://turned.example/\u{2066}a\u{2069}\u{200e}b",
            "https://turned.example/%E2%81%A6a%E2%81%A9%E2%80%8Eb",
        );
        check(
            "https://turned.example/می\u{200c}خواهم/👩\u{200d}🚀",
            "https://turned.example/می\u{200c}خواهم/👩\u{200d}🚀",
        );
        check("https:\\\\slash.example\\a\\b?c\\d#e\\f", "https://slash.example/a/b?c\\d#e\\f");
        check("https://slash.example/a\"b<c>d", "https://slash.example/a%22b%3Cc%3Ed");
        check("https://пример.example/путь?q=100%", "https://пример.example/путь?q=100%");
        check("https://slash.example/%e2%80%ae", "https://slash.example/%e2%80%ae");
        check("https://ht\u{ad}tp:/slash.example/x", "http://slash.example/x");
    }

    #[test]
    fn other_controls_are_refused() {
        for text in [
            "https://example.com/\0",
            "https://example.com/\u{1}",
            "https://example.com/a\u{7f}b",
            "https://a\u{85}.b/",
        ] {
            assert!(repair(text).is_err(), "{text:?}");
        }
    }
}
