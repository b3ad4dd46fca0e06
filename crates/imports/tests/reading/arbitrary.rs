//! Whatever stands in a file: no panic, and work that grows no faster than the file.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::support::{file, read};

/// Steps for each byte, and for any file.
const STEPS_PER_BYTE: u64 = 48;
const STEPS_AT_FIRST: u64 = 10_000;

/// Reads it; if it can be read, checks the work that it took.
fn try_read(bytes: &[u8]) {
    if let Ok((_, summary)) = read(bytes) {
        let most = STEPS_PER_BYTE * bytes.len() as u64 + STEPS_AT_FIRST;
        assert!(summary.steps <= most, "{} steps for {} bytes", summary.steps, bytes.len());
    }
}

const FILES: &[&str] = &[
    "nested.html",
    "declared_1251.html",
    "utf16.csv",
    "pocket.csv",
    "pocket.zip",
    "raindrop.csv",
    "karakeep.json",
    "firefox.json",
    "chrome.json",
    "ours.json",
    "script.html",
    "broken_href.html",
    "list.md",
    "quirks.csv",
    "escaped.csv",
    "bookmarks.xbel",
    "ours.html",
    "pinboard.xml",
];

/// What files are made of.
const PIECES: &[&str] = &[
    "<DT>",
    "<DD>",
    "<DL><p>",
    "</DL>",
    "<H3>",
    "</H3>",
    "<A HREF=\"",
    "<A HREF='",
    "<A HREF=https://a.example/>",
    "</A>",
    "<!--",
    "-->",
    "<script>",
    "</script>",
    "<br>",
    "<",
    ">",
    "\"",
    "'",
    "=",
    "/",
    "&",
    "&amp;",
    "&#x",
    ";",
    ",",
    "\t",
    "|",
    "\\",
    "\\\"",
    "\"\"",
    "\n",
    "\r\n",
    "\r",
    " ",
    "url",
    "url,note\n",
    "sep=;\n",
    "{",
    "}",
    "[",
    "]",
    ":",
    "\"url\"",
    "\"children\"",
    "\"title\"",
    "\"collections\"",
    "null",
    "1e9",
    "](",
    ")",
    "- ",
    "https://a.example/",
    "://",
    "PK\u{3}\u{4}",
    "\u{feff}",
    "\0",
    "é",
    "🌱",
    "x",
];

/// A mistake in a file: what is where it is, and by what it is replaced.
#[derive(Clone, Debug)]
struct Mistake {
    at: Index,
    bytes: usize,
    by: Vec<u8>,
}

fn mistake() -> impl Strategy<Value = Mistake> {
    let by = prop_oneof![vec(any::<u8>(), 0..4), select(PIECES).prop_map(|piece| piece.as_bytes().to_vec())];
    (any::<Index>(), 0_usize..40, by).prop_map(|(at, bytes, by)| Mistake { at, bytes, by })
}

/// 512 cases, or as many as PROPTEST_CASES says: for an hour of them, for example.
fn config() -> ProptestConfig {
    if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default()
    } else {
        ProptestConfig::with_cases(512)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..2_000)) {
        try_read(&bytes);
    }

    #[test]
    fn no_pieces_in_any_order_make_a_reader_panic(pieces in vec(select(PIECES), 0..200)) {
        try_read(pieces.concat().as_bytes());
    }

    #[test]
    fn no_mistake_in_a_file_makes_a_reader_panic(name in select(FILES), mistakes in vec(mistake(), 1..8)) {
        let mut bytes = file(name);
        for Mistake { at, bytes: count, by } in mistakes {
            let from = at.index(bytes.len() + 1);
            let to = (from + count).min(bytes.len());
            bytes.splice(from..to, by);
        }
        try_read(&bytes);
    }
}

/// The steps that this takes, repeated so often.
fn steps(begin: &str, repeated: &str, end: &str, times: usize) -> u64 {
    let file = format!("{begin}{}{end}", repeated.repeat(times));
    match read(file.as_bytes()) {
        Ok((_, summary)) => summary.steps,
        Err(error) => panic!("{begin}, {repeated}: {error}"),
    }
}

#[test]
fn work_grows_with_the_file_and_no_faster() {
    let html = "<DT><A HREF=https://a.example/>A</A>\n<DD>note ";
    let quoted = "<DT><A HREF=https://a.example/>A</A>\n<A ICON=\"";
    let table = "url,note\nhttps://a.example/,x\n";
    let cell = "url,note\nhttps://a.example/,\"";
    let json = "{\"url\": \"https://a.example/\", \"x\": [";
    let xml = "<xbel><bookmark href='https://a.example/'><title>some words";
    let list = "https://a.example/ ";
    for (begin, repeated, end) in [
        (html, "<", ""),
        (html, "<!--", ""),
        (html, "<!-- -->", ""),
        (html, "\n<!-- -->", ""),
        (html, "<DL><!-- <DL> -->", ""),
        (html, "-", ""),
        (html, "<b x=\"><b x='>", ""),
        (html, "<b x=\"> <dt", ""),
        (html, "<!DOCTYPE ", ""),
        (html, "<DL>", ""),
        (html, "<H3>f</H3><DL>", "<A HREF=https://a.example/>A</A>"),
        (html, "&", ""),
        (html, "&amp;&notit;&#99999999999", ""),
        (html, "<script>", ""),
        (quoted, ">", ""),
        (quoted, "<", ""),
        (quoted, "> <d", ""),
        (quoted, "'", "\">"),
        (table, "\n", ""),
        (table, ",", ""),
        (table, " \" ,", ""),
        (cell, "\"\"", "\""),
        (cell, "\\", "\""),
        (cell, "\n", "\""),
        (json, "1,", "2]}"),
        (json, "{\"a\": {}},", "2]}"),
        (json, "\"\\u0041\",", "2]}"),
        (xml, "</title>", "</bookmark>"),
        (xml, "<title></title>", "</bookmark>"),
        ("<xbel>", "<folder><title>f</title>", "<bookmark href='https://a.example/'/>"),
        (list, "](", ""),
        (list, "[a](<b", ""),
        (list, "(", ""),
        (list, "://", ""),
        (list, "https://a.example/(", ""),
    ] {
        let [few, many] = [20_000, 80_000].map(|times| steps(begin, repeated, end, times));
        assert!(many <= 4 * few + STEPS_AT_FIRST, "{begin}{repeated}: {few} steps, then {many}");
        let bytes = (begin.len() + 80_000 * repeated.len() + end.len()) as u64;
        assert!(many <= STEPS_PER_BYTE * bytes + STEPS_AT_FIRST, "{begin}{repeated}: {many} steps for {bytes} bytes");
    }
}
