//! URLs, as people read and paste them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::url::CardUrl;

/// A normalised URL with its host in the letters of its language, and the rest without percent-encoding.
pub fn readable(normalised_url: &str) -> String {
    let (scheme, rest) = normalised_url.split_once("://").unwrap_or(("", normalised_url));
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    format!("{scheme}://{}{}", host_in_letters(host), decoded(path))
}

/// What somebody typed without spaces, which may be part of an address.
pub(super) fn readable_part(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    let text: Cow<'_, str> =
        if lower.contains("xn--") { host_in_letters(&lower).into_owned().into() } else { text.into() };
    if text.contains('%') { decoded(&text).into_owned().into() } else { text }
}

fn host_in_letters(host: &str) -> Cow<'_, str> {
    if !host.contains("xn--") {
        return host.into();
    }
    match idna::domain_to_unicode(host) {
        (letters, Ok(())) => letters.into(),
        (_, Err(_)) => host.into(),
    }
}

/// Part by part, as some may be encoded in another way than UTF-8.
fn decoded(path: &str) -> Cow<'_, str> {
    if let Ok(all) = percent_decode_str(path).decode_utf8() {
        return all;
    }
    let parts = path.split_inclusive(['/', '?', '&', '=']);
    parts.map(|part| percent_decode_str(part).decode_utf8().unwrap_or(Cow::Borrowed(part))).collect::<String>().into()
}

/// The URLs that a text may be if it is one: with the scheme it has, or with either if it has none.
pub fn pasted(text: &str) -> Vec<CardUrl> {
    let text = text.trim();
    let begins_with = |scheme: &str| text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    if text.contains(char::is_whitespace) {
        Vec::new()
    } else if begins_with("http://") || begins_with("https://") {
        CardUrl::parse(text).into_iter().collect()
    } else if is_bare(text) {
        ["https://", "http://"]
            .into_iter()
            .filter_map(|scheme| CardUrl::parse(&format!("{scheme}{text}")).ok())
            .collect()
    } else {
        Vec::new()
    }
}

/// `example.com/page`: what comes before the first slash ends like a host.
fn is_bare(text: &str) -> bool {
    let Some(end) = text.find(['/', '?', '#']) else { return false };
    let host = &text[..end];
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    host.rsplit_once('.').is_some_and(|(name, top)| {
        !name.is_empty()
            && top.chars().count() >= 2
            && (top.starts_with("xn--") || top.chars().all(char::is_alphabetic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_read_them() {
        for (url, expected) in [
            ("https://xn--e1afmkfd.example/%D0%BF%D1%83%D1%82%D1%8C?a=%C3%BC", "https://пример.example/путь?a=ü"),
            ("https://example.com/caf%E9/m%C3%BC", "https://example.com/caf%E9/mü"),
            ("https://example.com", "https://example.com"),
            ("http://[2001:db8::7]:8080/x", "http://[2001:db8::7]:8080/x"),
            ("https://example.com/100%25%00", "https://example.com/100%\0"),
        ] {
            assert_eq!(readable(url), expected);
        }
        assert_eq!(readable_part("XN--E1AFMKFD.example"), "пример.example");
        assert_eq!(readable_part("%D0%BF"), "п");
        assert_eq!(readable_part("100%"), "100%");
    }

    #[test]
    fn a_text_is_a_url_only_if_it_looks_like_one() {
        let urls = |text: &str| pasted(text).iter().map(|url| url.normalised().to_owned()).collect::<Vec<_>>();
        assert_eq!(urls(" HTTPS://Example.com/A?utm_source=x#y "), ["https://example.com/A"]);
        assert_eq!(urls("example.com/a"), ["https://example.com/a", "http://example.com/a"]);
        assert_eq!(urls("localhost.test:8080/a").len(), 2);
        for words in [
            "",
            "rust",
            "example.com",
            "and/or",
            "1.5/2",
            "C#.Net/F#",
            "https://",
            "see https://example.com/",
            "a /b.c",
        ] {
            assert_eq!(urls(words), Vec::<String>::new(), "{words}");
        }
    }
}
