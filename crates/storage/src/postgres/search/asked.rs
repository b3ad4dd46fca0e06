//! Queries for PostgreSQL's text search.

use cardwire_domain::search::{Alternatives, SearchQuery, Term, spelled};

/// The words as typed, whole.
pub(super) fn whole(query: &SearchQuery) -> String {
    with_excluded(query, query.required.iter().map(exactly))
}

/// Words as prefixes, with these alternatives, and runs read as two words.
pub(in super::super) fn begun(query: &SearchQuery, others: &Alternatives) -> String {
    let term = |term: &Term| match term {
        Term::Word { word, open, .. } => {
            let others = others.get(word).into_iter().flatten().map(|word| format!(" | '{word}'"));
            format!("('{word}'{}{})", if *open { ":*" } else { "" }, others.collect::<String>())
        }
        Term::Run(_) => {
            let split = |[one, other]: [Term; 2]| format!(" | ({} & {})", exactly(&one), exactly(&other));
            format!("({}{})", exactly(term), term.splits().into_iter().map(split).collect::<String>())
        }
        Term::Phrase { .. } => exactly(term),
    };
    with_excluded(query, query.required.iter().map(term))
}

/// Entries with all words whole, spelled as typed.
pub(super) fn spelled_so(query: &SearchQuery) -> String {
    let term = |term: &Term| match term {
        Term::Word { word, exact: Some(exact), .. } => format!("'{}'", spelled(word, exact)),
        Term::Word { word, exact: None, .. } => {
            format!("('{word}' & (!'{}':* | '{}'))", spelled(word, ""), spelled(word, word))
        }
        Term::Phrase { spellings, .. } => {
            let spellings = spellings.iter().map(|spelling| format!(" & '{spelling}'"));
            format!("({}{})", exactly(term), spellings.collect::<String>())
        }
        Term::Run(_) => exactly(term),
    };
    query.required.iter().map(term).collect::<Vec<_>>().join(" & ")
}

fn with_excluded(query: &SearchQuery, required: impl Iterator<Item = String>) -> String {
    let excluded = query.excluded.iter().map(|term| format!("!{}", exactly(term)));
    required.chain(excluded).collect::<Vec<_>>().join(" & ")
}

/// Words consist of letters, digits and the domain's signs, so nothing needs escaping.
fn exactly(term: &Term) -> String {
    let row = term.row();
    let last = row.len().saturating_sub(1);
    let ends_open = matches!(term, Term::Phrase { open: true, .. });
    let word = |(at, word): (usize, &String)| format!("'{word}'{}", if ends_open && at == last { ":*" } else { "" });
    format!("({})", row.iter().enumerate().map(word).collect::<Vec<_>>().join(" <-> "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_out() {
        let query = SearchQuery::parse("own \"a b\" rsut -c -\"d e\" x. Café").unwrap();
        let near = Alternatives::from([("rsut".to_owned(), vec!["rust".to_owned(), "rest".to_owned()])]);
        assert_eq!(
            begun(&query, &near),
            "('own':*) & ('a' <-> 'b') & ('rsut':* | 'rust' | 'rest') & ('x') & ('cafe':*) & !('c') & !('d' <-> 'e')"
        );
        assert_eq!(whole(&query), "('own') & ('a' <-> 'b') & ('rsut') & ('x') & ('cafe') & !('c') & !('d' <-> 'e')");
        let query = SearchQuery::parse("own Café \"très bien\"").unwrap();
        assert_eq!(
            spelled_so(&query),
            "('own' & (!'own＝':* | 'own＝own')) & 'cafe＝café' & (('tres' <-> 'bien') & 'tres＝très')"
        );
    }

    #[test]
    fn writing_without_spaces_is_asked_for_by_its_pairs() {
        let query = SearchQuery::parse("東京図書館 本 \"2024 年\"").unwrap();
        let row = "('東京' <-> '京図' <-> '図書' <-> '書館')";
        assert_eq!(whole(&query), format!("{row} & ('本') & ('2024' <-> '年':*)"));
        let splits = "(('東京') & ('図書' <-> '書館')) | (('東京' <-> '京図') & ('書館'))";
        assert_eq!(begun(&query, &Alternatives::new()), format!("({row} | {splits}) & ('本':*) & ('2024' <-> '年':*)"));
    }
}
