//! Where the URL is in what people paste: in brackets, in a sentence, without its scheme.
//!
//! Linear in the length of the text.

use super::domain::{Host, host};
use super::percent;
use crate::text::{is_invisible, shapes};

const EMPTY: &str = "This cannot be empty.";
const NO_URL: &str = "Enter a full link such as https://example.com/page.";
const OTHER_SCHEME: &str = "Links start with http:// or https://.";
const SEVERAL: &str = "Enter one link at a time.";

/// A scheme, and the text behind the slashes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pasted {
    pub(super) scheme: &'static str,
    pub(super) rest: String,
}

/// The one URL in a text, or the rule that the text breaks.
pub(super) fn find(text: &str) -> Result<Pasted, &'static str> {
    let text = unwrapped(text);
    let is_encoded = begins(text, "https%3a") || begins(text, "http%3a");
    match is_encoded.then(|| percent::decode(text)).flatten() {
        Some(decoded) => find_in(unwrapped(&decoded)),
        None => find_in(text),
    }
}

fn find_in(text: &str) -> Result<Pasted, &'static str> {
    // As RFC 3986, appendix C, has it.
    let text = if begins(text, "url:") { text[4..].trim_start() } else { text };
    let found = if text.is_empty() {
        return Err(EMPTY);
    } else if split_scheme(text).is_some() {
        if starts(text).any(|start| text[..start].ends_with(char::is_whitespace)) {
            return Err(SEVERAL);
        }
        split_scheme(without_prose(text))
    } else if has_other_scheme(text) {
        return Err(OTHER_SCHEME);
    } else {
        match urls(text)[..] {
            [] => split_bare(without_prose(text)),
            [url] => split_scheme(url),
            _ => return Err(SEVERAL),
        }
    };
    found.map(|(scheme, rest)| Pasted { scheme, rest: rest.to_owned() }).ok_or(NO_URL)
}

/// What stands around texts in pairs.
const PAIRS: [(char, char); 22] = [
    ('<', '>'),
    ('(', ')'),
    ('[', ']'),
    ('{', '}'),
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('“', '”'),
    ('„', '“'),
    ('„', '”'),
    ('‘', '’'),
    ('‚', '‘'),
    ('«', '»'),
    ('»', '«'),
    ('‹', '›'),
    ('「', '」'),
    ('『', '』'),
    ('【', '】'),
    ('《', '》'),
    ('〈', '〉'),
    ('（', '）'),
    ('＜', '＞'),
];
/// More of them around a text are left.
const MAX_PAIRS: usize = 8;

/// Without blanks and invisible characters at its ends, and without brackets and quotation marks around it.
fn unwrapped(text: &str) -> &str {
    let mut text = text.trim_matches(is_around);
    for _ in 0..MAX_PAIRS {
        let Some(inner) = PAIRS.iter().find_map(|(open, close)| inside(text, *open, *close)) else { break };
        text = inner.trim_matches(is_around);
    }
    text
}

/// What the first and the last character enclose, if they belong together.
fn inside(text: &str, open: char, close: char) -> Option<&str> {
    let inner = text.strip_prefix(open)?.strip_suffix(close)?;
    let mut depth = 0_usize;
    for c in inner.chars() {
        if c == close {
            depth = depth.checked_sub(1)?;
        } else if c == open {
            depth += 1;
        }
    }
    Some(inner)
}

fn is_around(c: char) -> bool {
    c.is_whitespace() || (is_invisible(c) && !c.is_control() && !shapes(c))
}

fn begins(text: &str, with: &str) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

/// Slips that cannot be meant otherwise. Links written with `hxxp` are not meant to be followed.
const SLIPS: [(&str, &str); 11] = [
    ("ttp", "http"),
    ("htp", "http"),
    ("htt", "http"),
    ("htttp", "http"),
    ("hhttp", "http"),
    ("ttps", "https"),
    ("htps", "https"),
    ("htts", "https"),
    ("htttps", "https"),
    ("hhttps", "https"),
    ("httpss", "https"),
];
/// What stands between a scheme that is written right and the rest.
const MARKS: [&str; 5] = ["://", ":://", ":", ";//", "//"];

/// The scheme with which a text begins, or is unmistakably meant to, and what is behind it. Of several, as in `https://https://`, the last.
fn split_scheme(text: &str) -> Option<(&'static str, &str)> {
    let mut found = split_first_scheme(text)?;
    while ["http:/", "https:/", "http:\\", "https:\\"].iter().any(|start| begins(found.1, start)) {
        found = split_first_scheme(found.1)?;
    }
    Some(found)
}

fn split_first_scheme(text: &str) -> Option<(&'static str, &str)> {
    let behind = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let word = &text[..text.len() - behind.len()];
    let is = |name: &str| word.eq_ignore_ascii_case(name);
    let (scheme, marks) = if is("https") {
        ("https", &MARKS[..])
    } else if is("http") {
        ("http", &MARKS[..])
    } else {
        let (_, scheme) = SLIPS.into_iter().find(|(slip, _)| is(slip))?;
        (scheme, &MARKS[..1])
    };
    let rest = marks.iter().find_map(|mark| behind.strip_prefix(mark))?;
    // Browsers take any number of slashes for two.
    Some((scheme, rest.trim_start_matches(|c: char| matches!(c, '/' | '\\') || is_around(c))))
}

/// `mailto:` and the like, but not a host with its port.
fn has_other_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let port = rest.split(ends_host).next().unwrap_or_default();
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_scheme && !is_port && rest.starts_with(|c: char| !c.is_whitespace())
}

fn ends_host(c: char) -> bool {
    matches!(c, '/' | '\\' | '?' | '#')
}

/// A host, and what may be behind it. Of addresses `http` is meant, and of names `https`.
fn split_bare(text: &str) -> Option<(&'static str, &str)> {
    let text = text.strip_prefix("//").unwrap_or(text);
    let (authority, behind) = text.split_at(text.find(ends_host).unwrap_or(text.len()));
    let digits = authority.len() - authority.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (before, port) = authority.split_at(authority.len() - digits);
    let (name, has_port) = match before.strip_suffix(':') {
        Some(name) if !port.is_empty() => (name, true),
        _ => (authority, false),
    };
    match host(name)? {
        Host::Here => Some(("http", text)),
        Host::Known => Some(("https", text)),
        // A word such as the name of a file is no URL.
        Host::Unknown => (has_port || !behind.is_empty()).then_some(("https", text)),
    }
}

/// A link that was wrapped goes on in the next line. But a title does not belong to it: another paragraph, or a line of several words.
fn without_prose(text: &str) -> &str {
    let Some((first, others)) = text.split_once('\n') else { return text };
    let first = first.trim_end();
    let is_paragraph = others.lines().next().is_some_and(|line| line.trim().is_empty());
    let has_words = || others.lines().any(|line| line.trim().contains(char::is_whitespace));
    if !first.contains(char::is_whitespace) && (is_paragraph || has_words()) { first } else { text }
}

/// Where `http://` and `https://` stand.
fn starts(text: &str) -> impl Iterator<Item = usize> {
    text.match_indices("://").filter_map(move |(colon, _)| {
        let of = |scheme: &str| {
            let start = colon.checked_sub(scheme.len())?;
            text.get(start..colon)?.eq_ignore_ascii_case(scheme).then_some(start)
        };
        of("https").or_else(|| of("http"))
    })
}

/// The URLs in a text, each once; two at most.
fn urls(text: &str) -> Vec<&str> {
    let (mut found, mut end) = (Vec::new(), 0);
    for start in starts(text) {
        if found.len() > 1 {
            break;
        }
        if start < end || text[..start].ends_with(goes_on) {
            continue;
        }
        let url = cut(&text[start..]);
        end = start + url.len();
        if !found.contains(&url) {
            found.push(url);
        }
    }
    found
}

/// Behind such a character a URL is part of another one.
fn goes_on(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '=' | '%' | '&' | '?' | '#' | '@' | '+' | '-' | '_')
}

/// The URL with which a text begins: up to what cannot be in one, and without the punctuation of the sentence that it is in.
fn cut(text: &str) -> &str {
    let mut url = &text[..text.find(cannot_be_inside).unwrap_or(text.len())];
    let surplus = |open: char, close: char| url.matches(close).count().saturating_sub(url.matches(open).count());
    let mut surplus = [(')', surplus('(', ')')), (']', surplus('[', ']')), ('}', surplus('{', '}'))];
    while let Some(last) = url.chars().next_back() {
        let closed_here = surplus.iter_mut().find(|(close, count)| *close == last && *count > 0);
        if let Some((_, count)) = closed_here {
            *count -= 1;
        } else if !matches!(last, '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '’' | '*' | '…') {
            break;
        }
        url = &url[..url.len() - last.len_utf8()];
    }
    url
}

/// Marks that end a URL in a text. In a URL itself they would be encoded.
const OUTSIDE: &str = "\"<>`“”„«»‹›「」『』【】《》〈〉（）＜＞。，、";

fn cannot_be_inside(c: char) -> bool {
    c.is_whitespace() || OUTSIDE.contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let found = find(text).map(|Pasted { scheme, rest }| format!("{scheme}://{rest}"));
        assert_eq!(found.as_deref().map_err(|rule| *rule), expected, "{text:?}");
    }

    const URL: Result<&str, &str> = Ok("https://pasted.example/x");

    #[test]
    fn what_is_around_it_is_taken_off() {
        for text in [
            "https://pasted.example/x",
            "  https://pasted.example/x\r\n",
            "\u{a0}\u{3000}https://pasted.example/x\u{2028}",
            "\u{200b}https://pasted.example/x",
            "\u{feff}https://pasted.example/x\u{2060}\u{ad}",
            "\u{202a}https://pasted.example/x\u{202c}\u{200e}",
            "<https://pasted.example/x>",
            "(https://pasted.example/x)",
            "[https://pasted.example/x]",
            "{https://pasted.example/x}",
            "\"https://pasted.example/x\"",
            "' https://pasted.example/x '",
            "`https://pasted.example/x`",
            "“https://pasted.example/x”",
            "„https://pasted.example/x“",
            "« https://pasted.example/x »",
            "「https://pasted.example/x」",
            "<\u{200b}\"https://pasted.example/x\" >",
            "URL:https://pasted.example/x",
            "<URL: https://pasted.example/x>",
        ] {
            check(text, URL);
        }
        check("https://pasted.example/(x)", Ok("https://pasted.example/(x)"));
        check("(https://pasted.example/a_(x))", Ok("https://pasted.example/a_(x)"));
        check("https://pasted.example/x?", Ok("https://pasted.example/x?"));
        check("https://pasted.example/❤\u{fe0f}", Ok("https://pasted.example/❤\u{fe0f}"));
    }

    #[test]
    fn the_text_around_the_only_url_is_left_out() {
        for text in [
            "see https://pasted.example/x.",
            "see https://pasted.example/x, and more",
            "see (https://pasted.example/x).",
            "A title https://pasted.example/x",
            "A title\nhttps://pasted.example/x",
            "A title\r\n\r\nhttps://pasted.example/x\r\n\r\nSent from my phone",
            "https://pasted.example/x\n\nA title",
            "https://pasted.example/x\nA title of some words",
            "[A title](https://pasted.example/x)",
            "![A picture](https://pasted.example/x)",
            "<a href=\"https://pasted.example/x\">A title</a>",
            "\"https://pasted.example/x\" said Ann",
            "Ann said: “https://pasted.example/x”!",
            "*https://pasted.example/x*",
            "詳細https://pasted.example/x。",
            "see https://pasted.example/x or https://pasted.example/x",
        ] {
            check(text, URL);
        }
        check("see https://pasted.example/a_(x).", Ok("https://pasted.example/a_(x)"));
        check("see https://web.pasted.example/https://c.example/", Ok("https://web.pasted.example/https://c.example/"));
        check("see https://pasted.example/x and https://pasted.example/y", Err(SEVERAL));
        check("https://pasted.example/x https://pasted.example/y", Err(SEVERAL));
        check("https://pasted.example/x\nhttps://pasted.example/y", Err(SEVERAL));
        check("see pasted.example/x", Err(NO_URL));
        check("https://pasted.example/very/\nlong", Ok("https://pasted.example/very/\nlong"));
        check("https://pasted.example/My Report.pdf", Ok("https://pasted.example/My Report.pdf"));
    }

    #[test]
    fn schemes_are_mended_where_they_cannot_be_meant_otherwise() {
        for text in [
            "HTTPS://pasted.example/x",
            "https:/pasted.example/x",
            "https:pasted.example/x",
            "https:///pasted.example/x",
            "https:\\\\pasted.example/x",
            "https:// pasted.example/x",
            "https: //pasted.example/x",
            "https//pasted.example/x",
            "https;//pasted.example/x",
            "https:://pasted.example/x",
            "https://https://pasted.example/x",
            "http://https://pasted.example/x",
            "ttps://pasted.example/x",
            "htps://pasted.example/x",
            "hhttps://pasted.example/x",
            "httpss://pasted.example/x",
            "https%3A%2F%2Fpasted.example%2Fx",
        ] {
            check(text, URL);
        }
        check("http:/pasted.example/x", Ok("http://pasted.example/x"));
        check("https://http://pasted.example/x", Ok("http://pasted.example/x"));
        check("https://pasted.example/https://c.example/", Ok("https://pasted.example/https://c.example/"));
        for text in [
            "ftp://pasted.example/x",
            "hxxps://pasted.example/x",
            "javascript:alert(1)",
            "javascript:void(open('https://pasted.example/'))",
            "mailto:me@pasted.example",
            "data:text/html,<b>x",
            "about:config",
            "chrome://settings/",
            "file:///etc/hostname",
            "place:sort=8&maxResults=10",
            "feed:https://pasted.example/x",
            "view-source:https://pasted.example/x",
        ] {
            check(text, Err(OTHER_SCHEME));
        }
        check("https://", Ok("https://"));
        check("https", Err(NO_URL));
    }

    #[test]
    fn hosts_alone_get_a_scheme() {
        check("bare.example/page", Ok("https://bare.example/page"));
        check("bare.example", Ok("https://bare.example"));
        check("//bare.example/page", Ok("https://bare.example/page"));
        check("www.bare.example:8443/page?x#y", Ok("https://www.bare.example:8443/page?x#y"));
        check("bare.example?u=https://c.example/", Ok("https://bare.example?u=https://c.example/"));
        check("web.bare.example/https://c.example/", Ok("https://web.bare.example/https://c.example/"));
        check("bare.example/My Report.pdf", Ok("https://bare.example/My Report.pdf"));
        check("Bücher.example/x", Ok("https://Bücher.example/x"));
        check("localhost:8080/x", Ok("http://localhost:8080/x"));
        check("localhost", Ok("http://localhost"));
        check("192.168.1.4:8123", Ok("http://192.168.1.4:8123"));
        check("[2001:db8::7]:8080/x", Ok("http://[2001:db8::7]:8080/x"));
        check("server.unheard:8080", Ok("https://server.unheard:8080"));
        check("server.unheard/x", Ok("https://server.unheard/x"));
        for text in [
            "rust",
            "octopus/app",
            "octopus:8080/app",
            "report.pdf",
            "node.js",
            "3.14",
            "e.g.",
            "me@bare.example",
            "me@bare.example/x",
            "bare.example is good",
            "and/or",
            "no URL",
            "<script>alert(1)</script>",
        ] {
            check(text, Err(NO_URL));
        }
        for text in ["", "  ", "\u{200b}\u{feff}", "<>", "\"\""] {
            check(text, Err(EMPTY));
        }
    }
}
