//! A view of a text that moves over it, so that only as much is in memory as is looked at.

use std::cell::Cell;

use crate::encoding::Text;
use crate::error::Result;
use crate::kept::Kept;

/// What is behind the reader stays readable for at least so many bytes.
const BACK: usize = 16 * 1_024;

pub(crate) struct Window<'a> {
    text: Text<'a>,
    held: String,
    /// Where in `held` the reader is.
    at: usize,
    /// Bytes of the text before `held`.
    dropped: u64,
    is_whole: bool,
    /// Work done so far: bytes that were read, again or not, and looks ahead.
    pub steps: u64,
}

impl<'a> Window<'a> {
    pub fn new(text: Text<'a>) -> Self {
        Self { text, held: String::new(), at: 0, dropped: 0, is_whole: false, steps: 0 }
    }

    /// The text from here: at least so many bytes, or all that are left.
    pub fn ahead(&mut self, bytes: usize) -> Result<&str> {
        while self.held.len() - self.at < bytes && !self.is_whole {
            self.fill()?;
        }
        self.steps += 1;
        Ok(&self.held[self.at..])
    }

    /// The next byte; `None` at the end.
    pub fn peek(&mut self) -> Result<Option<u8>> {
        Ok(self.ahead(1)?.bytes().next())
    }

    /// Passes so many bytes of what [`Window::ahead`] showed. They must end between characters.
    pub fn skip(&mut self, bytes: usize) {
        debug_assert!(self.held.is_char_boundary(self.at + bytes));
        self.at += bytes;
        self.steps += bytes as u64;
    }

    /// Passes everything before the next stop, keeping it if somebody wants it. The stop is not passed; `None`: there is none. Bytes that
    /// are no ASCII stop only where they follow bytes that are.
    pub fn until(&mut self, is_stop: impl Fn(u8) -> bool, mut kept: Option<&mut Kept>) -> Result<Option<u8>> {
        loop {
            let rest = &self.held[self.at..];
            let stop = rest.bytes().position(&is_stop);
            let passed = stop.unwrap_or(rest.len());
            if let Some(kept) = kept.as_deref_mut() {
                kept.push(&rest[..passed]);
            }
            self.at += passed;
            self.steps += passed as u64 + 1;
            if stop.is_some() {
                return Ok(Some(self.held.as_bytes()[self.at]));
            }
            if self.is_whole {
                return Ok(None);
            }
            self.fill()?;
        }
    }

    /// Passes a line and its end, keeping the line; false at the end of the text. Of a longer one, it passes the part up to the first blank
    /// behind so many bytes.
    pub fn line(&mut self, kept: &mut Kept, part: usize) -> Result<bool> {
        let begun = self.mark();
        let passed = Cell::new(0);
        let ends = |byte: u8| {
            passed.set(passed.get() + 1);
            matches!(byte, b'\r' | b'\n') || passed.get() > part && matches!(byte, b' ' | b'\t')
        };
        let end = self.until(ends, Some(kept))?;
        self.pass_break(end)?;
        Ok(end.is_some() || self.mark() > begun)
    }

    /// Passes the break of a line, or the blank, that begins here, `\r\n` as one.
    pub fn pass_break(&mut self, next: Option<u8>) -> Result<()> {
        match next {
            Some(b'\r') => {
                let bytes = if self.ahead(2)?.starts_with("\r\n") { 2 } else { 1 };
                self.skip(bytes);
            }
            Some(b'\n' | b' ' | b'\t') => self.skip(1),
            _ => {}
        }
        Ok(())
    }

    /// This place.
    pub fn mark(&self) -> u64 {
        self.dropped + self.at as u64
    }

    /// Back to a place; false if that is too far back.
    pub fn rewind(&mut self, mark: u64) -> bool {
        let Some(at) = mark.checked_sub(self.dropped) else { return false };
        self.at = at as usize;
        true
    }

    /// What was passed since a place, unless that is too far back.
    pub fn since(&self, mark: u64) -> Option<&str> {
        let from = mark.checked_sub(self.dropped)?;
        self.held.get(from as usize..self.at)
    }

    fn fill(&mut self) -> Result<()> {
        if self.at > 4 * BACK {
            let from = self.held.floor_char_boundary(self.at - BACK);
            self.held.drain(..from);
            self.at -= from;
            self.dropped += from as u64;
        }
        self.is_whole = !self.text.more(&mut self.held)?;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use encoding_rs::UTF_8;

    use super::*;

    pub(crate) fn window(text: &str) -> Window<'_> {
        Window::new(Text::new(Box::new(text.as_bytes()), UTF_8))
    }

    #[test]
    fn a_text_is_read_in_one_pass_and_a_little_of_it_again() {
        let text = format!("{}<b>{}", "é".repeat(100_000), "x".repeat(100_000));
        let mut window = window(&text);
        let mut kept = Kept::new(usize::MAX);
        assert_eq!(window.until(|byte| byte == b'<', Some(&mut kept)).unwrap(), Some(b'<'));
        assert_eq!(kept.len(), 200_000);
        let mark = window.mark();
        assert!(window.ahead(3).unwrap().starts_with("<b>"));
        window.skip(3);
        assert_eq!(window.since(mark), Some("<b>"));
        assert!(window.rewind(mark));
        assert_eq!(window.peek().unwrap(), Some(b'<'));
        assert_eq!(window.until(|byte| byte == b'!', None).unwrap(), None);
        assert!(!window.rewind(0), "that is long gone");
        assert_eq!(window.ahead(1).unwrap(), "");
        assert!(window.steps < 310_000, "{}", window.steps);
    }

    #[test]
    fn lines_end_as_on_any_system() {
        let mut window = window("a\r\nb\n\nc\rd");
        let mut lines = Vec::new();
        loop {
            let mut line = Kept::new(10);
            if !window.line(&mut line, 10).unwrap() {
                break;
            }
            lines.push(line.into_text());
        }
        assert_eq!(lines, ["a", "b", "", "c", "d"]);
    }

    #[test]
    fn long_lines_are_read_in_parts_that_end_at_blanks() {
        let mut window = window("one two three\tfour\nfive");
        let mut parts = Vec::new();
        loop {
            let mut part = Kept::new(100);
            if !window.line(&mut part, 5).unwrap() {
                break;
            }
            parts.push(part.into_text());
        }
        assert_eq!(parts, ["one two", "three", "four", "five"]);
    }
}
