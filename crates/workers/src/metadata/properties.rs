//! No page makes the reader panic, and what is kept of it stays within its limits.

use cardwire_domain::metadata::Metadata;
use proptest::collection::vec;
use proptest::prelude::*;
use reqwest::StatusCode;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE,
};
use url::Url;

use super::content_type::ContentType;
use super::cookies::Jar;
use super::unpack::{self, Packing};
use super::{hop, parse};

/// Pieces of pages, complete and broken, so that combinations make sense.
const PIECES: &[&[u8]] = &[
    b"<",
    b">",
    b"</",
    b"/>",
    b"=",
    b"\"",
    b"'",
    b" ",
    b"\n",
    b"\0",
    b"&",
    b"&amp;",
    b"&#x1f600;",
    b"&#",
    b"&lt",
    b"--",
    b"<!--",
    b"-->",
    b"--!>",
    b"<!",
    b"<?xml encoding='",
    b"<![CDATA[",
    b"]]>",
    b"<title",
    b"<title>",
    b"</title>",
    b"<TITLE/>",
    b"<meta ",
    b"charset=",
    b"utf-16",
    b"shift_jis",
    b"windows-1251",
    b"http-equiv=refresh ",
    b"http-equiv=content-type ",
    b"content=",
    b"'0; url=",
    b"property=og:title ",
    b"name=description ",
    b"<svg>",
    b"</svg>",
    b"<svg/>",
    b"<foreignObject>",
    b"<math>",
    b"<h1>",
    b"</h1>",
    b"<script",
    b"<script>",
    b"</script",
    b"</script>",
    b"<script type=application/ld+json>",
    b"{\"@type\":\"Article\",\"headline\":\"",
    b"\"}",
    b"{\"@graph\":[",
    b"]}",
    b"<noscript>",
    b"</noscript>",
    b"<base href=",
    b"https://",
    b"//",
    b"<plaintext>",
    b"<html lang=",
    b"word",
    "é日🙂\u{202e}\u{200b}".as_bytes(),
    b"\xff",
    b"\xc3",
    b"\x82\xa0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x1b$B",
    b"\xe0\xf2",
];

fn page() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::sample::select(PIECES).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn header() -> impl Strategy<Value = HeaderValue> {
    let written = prop_oneof![
        "[ -~]{0,40}",
        "(text/html|text/plain|,|;|charset=|utf-8|\"| |gzip|br|0|9{30}|n=v|domain=|path=/|max-age=|secure|\\.|-)*",
    ];
    written.prop_map(|written| HeaderValue::from_bytes(written.as_bytes()).expect("these are visible characters"))
}

fn is_tidy(metadata: &Metadata) -> bool {
    let texts = [&metadata.title, &metadata.description, &metadata.site_name, &metadata.author, &metadata.language];
    texts.iter().filter_map(|text| text.as_ref()).all(|text| {
        let is_clean = !text.chars().any(|c| c.is_control() || cardwire_domain::text::turns_direction(c));
        is_clean && (1..=Metadata::DESCRIPTION_CHARS).contains(&text.chars().count())
    })
}

proptest! {
    #[test]
    fn any_page_is_read(body in page(), type_ in header(), is_whole: bool, host in "[a-z0-9_.-]{1,12}") {
        let url = Url::parse(&format!("https://{host}/a/b")).unwrap_or_else(|_| Url::parse("http://[::1]/").unwrap());
        for line in [type_, HeaderValue::from_static("application/xhtml+xml"), HeaderValue::from_static("text/html")] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, line)]);
            if let Ok(page) = parse::html(&body, &ContentType::of(&headers), &url, is_whole) {
                prop_assert!(is_tidy(&page.metadata), "{:?}", page.metadata);
                prop_assert!(page.sends_to.is_none_or(|next| matches!(next.scheme(), "http" | "https")));
            }
        }
    }

    #[test]
    fn any_bytes_are_read(body in vec(any::<u8>(), 0..2_000)) {
        let url = Url::parse("https://example.com/").unwrap();
        if let Ok(page) = parse::html(&body, &ContentType::default(), &url, true) {
            prop_assert!(is_tidy(&page.metadata), "{:?}", page.metadata);
        }
        for packing in [Packing::Gzip, Packing::Deflate] {
            prop_assert!(unpack::unpack(body.clone(), &[packing, Packing::Deflate], 1_000).body.len() <= 1_000);
        }
    }

    #[test]
    fn any_headers_are_read(names in vec((0..6_usize, header()), 0..12), status in 100..1_000_u16) {
        let known = [CONTENT_ENCODING, CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER, SET_COOKIE];
        let headers: HeaderMap = names.into_iter().map(|(name, value)| (known[name].clone(), value)).collect();
        let url = Url::parse("https://www.example.com/a/b?c").unwrap();
        let _ = unpack::packings(&headers);
        let _ = ContentType::of(&headers);
        if let Err(failure) = hop::next(&url, StatusCode::from_u16(status).unwrap(), &headers) {
            prop_assert!(failure.wait.is_none_or(|wait| wait.as_secs() <= 86_400));
        }
        let mut jar = Jar::default();
        jar.keep(&url, &headers);
        prop_assert!(jar.header(&Url::parse("https://other.example/a/b").unwrap()).is_none());
    }
}
