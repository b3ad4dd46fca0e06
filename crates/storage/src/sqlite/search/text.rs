//! Words as FTS5 keeps them, and what it is asked for. Words are as they are: people search for what they see.

use std::collections::BTreeMap;

use cardwire_domain::UserId;
use cardwire_domain::metadata::{Metadata, PageKind};
use cardwire_domain::search::{SearchQuery, Term, tokens};

/// Similar words, by the word that was asked for.
pub(super) type Near = BTreeMap<String, Vec<String>>;

/// The columns of `search_pages` and of `search_titles`: scope, title, names, description, URL.
pub(super) type PageText = [String; 5];
/// The columns of `search_notes`: those of the page, and the note, which is empty where others do not see the card and there is none.
pub(super) type NoteText = [String; 6];

/// Begins what is no word: nobody can ask for it, and no phrase reaches across it.
const MARK: char = '·';
/// Marks what others do not see. No type of page is called so.
const PRIVATE: &str = "·private";

pub(super) fn of_page(normalised_url: &str, metadata: &Metadata) -> PageText {
    let column = |text: Option<&str>| spaced(text.unwrap_or_default());
    let names = format!("{} {MARK} {}", column(metadata.site_name.as_deref()), column(metadata.author.as_deref()));
    [
        metadata.kind.map(mark_of_kind).unwrap_or_default(),
        column(metadata.title.as_deref()),
        names,
        column(metadata.description.as_deref()),
        spaced(normalised_url),
    ]
}

/// The page together with what the owner of a card calls it.
pub(super) fn of_title(title: &str, page: &PageText) -> PageText {
    let [scope, of_page, names, description, url] = page.clone();
    [scope, format!("{} {MARK} {of_page}", spaced(title)), names, description, url]
}

/// `private`: others do not see the card, so that all of it is its owner's alone.
pub(super) fn of_note(note: &str, owner: &str, private: bool, page: &PageText) -> NoteText {
    let [scope, title, names, description, url] = page.clone();
    let person = mark_of_person(owner);
    let marks = if private { format!("{person} {PRIVATE} {scope}") } else { format!("{person} {scope}") };
    [marks, title, names, description, url, spaced(note)]
}

/// The words that are its author's alone.
pub(super) fn own_words(text: &NoteText) -> impl Iterator<Item = &str> {
    let [scope, page @ .., note] = text;
    let is_private = scope.split(' ').any(|mark| mark == PRIVATE);
    let page: &[String] = if is_private { page } else { &[] };
    page.iter().chain([note]).flat_map(|column| words(column))
}

fn spaced(text: &str) -> String {
    tokens(text).collect::<Vec<_>>().join(" ")
}

/// The words of a column.
pub(super) fn words(column: &str) -> impl Iterator<Item = &str> {
    column.split(' ').filter(|word| !word.is_empty() && !word.starts_with(MARK))
}

fn mark_of_kind(kind: PageKind) -> String {
    format!("{MARK}{kind}")
}

/// The tokenizer ignores the case of ASCII letters, which tells people apart.
fn mark_of_person(id: &str) -> String {
    let hex: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{MARK}{hex}")
}

/// Asks `search_pages`, or `search_titles`.
pub(super) fn in_pages(query: &SearchQuery, near: &Near, kind: Option<PageKind>) -> String {
    asked(query, near, kind, &[])
}

/// Asks `search_notes` for those of a person in which at least one of the words is theirs alone.
pub(super) fn in_notes(query: &SearchQuery, near: &Near, kind: Option<PageKind>, author: &UserId) -> String {
    let terms: Vec<String> = query.required.iter().map(|term| matching(term, near)).collect();
    let own = format!("({} OR note : ({}))", quoted(PRIVATE), terms.join(" OR "));
    asked(query, near, kind, &[quoted(&mark_of_person(author.as_str())), own])
}

fn asked(query: &SearchQuery, near: &Near, kind: Option<PageKind>, more: &[String]) -> String {
    let mut all: Vec<String> = more.to_vec();
    all.extend(kind.map(|kind| quoted(&mark_of_kind(kind))));
    all.extend(query.required.iter().map(|term| matching(term, near)));
    let all = all.join(" AND ");
    let excluded: Vec<String> = query.excluded.iter().map(exactly).collect();
    if excluded.is_empty() { all } else { format!("({all}) NOT ({})", excluded.join(" OR ")) }
}

/// With the end of the word open, and similar words let in.
fn matching(term: &Term, near: &Near) -> String {
    let Term::Word { word, open } = term else { return exactly(term) };
    let mut all = vec![if *open { beginning(word) } else { quoted(word) }];
    all.extend(near.get(word).into_iter().flatten().map(|word| quoted(word)));
    format!("({})", all.join(" OR "))
}

fn exactly(term: &Term) -> String {
    match term {
        Term::Word { word, .. } => quoted(word),
        Term::Phrase(words) => quoted(&words.join(" ")),
    }
}

/// Words are letters and digits only, so there is nothing to escape.
pub(super) fn quoted(words: &str) -> String {
    format!("\"{words}\"")
}

/// Words that begin so.
pub(super) fn beginning(word: &str) -> String {
    format!("{} *", quoted(word))
}

/// This, in what is this person's alone.
pub(super) fn in_notes_of(author: &str, asked: &str) -> String {
    format!("{} AND ({} AND {asked} OR note : {asked})", quoted(&mark_of_person(author)), quoted(PRIVATE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_hold_words_and_marks() {
        let metadata = Metadata {
            title: Some("Rust, the Book".into()),
            site_name: Some("Über-uns".into()),
            author: Some("Ann".into()),
            kind: Some(PageKind::Book),
            ..Metadata::default()
        };
        let page = of_page("https://a.b/rust", &metadata);
        assert_eq!(page, ["·book", "rust the book", "über uns · ann", "", "https a b rust"]);
        let note = of_note("Book club", "did:b", false, &page);
        assert_eq!(note, ["·6469643a62 ·book", "rust the book", "über uns · ann", "", "https a b rust", "book club"]);
        assert_eq!(own_words(&note).collect::<Vec<_>>(), ["book", "club"]);
        let private = of_note("", "did:b", true, &page);
        assert_eq!(private[0], "·6469643a62 ·private ·book");
        assert_eq!(own_words(&private).collect::<Vec<_>>().join(" "), "rust the book über uns ann https a b rust");
        assert_eq!(words(&note[2]).collect::<Vec<_>>(), ["über", "uns", "ann"]);
        let titled = of_title("Oxide (again)", &page);
        assert_eq!(titled[1], "oxide again · rust the book");
        assert_eq!(
            own_words(&of_note("", "did:b", true, &titled)).take(3).collect::<Vec<_>>(),
            ["oxide", "again", "rust"]
        );
        assert_eq!(words("").count(), 0);
    }

    #[test]
    fn a_query_is_written_out() {
        let query = SearchQuery::parse("own \"a b\" rsut -c -\"d e\" x.").unwrap();
        let near = Near::from([("rsut".to_owned(), vec!["rust".to_owned(), "rest".to_owned()])]);
        assert_eq!(
            in_pages(&query, &near, Some(PageKind::Article)),
            "(\"·article\" AND (\"own\" *) AND \"a b\" AND (\"rsut\" * OR \"rust\" OR \"rest\") AND (\"x\")) \
             NOT (\"c\" OR \"d e\")"
        );
        let query = SearchQuery::parse("own book.").unwrap();
        assert_eq!(
            in_notes(&query, &Near::new(), None, &UserId::parse("did:web:b").unwrap()),
            "\"·6469643a7765623a62\" AND (\"·private\" OR note : ((\"own\" *) OR (\"book\"))) AND (\"own\" *) AND (\"book\")"
        );
    }
}
