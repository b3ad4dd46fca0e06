//! Where the words of a search occur. Texts stay texts: the template marks the pieces.

use cardwire_domain::search::{SearchQuery, Term, is_near, tokens};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub is_hit: bool,
}

/// The words that were looked for.
#[derive(Debug, Default)]
pub struct Marker {
    words: Vec<(String, bool)>,
    /// Words near these count, too.
    takes_near: bool,
}

impl Marker {
    pub fn of(query: &str) -> Self {
        let terms = SearchQuery::parse(query).map(|query| query.required).unwrap_or_default();
        let words = terms.into_iter().flat_map(|term| match term {
            Term::Word { word, open } => vec![(word, open)],
            Term::Phrase(words) => words.into_iter().map(|word| (word, false)).collect(),
        });
        Self { words: words.collect(), takes_near: false }
    }

    /// For a hit in whose texts nothing was found: it was found by similar words.
    pub fn with_near(&self) -> Self {
        Self { words: self.words.clone(), takes_near: true }
    }

    /// The text in pieces that make it up again.
    pub fn pieces(&self, text: &str) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut add = |text: &str, is_hit: bool| match pieces.last_mut() {
            Some(last) if last.is_hit == is_hit => last.text.push_str(text),
            _ => pieces.push(Piece { text: text.to_owned(), is_hit }),
        };
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let is_word = first.is_alphanumeric();
            let end = rest.find(|c: char| c.is_alphanumeric() != is_word).unwrap_or(rest.len());
            let (run, behind) = rest.split_at(end);
            add(run, is_word && self.matches(run));
            rest = behind;
        }
        pieces
    }

    fn matches(&self, run: &str) -> bool {
        let Some(token) = tokens(run).next() else { return false };
        self.words.iter().any(|(word, open)| {
            token == *word
                || (*open && token.starts_with(word.as_str()))
                || (self.takes_near && is_near(word, &token).is_some())
        })
    }
}

pub fn has_hit(pieces: &[Piece]) -> bool {
    pieces.iter().any(|piece| piece.is_hit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(marker: &Marker, text: &str) -> String {
        let piece = |piece: Piece| if piece.is_hit { format!("[{}]", piece.text) } else { piece.text };
        marker.pieces(text).into_iter().map(piece).collect()
    }

    #[test]
    fn words_are_marked_where_they_stand() {
        let check = |query: &str, text: &str, expected: &str| {
            assert_eq!(marked(&Marker::of(query), text), expected, "{query}");
        };
        check("rust", "Rust: trust in rusty <b>rust</b>", "[Rust]: trust in [rusty] <b>[rust]</b>");
        check("rust_", "rusty Rust", "rusty [Rust]");
        check("\"memory safety\"", "Memory-Safety", "[Memory]-[Safety]");
        check("a -b", "a b", "[a] b");
        check("über", "ÜBER alles", "[ÜBER] alles");
        check("", "text", "text");
        assert_eq!(marked(&Marker::of("ownershpi").with_near(), "on ownership"), "on [ownership]");
    }
}
