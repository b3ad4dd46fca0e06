//! How well a page matches a search.

use cardwire_domain::search::{Alternatives, SearchQuery, Term, holds, holds_split, nearly_holds, spelled};

use super::asked::As;
use super::text::spellings;

/// By the place of a word: title, names, description, URL, note. A whole word counts double.
const WEIGHTS: [i64; 5] = [1_000, 500, 300, 100, 50];
/// The limit for many words in titles.
const MOST: i64 = 999_999;

/// The words and marks of a page's columns and of the note, if there is one, and the spellings.
pub(super) struct Fields<'a> {
    columns: Vec<Vec<&'a str>>,
    spellings: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(scope: &'a str, columns: &[&'a str]) -> Self {
        let columns = columns.iter().map(|column| column.split(' ').collect()).collect();
        Self { columns, spellings: spellings(scope).collect() }
    }

    /// Without the note, which comes last.
    pub(super) fn page(&self) -> &[Vec<&'a str>] {
        self.columns.split_last().map_or(&[][..], |(_, page)| page)
    }

    pub(super) fn all(&self) -> &[Vec<&'a str>] {
        &self.columns
    }

    /// Whether words are spelled as typed, if all of them occur.
    pub(super) fn are_spelled_so(&self, query: &SearchQuery) -> bool {
        let is_there = |spelling: &str| self.spellings.contains(&spelling);
        query.required.iter().all(|term| match term {
            Term::Word { word, exact: Some(exact), .. } => is_there(&spelled(word, exact)),
            Term::Word { word, exact: None, .. } => {
                let has_accents = self.spellings.iter().any(|spelling| spelling.starts_with(&spelled(word, "")));
                !has_accents || is_there(&spelled(word, word))
            }
            Term::Phrase { spellings, .. } => spellings.iter().all(|spelling| is_there(spelling)),
            Term::Run(_) => true,
        })
    }
}

/// From 0 to 999,999. `None`: a word is missing, or an excluded one occurs.
pub(super) fn rank(query: &SearchQuery, how: As<'_>, fields: &[Vec<&str>]) -> Option<i64> {
    if query.excluded.iter().any(|term| fields.iter().any(|words| holds(words, term))) {
        return None;
    }
    let others: Option<&Alternatives> = match how {
        As::Whole => None,
        As::Begun(others) => Some(others),
    };
    let mut rank = 0;
    for term in &query.required {
        let mut best = 0;
        for (words, weight) in fields.iter().zip(WEIGHTS) {
            if holds(words, term) {
                best = best.max(weight);
            } else if others.is_some_and(|others| nearly_holds(words, term, others)) {
                best = best.max(weight / 2);
            }
        }
        if best == 0 && others.is_some() && holds_split(fields, term) {
            best = WEIGHTS[WEIGHTS.len() - 1] / 2;
        }
        if best == 0 {
            return None;
        }
        rank += best * 10;
    }
    Some(rank.min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_in_titles_come_first() {
        let none = Alternatives::new();
        let rank = |text: &str, how: As<'_>| {
            let fields = Fields::of("", &["rust book", "", "a 東京 京都 都の の本 本", "https example", "dampfschiff"]);
            rank(&SearchQuery::parse(text).unwrap(), how, fields.all())
        };
        assert!(rank("rust", As::Whole) > rank("example", As::Whole));
        assert!(rank("rust", As::Begun(&none)) > rank("rus", As::Begun(&none)));
        assert_eq!(rank("rus", As::Whole), None);
        assert_eq!(rank("rust -book", As::Whole), None);
        assert!(rank("京都", As::Whole).is_some() && rank("東京の本", As::Whole).is_none());
        assert!(rank("東京の本", As::Begun(&none)).is_some());
        let inside = Alternatives::from([("schiff".to_owned(), vec!["dampfschiff".to_owned()])]);
        assert!(rank("schiff", As::Begun(&none)).is_none() && rank("schiff", As::Begun(&inside)).is_some());
    }

    #[test]
    fn how_words_are_spelled_is_compared() {
        let is_so = |text: &str, scope: &str| Fields::of(scope, &[]).are_spelled_so(&SearchQuery::parse(text).unwrap());
        for (text, scope, expected) in [
            ("cafe", "", true),
            ("café", "", false),
            ("cafe", "·article ·cafe＝café", false),
            ("café", "·article ·cafe＝café", true),
            ("cafè", "·cafe＝café", false),
            ("cafe", "·cafe＝cafe ·cafe＝café", true),
            ("\"café noir\"", "·cafe＝café", true),
            ("\"café noir\"", "", false),
            ("caf", "·cafe＝café", true),
        ] {
            assert_eq!(is_so(text, scope), expected, "{text} in {scope:?}");
        }
    }
}
