//! What a phone shares with the save page: the address of a page, a text, or a text with the address in it.

use cardwire_domain::url::CardUrl;

/// The link, and what else was said about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shared {
    pub url: String,
    pub note: String,
}

impl Shared {
    /// `title`: what the page is called, which need not be said again.
    pub fn of(url: &str, text: &str, title: &str) -> Self {
        let (url, text) = (url.trim(), text.trim());
        if !url.is_empty() {
            return Self { url: url.to_owned(), note: rest(text, url, title) };
        }
        match found(text) {
            Some((link, as_typed)) => Self { url: link, note: rest(text, as_typed, title) },
            None => Self { url: String::new(), note: text.to_owned() },
        }
    }
}

/// The link in a text, and how it stands there.
fn found(text: &str) -> Option<(String, &str)> {
    let is_address = |word: &&str| {
        ["http://", "https://"]
            .iter()
            .any(|scheme| word.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
    };
    let word = text.split_whitespace().find(is_address).unwrap_or(text);
    CardUrl::parse(word).ok().map(|url| (url.given().to_owned(), word))
}

/// The text without the link, unless that says no more than the title.
fn rest(text: &str, link: &str, title: &str) -> String {
    let rest = text.replacen(link, "", 1);
    let rest = rest.trim();
    if rest == title.trim() { String::new() } else { rest.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_found_in_whatever_is_shared() {
        let check = |(url, text, title): (&str, &str, &str), (link, note): (&str, &str)| {
            let expected = Shared { url: link.to_owned(), note: note.to_owned() };
            assert_eq!(Shared::of(url, text, title), expected, "{url:?} {text:?} {title:?}");
        };
        check(("https://example.com/a", "", ""), ("https://example.com/a", ""));
        check(("", "https://example.com/a", ""), ("https://example.com/a", ""));
        check(("", "A page https://example.com/a", "A page"), ("https://example.com/a", ""));
        check(("", "Read this: HTTPS://example.com/a", "A page"), ("https://example.com/a", "Read this:"));
        check(("", "“Words of the page”\nhttps://example.com/a", ""), ("https://example.com/a", "“Words of the page”"));
        check(("https://example.com/a", "https://example.com/a", ""), ("https://example.com/a", ""));
        check(("https://example.com/a", "Words", ""), ("https://example.com/a", "Words"));
        check(("", "example.com/a", ""), ("https://example.com/a", ""));
        check(("", "no link at all", ""), ("", "no link at all"));
        check(("", "", ""), ("", ""));
    }
}
