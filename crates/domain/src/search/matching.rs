//! Whether, and how, a text has what is looked for: the rules that both stores' indexes follow, for texts that are at hand.

use super::near::{Alternatives, PART_CHARS};
use super::query::{SearchQuery, Term};
use super::wording::{Forms, Wording};

/// The words of a text, in a row.
pub type Field<'a> = [&'a str];

/// As it was typed, whole.
pub fn holds(field: &Field<'_>, term: &Term) -> bool {
    match term {
        Term::Word { word, .. } => field.contains(&word.as_str()),
        Term::Phrase { .. } | Term::Run(_) => has_row(field, &term.row(), term.is_open()),
    }
}

fn has_row(field: &Field<'_>, row: &[String], open: bool) -> bool {
    let Some((last, before)) = row.split_last() else { return false };
    field.windows(row.len()).any(|window| {
        let (end, begin) = (window[before.len()], &window[..before.len()]);
        begin == before && if open { end.starts_with(last.as_str()) } else { end == last }
    })
}

/// At the beginning of a longer word, or by another word that it may be.
pub fn nearly_holds(field: &Field<'_>, term: &Term, others: &Alternatives) -> bool {
    let Term::Word { word, open, .. } = term else { return false };
    (*open && field.iter().any(|other| other.starts_with(word.as_str())))
        || others.get(word).is_some_and(|others| others.iter().any(|other| field.contains(&other.as_str())))
}

/// As two words that were typed without a space, each somewhere.
pub fn holds_split(fields: &[Vec<&str>], term: &Term) -> bool {
    let is_anywhere = |part: &Term| fields.iter().any(|field| holds(field, part));
    term.splits().iter().any(|split| split.iter().all(is_anywhere))
}

/// Inside of a word.
pub fn is_inside(field: &Field<'_>, term: &Term) -> bool {
    let Term::Word { word, open: true, .. } = term else { return false };
    word.chars().count() >= PART_CHARS && field.iter().any(|other| other.contains(word.as_str()))
}

impl SearchQuery {
    /// Whether all that is required is somewhere in these texts, be it inside of a word, and nothing that is excluded.
    pub fn is_in<'a>(&self, texts: impl IntoIterator<Item = &'a str>, url: &str) -> bool {
        let (mut forms, none) = (Forms::default(), Alternatives::new());
        let mut all: Vec<Wording> = texts.into_iter().map(|text| Wording::of(text, &mut forms)).collect();
        all.push(Wording::of_url(url, &mut forms));
        let rows: Vec<Vec<&str>> = all.iter().map(|text| text.words.iter().map(String::as_str).collect()).collect();
        // Each stands by itself.
        let also = all.iter().flat_map(|text| &text.also).map(|(_, word)| vec![word.as_str()]);
        let also: Vec<Vec<&str>> = also.collect();
        let is_anywhere = |term: &Term| {
            let has =
                |field: &Vec<&str>| holds(field, term) || nearly_holds(field, term, &none) || is_inside(field, term);
            rows.iter().any(has) || also.iter().any(has) || holds_split(&rows, term)
        };
        let is_excluded = |term: &Term| rows.iter().chain(&also).any(|field| holds(field, term));
        !self.excluded.iter().any(is_excluded) && self.required.iter().all(is_anywhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(query: &str, texts: &[&str]) -> bool {
        SearchQuery::parse(query).unwrap().is_in(texts.iter().copied(), "https://example.com/%C3%BCber")
    }

    #[test]
    fn words_are_found_whole_begun_and_inside() {
        let texts =
            ["Café Dvořák in C++", "Donau\u{ad}dampf\u{ad}schiff", "東京都の図書館で本を検索する", "O'Reilly's ’90s"];
        for (query, expected) in [
            ("cafe", true),
            ("CAFÉ dvo", true),
            ("dvo.", false),
            ("dampf", true),
            ("am", false),
            ("uber example.com", true),
            ("C++", true),
            ("\"in C++\"", true),
            ("C#", false),
            ("reilly", true),
            ("図書館", true),
            ("本", true),
            ("館", true),
            ("書", true),
            ("京図", false),
            ("東京検索", true),
            ("東京 検索", true),
            ("\"cafe dvorak\"", true),
            ("\"dvorak cafe\"", false),
            ("\"dvorak donau\"", false),
            ("cafe -dvorak", false),
            ("cafe -dvo", true),
            ("cafe -\"dvorak cafe\"", true),
            ("cafe missing", false),
        ] {
            assert_eq!(is_in(query, &texts), expected, "{query}");
        }
    }

    #[test]
    fn a_word_in_a_row_may_be_the_beginning_of_one_if_it_is_a_letter() {
        assert!(is_in("\"2024 年\"", &["2024 年度"]));
        assert!(!is_in("\"2024 ann\"", &["2024 annual"]));
    }

    #[test]
    fn other_words_count_where_they_are_given() {
        let field: Vec<&str> = "rust dampfschiff".split(' ').collect();
        let others = Alternatives::from([("rsut".to_owned(), vec!["rust".to_owned()])]);
        let term = |text: &str| SearchQuery::parse(text).unwrap().required.remove(0);
        assert!(nearly_holds(&field, &term("rsut"), &others) && !holds(&field, &term("rsut")));
        assert!(nearly_holds(&field, &term("dampf"), &others) && !holds(&field, &term("dampf")));
        assert!(!nearly_holds(&field, &term("schiff"), &others) && is_inside(&field, &term("schiff")));
    }
}
