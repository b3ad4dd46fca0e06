//! What cards are found by that have a title of their own, for both stores.

use cardwire_domain::search::tokens;

/// Whether the title has words, or an order of words, that the page's title has not. If not, the page is found by it anyway.
pub(crate) fn says_more(own: &str, of_page: Option<&str>) -> bool {
    let own: Vec<String> = tokens(own).collect();
    let of_page: Vec<String> = tokens(of_page.unwrap_or_default()).collect();
    !own.is_empty() && !of_page.windows(own.len()).any(|words| words == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_that_repeats_the_pages_says_nothing_more() {
        let check = |own: &str, of_page: Option<&str>, expected: bool| {
            assert_eq!(says_more(own, of_page), expected, "{own:?} {of_page:?}");
        };
        check("Leeks", None, true);
        check("★ ★", None, false);
        check("Growing leeks", Some("GROWING LEEKS: a guide"), false);
        check("leeks: a guide", Some("Growing leeks – a guide"), false);
        check("leeks, growing", Some("Growing leeks"), true);
        check("Growing leeks under snow", Some("Growing leeks"), true);
    }
}
