//! Any text can be searched for, in linear time, and a page is found by its title.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::pieces::pieces;
use super::query::SearchQuery;

/// Pieces that have gone wrong together in one parser or another.
const PIECES: &[&str] = &[
    " ",
    "\t",
    "\n",
    "\"",
    "“",
    "”",
    "-",
    "'",
    "’",
    ".",
    "/",
    ":",
    "&",
    "%",
    "%C3%BC",
    "%zz",
    "+",
    "#",
    "++",
    "C++",
    "C#",
    ".NET",
    "R",
    "go",
    "Rust",
    "cafe",
    "é",
    "e\u{301}",
    "ü",
    "ß",
    "ı",
    "İ",
    "ﬁ",
    "Ａ",
    "\u{ad}",
    "\u{200b}",
    "\u{200d}",
    "\u{202e}",
    "\u{301}",
    "日本",
    "図",
    "か",
    "カ",
    "ｶﾞ",
    "한국",
    "ใช่",
    "คน",
    "שָׁ",
    "بِ",
    "🚀",
    "👩‍👩‍👧",
    "https://",
    "example.com",
    "xn--bcher-kva",
    "пример",
    "12",
    "x",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(PIECES).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// 2,048 cases, or as many as PROPTEST_CASES says.
fn config() -> ProptestConfig {
    if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default()
    } else {
        ProptestConfig::with_cases(2_048)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_read(text in text()) {
        let mut done = 0;
        for piece in pieces(&text) {
            let range = piece.range();
            prop_assert!(done <= range.start && text.get(range.clone()).is_some(), "{range:?}");
            done = range.end;
        }
        if let Some(query) = SearchQuery::parse(&text) {
            prop_assert!(!query.required.is_empty() && query.required.len() <= 100 && query.excluded.len() <= 100);
        }
    }

    #[test]
    fn a_page_is_found_by_its_title(title in text()) {
        // They mean something in a search; what is percent-encoded is read as in URLs.
        let title = title.replace(['-', '"', '“', '”', '„', '‟', '＂', '%'], " ");
        if let Some(query) = SearchQuery::parse(&title).filter(|query| query.urls.is_empty()) {
            prop_assert!(query.is_in([title.as_str()], "https://example.com/"), "{query:?}");
        }
    }
}

#[test]
fn no_text_takes_long() {
    for piece in PIECES.iter().chain(&["a ", "-a ", "\"a ", "a.b.", "日 ", "%C3%BC ", "a'"]) {
        let text = piece.repeat(100_000 / piece.len());
        let time = |_| {
            let began = Instant::now();
            let _ = SearchQuery::parse(&text);
            began.elapsed()
        };
        // Far more than it takes on a slow machine. The machine may be busy with something else, but not each time.
        let took = (0..3).map(time).min().unwrap_or_default();
        assert!(took < Duration::from_secs(5), "{piece:?}: {took:?}");
    }
}
