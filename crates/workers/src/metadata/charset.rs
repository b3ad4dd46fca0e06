//! From a page's bytes to its text. The encoding is found as browsers do it: byte order mark, header, what the page
//! says, and what it looks like.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};
use url::{Host, Url};

use super::content_type::ContentType;
use super::tokens::{Tag, Token, Tokens};

/// `url`: a country's sites are more likely to use its encodings.
pub(super) fn decode(body: &[u8], told: &ContentType, url: &Url) -> String {
    let encoding = Encoding::for_bom(body)
        .map(|(encoding, _)| encoding)
        .or(told.charset)
        .or_else(|| declared(body, told.is_xml()))
        .unwrap_or_else(|| sniffed(body, url));
    encoding.decode(body).0.into_owned()
}

/// What the page itself says. Authors put a lot before the declaration, so it is searched for everywhere, but only in
/// places where it is meant as one.
fn declared(body: &[u8], is_xml: bool) -> Option<&'static Encoding> {
    let meta = || {
        Tokens::of(body, is_xml).find_map(|token| match token {
            Token::Start(tag) if tag.is("meta") => in_meta(&tag),
            _ => None,
        })
    };
    // It was read as ASCII.
    let readable = |encoding: &'static Encoding| match encoding {
        _ if encoding == UTF_16LE || encoding == UTF_16BE => UTF_8,
        _ if encoding == X_USER_DEFINED => WINDOWS_1252,
        _ => encoding,
    };
    let found = if is_xml { in_xml(body).or_else(meta) } else { meta().or_else(|| in_xml(body)) };
    found.map(readable)
}

fn in_meta(tag: &Tag<'_>) -> Option<&'static Encoding> {
    let named = tag.attribute("charset").and_then(Encoding::for_label_no_replacement);
    named.or_else(|| {
        let told = tag.attribute("http-equiv")?.trim_ascii();
        told.eq_ignore_ascii_case(b"content-type").then(|| in_content(tag.attribute("content")?)).flatten()
    })
}

/// `text/html; charset=utf-8`.
fn in_content(content: &[u8]) -> Option<&'static Encoding> {
    const NAME: &[u8] = b"charset";
    let mut rest = content;
    let value = loop {
        let at = rest.windows(NAME.len()).position(|window| window.eq_ignore_ascii_case(NAME))?;
        rest = rest[at + NAME.len()..].trim_ascii_start();
        if let Some(value) = rest.strip_prefix(b"=") {
            break value.trim_ascii_start();
        }
    };
    let label = match value {
        [quote @ (b'"' | b'\''), inside @ ..] => inside.split(|c| c == quote).next(),
        _ => value.split(|c| *c == b';' || c.is_ascii_whitespace()).next(),
    };
    Encoding::for_label_no_replacement(label.unwrap_or_default())
}

/// `<?xml version="1.0" encoding="utf-8"?>`, at the very beginning.
fn in_xml(body: &[u8]) -> Option<&'static Encoding> {
    const NAME: &[u8] = b"encoding";
    let declaration = body.strip_prefix(b"<?xml")?.split(|c| *c == b'>').next()?;
    let at = declaration.windows(NAME.len()).position(|window| window == NAME)?;
    let value = declaration[at + NAME.len()..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, inside) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    Encoding::for_label_no_replacement(inside.split(|c| c == quote).next()?)
}

fn sniffed(body: &[u8], url: &Url) -> &'static Encoding {
    match body {
        [b'<', 0, c, 0, ..] if *c != 0 => return UTF_16LE,
        [0, b'<', 0, c, ..] if *c != 0 => return UTF_16BE,
        _ => {}
    }
    if is_iso_2022_jp(body) {
        return ISO_2022_JP;
    }
    if is_utf_8(body) {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(body, true);
    let country = match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.').rsplit('.').next(),
        _ => None,
    };
    // The detector panics unless the label is in lower case.
    let is_label = |label: &&str| label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    detector.guess(country.filter(is_label).filter(|label| !label.is_empty()).map(str::as_bytes), Utf8Detection::Deny)
}

/// Whether it is UTF-8. If some of it is damaged, the damage must not exceed the number of characters that are typical
/// of UTF-8. A character cut off at the end is not damage.
fn is_utf_8(body: &[u8]) -> bool {
    let (mut characters, mut damage) = (0_usize, 0_usize);
    let mut left = body.len();
    for chunk in body.utf8_chunks() {
        characters += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        left -= chunk.valid().len() + chunk.invalid().len();
        let is_cut =
            || left == 0 && std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
        if !chunk.invalid().is_empty() && !is_cut() {
            damage += 1;
        }
    }
    damage == 0 || damage <= characters
}

/// Whether it is entirely ASCII with this encoding's escapes.
fn is_iso_2022_jp(body: &[u8]) -> bool {
    let escapes: [&[u8]; 3] = [b"\x1b$B", b"\x1b$@", b"\x1b(J"];
    body.contains(&0x1b) && body.is_ascii() && escapes.iter().any(|escape| body.windows(3).any(|at| at == *escape))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(body: &[u8], url: &str) -> String {
        decode(body, &ContentType::default(), &Url::parse(url).unwrap())
    }

    /// A page with this beginning and text in this encoding is decoded to that text.
    #[track_caller]
    fn check(label: &str, start: &str, text: &str) {
        let encoding = Encoding::for_label(label.as_bytes()).unwrap();
        let page = format!("{start}{text}");
        let (bytes, _, lost) = encoding.encode(&page);
        assert!(!lost, "{label}: {page}");
        let decoded = decoded(&bytes, "https://example.com/");
        assert!(decoded.ends_with(text), "{label}: {start:?}: {decoded:?}");
    }

    #[test]
    fn the_page_names_its_encoding_in_any_of_the_usual_ways() {
        for start in [
            "<meta charset=windows-1251>",
            "<META CharSet = ' Windows-1251 ' />",
            "<meta http-equiv=content-type content='text/html; charset=windows-1251'>",
            "<meta content=\"text/html;charset = 'cp1251'; x\" http-equiv=\"Content-Type\">",
            "<meta charset=nonsense><meta charset=windows-1251>",
            "<?xml version='1.0' encoding='windows-1251'?>",
            "<?xml version=\"1.0\" encoding = \"windows-1251\" ?><meta name=charset>",
            "<meta name=a><p>late</p><meta charset=windows-1251>",
        ] {
            check("windows-1251", start, "<title>Ещё чаю</title>");
        }
        let far = format!("<html><head><!-- {} --><meta charset=windows-1251>", "words of an author, ".repeat(200));
        check("windows-1251", &far, "<title>Ещё чаю</title>");
        let scripts = format!("<script>{}</script><meta charset=windows-1251>", "let x = '<p>';\n".repeat(200));
        check("windows-1251", &scripts, "<title>Ещё чаю</title>");
    }

    #[test]
    fn words_that_only_look_like_it_do_not_count() {
        for start in [
            "<!-- <meta charset=koi8-r> --><meta charset=windows-1251>",
            "<script src=x charset=utf-8></script><meta charset=windows-1251>",
            "<script>'<meta charset=koi8-r>'</script><meta charset=windows-1251>",
            "<textarea><meta charset=koi8-r></textarea><meta charset=windows-1251>",
            "<p title='<meta charset=koi8-r>'><a charset=koi8-r><meta charset=windows-1251>",
            "<meta name=description content='charset=koi8-r'><meta charset=windows-1251>",
            "<metadata charset=koi8-r></metadata><meta charset=windows-1251>",
            "<meta http-equiv=content-language content='charset=koi8-r'><meta charset=windows-1251>",
            "charset=koi8-r <meta charset=windows-1251>",
        ] {
            check("windows-1251", start, "<title>Ещё чаю</title>");
        }
    }

    #[test]
    fn labels_mean_what_they_mean_to_browsers() {
        check("windows-1252", "<meta charset=iso-8859-1>", "“Curly” – dash");
        check("windows-1252", "<meta charset=ascii>", "“Curly” – dash");
        check("gbk", "<meta charset=gb2312>", "简体中文标题");
        check("shift_jis", "<meta charset=x-sjis>", "日本語の見出し");
        check("utf-8", "<meta charset=utf-16>", "déjà vu");
        check("windows-1252", "<meta charset=x-user-defined>", "déjà vu");
    }

    #[test]
    fn a_mark_or_the_header_counts_for_more_than_the_page() {
        let url = Url::parse("https://example.com/").unwrap();
        let header = ContentType { charset: Some(UTF_8), ..ContentType::default() };
        assert_eq!(decode("<meta charset=koi8-r>é".as_bytes(), &header, &url), "<meta charset=koi8-r>é");
        let header = ContentType { charset: Some(WINDOWS_1252), ..ContentType::default() };
        assert_eq!(decode("\u{feff}é".as_bytes(), &header, &url), "é");
        let utf_16: Vec<u8> = "\u{feff}é".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&utf_16, &header, &url), "é");
        let unmarked: Vec<u8> = "<p>é".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decoded(&unmarked, "https://example.com/"), "<p>é");
    }

    #[test]
    fn utf_8_is_known_by_what_it_looks_like_a_little_damage_included() {
        let check = |body: &[u8], expected: &str| assert_eq!(decoded(body, "https://example.com/"), expected);
        check("plain".as_bytes(), "plain");
        check("ü".as_bytes(), "ü");
        check("日本".as_bytes().split_last().unwrap().1, "日\u{fffd}");
        check(
            b"<title>caf\xc3\xa9 na\xc3\xafve</title><p>\xff one bad byte",
            "<title>café naïve</title><p>\u{fffd} one bad byte",
        );
        check(b"caf\xc3\xa9 \xe9", "café \u{fffd}");
        let long = [" é".repeat(10_000).as_bytes(), b"\x80"].concat();
        check(&long, &format!("{}\u{fffd}", " é".repeat(10_000)));
    }

    #[test]
    fn other_encodings_are_guessed() {
        let body = |label: &str, text: &str| Encoding::for_label(label.as_bytes()).unwrap().encode(text).0.into_owned();
        for (label, text, url) in [
            ("shift_jis", "<title>日本語のページの見出しです</title>", "https://example.com/"),
            ("euc-jp", "<title>日本語のページの見出しです</title>", "https://example.jp/"),
            ("iso-2022-jp", "<title>日本語のページの見出しです</title>", "https://example.com/"),
            ("windows-1251", "<title>Привет, мир! Как дела сегодня?</title>", "https://example.com/"),
            ("koi8-r", "<title>Привет, мир! Как дела сегодня?</title>", "https://example.ru/"),
            ("windows-1252", "<title>Les élèves français étaient à l'école</title>", "https://example.com/"),
            ("windows-1252", "<title>“Grüße” – für Köln</title>", "https://example.de/"),
        ] {
            assert_eq!(decoded(&body(label, text), url), text, "{label}");
        }
    }

    #[test]
    fn any_host_is_one_to_guess_by() {
        let bytes = b"<p>gr\xfc\xdfe aus K\xf6ln";
        for url in ["https://example./", "http://127.0.0.1/", "http://[::1]/", "https://a.xn--p1ai/", "http://x_y/"] {
            assert!(decoded(bytes, url).starts_with("<p>gr"), "{url}");
        }
    }
}
