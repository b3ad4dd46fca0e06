//! A page's tags, recognised in its text as browsers do, in one pass and without building a tree.
//!
//! It works on bytes, so that a page can be scanned before its encoding is known: in every encoding except UTF-16, tags
//! consist of ASCII. Each byte is looked at a bounded number of times, whatever the page contains.

/// The next token in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Start(Tag<'a>),
    /// The name, as written.
    End(&'a [u8]),
    /// Text between tags, with its character references as written.
    Text(&'a [u8]),
    /// The content of an element without markup, such as a title or a script.
    Raw(&'a [u8]),
}

/// A start tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    name: &'a [u8],
    /// Everything after the name, including the closing `>`.
    attributes: &'a [u8],
    /// It has no content and no end tag.
    pub is_empty: bool,
}

impl<'a> Tag<'a> {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    pub(super) fn is_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.is(name))
    }

    /// If there are several attributes of one name, the first counts.
    pub(super) fn attribute(&self, name: &str) -> Option<&'a [u8]> {
        let mut attributes = Attributes::of(self.attributes);
        attributes.find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }
}

/// Elements whose content is text, even if it looks like tags.
const RAW: [&str; 9] = ["title", "textarea", "script", "style", "xmp", "iframe", "noembed", "noframes", PLAINTEXT];
/// The last element of a page: nothing ends it.
const PLAINTEXT: &str = "plaintext";
/// In drawings and formulas, titles and the like are ordinary elements. Scripts and styles are text even there.
const RAW_IN_DRAWINGS: [&str; 2] = ["script", "style"];
const DRAWINGS: [&str; 2] = ["svg", "math"];
/// HTML inside a drawing.
const HTML_INSIDE: [&str; 2] = ["foreignobject", "annotation-xml"];
/// Tags that end an unclosed drawing.
const END_DRAWINGS: &str = "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu \
    meta nobr ol p pre ruby s small span strong strike sub sup table tt u ul var";

/// Reads a page token by token.
pub(super) struct Tokens<'a> {
    rest: &'a [u8],
    /// The element whose content comes next, if that is not markup.
    raw: Option<&'a [u8]>,
    /// How many drawings and formulas are open.
    drawings: usize,
    html_inside: usize,
    is_xml: bool,
}

impl<'a> Tokens<'a> {
    /// `is_xml`: a slash at its end closes any tag.
    pub(super) fn of(page: &'a [u8], is_xml: bool) -> Self {
        Self { rest: page, raw: None, drawings: 0, html_inside: 0, is_xml }
    }

    /// Whether the last token is in a drawing or formula.
    pub(super) fn is_in_drawing(&self) -> bool {
        self.drawings > 0
    }

    fn split_off(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// Name and attributes of the tag whose name begins at `from`. A tag that is cut off by the end of the page is not
    /// a tag, and swallows the rest.
    fn tag(&mut self, from: usize) -> Option<Tag<'a>> {
        let behind = &self.rest[from..];
        let name = behind.iter().position(|c| ends_name(*c)).unwrap_or(behind.len());
        let (name, behind) = behind.split_at(name);
        let mut attributes = Attributes::of(behind);
        attributes.by_ref().for_each(drop);
        let [b'>', rest @ ..] = attributes.rest else {
            self.rest = &[];
            return None;
        };
        self.rest = rest;
        let attributes_and_end = &behind[..behind.len() - rest.len()];
        Some(Tag { name, attributes: attributes_and_end, is_empty: attributes.is_closed })
    }

    fn start(&mut self, tag: Tag<'a>) -> Tag<'a> {
        if self.drawings > 0 && self.html_inside == 0 && END_DRAWINGS.split(' ').any(|name| tag.is(name)) {
            self.drawings = 0;
        }
        let is_drawing = tag.is_any(&DRAWINGS);
        let is_empty = tag.is_empty && (self.is_xml || is_drawing || self.drawings > 0);
        if !is_empty {
            if is_drawing {
                self.drawings += 1;
            } else if self.drawings > 0 && tag.is_any(&HTML_INSIDE) {
                self.html_inside += 1;
            }
            let in_drawing = self.drawings > 0 && self.html_inside == 0;
            let is_raw = if in_drawing { tag.is_any(&RAW_IN_DRAWINGS) } else { tag.is_any(&RAW) };
            self.raw = is_raw.then_some(tag.name);
        }
        Tag { is_empty, ..tag }
    }

    fn end(&mut self, tag: &Tag<'a>) {
        if tag.is_any(&DRAWINGS) {
            self.drawings = self.drawings.saturating_sub(1);
        } else if tag.is_any(&HTML_INSIDE) {
            self.html_inside = self.html_inside.saturating_sub(1);
        }
        if self.drawings == 0 {
            self.html_inside = 0;
        }
    }

    /// The length of the comment, declaration or instruction that comes next.
    fn declaration(&self) -> usize {
        if let Some(comment) = self.rest.strip_prefix(b"<!--") {
            return b"<!--".len() + comment_length(comment);
        }
        if self.rest.starts_with(b"<![CDATA[") && (self.is_xml || self.drawings > 0) {
            return find(self.rest, b"]]>").map_or(self.rest.len(), |end| end + b"]]>".len());
        }
        find(self.rest, b">").map_or(self.rest.len(), |end| end + 1)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if let Some(name) = self.raw.take() {
            let length = raw_length(self.rest, name);
            if length > 0 {
                return Some(Token::Raw(self.split_off(length)));
            }
        }
        loop {
            let text = self.rest.iter().position(|c| *c == b'<').unwrap_or(self.rest.len());
            if text > 0 {
                return Some(Token::Text(self.split_off(text)));
            }
            match self.rest {
                [] => return None,
                [_, b'!' | b'?', ..] => _ = self.split_off(self.declaration()),
                [_, b'/', c, ..] if c.is_ascii_alphabetic() => {
                    let tag = self.tag(2)?;
                    self.end(&tag);
                    return Some(Token::End(tag.name));
                }
                // An end tag without a name is a comment.
                [_, b'/', _, ..] => _ = self.split_off(find(self.rest, b">").map_or(self.rest.len(), |end| end + 1)),
                [_, c, ..] if c.is_ascii_alphabetic() => {
                    let tag = self.tag(1)?;
                    return Some(Token::Start(self.start(tag)));
                }
                _ => return Some(Token::Text(self.split_off(1))),
            }
        }
    }
}

/// Names and values, as written, in the text after a tag's name. In the end `rest` begins with the tag's `>`, or is
/// empty if the page ends within the tag.
struct Attributes<'a> {
    rest: &'a [u8],
    /// A slash comes right before the `>`.
    is_closed: bool,
}

impl<'a> Attributes<'a> {
    fn of(rest: &'a [u8]) -> Self {
        Self { rest, is_closed: false }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let name = loop {
            match self.rest {
                [] | [b'>', ..] => return None,
                [c, rest @ ..] if c.is_ascii_whitespace() || *c == b'/' => {
                    self.is_closed = *c == b'/';
                    self.rest = rest;
                }
                // It may begin with an equals sign, which is then part of it.
                [_, rest @ ..] => {
                    let ends = |c: &u8| ends_name(*c) || *c == b'=';
                    break 1 + rest.iter().position(ends).unwrap_or(rest.len());
                }
            }
        };
        self.is_closed = false;
        let (name, behind) = self.rest.split_at(name);
        let Some(value) = behind.trim_ascii_start().strip_prefix(b"=") else {
            self.rest = behind;
            return Some((name, &[]));
        };
        let value = value.trim_ascii_start();
        let (value, rest) = match value {
            [quote @ (b'"' | b'\''), inside @ ..] => match inside.iter().position(|c| c == quote) {
                Some(end) => (&inside[..end], &inside[end + 1..]),
                None => (inside, &inside[inside.len()..]),
            },
            _ => {
                value.split_at(value.iter().position(|c| c.is_ascii_whitespace() || *c == b'>').unwrap_or(value.len()))
            }
        };
        self.rest = rest;
        Some((name, value))
    }
}

fn ends_name(c: u8) -> bool {
    c.is_ascii_whitespace() || matches!(c, b'/' | b'>')
}

/// The place of the first one.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// The length of the text after `<!--`, including the end.
fn comment_length(comment: &[u8]) -> usize {
    // These are complete comments.
    for whole in [&b">"[..], b"->"] {
        if comment.starts_with(whole) {
            return whole.len();
        }
    }
    let mut from = 0;
    while let Some(dashes) = find(&comment[from..], b"--") {
        let behind = from + dashes + 2;
        for end in [&b">"[..], b"!>"] {
            if comment[behind..].starts_with(end) {
                return behind + end.len();
            }
        }
        from = behind - 1;
    }
    comment.len()
}

/// How many bytes come before this element's end tag: all if there is none.
fn raw_length(bytes: &[u8], name: &[u8]) -> usize {
    if name.eq_ignore_ascii_case(b"script") {
        return script_length(bytes);
    }
    if name.eq_ignore_ascii_case(PLAINTEXT.as_bytes()) {
        return bytes.len();
    }
    let mut from = 0;
    while let Some(found) = find(&bytes[from..], b"</") {
        let end = from + found;
        if is_named(&bytes[end + 2..], name) {
            return end;
        }
        from = end + 2;
    }
    bytes.len()
}

/// Whether it begins with this tag's name.
fn is_named(bytes: &[u8], name: &[u8]) -> bool {
    bytes.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        && bytes.get(name.len()).is_some_and(|c| ends_name(*c))
}

/// How many bytes of a script come before its end. Inside something like a comment, a nested script needs its own end
/// tag.
fn script_length(bytes: &[u8]) -> usize {
    #[derive(PartialEq)]
    enum Within {
        Script,
        Comment,
        ScriptInComment,
    }
    let mut within = Within::Script;
    let mut at = 0;
    while let Some(next) = bytes[at..].iter().position(|c| matches!(c, b'<' | b'-')) {
        at += next;
        let rest = &bytes[at..];
        if rest.starts_with(b"-->") {
            within = Within::Script;
        } else if rest.starts_with(b"<!--") && within == Within::Script {
            within = Within::Comment;
        } else if rest.starts_with(b"</") && is_named(&rest[2..], b"script") {
            if within != Within::ScriptInComment {
                return at;
            }
            within = Within::Comment;
        } else if within == Within::Comment && is_named(&rest[1..], b"script") {
            within = Within::ScriptInComment;
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens as text: `<name>`, `</name>`, text in quotes, raw text in brackets.
    fn told(page: &str) -> String {
        let mut tokens = Tokens::of(page.as_bytes(), false);
        let mut told = Vec::new();
        while let Some(token) = tokens.next() {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let where_ = if tokens.is_in_drawing() { "~" } else { "" };
            told.push(match token {
                Token::Start(tag) => format!("{where_}<{}{}>", text(tag.name), if tag.is_empty { "/" } else { "" }),
                Token::End(name) => format!("</{}>", text(name)),
                Token::Text(inside) => format!("\"{}\"", text(inside)),
                Token::Raw(inside) => format!("[{}]", text(inside)),
            });
        }
        told.join(" ")
    }

    #[test]
    fn tags_are_told_from_text() {
        let check = |page: &str, expected: &str| assert_eq!(told(page), expected, "{page}");
        check("<p>a<b>c</b>", "<p> \"a\" <b> \"c\" </b>");
        check("1 < 2 <3 <", "\"1 \" \"<\" \" 2 \" \"<\" \"3 \" \"<\"");
        check("<!doctype html><?php x?></><a></ x>b", "<a> \"b\"");
        check("a<!-- <p> -->b<!-->c<!--->d<!-- -- --!>e", "\"a\" \"b\" \"c\" \"d\" \"e\"");
        check("a<!-- <p>", "\"a\"");
        check("<p a='>' b=\">\" c = d>x</p a='>'>", "<p> \"x\" </p>");
        check("a<p b=\"c>", "\"a\"");
        check("<br/><p/>x", "<br> <p> \"x\"");
    }

    #[test]
    fn content_that_is_no_markup_ends_with_its_element() {
        let check = |page: &str, expected: &str| assert_eq!(told(page), expected, "{page}");
        check("<title>a<b>&amp;</titles></TITLE >c", "<title> [a<b>&amp;</titles>] </TITLE> \"c\"");
        check("<title></title>a", "<title> </title> \"a\"");
        check("<style><p></style>", "<style> [<p>] </style>");
        check("<script>'<p>'</script>a", "<script> ['<p>'] </script> \"a\"");
        check("<script><!-- <script></script> --></script>a", "<script> [<!-- <script></script> -->] </script> \"a\"");
        check("<script><!-- x</script>a", "<script> [<!-- x] </script> \"a\"");
        check("<script><!--><script></script>a", "<script> [<!--><script>] </script> \"a\"");
        check("<script>a", "<script> [a]");
        check("<plaintext></plaintext>", "<plaintext> [</plaintext>]");
        check("<script src=x />a</script>b", "<script> [a] </script> \"b\"");
        let xml = Tokens::of(b"<script src='x'/><p/>", true);
        assert!(xml.into_iter().all(|token| matches!(token, Token::Start(Tag { is_empty: true, .. }))));
    }

    #[test]
    fn drawings_have_titles_of_their_own() {
        let check = |page: &str, expected: &str| assert_eq!(told(page), expected, "{page}");
        check(
            "<svg><title>a</title></svg><title>b<i></title>",
            "~<svg> ~<title> \"a\" </title> </svg> <title> [b<i>] </title>",
        );
        check("<svg><style>p</style><path/></svg><p>", "~<svg> ~<style> [p] </style> ~<path/> </svg> <p>");
        check("<svg/><title>a</title>", "<svg/> <title> [a] </title>");
        check("<svg><title/><style/><g><h1>a", "~<svg> ~<title/> ~<style/> ~<g> <h1> \"a\"");
        check(
            "<svg><foreignObject><p>a</p></foreignObject></svg><title>b",
            "~<svg> ~<foreignObject> ~<p> \"a\" </p> </foreignObject> </svg> <title> [b]",
        );
        check("<svg><![CDATA[<h1>]]></svg>", "~<svg> </svg>");
    }

    #[test]
    fn attributes_are_read_as_they_are_written() {
        let page = b"<meta =a b=1 B=2 c='x y' d = \"&lt;>\" e/f g=/h/ i>";
        let Some(Token::Start(tag)) = Tokens::of(page, false).next() else { panic!("a tag") };
        let value = |name: &str| tag.attribute(name).map(|value| std::str::from_utf8(value).unwrap());
        assert_eq!((value("=a"), value("b"), value("C")), (Some(""), Some("1"), Some("x y")));
        assert_eq!((value("d"), value("e"), value("f")), (Some("&lt;>"), Some(""), Some("")));
        assert_eq!((value("g"), value("i"), value("j")), (Some("/h/"), Some(""), None));
    }
}
