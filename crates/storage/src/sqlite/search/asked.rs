//! Queries for FTS5.

use cardwire_domain::UserId;
use cardwire_domain::metadata::PageKind;
use cardwire_domain::search::{Alternatives, SearchQuery, Term};

use super::text::{PRIVATE, mark_of_kind, mark_of_person};

/// How words must match.
#[derive(Clone, Copy, Debug)]
pub(super) enum As<'a> {
    Whole,
    /// Words as prefixes, with these alternatives, and runs read as two words.
    Begun(&'a Alternatives),
}

/// Asks `search_pages`, or `search_titles`; for none that are as in `before`.
pub(super) fn in_pages(query: &SearchQuery, how: As<'_>, before: Option<As<'_>>, kind: Option<PageKind>) -> String {
    let mut unwanted: Vec<String> = query.excluded.iter().map(exactly).collect();
    unwanted.extend(before.map(|how| format!("({})", all(query, how).join(" AND "))));
    asked(query, how, kind, &[], &unwanted)
}

/// Asks `search_notes` for those of a person in which at least one of the words is theirs alone.
pub(super) fn in_notes(query: &SearchQuery, how: As<'_>, kind: Option<PageKind>, author: &UserId) -> String {
    let own = format!("({} OR note : ({}))", quoted(PRIVATE), all(query, how).join(" OR "));
    let unwanted: Vec<String> = query.excluded.iter().map(exactly).collect();
    asked(query, how, kind, &[quoted(&mark_of_person(author.as_str())), own], &unwanted)
}

fn asked(query: &SearchQuery, how: As<'_>, kind: Option<PageKind>, more: &[String], unwanted: &[String]) -> String {
    let mut wanted: Vec<String> = more.to_vec();
    wanted.extend(kind.map(|kind| quoted(&mark_of_kind(kind))));
    wanted.extend(all(query, how));
    let wanted = wanted.join(" AND ");
    if unwanted.is_empty() { wanted } else { format!("({wanted}) NOT ({})", unwanted.join(" OR ")) }
}

fn all(query: &SearchQuery, how: As<'_>) -> Vec<String> {
    query.required.iter().map(|term| matching(term, how)).collect()
}

fn matching(term: &Term, how: As<'_>) -> String {
    let As::Begun(others) = how else { return exactly(term) };
    match term {
        Term::Word { word, open, .. } => {
            let mut all = vec![if *open { beginning(word) } else { quoted(word) }];
            all.extend(others.get(word).into_iter().flatten().map(|word| quoted(word)));
            format!("({})", all.join(" OR "))
        }
        Term::Run(_) => {
            let split = |[one, other]: [Term; 2]| format!("({} AND {})", exactly(&one), exactly(&other));
            let all: Vec<String> = [exactly(term)].into_iter().chain(term.splits().into_iter().map(split)).collect();
            format!("({})", all.join(" OR "))
        }
        Term::Phrase { .. } => exactly(term),
    }
}

fn exactly(term: &Term) -> String {
    let row = term.row().join(" ");
    if matches!(term, Term::Phrase { open: true, .. }) { beginning(&row) } else { quoted(&row) }
}

/// Words consist of letters, digits and the domain's signs, so nothing needs escaping.
pub(super) fn quoted(words: &str) -> String {
    format!("\"{words}\"")
}

/// Words in a row, the last one a prefix.
pub(super) fn beginning(words: &str) -> String {
    format!("{} *", quoted(words))
}

/// This, in what is this person's alone.
pub(super) fn in_notes_of(author: &str, asked: &str) -> String {
    format!("{} AND ({} AND {asked} OR note : {asked})", quoted(&mark_of_person(author)), quoted(PRIVATE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_out() {
        let query = SearchQuery::parse("own \"a b\" rsut -c -\"d e\" x.").unwrap();
        let near = Alternatives::from([("rsut".to_owned(), vec!["rust".to_owned(), "rest".to_owned()])]);
        assert_eq!(
            in_pages(&query, As::Begun(&near), None, Some(PageKind::Article)),
            "(\"·article\" AND (\"own\" *) AND \"a b\" AND (\"rsut\" * OR \"rust\" OR \"rest\") AND (\"x\")) \
             NOT (\"c\" OR \"d e\")"
        );
        let (query, none) = (SearchQuery::parse("own book.").unwrap(), Alternatives::new());
        assert_eq!(
            in_notes(&query, As::Begun(&none), None, &UserId::parse("did:web:b").unwrap()),
            "\"·6469643a7765623a62\" AND (\"·private\" OR note : ((\"own\" *) OR (\"book\"))) AND (\"own\" *) AND (\"book\")"
        );
        assert_eq!(
            in_pages(&query, As::Begun(&none), Some(As::Whole), None),
            "((\"own\" *) AND (\"book\")) NOT ((\"own\" AND \"book\"))"
        );
    }

    #[test]
    fn writing_without_spaces_is_asked_for_by_its_pairs() {
        let (query, none) = (SearchQuery::parse("東京図書館 本 \"2024 年\"").unwrap(), Alternatives::new());
        assert_eq!(in_pages(&query, As::Whole, None, None), "\"東京 京図 図書 書館\" AND \"本\" AND \"2024 年\" *");
        assert_eq!(
            in_pages(&query, As::Begun(&none), None, None),
            "(\"東京 京図 図書 書館\" OR (\"東京\" AND \"図書 書館\") OR (\"東京 京図\" AND \"書館\")) AND (\"本\" *) \
             AND \"2024 年\" *"
        );
    }
}
