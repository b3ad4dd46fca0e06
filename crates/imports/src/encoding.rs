//! Which encoding a file is in, and its text, portion by portion.
//!
//! A byte order mark counts first, then what the file declares, then whether it is UTF-8; what is not is windows-1252. Some programs
//! declare windows-1252 and write UTF-8, or the other way round, so that what the bytes are beats these two names.

use std::io::{ErrorKind, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::error::{Error, Result};
use crate::source::Source;

const PORTION: usize = 32 * 1_024;
/// Where a declaration is looked for.
const DECLARED_WITHIN: usize = 4 * 1_024;

/// `head`: the first bytes of the file, at least 4 KiB if it has them.
pub(crate) fn encoding_of(head: &[u8], source: &mut dyn Source) -> Result<&'static Encoding> {
    if let Some((encoding, _)) = Encoding::for_bom(head) {
        return Ok(encoding);
    }
    if let Some(encoding) = utf_16(head) {
        return Ok(encoding);
    }
    let declared = declared(&head[..head.len().min(DECLARED_WITHIN)]);
    if let Some(encoding) = declared.filter(|encoding| *encoding != UTF_8 && *encoding != WINDOWS_1252) {
        return Ok(encoding);
    }
    let Tally { letters, broken } = tally(&mut *source.open()?)?;
    let is_utf_8 = match declared {
        Some(encoding) if encoding == WINDOWS_1252 => broken == 0 && letters > 0,
        _ => broken == 0 || letters > broken,
    };
    Ok(if is_utf_8 { UTF_8 } else { WINDOWS_1252 })
}

/// Without a mark: every other byte of what begins a file is NUL.
fn utf_16(head: &[u8]) -> Option<&'static Encoding> {
    match head {
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some(UTF_16BE),
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some(UTF_16LE),
        _ => None,
    }
}

/// By `<meta charset>`, `<meta http-equiv>` or `<?xml encoding?>`.
fn declared(head: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    if !head.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
        return None;
    }
    let xml = head.trim_start().strip_prefix("<?xml").and_then(|text| text.split("?>").next());
    let by_xml = xml.and_then(|text| label_behind(text, "encoding"));
    let mut metas = head.split("<meta").skip(1).map(|text| text.split('>').next().unwrap_or(text));
    let label = by_xml.or_else(|| metas.find_map(|text| label_behind(text, "charset")))?;
    let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
    // A declaration that can be read byte by byte is not in UTF-16.
    Some(if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding })
}

/// `x` of `name=x`, `name="x"` or `name = 'x'`.
fn label_behind<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.split(name).skip(1).find_map(|behind| {
        let value = behind.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
        value.split(['"', '\'', ';', '/', '>', '?', ' ', '\t', '\r', '\n']).next().filter(|label| !label.is_empty())
    })
}

/// What of the bytes is UTF-8.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Characters of more than one byte.
    letters: u64,
    /// Bytes, or rows of them, that are no character.
    broken: u64,
}

fn tally(bytes: &mut dyn Read) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut portion = vec![0; PORTION];
    // Of a character whose other bytes are still to come.
    let mut begun = 0;
    loop {
        let read = read_some(bytes, &mut portion[begun..])?;
        let end = begun + read;
        let mut from = 0;
        while from < end {
            let (valid, skipped) = match str::from_utf8(&portion[from..end]) {
                Ok(text) => (text.len(), Some(0)),
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            let letters = portion[from..from + valid].iter().filter(|byte| **byte >= 0xc0).count();
            tally.letters += letters as u64;
            from += valid;
            match skipped {
                Some(0) => {}
                Some(skipped) => {
                    tally.broken += 1;
                    from += skipped;
                }
                None if read == 0 => {
                    tally.broken += 1;
                    from = end;
                }
                None => break,
            }
        }
        if read == 0 {
            return Ok(tally);
        }
        portion.copy_within(from..end, 0);
        begun = end - from;
    }
}

fn read_some(bytes: &mut dyn Read, portion: &mut [u8]) -> Result<usize> {
    loop {
        match bytes.read(portion) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return Ok(read?),
        }
    }
}

/// The text of bytes. What is no character in their encoding is U+FFFD.
pub(crate) struct Text<'a> {
    bytes: Box<dyn Read + 'a>,
    decoder: Decoder,
    portion: Vec<u8>,
}

impl<'a> Text<'a> {
    pub fn new(bytes: Box<dyn Read + 'a>, encoding: &'static Encoding) -> Self {
        Self { bytes, decoder: encoding.new_decoder_with_bom_removal(), portion: vec![0; PORTION] }
    }

    /// Adds the next portion; false: it was the last. Then it must not be asked again.
    pub fn more(&mut self, text: &mut String) -> Result<bool> {
        let read = read_some(&mut *self.bytes, &mut self.portion)?;
        let (mut from, is_last) = (0, read == 0);
        loop {
            let left = &self.portion[from..read];
            text.reserve(self.decoder.max_utf8_buffer_length(left.len()).unwrap_or(PORTION));
            let (result, taken, _) = self.decoder.decode_to_string(left, text, is_last);
            from += taken;
            if result == CoderResult::InputEmpty {
                return Ok(!is_last);
            }
        }
    }
}

/// All of it; only for what is known to be small.
pub(crate) fn decode(bytes: &[u8], encoding: &'static Encoding) -> Result<String> {
    let mut text = String::new();
    let mut decoded = Text::new(Box::new(bytes), encoding);
    while decoded.more(&mut text)? {}
    Ok(text)
}

/// The text as bytes of UTF-8, for readers that want these.
pub(crate) struct Utf8<'a> {
    text: Text<'a>,
    held: String,
    at: usize,
    is_whole: bool,
    /// Bytes that were handed out.
    pub steps: u64,
}

impl<'a> Utf8<'a> {
    pub fn new(text: Text<'a>) -> Self {
        Self { text, held: String::new(), at: 0, is_whole: false, steps: 0 }
    }
}

impl Read for Utf8<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.held.len() && !self.is_whole {
            self.held.clear();
            self.at = 0;
            let more = self.text.more(&mut self.held);
            self.is_whole = !more.map_err(|error| match error {
                Error::Io(error) => error,
                other => std::io::Error::other(other),
            })?;
        }
        let taken = into.len().min(self.held.len() - self.at);
        into[..taken].copy_from_slice(&self.held.as_bytes()[self.at..self.at + taken]);
        self.at += taken;
        self.steps += taken as u64;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::source::{Whole, head};

    fn check(bytes: &[u8], name: &str) {
        let mut file = Cursor::new(bytes.to_vec());
        let mut source = Whole(&mut file);
        let head = head(&mut source, 8_192).unwrap();
        assert_eq!(encoding_of(&head, &mut source).unwrap().name(), name, "{}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn marks_declarations_and_bytes_tell_the_encoding() {
        check(b"\xef\xbb\xbfurl", "UTF-8");
        check(b"\xff\xfeu\0", "UTF-16LE");
        check(b"u\0r\0l\0", "UTF-16LE");
        check(b"\0u\0r\0l", "UTF-16BE");
        check(b"<META HTTP-EQUIV=\"Content-Type\" CONTENT=\"text/html; charset=windows-1251\">\xcf", "windows-1251");
        check(b"<meta charset = 'shift_jis'>\x83", "Shift_JIS");
        check(b"<?xml version=\"1.0\" encoding=\"ISO-8859-2\"?><x/>", "ISO-8859-2");
        check(b"<meta charset=utf-16>x", "UTF-8");
        check("<meta charset=iso-8859-1>caf\u{e9}".as_bytes(), "UTF-8");
        check(b"<meta charset=iso-8859-1>caf\xe9", "windows-1252");
        check(b"<meta charset=utf-8>caf\xe9 cr\xe8me", "windows-1252");
        check(b"url,note\nx,charset=windows-1251", "UTF-8");
        check(b"url\ncaf\xe9", "windows-1252");
    }

    #[test]
    fn a_byte_that_was_lost_does_not_make_a_file_windows_1252() {
        check("url,note\na,Füße und Köpfe \u{fffd}".as_bytes(), "UTF-8");
        check(&[&b"url\n\xe9 "[..], "äöü".as_bytes()].concat(), "UTF-8");
    }

    #[test]
    fn characters_at_the_seams_of_portions_are_counted_once() {
        for shift in 0..4 {
            let text = format!("{}{}", "x".repeat(PORTION - 2 + shift), "🌱é".repeat(PORTION));
            let counted = tally(&mut Cursor::new(text)).unwrap();
            assert_eq!(counted, Tally { letters: 2 * PORTION as u64, broken: 0 });
        }
        assert_eq!(tally(&mut &b"\xf0\x9f"[..]).unwrap(), Tally { letters: 0, broken: 1 });
    }

    #[test]
    fn the_text_is_the_same_however_it_is_read() {
        let text = "ünïcode 🌱\n".repeat(5_000);
        let mut bytes = Vec::new();
        Utf8::new(Text::new(Box::new(text.as_bytes()), UTF_8)).read_to_end(&mut bytes).unwrap();
        assert!(bytes == text.as_bytes());
        assert_eq!(decode(b"\xff\xfea\0", UTF_16LE).unwrap(), "a");
        assert_eq!(decode(b"caf\xe9 \x80", WINDOWS_1252).unwrap(), "café €");
    }
}
