//! A page that redirects its readers, as with `0; url=/there`.

use url::Url;

/// If it takes longer, readers came for the page itself.
const MAX_SECONDS: u64 = 5;

/// Where this page sends its readers within a few seconds. `None`: nowhere, or to something that is not a page.
pub(super) fn target(content: &str, base: &Url) -> Option<Url> {
    let (seconds, address) = parse(content)?;
    let target = base.join(address).ok()?;
    (seconds <= MAX_SECONDS && matches!(target.scheme(), "http" | "https")).then_some(target)
}

/// Seconds and address, as browsers read them. `None`: there is no address, so the page would only be reloaded.
fn parse(content: &str) -> Option<(u64, &str)> {
    let content = content.trim_ascii_start();
    let digits = content.bytes().take_while(u8::is_ascii_digit).count();
    let (seconds, rest) = content.split_at(digits);
    if seconds.is_empty() && !rest.starts_with('.') {
        return None;
    }
    // Too many digits mean too many seconds; no digits mean none.
    let seconds = if seconds.is_empty() { 0 } else { seconds.parse().unwrap_or(u64::MAX) };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !rest.starts_with(|c: char| matches!(c, ';' | ',') || c.is_ascii_whitespace()) {
        return None;
    }
    let rest = rest.trim_ascii_start();
    let rest = rest.strip_prefix([';', ',']).unwrap_or(rest).trim_ascii_start();
    let address = without_name(rest).unwrap_or(rest);
    let address = match address.strip_prefix(['"', '\'']) {
        Some(inside) => inside.split(|c: char| address.starts_with(c)).next().unwrap_or_default(),
        None => address,
    };
    let address = address.trim_ascii();
    (!address.is_empty()).then_some((seconds, address))
}

/// What comes after `url =`.
fn without_name(text: &str) -> Option<&str> {
    let name = text.get(..3).filter(|name| name.eq_ignore_ascii_case("url"))?;
    let value = text[name.len()..].trim_ascii_start().strip_prefix('=')?;
    Some(value.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_browsers_read_them() {
        for (content, expected) in [
            ("0; url=/there", Some((0, "/there"))),
            ("0;URL='/there'", Some((0, "/there"))),
            (" 3 , url = \"/a b\" x", Some((3, "/a b"))),
            ("2.5;url=/there ", Some((2, "/there"))),
            (".5;/there", Some((0, "/there"))),
            ("0 /there", Some((0, "/there"))),
            ("0;url", Some((0, "url"))),
            ("0; urls=1", Some((0, "urls=1"))),
            ("0; url='/there", Some((0, "/there"))),
            ("99999999999999999999;url=/there", Some((u64::MAX, "/there"))),
            ("5", None),
            ("5;", None),
            ("5; url=", None),
            ("5; url=''", None),
            ("0x; url=/there", None),
            ("url=/there", None),
            ("-1; url=/there", None),
            ("; url=/there", None),
            ("", None),
            ("0;ürl=/there", Some((0, "ürl=/there"))),
        ] {
            assert_eq!(parse(content), expected, "{content:?}");
        }
    }

    #[test]
    fn only_pages_and_only_soon() {
        let base = Url::parse("https://example.com/a/b").unwrap();
        let check = |content: &str, expected: Option<&str>| {
            assert_eq!(target(content, &base).as_ref().map(Url::as_str), expected, "{content:?}");
        };
        check("0; url=c?d", Some("https://example.com/a/c?d"));
        check("5; url=//other.example", Some("https://other.example/"));
        check("6; url=c", None);
        check("0; url=javascript:alert(1)", None);
        check("0; url=data:text/html,x", None);
        check("0; url=file:///etc/passwd", None);
        check("0; url=https://", None);
    }
}
