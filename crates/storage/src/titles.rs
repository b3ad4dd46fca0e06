//! Search entries of cards with their own titles, for both stores.

use std::collections::BTreeSet;

use cardwire_domain::search::{Forms, Wording};

/// Whether the title has words, an order of words or accents that the page's title lacks. If not, the title finds the
/// page anyway.
pub(crate) fn says_more(own: &str, of_page: Option<&str>) -> bool {
    let (mut own_forms, mut forms) = (Forms::default(), Forms::default());
    let own = Wording::of(own, &mut own_forms);
    let of_page = Wording::of(of_page.unwrap_or_default(), &mut forms);
    let is_repeated = of_page.words.windows(own.words.len().max(1)).any(|words| words == own.words);
    let also: BTreeSet<&String> = of_page.also.iter().map(|(_, word)| word).collect();
    let spellings: BTreeSet<String> = forms.spellings().collect();
    let has_more = || own.also.iter().any(|(_, word)| !also.contains(word));
    let is_spelled_otherwise = || own_forms.spellings().any(|spelling| !spellings.contains(&spelling));
    !own.words.is_empty() && (!is_repeated || has_more() || is_spelled_otherwise())
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
        check("creme brulee", Some("Crème brûlée"), false);
        check("Crème brûlée", Some("creme brulee"), true);
        check("learn C", Some("Learn C++"), false);
        check("Learn C++", Some("Learn C"), true);
        check("京図", Some("東京図書館"), true);
        check("東京", Some("東京 図書館"), false);
    }
}
