//! What kind of file it is, by what is in it. Its name is not asked: people rename files, and services name them as they like.

use encoding_rs::Encoding;

use crate::csv::{self, Table};
use crate::encoding::{decode, encoding_of};
use crate::error::{Error, Result};
use crate::list;
use crate::source::{Head, Source, head};

/// Of a file, so much is looked at.
const HEAD_BYTES: u64 = 64 * 1_024;

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Text(Format),
    Table(Box<Table>),
}

/// What is read in one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Bookmarks,
    Xml,
    Json,
    List,
}

/// Refused if it is of no kind that is read, in words that help the person who sent it.
pub(crate) fn detect(source: &mut dyn Source) -> Result<(Kind, &'static Encoding)> {
    let bytes = head(source, HEAD_BYTES)?;
    let encoding = known(&bytes, source)?;
    Ok((kind_in(&bytes, encoding)?, encoding))
}

/// The same, without looking further than the head. Where that ends inside a character, the encoding may be another.
pub(crate) fn detect_by_head(source: &mut dyn Source) -> Result<Kind> {
    let bytes = head(source, HEAD_BYTES)?;
    let encoding = known(&bytes, &mut Head(&bytes))?;
    kind_in(&bytes, encoding)
}

/// The encoding of a file whose kind is known.
pub(crate) fn encoding(source: &mut dyn Source) -> Result<&'static Encoding> {
    let bytes = head(source, HEAD_BYTES)?;
    encoding_of(&bytes, source)
}

/// The head's encoding, unless the file is one that is known and not read.
fn known(bytes: &[u8], source: &mut dyn Source) -> Result<&'static Encoding> {
    if let Some(what) = signature(bytes) {
        return Err(Error::refused(format!("{what} {WANTED}")));
    }
    encoding_of(bytes, source)
}

fn kind_in(bytes: &[u8], encoding: &'static Encoding) -> Result<Kind> {
    let text = decode(bytes, encoding)?;
    match kind(&text)? {
        Some(kind) => Ok(kind),
        None if text.trim().is_empty() => Err(Error::refused(NO_LINKS)),
        None => Err(Error::refused(WANTED)),
    }
}

/// What a file without links is refused with.
pub(crate) const NO_LINKS: &str = "There are no links in this file.";

const WANTED: &str = "Choose a bookmark file from a browser, CSV with a column named url, JSON, a list of links, or a zip file of these.";

/// What files are that begin so, and what to do.
fn signature(head: &[u8]) -> Option<&'static str> {
    const SIGNATURES: [(&[u8], &str); 9] = [
        (
            b"mozLz40\0",
            "This is a backup in Firefox's own format. In Firefox's library, choose “Export Bookmarks to HTML” or “Backup…” instead.",
        ),
        (b"SQLite format 3\0", "This is a browser's database. Export the bookmarks from the browser's menu instead."),
        (b"bplist", "This is a property list. Export the bookmarks from the browser's menu instead."),
        (b"\x1f\x8b", "This file is packed with gzip. Unpack it first."),
        (b"7z\xbc\xaf\x27\x1c", "This file is packed with 7-Zip. Unpack it first."),
        (b"Rar!", "This file is packed with RAR. Unpack it first."),
        (b"%PDF", "This is a PDF."),
        (b"\x89PNG", "This is a picture."),
        (b"\xff\xd8\xff", "This is a picture."),
    ];
    SIGNATURES.iter().find(|(start, _)| head.starts_with(start)).map(|(_, what)| *what)
}

fn kind(text: &str) -> Result<Option<Kind>> {
    let start = text.trim_start();
    // Some lists have their links in brackets.
    if start.starts_with('<') && !start.starts_with("<http") {
        return markup(start).map(|format| Some(Kind::Text(format)));
    }
    if is_json(start) {
        return Ok(Some(Kind::Text(Format::Json)));
    }
    if let Some(table) = csv::find(text)? {
        return Ok(Some(Kind::Table(Box::new(table))));
    }
    let lower = start.to_ascii_lowercase();
    if lower.contains("netscape-bookmark") || lower.contains("<a ") && lower.contains("href") {
        return Ok(Some(Kind::Text(Format::Bookmarks)));
    }
    Ok(list::is_list(text).then_some(Kind::Text(Format::List)))
}

fn markup(start: &str) -> Result<Format> {
    let lower = start.to_ascii_lowercase();
    // The first element that is none of the prologue.
    let root = lower.split('<').skip(1).find(|tag| !tag.starts_with(['?', '!'])).unwrap_or_default();
    let name = root.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    match name {
        "xbel" | "posts" => Ok(Format::Xml),
        "opml" | "rss" | "feed" => {
            Err(Error::refused(format!("This is a feed or a list of feeds, and feeds cannot be imported. {WANTED}")))
        }
        "plist" => Err(Error::refused(format!(
            "This is a property list. Export the bookmarks from the browser's menu instead. {WANTED}"
        ))),
        _ => Ok(Format::Bookmarks),
    }
}

/// Markdown's links begin with a bracket as well.
fn is_json(start: &str) -> bool {
    match start.strip_prefix('[') {
        Some(inner) => inner.trim_start().starts_with(['{', '[', '"', ']']),
        None => start.starts_with('{'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_file_follows_from_what_is_in_it() {
        let check = |text: &str, expected: &str| {
            let told = match kind(text).unwrap() {
                None => "none".to_owned(),
                Some(Kind::Table(_)) => "Table".to_owned(),
                Some(Kind::Text(format)) => format!("{format:?}"),
            };
            assert_eq!(told, expected, "{text}");
        };
        check("\n<!DOCTYPE NETSCAPE-Bookmark-file-1>", "Bookmarks");
        check("<html><a href=x>", "Bookmarks");
        check("exported\n<DL><DT><A HREF=\"x\">", "Bookmarks");
        check("<?xml version='1.0'?>\n<!-- x -->\n<posts user=\"x\">", "Xml");
        check("<!DOCTYPE xbel PUBLIC '+//IDN'><xbel>", "Xml");
        check(" [ {\"url\"", "Json");
        check("{", "Json");
        check("[\"https://a.example/\"]", "Json");
        check("[A](https://a.example/)", "List");
        check("<https://a.example/>", "List");
        check("[x](https://a.example/)", "List");
        check("url,note\n", "Table");
        check("Title;URL\n<a href=x>;y", "Table");
        check("https://a.example/\n", "List");
        check("name,note\na,b", "none");
        check("Dear all,\n", "none");
        assert!(kind("<?xml version='1.0'?><opml>").is_err() && kind("<rss>").is_err() && kind("<plist>").is_err());
    }
}
