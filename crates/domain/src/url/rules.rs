//! What is one link and what is not, whole; and the rules at work on any text.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::CardUrl;
use crate::error::Error;
use crate::ids::CardId;
use crate::text::turns_direction;

fn identity(text: &str) -> String {
    CardUrl::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}")).normalised
}

fn given(text: &str) -> String {
    CardUrl::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}")).given
}

#[test]
fn one_link_in_many_spellings() {
    for group in [
        &["https://spelling.example/%7Euser", "https://spelling.example/~user", "https://spelling.example/%7euser"][..],
        &["https://spelling.example/caf%c3%a9", "https://spelling.example/caf%C3%A9", "https://spelling.example/café"],
        &[
            "https://port.example/x",
            "HTTPS://Port.Example:443/x",
            "https://port.example./x",
            "https://port.example/a/../x",
        ],
        &["https://port.example/x/y", "https://port.example/a/../x/./y", "https://port.example/a/%2E%2e/x/%2e/y"],
        &[
            "https://BÜCHER.example/x",
            "https://xn--bcher-kva.example/x",
            "https://bücher.example/x",
            "bücher.example/x",
        ],
        &["https://bare.example/page", "bare.example/page", "//bare.example/page", "Bare.example/page#top"],
        &["https://report.example/My Report.pdf", "https://report.example/My%20Report.pdf"],
        &["https://slash.example/x", "https:/slash.example/x", "https:slash.example/x", "https:\\\\slash.example\\x"],
        &[
            "https://pasted.example/x",
            "<https://pasted.example/x>",
            "\u{200b}https://pasted.example/x",
            "see https://pasted.example/x.",
        ],
        &[
            "https://anchor.example/health",
            "https://anchor.example/health#What-is-this?",
            "https://anchor.example/health#:~:text=x",
        ],
        &[
            "https://tracked.example/p?a=1",
            "https://tracked.example/p?&a=1&",
            "https://tracked.example/p?a=1&&utm_source=x",
        ],
        &[
            "https://tracked.example/p",
            "https://tracked.example/p?",
            "https://tracked.example/p?UTM_SOURCE=x&%75tm_medium=y",
        ],
        &["https://matrix.to/#/#one:b.example", "https://matrix.to/#/%23one:b.example"],
    ] {
        for other in &group[1..] {
            assert_eq!(identity(other), identity(group[0]), "{other}");
        }
    }
}

#[test]
fn links_that_are_not_the_same() {
    for (one, other) in [
        ("https://matrix.to/#/#one:b.example", "https://matrix.to/#/#two:b.example"),
        ("https://route.example/#!/a", "https://route.example/#!/b"),
        ("https://strict.example/page", "https://strict.example/page/"),
        ("https://strict.example/?a=1&b=2", "https://strict.example/?b=2&a=1"),
        ("https://strict.example/?a=1", "https://strict.example/?a=1&a=1"),
        ("https://strict.example/Page", "https://strict.example/page"),
        ("https://strict.example/?a", "https://strict.example/?a="),
        ("https://strict.example/?a=b+c", "https://strict.example/?a=b%2Bc"),
        ("https://escaped.example/a%2Fb", "https://escaped.example/a/b"),
        ("https://escaped.example/a%3Fb", "https://escaped.example/a?b"),
        ("https://escaped.example//a", "https://escaped.example/a"),
        ("https://port.example/", "http://port.example/"),
        ("https://port.example/", "https://port.example:8443/"),
        ("https://port.example/", "https://www.port.example/"),
        ("https://tracked.example/?id=1", "https://tracked.example/?id=2"),
        ("https://tracked.example/?ref=a", "https://tracked.example/?ref=b"),
        ("https://tracked.example/?si=10", "https://tracked.example/?si=20"),
    ] {
        assert_ne!(identity(one), identity(other), "{one} {other}");
    }
}

#[test]
fn common_tracking_parameters_make_no_other_link() {
    for name in [
        "utm_source",
        "utm_id",
        "fbclid",
        "gclid",
        "msclkid",
        "igsh",
        "igshid",
        "mc_cid",
        "mc_eid",
        "yclid",
        "ttclid",
        "twclid",
        "_gl",
        "gbraid",
        "wbraid",
        "dclid",
        "si",
        "srsltid",
        "_hsenc",
        "_hsmi",
        "mkt_tok",
        "vero_id",
        "mtm_campaign",
        "gad_source",
        "li_fat_id",
        "ysclid",
        "_ga",
        "Fbclid",
        "%66bclid",
    ] {
        for query in [format!("?{name}=AbC-1"), format!("?{name}"), format!("?{name}=x&{name}=y")] {
            assert_eq!(identity(&format!("https://tracked.example/p{query}")), "https://tracked.example/p", "{query}");
        }
        assert_eq!(
            identity(&format!("https://tracked.example/p?a=1&{name}=x&b=2#top")),
            "https://tracked.example/p?a=1&b=2"
        );
    }
}

#[test]
fn what_is_shown_is_what_was_meant() {
    let check = |text: &str, shown: &str| assert_eq!(given(text), shown, "{text:?}");
    check(" https://Example.com/a?utm_source=x#y ", "https://Example.com/a?utm_source=x#y");
    check("bare.example/page", "https://bare.example/page");
    check("http://octopus/app", "http://octopus/app");
    check("http://192.168.1.4:8123/x", "http://192.168.1.4:8123/x");
    check("http://[2001:db8::7]:8080/x", "http://[2001:db8::7]:8080/x");
    check("localhost:8080/x", "http://localhost:8080/x");
    check("https://anchor.example/health#What-is-this?", "https://anchor.example/health#What-is-this?");
    check("https://report.example/My Report.pdf", "https://report.example/My%20Report.pdf");
    check("https:/slash.example/x", "https://slash.example/x");
    check("<https://pasted.example/x>", "https://pasted.example/x");
    check("https://turned.example/\u{202e}fdp.exe", "https://turned.example/%E2%80%AEfdp.exe");
    check(
        "https://section.example/A.html?id=42&utm_medium=x#section-2",
        "https://section.example/A.html?id=42&utm_medium=x#section-2",
    );
}

#[test]
fn domains_have_no_port() {
    let check = |text: &str, domain: &str| assert_eq!(CardUrl::parse(text).unwrap().domain(), domain);
    check("http://Example.com:8080/a", "example.com");
    check("https://example.com?x", "example.com");
    check("https://example.com./#/a", "example.com");
    check("http://[::1]:80/", "[::1]");
    check("http://[::1]:81/", "[::1]");
}

#[test]
fn refuses_what_is_no_web_address() {
    let long = format!("https://example.com/{}", "x".repeat(2_048));
    let longer = format!("https://example.com/{}", "x ".repeat(1_000));
    let text = format!("{}https://example.com/", "see ".repeat(3_000));
    let host = "Enter a link whose host consists of letters, digits, hyphens and dots.";
    let absolute = "Enter a full link such as https://example.com/page.";
    for (bad, expected) in [
        ("", "This cannot be empty."),
        ("   ", "This cannot be empty."),
        ("rust", absolute),
        ("ftp://example.com", "Links start with http:// or https://."),
        ("javascript:alert(1)", "Links start with http:// or https://."),
        ("https://", absolute),
        ("https://:8080/", absolute),
        ("https://example.com:99999/", absolute),
        ("https://.", host),
        ("https://example.com\"/", host),
        ("https://exa`mple.com/", host),
        ("https://u:p@example.com", "Remove the user name and password from the link."),
        ("https://me@secret.example/x", "Remove the user name and password from the link."),
        ("https://exa mple.com", absolute),
        ("https://exam\u{202e}ple.com", absolute),
        ("https://a.example https://b.example", "Enter one link at a time."),
        ("https://example.com/\0", "Remove the control characters."),
        ("https://example.com/a\u{1}b", "Remove the control characters."),
        (&long, "Links are at most 2,048 bytes long."),
        (&longer, "Links are at most 2,048 bytes long."),
        (&text, "Links are at most 2,048 bytes long."),
    ] {
        match CardUrl::parse(bad) {
            Err(Error::Invalid { field, rule }) => {
                assert_eq!((field.as_str(), rule.as_str()), ("url", expected), "{bad:?}")
            }
            other => panic!("{bad:?}: {other:?}"),
        }
    }
}

#[test]
fn what_needs_a_repair_is_no_url_yet() {
    assert!(CardUrl::is_url("https://example.com/a?b#c") && CardUrl::is_url("https://пример.example/путь"));
    for other in
        ["icon.png", "/icon.png", "https:/example.com/", "https://example.com/a b", " https://example.com/", "data:,x"]
    {
        assert!(!CardUrl::is_url(other), "{other}");
    }
}

#[test]
fn no_link_has_the_place_of_a_merged_card() {
    let card = CardId::generate();
    for text in ["https://example.com/", "https://example.com/a?b", "https://app.example/#/a"] {
        let url = CardUrl::parse(text).unwrap();
        let merged = url.merged(card);
        assert!(merged.is_merged() && !url.is_merged());
        assert_eq!((merged.given(), merged.domain()), (url.given(), url.domain()));
        assert_ne!(identity(merged.normalised()), merged.normalised());
    }
}

/// Pieces that have gone wrong together in one parser or another.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        5 => prop::sample::select(&[
            "http", "https", "://", ":", "/", "//", "\\", "?", "#", "&", "&&", "=", "%", "%7E", "%2e", "%2", "%25", "%zz", "..", ".",
            "#/", "#!", ":~:", "text=", "utm_source", "fbclid", "si", "@", ":443", ":80", "[::1]", "127.0.0.1", "0x7f.1", "localhost",
            "example.com", "EXAMPLE.com.", "bücher", "。", "xn--", " ", "\t", "\n", "\r\n", "\u{ad}", "\u{200b}", "\u{200d}", "\u{202e}",
            "\u{feff}", "\u{0}", "<", ">", "\"", "'", "(", ")", "[", "]", "“", "”", ",", "a", "é", "日", "🚀", "+", "|", "^", "{", "}",
        ][..]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// What must hold of any text.
fn holds(text: &str) -> Result<(), TestCaseError> {
    let Ok(url) = CardUrl::parse(text) else { return Ok(()) };
    let again = CardUrl::parse(url.given());
    prop_assert_eq!(again.as_ref().ok(), Some(&url), "what was repaired is not repaired again: {:?}", text);
    let normalised = CardUrl::parse(url.normalised());
    let normalised = normalised.map(|again| again.normalised);
    prop_assert_eq!(normalised.as_ref().ok(), Some(&url.normalised), "normalising it again changes it: {:?}", text);
    let parsed = ::url::Url::parse(url.given());
    prop_assert!(
        parsed.is_ok_and(|parsed| matches!(parsed.scheme(), "http" | "https") && parsed.has_host()),
        "{:?}",
        url
    );
    let unescaped = [' ', '"', '<', '>', '\\', '^', '`', '{', '|', '}'];
    prop_assert!(url.normalised().is_ascii() && !url.normalised().contains(unescaped));
    prop_assert!(!url.given().chars().any(|c| c.is_whitespace() || c.is_control() || turns_direction(c)));
    prop_assert!(!url.domain().is_empty() && !url.is_merged());
    Ok(())
}

/// 4,096 cases, or as many as PROPTEST_CASES says.
fn config() -> ProptestConfig {
    if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default()
    } else {
        ProptestConfig::with_cases(4_096)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_read_once_and_for_all(text in any::<String>()) {
        holds(&text)?;
    }

    #[test]
    fn any_pieces_are_read_once_and_for_all(text in pieces()) {
        holds(&text)?;
    }

    #[test]
    fn any_url_is_read_once_and_for_all(rest in pieces()) {
        holds(&format!("https://example.com{rest}"))?;
        holds(&format!("https://{rest}"))?;
    }
}

#[test]
fn no_text_takes_long() {
    let most = 4 * CardUrl::MAX_BYTES;
    for piece in [
        "https://",
        "http:/",
        "(",
        "()",
        ")",
        "<",
        "<>",
        "\"",
        "\u{200b}",
        " ",
        "\n",
        "a\n",
        "a.",
        ".",
        "%",
        "%4",
        "%7E",
        "/../",
        "&",
        "&&",
        "&utm_a",
        "?",
        "#",
        ":~:",
        "https://a.b ",
        "(https://a.b)",
        "日",
        "ü.",
        "xn--a.",
        "://",
        "\\",
        "@",
        ":",
    ] {
        for text in
            [piece.repeat(most / piece.len()), format!("https://a.b/{}", piece.repeat((most - 20) / piece.len()))]
        {
            let time = |_| {
                let began = Instant::now();
                let _ = CardUrl::parse(&text);
                began.elapsed()
            };
            // A hundred times what it takes on a slow machine. The machine may be busy with something else, but not each time.
            let took = (0..5).map(time).min().unwrap_or_default();
            assert!(took < Duration::from_millis(500), "{piece:?}: {took:?}");
        }
    }
}
