//! Words as PostgreSQL's text search takes them. Lexemes are words as they are: people search for what they see.

use std::collections::BTreeMap;

use cardwire_domain::metadata::Metadata;
use cardwire_domain::search::{SearchQuery, Term, tokens};

/// Similar words, by the word that was asked for.
pub(super) type Near = BTreeMap<String, Vec<String>>;

/// What PostgreSQL keeps of positions.
const MAX_POSITION: u16 = 16_383;
const MAX_POSITIONS: usize = 255;
/// So that no phrase reaches from one field into the next.
const GAP: u16 = 8;

/// A tsvector in the making.
#[derive(Clone, Default)]
pub(super) struct Vector {
    lexemes: BTreeMap<String, Vec<(u16, &'static str)>>,
    next: u16,
}

impl Vector {
    pub(super) fn of_page(normalised_url: &str, metadata: &Metadata) -> Self {
        Self::of(None, normalised_url, "", metadata)
    }

    /// A page together with what the owner of a card calls it.
    pub(super) fn of_title(title: &str, normalised_url: &str, metadata: &Metadata) -> Self {
        Self::of(Some(title), normalised_url, "", metadata)
    }

    /// A note together with its page and the card's title. The words of the note, and only they, have no weight, so that they can be told
    /// apart.
    pub(super) fn of_note(note: &str, title: Option<&str>, normalised_url: &str, metadata: &Metadata) -> Self {
        let mut vector = Self::of(title, normalised_url, "C", metadata);
        vector.add(Some(note), "");
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
        vector.add(Some(normalised_url), weight);
        vector
    }

    fn add(&mut self, text: Option<&str>, weight: &'static str) {
        for token in tokens(text.unwrap_or_default()) {
            self.next = self.next.saturating_add(1).min(MAX_POSITION);
            let positions = self.lexemes.entry(token).or_default();
            if positions.len() < MAX_POSITIONS {
                positions.push((self.next, weight));
            }
        }
        self.next = self.next.saturating_add(GAP).min(MAX_POSITION);
    }

    pub(super) fn words(&self) -> impl Iterator<Item = &String> {
        self.lexemes.keys()
    }

    /// Lexemes are letters and digits only, so there is nothing to escape.
    pub(super) fn literal(&self) -> String {
        let lexeme = |(word, positions): (&String, &Vec<(u16, &str)>)| {
            let positions: Vec<String> = positions.iter().map(|(at, weight)| format!("{at}{weight}")).collect();
            format!("'{word}':{}", positions.join(","))
        };
        self.lexemes.iter().map(lexeme).collect::<Vec<_>>().join(" ")
    }
}

/// What to look for: with the ends of words open and similar words let in; and with what was typed alone, whole.
pub(super) fn ts_query(query: &SearchQuery, near: Option<&Near>) -> (String, String) {
    let phrase = |words: &[String]| {
        let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        format!("({})", words.join(" <-> "))
    };
    let asked = query.required.iter().map(|term| match term {
        Term::Phrase(words) => phrase(words),
        Term::Word { word, open } => {
            let similar = near.and_then(|near| near.get(word)).into_iter().flatten().map(|word| format!(" | '{word}'"));
            format!("('{word}'{}{})", if *open { ":*" } else { "" }, similar.collect::<String>())
        }
    });
    let whole = query.required.iter().map(|term| match term {
        Term::Phrase(words) => phrase(words),
        Term::Word { word, .. } => format!("'{word}'"),
    });
    let excluded = query.excluded.iter().map(|term| match term {
        Term::Phrase(words) => format!("!{}", phrase(words)),
        Term::Word { word, .. } => format!("!'{word}'"),
    });
    let asked: Vec<String> = asked.chain(excluded).collect();
    (asked.join(" & "), whole.collect::<Vec<_>>().join(" & "))
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
    fn a_query_is_written_out() {
        let query = SearchQuery::parse("own \"a b\" rsut -c -\"d e\" x.").unwrap();
        let near = Near::from([("rsut".to_owned(), vec!["rust".to_owned(), "rest".to_owned()])]);
        let (asked, whole) = ts_query(&query, Some(&near));
        assert_eq!(asked, "('own':*) & ('a' <-> 'b') & ('rsut':* | 'rust' | 'rest') & ('x') & !'c' & !('d' <-> 'e')");
        assert_eq!(whole, "'own' & ('a' <-> 'b') & 'rsut' & 'x'");
    }
}
