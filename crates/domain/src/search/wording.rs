//! What a text is found by. Both stores index this, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::address::readable;
use super::pieces::{Piece, Unit, begins_with_sign, pieces};

/// Raised whenever a text is found by other words than before, along with a migration whose partial indexes find what is older. Documents
/// keep the version they were indexed by; see [`super::SearchIndex::renew`].
pub const WORDING: i16 = 2;

/// Between a word and one of its spellings, in what [`Forms::spellings`] gives. It is in no word.
pub const SPELLED: char = '＝';

/// The words of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wording {
    /// In their order: so they are found in a row.
    pub words: Vec<String>,
    /// Found as well, at the places of those words: with a sign, or a part of them.
    pub also: Vec<(usize, String)>,
}

impl Wording {
    pub fn of(text: &str, forms: &mut Forms) -> Self {
        Self::of_pieces(pieces(text), forms)
    }

    /// Of a normalised URL.
    pub fn of_url(url: &str, forms: &mut Forms) -> Self {
        let mut wording = Self::of_pieces(pieces(&readable(url)), forms);
        wording.also.retain(|(_, word)| !begins_with_sign(word));
        wording
    }

    fn of_pieces(pieces: Vec<Piece>, forms: &mut Forms) -> Self {
        let mut wording = Self::default();
        for piece in pieces {
            match piece {
                Piece::Word(word) => {
                    let place = wording.words.len();
                    let also = word.parts.into_iter().chain(word.sign.map(|sign| sign.word));
                    wording.also.extend(also.map(|word| (place, word)));
                    forms.add(&word.folded, word.exact);
                    wording.words.push(word.folded);
                }
                Piece::Run(units) => {
                    wording.words.extend(pairs(&units));
                    // So that each letter begins a word, and can be asked for by itself.
                    wording.words.extend(units.into_iter().next_back().map(|unit| unit.letter));
                }
            }
        }
        wording
    }
}

/// Every two letters that stand side by side. Words of such writing are found by them, without a dictionary: a word of three letters is two
/// pairs in a row.
pub(super) fn pairs(units: &[Unit]) -> impl Iterator<Item = String> {
    units.windows(2).map(|pair| pair.iter().map(|unit| unit.letter.as_str()).collect())
}

/// How the words of a document are spelled, where accents were folded.
#[derive(Clone, Debug, Default)]
pub struct Forms(BTreeMap<String, BTreeSet<String>>);

impl Forms {
    fn add(&mut self, folded: &str, exact: String) {
        match self.0.get_mut(folded) {
            Some(spellings) => {
                spellings.insert(exact);
            }
            None => {
                self.0.insert(folded.to_owned(), BTreeSet::from([exact]));
            }
        }
    }

    /// `cafe＝café`: each spelling of a word that has one with accents. Other words are spelled as they are folded.
    pub fn spellings(&self) -> impl Iterator<Item = String> {
        let accented = self.0.iter().filter(|(folded, spellings)| spellings.iter().any(|spelling| spelling != *folded));
        accented.flat_map(|(folded, spellings)| spellings.iter().map(move |spelling| spelled(folded, spelling)))
    }
}

/// As [`Forms::spellings`] has it.
pub fn spelled(folded: &str, exact: &str) -> String {
    format!("{folded}{SPELLED}{exact}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wording(text: &str) -> (String, String, String) {
        let mut forms = Forms::default();
        let Wording { words, also } = Wording::of(text, &mut forms);
        let also: Vec<String> = also.into_iter().map(|(place, word)| format!("{place}:{word}")).collect();
        (words.join(" "), also.join(" "), forms.spellings().collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn texts_come_to_words() {
        let check = |text: &str, words: &str, also: &str, spellings: &str| {
            let expected = (words.to_owned(), also.to_owned(), spellings.to_owned());
            assert_eq!(wording(text), expected, "{text:?}");
        };
        check("The Rust book", "the rust book", "", "");
        check("Café or cafe", "cafe or cafe", "", "cafe＝cafe cafe＝café");
        check("RÉSUMÉ, Résumé", "resume resume", "", "resume＝résumé");
        check("Learn C++ and O'Reilly's", "learn c and oreillys", "1:c＋＋ 3:reilly", "");
        check("東京都の本 2024", "東京 京都 都の の本 本 2024", "", "");
        check("第 3 版", "第 3 版", "", "");
        check("🚀", "", "", "");
    }

    #[test]
    fn addresses_come_to_words_as_they_are_read() {
        let mut forms = Forms::default();
        let of_url = |url: &str, forms: &mut Forms| Wording::of_url(url, forms);
        let wording = of_url("https://xn--e1afmkfd.example/%D0%BF%D1%83%D1%82%D1%8C/C%2B%2B", &mut forms);
        assert_eq!(wording.words, ["https", "пример", "example", "путь", "c"]);
        assert_eq!(wording.also, [(4, "c＋＋".to_owned())]);
        let wording = of_url("https://example.net/caf%C3%A9", &mut forms);
        assert_eq!(wording.words, ["https", "example", "net", "cafe"]);
        assert_eq!(wording.also, []);
        assert_eq!(forms.spellings().collect::<Vec<_>>(), ["cafe＝café"]);
    }
}
