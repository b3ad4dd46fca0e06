//! JSON on its way to its reader, which keeps each string as a whole and refuses some that programs write: the texts in it are bounded, and
//! half a surrogate pair, which is what is left of an emoji where a text was cut, is U+FFFD.

use std::io::{Error, Read, Result};

/// The longest text, in bytes as they stand in the file: longer than any page that a service keeps.
pub(super) const MAX_TEXT_BYTES: usize = 16 * 1_024 * 1_024;
const PORTION: usize = 32 * 1_024;
/// U+FFFD, in as many bytes as the half that it replaces.
const REPLACEMENT: &[u8] = b"\\ufffd";
/// Of an escape: `\u` and four digits.
const ESCAPE: usize = 6;

pub(super) struct Strings<R> {
    pub bytes: R,
    raw: Vec<u8>,
    ready: Vec<u8>,
    at: usize,
    is_inside: bool,
    /// Of the string so far.
    length: usize,
    /// An escape that has not ended, or one that half a pair may follow.
    escape: Vec<u8>,
    is_whole: bool,
    /// A text was too long: nothing more is read.
    pub is_refused: bool,
}

impl<R: Read> Strings<R> {
    pub fn new(bytes: R) -> Self {
        Self {
            bytes,
            raw: vec![0; PORTION],
            ready: Vec::new(),
            at: 0,
            is_inside: false,
            length: 0,
            escape: Vec::new(),
            is_whole: false,
            is_refused: false,
        }
    }

    fn fill(&mut self) -> Result<()> {
        self.ready.clear();
        self.at = 0;
        let read = self.bytes.read(&mut self.raw)?;
        if read == 0 {
            self.is_whole = true;
            self.ready.append(&mut self.escape);
        }
        for index in 0..read {
            self.pass(self.raw[index]);
            if self.length > MAX_TEXT_BYTES {
                self.is_refused = true;
                return Err(Error::other("a text is too long"));
            }
        }
        Ok(())
    }

    fn pass(&mut self, byte: u8) {
        if self.is_inside {
            self.length += 1;
        }
        if !self.escape.is_empty() {
            return self.go_on(byte);
        }
        match byte {
            b'"' => {
                self.is_inside = !self.is_inside;
                self.length = 0;
            }
            b'\\' if self.is_inside => return self.escape.push(byte),
            _ => {}
        }
        self.ready.push(byte);
    }

    /// Inside an escape, or behind the first half of a pair.
    fn go_on(&mut self, byte: u8) {
        let place = self.escape.len() % ESCAPE;
        let goes_on = match place {
            0 => byte == b'\\',
            1 => byte == b'u',
            _ => byte.is_ascii_hexdigit(),
        };
        if goes_on {
            self.escape.push(byte);
            if place + 1 == ESCAPE {
                self.end_escape();
            }
            return;
        }
        // A half without its other half, and what begins behind it.
        if self.escape.len() >= ESCAPE {
            self.ready.extend_from_slice(REPLACEMENT);
            self.escape.drain(..ESCAPE);
        }
        let begun = !self.escape.is_empty();
        self.ready.append(&mut self.escape);
        if begun {
            // An escape of another kind, such as `\"`, or none that the reader knows.
            self.ready.push(byte);
        } else {
            self.length -= 1;
            self.pass(byte);
        }
    }

    fn end_escape(&mut self) {
        let unit = |escape: &[u8]| {
            let digits = str::from_utf8(&escape[2..]).unwrap_or_default();
            u32::from_str_radix(digits, 16).unwrap_or_default()
        };
        let is_first_half = |unit: u32| (0xd800..0xdc00).contains(&unit);
        let is_second_half = |unit: u32| (0xdc00..0xe000).contains(&unit);
        if self.escape.len() > ESCAPE {
            if is_second_half(unit(&self.escape[ESCAPE..])) {
                self.ready.append(&mut self.escape);
                return;
            }
            self.ready.extend_from_slice(REPLACEMENT);
            self.escape.drain(..ESCAPE);
        }
        let unit = unit(&self.escape);
        if is_first_half(unit) {
            return;
        }
        if is_second_half(unit) {
            self.ready.extend_from_slice(REPLACEMENT);
            self.escape.clear();
        } else {
            self.ready.append(&mut self.escape);
        }
    }
}

impl<R: Read> Read for Strings<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        while self.at == self.ready.len() && !self.is_whole {
            self.fill()?;
        }
        let taken = into.len().min(self.ready.len() - self.at);
        into[..taken].copy_from_slice(&self.ready[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that gives so many bytes at once.
    struct Slow<'t>(&'t [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> Result<usize> {
            let (now, later) = self.0.split_at(self.1.min(self.0.len()));
            into[..now.len()].copy_from_slice(now);
            self.0 = later;
            Ok(now.len())
        }
    }

    fn check(text: &str, expected: &str) {
        for at_once in [1, 5, 1_000] {
            let mut passed = String::new();
            Strings::new(Slow(text.as_bytes(), at_once)).read_to_string(&mut passed).unwrap();
            assert_eq!(passed, expected, "{at_once} at once");
        }
    }

    #[test]
    fn half_a_pair_is_replaced_and_all_else_stays() {
        for same in [
            r#"{"a": "b\"c\\", "d": ["\u00e9\ud83c\udf31\n"]}"#,
            r#""\ud83c\udf31\ud83c\udf31""#,
            r#"["\\u12","\\\\","\u12"]"#,
            r#"\ud83c outside"#,
            r#""cut \ud83"#,
            r#""cut \ud83c"#,
        ] {
            check(same, same);
        }
        check(r#""\ud83c""#, r#""\ufffd""#);
        check(r#""\ud83c…","x""#, r#""\ufffd…","x""#);
        check(r#""\udf31\ud83c\ud83c\udf31""#, r#""\ufffd\ufffd\ud83c\udf31""#);
        check(r#""\ud83c\n\ud83c\"\ud83c\\u""#, r#""\ufffd\n\ufffd\"\ufffd\\u""#);
        check(r#""\ud83c\u0041","\uD83C""#, r#""\ufffd\u0041","\ufffd""#);
    }

    #[test]
    fn a_text_has_an_end() {
        let text = |length: usize| format!("[\"{}\", \"{}\"]", "x".repeat(length), "\\n".repeat(length / 2));
        let read = |text: String| Strings::new(text.as_bytes()).read_to_end(&mut Vec::new()).is_ok();
        assert!(read(text(MAX_TEXT_BYTES - 1)));
        assert!(!read(text(MAX_TEXT_BYTES + 1)));
    }
}
