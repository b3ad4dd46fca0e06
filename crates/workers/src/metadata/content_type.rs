//! The declared type of a response.

use cardwire_domain::metadata::{Metadata, PageKind};
use encoding_rs::Encoding;
use reqwest::header::{CONTENT_TYPE, HeaderMap};

/// Media type and encoding, from the header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ContentType {
    /// In lower case; empty if the response declares none.
    pub essence: String,
    pub charset: Option<&'static Encoding>,
}

impl ContentType {
    /// The last of several headers, or of several types in one header, counts. Repeating a type keeps the encoding
    /// named before.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(CONTENT_TYPE).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
        let mut last = Self::default();
        for line in lines {
            for one in line.split(',') {
                let mut parts = one.split(';');
                let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
                if !essence.contains('/') || essence == "*/*" {
                    continue;
                }
                let charset = parts.find_map(charset);
                let known = last.charset.filter(|_| last.essence == essence);
                last = Self { essence, charset: charset.or(known) };
            }
        }
        last
    }

    /// Whether tags can close themselves, as in XML.
    pub(super) fn is_xml(&self) -> bool {
        self.essence == "application/xhtml+xml"
    }

    /// If it is not HTML, only the type is known. `None`: it may be HTML.
    pub(super) fn metadata(&self) -> Option<Metadata> {
        let kind = match self.essence.as_str() {
            "" | "text/html" | "application/xhtml+xml" => return None,
            essence if essence.starts_with("image/") => Some(PageKind::Image),
            essence if essence.starts_with("video/") => Some(PageKind::Video),
            essence if essence.starts_with("audio/") => Some(PageKind::Audio),
            "application/epub+zip" => Some(PageKind::Book),
            "application/pdf" | "text/plain" | "text/markdown" | "application/msword" => Some(PageKind::Document),
            _ => None,
        };
        Some(Metadata { kind, ..Metadata::default() })
    }
}

/// The encoding in a parameter such as `charset="utf-8"`.
fn charset(parameter: &str) -> Option<&'static Encoding> {
    let (name, value) = parameter.split_once('=')?;
    let label = value.trim().trim_matches(['"', '\'']);
    let is_charset = name.trim().eq_ignore_ascii_case("charset");
    is_charset.then(|| Encoding::for_label_no_replacement(label.as_bytes())).flatten()
}

#[cfg(test)]
mod tests {
    use encoding_rs::{KOI8_R, UTF_8, WINDOWS_1252};
    use reqwest::header::HeaderValue;

    use super::*;

    fn of(lines: &[&str]) -> ContentType {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CONTENT_TYPE, HeaderValue::from_str(line).unwrap());
        }
        ContentType::of(&headers)
    }

    #[test]
    fn headers_are_read_however_they_are_written() {
        let check = |lines: &[&str], essence: &str, charset| {
            assert_eq!(of(lines), ContentType { essence: essence.into(), charset }, "{lines:?}");
        };
        check(&[], "", None);
        check(&["text/html"], "text/html", None);
        check(&["Text/HTML;Charset=UTF-8"], "text/html", Some(UTF_8));
        check(&["text/html; charset=\"KOI8-R\""], "text/html", Some(KOI8_R));
        check(&["text/html; x=y; charset = 'latin1'"], "text/html", Some(WINDOWS_1252));
        check(&["text/html; charset=utf-8, text/html"], "text/html", Some(UTF_8));
        check(&["text/html; charset=utf-8", "text/html"], "text/html", Some(UTF_8));
        check(&["text/plain; charset=utf-8", "text/html"], "text/html", None);
        check(&["text/html", "*/*", "nonsense"], "text/html", None);
        check(&["text/html; charset=nonsense"], "text/html", None);
        check(&["text/html; charset=iso-2022-kr"], "text/html", None);
    }

    #[test]
    fn what_is_no_html_has_its_type() {
        let kind = |line| of(&[line]).metadata().map(|metadata| metadata.kind);
        assert_eq!(kind("application/pdf"), Some(Some(PageKind::Document)));
        assert_eq!(kind("image/png; x=y"), Some(Some(PageKind::Image)));
        assert_eq!(kind("application/zip"), Some(None));
        assert_eq!(kind("text/html; charset=utf-8"), None);
        assert_eq!(of(&[]).metadata(), None);
    }
}
