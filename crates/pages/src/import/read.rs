//! The links of a file: what browsers export (Netscape's bookmark format, which is a kind of HTML), or CSV.

use std::cell::RefCell;

use cardwire_domain::imports::{ImportRow, MAX_ROWS};
use cardwire_http::problem::Problem;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};

/// One row for each link, in the file's order.
pub fn rows(bytes: &[u8]) -> Result<Vec<ImportRow>, Problem> {
    let file = String::from_utf8_lossy(bytes);
    let text = file.trim_start_matches('\u{feff}').trim_start();
    let rows = if text.starts_with('<') {
        bookmarks(text)
    } else {
        if let Some(begins) = open_quote(text) {
            let line = line_of(&file, file.len() - text.len() + begins);
            return Err(refuse(format!(
                "must close the quote that begins on line {line}: what follows it is lost in it"
            )));
        }
        table(text)?
    };
    check_count(&rows)?;
    Ok(rows)
}

/// What a file that cannot be read is refused with.
fn refuse(rule: impl std::fmt::Display) -> Problem {
    Problem::invalid("file", rule)
}

fn check_count(rows: &[ImportRow]) -> Result<(), Problem> {
    match rows.len() {
        0 => Err(refuse("must hold at least one link: a bookmark file of a browser, or CSV with a column named url")),
        count if count > MAX_ROWS => Err(refuse(format!("must hold at most 50,000 links, not {count}"))),
        _ => Ok(()),
    }
}

/// Every `<A HREF>`, private if it says so; the text of a `<DD>` behind it is its note. Only the tags are looked at, never a tree, so that
/// no nesting is too deep.
fn bookmarks(text: &str) -> Vec<ImportRow> {
    let tokenizer = Tokenizer::new(Links::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(text));
    // Our sink never suspends it, so this reads to the end.
    let _done = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.into_inner().finish()
}

#[derive(Default)]
struct Links(RefCell<Found>);

#[derive(Default)]
struct Found {
    rows: Vec<ImportRow>,
    /// The last link, with its note so far.
    open: Option<Open>,
    in_note: bool,
}

struct Open {
    url: String,
    note: String,
    is_private: bool,
}

impl Found {
    fn close(&mut self) {
        self.in_note = false;
        if let Some(Open { url, note, is_private }) = self.open.take()
            // One more than is taken tells that there are too many.
            && self.rows.len() <= MAX_ROWS
        {
            self.rows.push(row(&url, Some(&note), is_private));
        }
    }

    fn finish(mut self) -> Vec<ImportRow> {
        self.close();
        self.rows
    }
}

impl TokenSink for Links {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let mut found = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => match &*tag.name {
                "a" => {
                    found.close();
                    let attribute = |name: &str| {
                        let given = tag.attrs.iter().find(|attribute| &*attribute.name.local == name);
                        given.map(|attribute| attribute.value.to_string())
                    };
                    // Without a value it is set, as every attribute of HTML is.
                    let is_private = attribute("private").is_some_and(|value| value.is_empty() || is_yes(&value));
                    found.open = attribute("href").map(|url| Open { url, note: String::new(), is_private });
                }
                "dd" => found.in_note = found.open.is_some(),
                "dt" | "dl" | "h3" | "hr" => found.close(),
                _ => {}
            },
            Token::TagToken(tag) if &*tag.name == "dl" => found.close(),
            Token::CharacterTokens(text) if found.in_note => {
                if let Some(open) = &mut found.open {
                    open.note.push_str(&text);
                }
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

/// Where a quote begins that is never closed, or only by one on a later line that more text follows, as the next field's own quote would
/// be: every link in between would be taken for a part of the field. Quotes count as the reader of CSV counts them: one opens a field
/// as its first character only, two within it stand for one.
fn open_quote(text: &str) -> Option<usize> {
    enum At {
        Start,
        Plain,
        Quoted,
        Closing,
        /// Only blanks since the quote was closed.
        Behind,
    }
    let (mut at, mut begins, mut holds_break) = (At::Start, 0, false);
    for (index, byte) in text.bytes().enumerate() {
        at = match (at, byte) {
            (At::Start, b'"') => {
                (begins, holds_break) = (index, false);
                At::Quoted
            }
            (At::Quoted, b'"') => At::Closing,
            (At::Quoted, _) => {
                holds_break |= matches!(byte, b'\r' | b'\n');
                At::Quoted
            }
            (At::Closing, b'"') => At::Quoted,
            (_, b',' | b'\r' | b'\n') => At::Start,
            (At::Closing | At::Behind, b' ' | b'\t') => At::Behind,
            (At::Closing | At::Behind, _) if holds_break => return Some(begins),
            _ => At::Plain,
        };
    }
    matches!(at, At::Quoted).then_some(begins)
}

/// Lines are counted from 1, and end as those of CSV may.
fn line_of(text: &str, index: usize) -> usize {
    let before = &text.as_bytes()[..index];
    let ends = |(index, byte): (usize, &u8)| match byte {
        b'\n' => true,
        b'\r' => text.as_bytes().get(index + 1) != Some(&b'\n'),
        _ => false,
    };
    1 + before.iter().enumerate().filter(|one| ends(*one)).count()
}

/// The first row names the columns: `url` must be among them, a note may be, and who can see the link: `visibility` with PRIVATE or
/// PUBLIC, or `private` with yes or no.
fn table(text: &str) -> Result<Vec<ImportRow>, Problem> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| refuse(format!("is not CSV: {error}")))?;
    let column = |names: &[&str]| {
        names.iter().find_map(|name| headers.iter().position(|header| header.eq_ignore_ascii_case(name)))
    };
    let url = column(&["url", "link", "href", "address"])
        .ok_or_else(|| refuse("must be a bookmark file of a browser, or CSV with a column named url"))?;
    let note = column(&["note", "notes", "description", "comment", "excerpt"]);
    let (visibility, private) = (column(&["visibility"]), column(&["private"]));
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| refuse(format!("is not CSV: {error}")))?;
        let cell = |column: usize| without_guard(record.get(column).unwrap_or_default());
        let is_empty = record.iter().all(str::is_empty);
        if !is_empty && rows.len() <= MAX_ROWS {
            let is_private = visibility.is_some_and(|column| cell(column).eq_ignore_ascii_case("private"))
                || private.is_some_and(|column| is_yes(cell(column)));
            rows.push(row(cell(url), note.map(cell), is_private));
        }
    }
    Ok(rows)
}

fn row(url: &str, note: Option<&str>, is_private: bool) -> ImportRow {
    let row = ImportRow::new(url, note);
    if is_private { row.private() } else { row }
}

/// What is marked with anything but a no is marked: a link that should have been public is easier to mend than one that should not.
fn is_yes(value: &str) -> bool {
    !["", "0", "n", "no", "f", "false"].iter().any(|no| value.trim().eq_ignore_ascii_case(no))
}

/// Our own exports guard cells against spreadsheets with an apostrophe.
fn without_guard(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@']) => rest,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, expected: &[(&str, Option<&str>)]) {
        let rows = rows(file.as_bytes()).unwrap();
        let told: Vec<_> = rows.iter().map(|row| (row.url.as_str(), row.note.as_deref())).collect();
        assert_eq!(told, expected, "{file}");
    }

    #[test]
    fn what_browsers_export_is_read() {
        check(
            "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<META HTTP-EQUIV=\"Content-Type\" CONTENT=\"text/html; charset=UTF-8\">\n\
             <TITLE>Bookmarks</TITLE>\n<H1>Bookmarks</H1>\n<DL><p>\n<DT><H3 ADD_DATE=\"1\">Folder</H3>\n<DD>about the folder\n<DL><p>\n\
             <DT><A HREF=\"https://example.com/?a=1&amp;b=2\" ADD_DATE=\"1\" ICON=\"data:image/png;base64,x\">A &lt;title&gt;</A>\n\
             <DD>a note &amp; more\nin two lines\n<DT><A HREF=\"javascript:alert(1)\">script</A>\n</DL><p>\n\
             <DT><A href='https://example.com/b'>B</A>\n<DT><A NAME=x>no link</A>\n</DL><p>",
            &[
                ("https://example.com/?a=1&b=2", Some("a note & more\nin two lines")),
                ("javascript:alert(1)", None),
                ("https://example.com/b", None),
            ],
        );
        check("<a href=x>1<a href=y>2<dd>n</dl>after<dd>nothing", &[("x", None), ("y", Some("n"))]);
        check("<script>alert(1)</script><A HREF=\"https://example.com/\">x</A>", &[("https://example.com/", None)]);
    }

    #[test]
    fn csv_is_read_by_the_names_of_its_columns() {
        check("url\nhttps://example.com/", &[("https://example.com/", None)]);
        check(
            "\u{feff}Title,NOTE,Url,tags\r\n\"A, b\",\"two\nlines\",https://example.com/a,x\r\n,,https://example.com/b\r\n,,,\r\n",
            &[("https://example.com/a", Some("two\nlines")), ("https://example.com/b", None)],
        );
        check(
            "url,note\nhttps://example.com/,'=1+1\nx,'quoted'",
            &[("https://example.com/", Some("=1+1")), ("x", Some("'quoted'"))],
        );
    }

    fn private(file: &str) -> Vec<bool> {
        rows(file.as_bytes()).unwrap().iter().map(|row| row.visibility.is_private()).collect()
    }

    #[test]
    fn what_a_file_marks_as_private_is_private() {
        let links = ["PRIVATE=\"1\"", "private=yes", "PRIVATE", "PRIVATE=\"0\"", "PRIVATE=no", "TOREAD=\"1\""];
        let file: String =
            links.iter().map(|attribute| format!("<DT><A HREF=\"https://a.example/\" {attribute}>x</A>")).collect();
        assert_eq!(private(&file), [true, true, true, false, false, false]);
        assert_eq!(private("url,visibility\na,PRIVATE\nb,private\nc,PUBLIC\nd,"), [true, true, false, false]);
        assert_eq!(private("private,url\n1,a\ntrue,b\n0,c\nFalse,d\n,e"), [true, true, false, false, false]);
        assert_eq!(private("url\na"), [false]);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_refused_by_its_line() {
        let check = |file: &str, line: usize| {
            let told = rows(file.as_bytes()).unwrap_err().detail();
            assert!(
                told.starts_with(&format!("file: must close the quote that begins on line {line}:")),
                "{file}: {told}"
            );
        };
        check("url,note\nhttps://a.example/1,\"never closed\nhttps://a.example/2,x\n", 2);
        check("\u{feff}\r\n\r\nurl,note\r\na,\"two\r\nlines\"\r\nb,\"open", 6);
        check("\r \turl\ra\r\"", 4);
        check("\"url", 1);
        check("url,note\na,\"x\"\"", 2);
        // The next note's own quote closes it.
        check("url,note\na,\"kept\"\nb,\"open\nc,\"swallowed\"\nd,x\n", 3);
    }

    #[test]
    fn quotes_that_are_closed_or_open_nothing_are_read() {
        check(
            "url,note\na,\"two\n\nlines, one \"\"word\"\"\"\nb,\"\"\r\nc,\"\"\"all\"\"\"",
            &[("a", Some("two\n\nlines, one \"word\"")), ("b", None), ("c", Some("\"all\""))],
        );
        check(
            "url,note\na,6\" wide\nb, \"x\nc,it\"s",
            &[("a", Some("6\" wide")), ("b", Some("\"x")), ("c", Some("it\"s"))],
        );
        check(
            "note,url\n\"two\nlines\" \t,a\n\"more\nlines\",b",
            &[("a", Some("two\nlines")), ("b", Some("more\nlines"))],
        );
        check("url,note\na,\"so\" called\nb,x", &[("a", Some("so called")), ("b", Some("x"))]);
        check("<a href=x>\"one<a href=y>", &[("x", None), ("y", None)]);
    }

    #[test]
    fn what_holds_no_links_is_refused() {
        for bad in ["", "   ", "<html>nothing</html>", "name,note\na,b", "url\n", "\0\u{1}PNG"] {
            let problem = rows(bad.as_bytes()).unwrap_err();
            assert_eq!(problem.broken_rule().unwrap().0, "file", "{bad:?}");
        }
        let many = format!("url\n{}", "https://example.com/\n".repeat(50_001));
        assert!(rows(many.as_bytes()).unwrap_err().detail().contains("at most 50,000"));
        let deep = format!("{}<a href=x>", "<dl>".repeat(200_000));
        check(&deep, &[("x", None)]);
    }
}
