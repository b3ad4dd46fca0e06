//! Where the words of a search occur. Texts stay texts: the template marks the pieces.

use std::ops::Range;

use cardwire_domain::search::{self, PART_CHARS, SearchQuery, Term, Unit, Word, is_near, pieces};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub is_hit: bool,
}

/// The words that were looked for.
#[derive(Debug, Default)]
pub struct Marker {
    terms: Vec<Term>,
    /// Words near these, and words that have them inside, count, too.
    takes_near: bool,
}

impl Marker {
    pub fn of(query: &str) -> Self {
        let terms = SearchQuery::parse(query).map(|query| query.required).unwrap_or_default();
        Self { terms, takes_near: false }
    }

    /// For a hit in whose texts nothing was found: it was found by other words.
    pub fn with_near(&self) -> Self {
        Self { terms: self.terms.clone(), takes_near: true }
    }

    /// The text in pieces that make it up again.
    pub fn pieces(&self, text: &str) -> Vec<Piece> {
        let mut marked: Vec<Piece> = Vec::new();
        let mut add = |text: &str, is_hit: bool| match marked.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if last.is_hit == is_hit => last.text.push_str(text),
            _ => marked.push(Piece { text: text.to_owned(), is_hit }),
        };
        let mut done = 0;
        for Range { start, end } in self.hits(text) {
            add(&text[done..start], false);
            add(&text[start..end], true);
            done = end;
        }
        add(&text[done..], false);
        marked
    }

    /// In their order; none reaches into the next.
    fn hits(&self, text: &str) -> Vec<Range<usize>> {
        let mut hits = Vec::new();
        for piece in pieces(text) {
            match piece {
                search::Piece::Word(word) if self.terms.iter().any(|term| self.is_meant(term, &word)) => {
                    hits.push(word.range);
                }
                search::Piece::Word(_) => {}
                search::Piece::Run(units) => {
                    let are_hits = self.in_run(&units);
                    let marked = units.into_iter().zip(are_hits).filter(|(_, is_hit)| *is_hit);
                    hits.extend(marked.map(|(unit, _)| unit.range));
                }
            }
        }
        hits
    }

    fn is_meant(&self, term: &Term, found: &Word) -> bool {
        let is_word = |word: &String| {
            found.folded == *word
                || found.parts.contains(word)
                || found.sign.as_ref().is_some_and(|sign| sign.word == *word)
        };
        match term {
            Term::Word { word, open, .. } => {
                is_word(word)
                    || (*open && found.folded.starts_with(word.as_str()))
                    || (self.takes_near && is_near(word, &found.folded).is_some())
                    || (self.takes_near
                        && *open
                        && word.chars().count() >= PART_CHARS
                        && found.folded.contains(word.as_str()))
            }
            Term::Phrase { words, .. } => words.iter().any(is_word),
            Term::Run(_) => false,
        }
    }

    /// Which letters of a run belong to what was looked for.
    fn in_run(&self, units: &[Unit]) -> Vec<bool> {
        let mut are_hits = vec![false; units.len()];
        let mut mark = |from: usize, count: usize| are_hits[from..from + count].fill(true);
        for term in &self.terms {
            let rows: Vec<Vec<String>> = match term {
                Term::Run(letters) => vec![letters.clone()],
                Term::Word { word, .. } => vec![vec![word.clone()]],
                Term::Phrase { .. } => Vec::new(),
            };
            // Two words that were typed without a space.
            let splits = term.splits().into_iter().flatten().filter(|_| self.takes_near);
            let splits = splits.filter_map(|part| if let Term::Run(letters) = part { Some(letters) } else { None });
            for row in rows.into_iter().chain(splits) {
                let is_row = |window: &[Unit]| window.iter().zip(&row).all(|(unit, letter)| unit.letter == *letter);
                let places = units.windows(row.len()).enumerate().filter(|(_, window)| is_row(window));
                places.for_each(|(from, _)| mark(from, row.len()));
            }
            if let Term::Phrase { words, .. } = term {
                for (from, pair) in units.windows(2).enumerate() {
                    if words.iter().any(|word| *word == format!("{}{}", pair[0].letter, pair[1].letter)) {
                        mark(from, 2);
                    }
                }
            }
        }
        are_hits
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
        check("1 4", "¼ cup", "[¼] cup");
        check("\"memory safety\"", "Memory-Safety", "[Memory]-[Safety]");
        check("a -b", "a b", "[a] b");
        check("über", "ÜBER alles", "[ÜBER] alles");
        check("cafe", "Café\u{301}s, CAFÉ", "[Café\u{301}s], [CAFÉ]");
        check("c++ reilly", "O'Reilly: C++, C", "[O'Reilly]: [C++], C");
        check("検索 本", "東京で本を検索する", "東京で[本]を[検索]する");
        check("\"東京 入門\"", "東京・入門", "[東京]・[入門]");
        check("", "text", "text");
        assert_eq!(marked(&Marker::of("ownershpi").with_near(), "on ownership"), "on [ownership]");
        assert_eq!(marked(&Marker::of("dampf").with_near(), "Donaudampfschiff"), "[Donaudampfschiff]");
        assert_eq!(marked(&Marker::of("東京検索").with_near(), "東京で検索"), "[東京]で[検索]");
    }
}
