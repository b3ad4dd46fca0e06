//! Plain lists: a link on each line, with or without words about it, and those of Markdown.

use crate::error::Result;
use crate::kept::Kept;
use crate::row::{Draft, Found, Rows};
use crate::window::Window;

/// A line that is longer is read in parts, each of which ends at a blank behind so much of it.
const PART_BYTES: usize = 48 * 1_024;
/// Of a part, so much is kept. What is beyond that has no blank, and is no link: no URL may be as long.
const MAX_PART_BYTES: usize = 64 * 1_024;
/// Stand around links and between a link and its words.
const AROUND: &[char] =
    &[' ', '\t', '|', '-', '–', '—', ':', ',', ';', '•', '*', '>', '<', '(', ')', '[', ']', '"', '\''];

pub(crate) fn read(mut window: Window<'_>, rows: &mut Rows<'_>) -> Result<()> {
    let read = read_lines(&mut window, rows);
    rows.steps += window.steps;
    read
}

fn read_lines(window: &mut Window<'_>, rows: &mut Rows<'_>) -> Result<()> {
    loop {
        let mut line = Kept::new(MAX_PART_BYTES);
        if !window.line(&mut line, PART_BYTES)? {
            return Ok(());
        }
        for found in found_in(line.as_str()) {
            rows.add(found)?;
        }
    }
}

/// Whether a text that begins so is a list of links.
pub(crate) fn is_list(head: &str) -> bool {
    let mut lines = head.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.clone().any(|line| link_at(line).is_some()) || lines.next().is_some_and(is_bare_address)
}

/// `example.com/page`
fn is_bare_address(line: &str) -> bool {
    let host = line.split(['/', '?', '#']).next().unwrap_or_default();
    let mut labels = host.split(':').next().unwrap_or_default().rsplit('.');
    let is_name = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    let has_top = labels.next().is_some_and(|top| top.chars().count() >= 2 && top.chars().all(char::is_alphabetic));
    let rest: Vec<&str> = labels.collect();
    !line.contains(char::is_whitespace) && has_top && !rest.is_empty() && rest.into_iter().all(is_name)
}

/// Where the first `http://` or `https://` of a text begins.
fn link_at(text: &str) -> Option<usize> {
    text.match_indices("://").find_map(|(colon, _)| {
        ["https", "http"].into_iter().find_map(|scheme| {
            let start = colon.checked_sub(scheme.len())?;
            text.get(start..colon)?.eq_ignore_ascii_case(scheme).then_some(start)
        })
    })
}

fn found_in(line: &str) -> Vec<Found> {
    let line = line.trim();
    let is_rule = line.chars().all(|c| matches!(c, '-' | '=' | '*' | '_' | '`' | '~' | ' '));
    if line.is_empty() || is_rule {
        return Vec::new();
    }
    let text = without_bullet(line);
    let marked = markdown(text);
    if !marked.is_empty() {
        return marked;
    }
    let Some(first) = link_at(text) else {
        if is_bare_address(text) {
            return vec![Found::Link(Draft { url: text.to_owned(), ..Draft::default() })];
        }
        // Headings and remarks.
        let is_remark = line.starts_with(['#', ';']) || line.starts_with("//");
        let why = "There is no link on this line.".to_owned();
        return if is_remark { Vec::new() } else { vec![Found::Refused { url: text.to_owned(), why }] };
    };
    let mut links = Vec::new();
    let before = text[..first].trim_matches(AROUND);
    let mut rest = &text[first..];
    loop {
        let (url, behind) = split_link(rest);
        links.push(url);
        match link_at(behind) {
            Some(next) => rest = &behind[next..],
            None => {
                let title = if before.is_empty() { behind.trim_matches(AROUND) } else { before };
                let title = if links.len() == 1 { title } else { "" };
                let draft = |url: &&str| Draft { url: (*url).to_owned(), title: title.to_owned(), ..Draft::default() };
                return links.iter().map(|url| Found::Link(draft(url))).collect();
            }
        }
    }
}

/// Of lists, numbers and boxes to tick.
fn without_bullet(line: &str) -> &str {
    let behind_number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_number = behind_number.len() < line.len();
    let line = match behind_number.strip_prefix(['.', ')']).filter(|rest| is_number && rest.starts_with([' ', '\t'])) {
        Some(rest) => rest.trim_start(),
        None => line,
    };
    let bullet = ['-', '*', '+', '•', '>'].into_iter().find_map(|bullet| line.strip_prefix(bullet));
    let line = bullet.filter(|rest| rest.starts_with([' ', '\t'])).map_or(line, str::trim_start);
    ["[ ] ", "[x] ", "[X] "].into_iter().find_map(|tick| line.strip_prefix(tick)).map_or(line, str::trim_start)
}

/// A text that begins with a link: the link, and what is behind it. Signs that end a sentence, and brackets that were opened before the
/// link, are no part of it.
fn split_link(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"')).unwrap_or(text.len());
    let whole = &text[..end];
    let (open, mut closed) = (whole.matches('(').count(), whole.matches(')').count());
    let mut url = whole;
    while let Some(last) = url.chars().next_back() {
        match last {
            ')' if closed > open => closed -= 1,
            '.' | ',' | ';' | '!' | '\'' | ']' | '*' => {}
            _ => break,
        }
        url = &url[..url.len() - last.len_utf8()];
    }
    (url, &text[url.len()..])
}

/// `[title](https://example.com/ "more")`, any number of them. What follows the only one is its note.
fn markdown(text: &str) -> Vec<Found> {
    let mut drafts = Vec::new();
    let (mut rest, mut behind) = (text, text);
    while let Some((before, after)) = rest.split_once("](") {
        // Without a bracket that closes it, none of those behind has one either.
        let Some((target, next)) = target(after) else { break };
        rest = next;
        let Some(opened) = opening(before) else { continue };
        let is_picture = before[..opened].ends_with('!');
        if is_picture || link_at(target) != Some(0) {
            continue;
        }
        let title = before[opened + 1..].replace("\\[", "[").replace("\\]", "]");
        drafts.push(Draft { url: target.to_owned(), title, ..Draft::default() });
        behind = next;
    }
    if let [draft] = &mut drafts[..] {
        draft.note = behind.trim_start_matches(AROUND).trim_end().to_owned();
    }
    drafts.into_iter().map(Found::Link).collect()
}

/// Where the bracket is that the end of this text closes.
fn opening(text: &str) -> Option<usize> {
    let mut depth = 0;
    let plain = text.char_indices().rev().filter(|(index, _)| !text[..*index].ends_with('\\'));
    for (index, c) in plain {
        match c {
            ']' => depth += 1,
            '[' if depth == 0 => return Some(index),
            '[' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The address behind `](`, and what is behind its `)`.
fn target(text: &str) -> Option<(&str, &str)> {
    let bracketed = text.strip_prefix('<').and_then(|inner| {
        let (address, rest) = inner.split_at(inner.find(['<', '>'])?);
        rest.strip_prefix('>').map(|rest| (address, rest))
    });
    if let Some((address, rest)) = bracketed {
        return rest.split_once(')').map(|(_, behind)| (address, behind));
    }
    let mut depth = 0;
    for (index, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            ')' => return Some((&text[..index], &text[index + 1..])),
            _ if c.is_whitespace() => {
                return text[index..].split_once(')').map(|(_, behind)| (&text[..index], behind));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[(&str, &str, &str)]) {
        let found = found_in(line);
        let told: Vec<_> = found
            .iter()
            .map(|found| match found {
                Found::Link(draft) => (&*draft.url, &*draft.title, &*draft.note),
                Found::Refused { url, .. } => (&**url, "refused", ""),
            })
            .collect();
        assert_eq!(told, expected, "{line}");
    }

    #[test]
    fn lines_of_lists_are_read() {
        check("https://a.example/one", &[("https://a.example/one", "", "")]);
        check("  HTTPS://a.example/x_(y)?z=1,2  ", &[("HTTPS://a.example/x_(y)?z=1,2", "", "")]);
        check("https://a.example/ | One, two", &[("https://a.example/", "One, two", "")]);
        check("One – https://a.example/.", &[("https://a.example/", "One", "")]);
        check("(see <https://a.example/x>), soon", &[("https://a.example/x", "see", "")]);
        check("1. https://a.example/", &[("https://a.example/", "", "")]);
        check(
            "- [ ] https://a.example/1 https://a.example/2",
            &[("https://a.example/1", "", ""), ("https://a.example/2", "", "")],
        );
        check("a.example/page", &[("a.example/page", "", "")]);
        for nothing in ["", "   ", "# Links", "---", "// old"] {
            check(nothing, &[]);
        }
        check("my links:", &[("my links:", "refused", "")]);
        check("http://", &[("http://", "", "")]);
    }

    #[test]
    fn links_of_markdown_are_read() {
        check("* [One](https://a.example/1)", &[("https://a.example/1", "One", "")]);
        check(
            "- [x] [a \\[b\\]](https://a.example/x_(y) \"t\") - read it",
            &[("https://a.example/x_(y)", "a [b]", "read it")],
        );
        check(
            "[a](<https://a.example/b c>) and [d](https://a.example/d)",
            &[("https://a.example/b c", "a", ""), ("https://a.example/d", "d", "")],
        );
        check("![p](https://a.example/p.png) [a](#part) [b](https://a.example/)", &[("https://a.example/", "b", "")]);
        check("[a](https://a.example/", &[("https://a.example/", "a", "")]);
    }

    #[test]
    fn lists_are_known_by_their_links() {
        for list in
            ["https://a.example/", "# Links\n\n- [a](http://a.example/)", "a.example\nb.example/x", "bücher.example"]
        {
            assert!(is_list(list), "{list}");
        }
        for other in ["", "Dear all,\nnothing here", "version 1.2\n", "1.2.3", "ftp://a.example/"] {
            assert!(!is_list(other), "{other}");
        }
    }
}
