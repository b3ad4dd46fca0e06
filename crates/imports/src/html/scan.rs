//! The tags of a bookmark file, one after the other. Never a tree, so that no nesting is too deep, and never a whole tag, so that no icon
//! written into it is too large.
//!
//! Every browser reads markup that is broken, but not in the way that loses the fewest links. So a quotation mark that is not closed ends
//! where the next item begins, and `<` inside a tag is the end of it.

use crate::error::Result;
use crate::kept::Kept;
use crate::window::Window;

/// Of a value, so much is kept: more than a URL, the longest note or a hundred names, each of their characters written as a reference.
const MAX_VALUE_BYTES: usize = 128 * 1_024;
/// The longest name of a tag or attribute that is known.
const MAX_NAME_BYTES: usize = 32;
/// Begin or end something; text in quotation marks does not hold them.
const ITEMS: [&str; 8] = ["<dt", "<dd", "<dl", "</dl", "<h3", "</h3", "<a ", "</a>"];
/// The only tags that are seen inside a comment: see [`Scanner::in_comment`].
const SEEN_IN_COMMENTS: [&str; 5] = ["a", "dd", "dl", "dt", "h3"];

#[derive(Debug)]
pub(crate) enum Event {
    Start(Tag),
    /// The name of the tag that ends.
    End(String),
    CommentStart,
    CommentEnd,
}

/// Its name is in lower case.
#[derive(Debug, Default)]
pub(crate) struct Tag {
    pub name: String,
    /// Those that are wanted, their names in lower case, each once.
    attributes: Vec<(String, String)>,
    /// The attribute whose quotation mark is not closed.
    pub broken: Option<String>,
    /// It has no `>`: something else begins, or the file ends.
    pub is_cut: bool,
    /// It ends itself: `<x/>`.
    pub is_empty: bool,
}

impl Tag {
    /// References in it are not resolved.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Scanner<'a> {
    window: Window<'a>,
    wanted: &'static [&'static str],
    /// Inside `<!--`. Items and links are events all the same, as a comment may never have been meant: the reader of the events decides. To
    /// leave a comment before its end, set it to false.
    pub in_comment: bool,
    tag_began: u64,
}

impl<'a> Scanner<'a> {
    /// `wanted`: names of attributes, in lower case.
    pub fn new(window: Window<'a>, wanted: &'static [&'static str]) -> Self {
        Self { window, wanted, in_comment: false, tag_began: 0 }
    }

    pub fn steps(&self) -> u64 {
        self.window.steps
    }

    /// The next tag or end of a comment, `None` at the end of the file. What is before it is added to `text`.
    pub fn next(&mut self, mut text: Option<&mut Kept>) -> Result<Option<Event>> {
        loop {
            let in_comment = self.in_comment;
            let stop = self.window.until(|byte| byte == b'<' || in_comment && byte == b'-', text.as_deref_mut())?;
            let found = match stop {
                None => return Ok(None),
                Some(b'-') => self.dash(text.as_deref_mut())?,
                Some(_) => self.markup(text.as_deref_mut())?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// The last tag as it stands in the file, if it is short.
    pub fn raw(&self) -> &str {
        self.window.since(self.tag_began).unwrap_or_default()
    }

    /// Passes the text of a script or style sheet, up to its end tag or the next item.
    pub fn skip_raw(&mut self, name: &str) -> Result<()> {
        while self.window.until(|byte| byte == b'<', None)?.is_some() {
            let ahead = self.window.ahead(MAX_NAME_BYTES)?.as_bytes();
            let ends = begins(ahead, "</") && begins(&ahead[2..], name);
            if ends || ["<dt", "<dl", "</dl"].iter().any(|item| begins(ahead, item)) {
                break;
            }
            self.window.skip(1);
        }
        Ok(())
    }

    fn dash(&mut self, text: Option<&mut Kept>) -> Result<Option<Event>> {
        let ahead = self.window.ahead(4)?;
        let end = ["-->", "--!>"].into_iter().find(|end| ahead.starts_with(end));
        match end {
            Some(end) => {
                self.window.skip(end.len());
                self.in_comment = false;
                Ok(Some(Event::CommentEnd))
            }
            None => self.pass_byte(text).map(|()| None),
        }
    }

    /// At `<`. `None`: it was passed, and is no event.
    fn markup(&mut self, text: Option<&mut Kept>) -> Result<Option<Event>> {
        let ahead = self.window.ahead(MAX_NAME_BYTES + 3)?;
        let second = ahead.as_bytes().get(1).copied();
        let third = ahead.as_bytes().get(2).copied();
        if !self.in_comment && ahead.starts_with("<!--") {
            let empty = ["<!-->", "<!--->"].into_iter().find(|comment| ahead.starts_with(comment));
            self.window.skip(empty.map_or(4, str::len));
            self.in_comment = empty.is_none();
            return Ok(self.in_comment.then_some(Event::CommentStart));
        }
        let is_declaration =
            matches!(second, Some(b'!' | b'?')) && third.is_some_and(|byte| byte.is_ascii_alphabetic());
        if !self.in_comment && is_declaration {
            self.window.skip(2);
            self.pass_tag()?;
            return Ok(None);
        }
        let is_end = second == Some(b'/');
        let name = name(&ahead[1 + usize::from(is_end)..]);
        if name.is_empty() || self.in_comment && !SEEN_IN_COMMENTS.contains(&&*name) {
            self.pass_byte(text)?;
            return Ok(None);
        }
        self.tag_began = self.window.mark();
        self.window.skip(1 + usize::from(is_end) + name.len());
        if is_end {
            self.pass_tag()?;
            return Ok(Some(Event::End(name)));
        }
        self.attributes(name).map(|tag| Some(Event::Start(tag)))
    }

    /// The rest of a tag that has nothing of interest.
    fn pass_tag(&mut self) -> Result<()> {
        if self.window.until(|byte| matches!(byte, b'<' | b'>'), None)? == Some(b'>') {
            self.window.skip(1);
        }
        Ok(())
    }

    fn attributes(&mut self, name: String) -> Result<Tag> {
        let mut tag = Tag { name, ..Tag::default() };
        loop {
            match self.window.until(|byte| !byte.is_ascii_whitespace() && byte != b'/' && byte != b'=', None)? {
                Some(b'>') => {
                    self.window.skip(1);
                    tag.is_empty = self.raw().ends_with("/>");
                    return Ok(tag);
                }
                Some(b'<') | None => {
                    tag.is_cut = true;
                    return Ok(tag);
                }
                Some(_) => {}
            }
            let mut attribute = Kept::new(MAX_NAME_BYTES);
            let ends_name = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'=' | b'<' | b'>');
            self.window.until(ends_name, Some(&mut attribute))?;
            let attribute = attribute.into_text().to_ascii_lowercase();
            let is_wanted = self.wanted.contains(&&*attribute) && tag.attribute(&attribute).is_none();
            let mut value = is_wanted.then(|| Kept::new(MAX_VALUE_BYTES));
            let mut is_closed = true;
            if self.window.until(|byte| !byte.is_ascii_whitespace(), None)? == Some(b'=') {
                self.window.skip(1);
                is_closed = self.value(value.as_mut())?;
            }
            if let Some(value) = value {
                tag.attributes.push((attribute.clone(), value.into_text()));
            }
            if !is_closed {
                tag.broken = Some(attribute);
                return Ok(tag);
            }
        }
    }

    /// False: its quotation mark is not closed, and the tag ends with it.
    fn value(&mut self, value: Option<&mut Kept>) -> Result<bool> {
        match self.window.until(|byte| !byte.is_ascii_whitespace(), None)? {
            Some(quote @ (b'"' | b'\'')) => {
                self.window.skip(1);
                self.quoted(quote, value)
            }
            _ => {
                self.window.until(|byte| byte.is_ascii_whitespace() || byte == b'>', value)?;
                Ok(true)
            }
        }
    }

    fn quoted(&mut self, quote: u8, mut value: Option<&mut Kept>) -> Result<bool> {
        // Where the tag would end if the mark were never closed, and how much of the value there was by then.
        let mut tag_end = None;
        loop {
            let is_stop = |byte: u8| byte == quote || matches!(byte, b'<' | b'>');
            match self.window.until(is_stop, value.as_deref_mut())? {
                Some(byte) if byte == quote => {
                    self.window.skip(1);
                    return Ok(true);
                }
                Some(b'>') => {
                    let kept = value.as_deref().map_or(0, Kept::len);
                    tag_end.get_or_insert((self.window.mark() + 1, kept));
                    self.pass_byte(value.as_deref_mut())?;
                }
                Some(_) if !self.at_item()? => self.pass_byte(value.as_deref_mut())?,
                _ => {
                    if let Some((mark, kept)) = tag_end
                        && self.window.rewind(mark)
                        && let Some(value) = value
                    {
                        value.truncate(kept);
                    }
                    return Ok(false);
                }
            }
        }
    }

    fn at_item(&mut self) -> Result<bool> {
        let ahead = self.window.ahead(5)?.as_bytes();
        Ok(ITEMS.iter().any(|item| begins(ahead, item)))
    }

    /// Passes a byte that is ASCII.
    fn pass_byte(&mut self, text: Option<&mut Kept>) -> Result<()> {
        if let Some(text) = text {
            text.push(&self.window.ahead(1)?[..1]);
        }
        self.window.skip(1);
        Ok(())
    }
}

fn begins(text: &[u8], start: &str) -> bool {
    text.len() >= start.len() && text[..start.len()].eq_ignore_ascii_case(start.as_bytes())
}

/// Of a tag, in lower case; empty if no tag begins so.
fn name(text: &str) -> String {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return String::new();
    }
    let ends = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | ':' | '_');
    text[..text.find(ends).unwrap_or(text.len()).min(MAX_NAME_BYTES)].to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::tests::window;

    /// Every event in short, with the text before it.
    fn told(file: &str) -> String {
        let mut scanner = Scanner::new(window(file), &["href", "tags"]);
        let mut told = String::new();
        loop {
            let mut text = Kept::new(1_000);
            let event = scanner.next(Some(&mut text)).unwrap();
            told.push_str(text.as_str());
            match event {
                None => return told,
                Some(Event::CommentStart) => told.push_str("[!"),
                Some(Event::CommentEnd) => told.push_str("!]"),
                Some(Event::End(name)) => told.push_str(&format!("[/{name}]")),
                Some(Event::Start(tag)) => {
                    told.push_str(&format!("[{}", tag.name));
                    for (name, value) in &tag.attributes {
                        told.push_str(&format!(" {name}={value}"));
                    }
                    let ends = [(tag.broken.is_some(), " broken"), (tag.is_cut, " cut"), (tag.is_empty, " empty")];
                    ends.iter().filter(|(is_so, _)| *is_so).for_each(|(_, end)| told.push_str(end));
                    told.push(']');
                }
            }
        }
    }

    #[test]
    fn tags_are_read_as_browsers_read_them() {
        let check = |file: &str, expected: &str| assert_eq!(told(file), expected, "{file}");
        check("<DT><A HREF=\"x\" ICON='y' Tags=a,b>T</A>", "[dt][a href=x tags=a,b]T[/a]");
        check("<a href = 'x\"y' href=z>", "[a href=x\"y]");
        check("<a tags href=https://x/y/ >", "[a tags= href=https://x/y/]");
        check("<br/><x/><a href=x/>", "[br empty][x empty][a href=x/ empty]");
        check("1 < 2 <3 </ > <é", "1 < 2 <3 </ > <é");
        check("<!DOCTYPE x><?xml v='1'?>a<!-->b<!--->c<! d", "abc<! d");
        check("a<!-- <b> -- <DT> --->b", "a[! <b> -- [dt] -!]b");
        check("<!-- a --!><!-- b", "[! a !][! b");
    }

    #[test]
    fn quotation_marks_that_are_not_closed_end_with_the_item() {
        let check = |file: &str, expected: &str| assert_eq!(told(file), expected, "{file}");
        check("<A HREF=\"x>T</A>\n<DT><A HREF=\"y\">U</A>", "[a href=x broken]T[/a]\n[dt][a href=y]U[/a]");
        check("<A HREF=\"x\n<DT><A HREF=\"y\">U</A>", "[a href=x\n broken][dt][a href=y]U[/a]");
        check("<A ICON=\"data:x HREF='y'>T</A>", "[a broken]T[/a]");
        check("<A HREF=\"x>T", "[a href=x broken]T");
        check("<A HREF=\"x", "[a href=x broken]");
        check("<A HREF=\"a>b<c>\">T", "[a href=a>b<c>]T");
    }

    #[test]
    fn tags_that_are_not_closed_end_where_the_next_begins() {
        let check = |file: &str, expected: &str| assert_eq!(told(file), expected, "{file}");
        check("<DD>a <b then\n<DT><A HREF=x", "[dd]a [b cut][dt][a href=x cut]");
        check("</DL\n<DL>", "[/dl][dl]");
    }

    #[test]
    fn an_icon_of_any_size_is_passed_without_being_kept() {
        let icon = "x".repeat(5_000_000);
        let file = format!("<A HREF=\"x\" ICON=\"{icon}\" TAGS=\"t\">T");
        assert_eq!(told(&file), "[a href=x tags=t]T");
    }
}
