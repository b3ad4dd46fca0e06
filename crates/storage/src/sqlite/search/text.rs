//! Words as stored in FTS5: the domain's words, separated by spaces.

use cardwire_domain::metadata::{Metadata, PageKind};
use cardwire_domain::search::{Forms, SPELLED, Wording};

use crate::titles::says_more;

/// The columns of `search_pages` and of `search_titles`: scope, title, names, description, URL.
pub(super) type PageText = [String; 5];
/// The columns of `search_notes`: those of the page, and the note, which is empty for a private card without a note.
pub(super) type NoteText = [String; 6];

/// Marks something that is not a word: nobody can search for it, and no phrase crosses it.
pub(super) const MARK: char = '·';
/// Marks entries that others do not see. No page type has this name.
pub(super) const PRIVATE: &str = "·private";

/// What is known about a page, including the spellings of its words, to which a title or a note may add.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    kind: Option<PageKind>,
    /// As people read it.
    title: Option<String>,
    /// Title, names, description, URL.
    columns: [String; 4],
    forms: Forms,
}

impl Page {
    pub(super) fn of(normalised_url: &str, metadata: &Metadata) -> Self {
        let mut forms = Forms::default();
        let mut column = |text: Option<&str>| spaced(Wording::of(text.unwrap_or_default(), &mut forms));
        let title = column(metadata.title.as_deref());
        let names = format!("{} {MARK} {}", column(metadata.site_name.as_deref()), column(metadata.author.as_deref()));
        let description = column(metadata.description.as_deref());
        let url = spaced(Wording::of_url(normalised_url, &mut forms));
        Self { kind: metadata.kind, title: metadata.title.clone(), columns: [title, names, description, url], forms }
    }

    pub(super) fn text(&self) -> PageText {
        let [title, names, description, url] = self.columns.clone();
        [joined(self.kind.map(mark_of_kind), &self.forms), title, names, description, url]
    }

    /// Together with the title that a card's owner gave it, if that adds something.
    pub(super) fn text_called(&self, title: &str) -> Option<PageText> {
        if !says_more(title, self.title.as_deref()) {
            return None;
        }
        let mut forms = self.forms.clone();
        let title = self.called(Some(title), &mut forms);
        let [_, names, description, url] = self.columns.clone();
        Some([joined(self.kind.map(mark_of_kind), &forms), title, names, description, url])
    }

    /// `private`: others do not see the card, so all of it is only for its owner.
    pub(super) fn text_with(&self, note: &str, title: Option<&str>, owner: &str, private: bool) -> NoteText {
        let mut forms = self.forms.clone();
        let title = self.called(title, &mut forms);
        let note = spaced(Wording::of(note, &mut forms));
        let marks = std::iter::once(mark_of_person(owner)).chain(private.then(|| PRIVATE.to_owned()));
        let [_, names, description, url] = self.columns.clone();
        [joined(marks.chain(self.kind.map(mark_of_kind)), &forms), title, names, description, url, note]
    }

    /// The title of a card before that of the page.
    fn called(&self, title: Option<&str>, forms: &mut Forms) -> String {
        let [of_page, ..] = &self.columns;
        match title {
            Some(title) => format!("{} {MARK} {of_page}", spaced(Wording::of(title, forms))),
            None => of_page.clone(),
        }
    }
}

/// A name and a description, for people and collections.
pub(super) fn of_names(names: &[&str], more: &str) -> String {
    let mut forms = Forms::default();
    let mut column = |text: &str| spaced(Wording::of(text, &mut forms));
    let names: Vec<String> = names.iter().copied().map(&mut column).collect();
    format!("{}\n{}", names.join(&format!(" {MARK} ")), column(more))
}

/// The words that are only its author's.
pub(super) fn own_words(text: &NoteText) -> impl Iterator<Item = &str> {
    let [scope, page @ .., note] = text;
    let is_private = scope.split(' ').any(|mark| mark == PRIVATE);
    let page: &[String] = if is_private { page } else { &[] };
    page.iter().chain([note]).flat_map(|column| words(column))
}

/// Words that are not in a row come last, each by itself.
fn spaced(Wording { words, also }: Wording) -> String {
    let mut spaced = words.join(" ");
    for (_, word) in also {
        spaced.push_str(&format!(" {MARK} {word}"));
    }
    spaced
}

/// Marks and spellings, in their own column.
fn joined(marks: impl IntoIterator<Item = String>, forms: &Forms) -> String {
    let spellings = forms.spellings().map(|spelling| mark_of_spelling(&spelling));
    marks.into_iter().chain(spellings).collect::<Vec<_>>().join(" ")
}

/// The words of a column.
pub(super) fn words(column: &str) -> impl Iterator<Item = &str> {
    column.split(' ').filter(|word| !word.is_empty() && !word.starts_with(MARK))
}

/// The spellings of a document's words, for words that have one with accents.
pub(super) fn spellings(scope: &str) -> impl Iterator<Item = &str> {
    scope.split(' ').filter_map(|mark| mark.strip_prefix(MARK)).filter(|mark| mark.contains(SPELLED))
}

pub(super) fn mark_of_kind(kind: PageKind) -> String {
    format!("{MARK}{kind}")
}

fn mark_of_spelling(spelling: &str) -> String {
    format!("{MARK}{spelling}")
}

/// The tokenizer ignores the case of ASCII letters, but people's ids may differ only by that.
pub(super) fn mark_of_person(id: &str) -> String {
    let hex: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{MARK}{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_hold_words_and_marks() {
        let metadata = Metadata {
            title: Some("Rust, the Book in C++".into()),
            site_name: Some("Über-uns".into()),
            author: Some("Ann".into()),
            kind: Some(PageKind::Book),
            ..Metadata::default()
        };
        let page = Page::of("https://a.b/rust", &metadata);
        assert_eq!(
            page.text(),
            ["·book ·uber＝über", "rust the book in c · c＋＋", "uber uns · ann", "", "https a b rust"]
        );
        let note = page.text_with("Book Uber", None, "did:b", false);
        assert_eq!(note[0], "·6469643a62 ·book ·uber＝uber ·uber＝über");
        assert_eq!(note[5], "book uber");
        assert_eq!(spellings(&note[0]).collect::<Vec<_>>(), ["uber＝uber", "uber＝über"]);
        assert_eq!(own_words(&note).collect::<Vec<_>>(), ["book", "uber"]);
        let private = page.text_with("", None, "did:b", true);
        assert_eq!(private[0], "·6469643a62 ·private ·book ·uber＝über");
        assert_eq!(
            own_words(&private).collect::<Vec<_>>().join(" "),
            "rust the book in c c＋＋ uber uns ann https a b rust"
        );
        assert_eq!(words(&note[2]).collect::<Vec<_>>(), ["uber", "uns", "ann"]);
        let titled = page.text_called("Oxíde (again)").unwrap();
        assert_eq!(titled[0], "·book ·oxide＝oxíde ·uber＝über");
        assert_eq!(titled[1..], page.text_with("", Some("Oxíde (again)"), "did:b", true)[1..5]);
        assert_eq!(titled[1], "oxide again · rust the book in c · c＋＋");
        assert_eq!(page.text_called("The book"), None);
        assert_eq!(words("").count(), 0);
    }

    #[test]
    fn names_and_what_else_is_said_are_lines() {
        assert_eq!(of_names(&["alice", "Ålice B."], "Écrit"), "alice · alice b\necrit");
        assert_eq!(of_names(&["🚀"], ""), "\n");
    }
}
