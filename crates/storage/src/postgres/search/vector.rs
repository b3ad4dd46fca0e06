//! Words for PostgreSQL's text search. Lexemes are the domain's words: the server does no folding and no stemming.

use std::collections::BTreeMap;

use cardwire_domain::metadata::Metadata;
use cardwire_domain::search::{Forms, Wording};

/// PostgreSQL's limit for positions.
const MAX_POSITION: u16 = 16_383;
const MAX_POSITIONS: usize = 255;
/// So that no phrase reaches from one field into the next.
const GAP: u16 = 8;

/// A tsvector in the making.
#[derive(Default)]
pub(super) struct Vector {
    lexemes: BTreeMap<String, Vec<(u16, &'static str)>>,
    forms: Forms,
    next: u16,
}

impl Vector {
    pub(super) fn of_page(normalised_url: &str, metadata: &Metadata) -> Self {
        Self::of(None, normalised_url, "", metadata)
    }

    /// A page together with the title that a card's owner gave it.
    pub(super) fn of_title(title: &str, normalised_url: &str, metadata: &Metadata) -> Self {
        Self::of(Some(title), normalised_url, "", metadata)
    }

    /// A note together with its page and the card's title. Only the note's words have no weight, so that they can be
    /// told apart.
    pub(super) fn of_note(note: &str, title: Option<&str>, normalised_url: &str, metadata: &Metadata) -> Self {
        let mut vector = Self::of(title, normalised_url, "C", metadata);
        vector.add(Some(note), "");
        vector
    }

    /// A name and its description.
    pub(super) fn of_names(names: &[&str], more: &str) -> Self {
        let mut vector = Self::default();
        names.iter().for_each(|name| vector.add(Some(name), "A"));
        vector.add(Some(more), "C");
        vector
    }

    fn of(title: Option<&str>, normalised_url: &str, weight: &'static str, metadata: &Metadata) -> Self {
        let mut vector = Self::default();
        if title.is_some() {
            vector.add(title, "A");
        }
        vector.add(metadata.title.as_deref(), "A");
        vector.add(metadata.site_name.as_deref(), "B");
        vector.add(metadata.author.as_deref(), "B");
        vector.add(metadata.description.as_deref(), "C");
        let url = Wording::of_url(normalised_url, &mut vector.forms);
        vector.add_words(url, weight);
        vector
    }

    fn add(&mut self, text: Option<&str>, weight: &'static str) {
        let wording = Wording::of(text.unwrap_or_default(), &mut self.forms);
        self.add_words(wording, weight);
    }

    fn add_words(&mut self, Wording { words, also }: Wording, weight: &'static str) {
        let first = self.next;
        for word in words {
            self.next = self.next.saturating_add(1).min(MAX_POSITION);
            self.put(word, self.next, weight);
        }
        for (place, word) in also {
            let place = u16::try_from(place).unwrap_or(MAX_POSITION);
            self.put(word, first.saturating_add(place).saturating_add(1).min(MAX_POSITION), weight);
        }
        self.next = self.next.saturating_add(GAP).min(MAX_POSITION);
    }

    fn put(&mut self, word: String, position: u16, weight: &'static str) {
        let positions = self.lexemes.entry(word).or_default();
        if positions.len() < MAX_POSITIONS {
            positions.push((position, weight));
        }
    }

    /// For a text by itself.
    pub(super) fn words_of(text: &str) -> impl Iterator<Item = String> {
        let Wording { words, also } = Wording::of(text, &mut Forms::default());
        words.into_iter().chain(also.into_iter().map(|(_, word)| word))
    }

    /// Without spellings.
    pub(super) fn words(&self) -> impl Iterator<Item = &String> {
        self.lexemes.keys()
    }

    /// Spellings have no position, because phrases never ask for them. Lexemes need no escaping: they consist of
    /// letters, digits and the domain's signs.
    pub(super) fn literal(&self) -> String {
        let lexeme = |(word, positions): (&String, &Vec<(u16, &str)>)| {
            let positions: Vec<String> = positions.iter().map(|(at, weight)| format!("{at}{weight}")).collect();
            format!("'{word}':{}", positions.join(","))
        };
        let spelling = |spelling: String| format!("'{spelling}'");
        let lexemes = self.lexemes.iter().map(lexeme).chain(self.forms.spellings().map(spelling));
        lexemes.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_keeps_places_and_weights() {
        let metadata = Metadata { title: Some("Rust, the book".into()), ..Metadata::default() };
        let vector = Vector::of_page("https://a.b/rust", &metadata);
        assert_eq!(vector.literal(), "'a':37 'b':38 'book':3A 'https':36 'rust':1A,39 'the':2A");
    }

    #[test]
    fn only_the_words_of_a_note_have_no_weight() {
        let vector = Vector::of_note("book club", None, "https://a.b/rust", &Metadata::default());
        assert_eq!(vector.literal(), "'a':34C 'b':35C 'book':45 'club':46 'https':33C 'rust':36C");
    }

    #[test]
    fn a_title_of_ones_own_comes_before_the_pages() {
        let metadata = Metadata { title: Some("Rust".into()), ..Metadata::default() };
        let vector = Vector::of_title("Oxide", "https://a.b/", &metadata);
        assert_eq!(vector.literal(), "'a':44 'b':45 'https':43 'oxide':1A 'rust':10A");
    }

    #[test]
    fn spellings_have_no_places_and_words_with_signs_that_of_their_word() {
        let vector = Vector::of_names(&["Café", "C++ C"], "日本");
        assert_eq!(vector.literal(), "'c':10A,11A 'cafe':1A 'c＋＋':10A '日本':20C '本':21C 'cafe＝café'");
        assert_eq!(vector.words().map(String::as_str).collect::<Vec<_>>(), ["c", "cafe", "c＋＋", "日本", "本"]);
    }
}
