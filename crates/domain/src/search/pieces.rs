//! What a text is made of: words, and runs of writing that puts no spaces between them.

use std::ops::Range;

use super::letters::{Letter, is_mark, is_spaced, is_unspaced, letters, push_exact, push_folded};

/// A longer word is cut: nobody looks for it, and an index entry holds 2,046 bytes.
const WORD_CHARS: usize = 200;

/// Signs that make another word of it, as they stand in the index: none of them is in any other word.
const PLUS: char = '＋';
const SHARP: char = '＃';
const DOT: char = '．';

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Word(Word),
    /// One letter or more.
    Run(Vec<Unit>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// In lower case, without accents.
    pub folded: String,
    /// In lower case, with its accents.
    pub exact: String,
    /// What stands before and after its apostrophes.
    pub parts: Vec<String>,
    pub sign: Option<Sign>,
}

/// The word together with a sign that makes it another one: C++, C#, .NET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    pub word: String,
    /// `.NET` and not `ASP.NET`.
    pub stands_alone: bool,
}

/// A letter of a run, with the marks on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Bytes of the text.
    pub range: Range<usize>,
    pub letter: String,
}

impl Piece {
    /// Bytes of the text.
    pub fn range(&self) -> Range<usize> {
        match self {
            Self::Word(word) => word.range.clone(),
            Self::Run(units) => {
                let first = units.first().map_or(0, |unit| unit.range.start);
                first..units.last().map_or(first, |unit| unit.range.end)
            }
        }
    }
}

/// All of them, in their order; no place reaches into the next. Everything else separates them.
pub fn pieces(text: &str) -> Vec<Piece> {
    let letters = letters(text);
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(letter) = letters.get(at) {
        if is_unspaced(letter.c) {
            let (units, next) = run(&letters, at);
            pieces.push(Piece::Run(units));
            at = next;
        } else if is_spaced(letter.c) {
            let (word, next) = word(&letters, at);
            // Of nothing but accents, there is no word.
            if !word.folded.is_empty() {
                pieces.push(Piece::Word(word));
            }
            at = next;
        } else {
            at += 1;
        }
    }
    stand_apart(&mut pieces);
    pieces
}

/// One sign may be two words, as `¼` is: the second has no place of its own then.
fn stand_apart(pieces: &mut [Piece]) {
    let mut done = 0;
    let mut place = |range: &mut Range<usize>| {
        range.start = range.start.max(done);
        range.end = range.end.max(range.start);
        done = range.end;
    };
    for piece in pieces {
        match piece {
            Piece::Word(word) => place(&mut word.range),
            Piece::Run(units) => units.iter_mut().for_each(|unit| place(&mut unit.range)),
        }
    }
}

fn run(letters: &[Letter], first: usize) -> (Vec<Unit>, usize) {
    let mut units: Vec<Unit> = Vec::new();
    let mut at = first;
    while let Some(letter) = letters.get(at) {
        match units.last_mut() {
            Some(unit) if is_mark(letter.c) => {
                unit.letter.push(letter.c);
                unit.range.end = letter.end;
            }
            _ if is_unspaced(letter.c) => {
                units.push(Unit { range: letter.start..letter.end, letter: letter.c.to_string() });
            }
            _ => break,
        }
        at += 1;
    }
    (units, at)
}

fn word(letters: &[Letter], first: usize) -> (Word, usize) {
    let mut word = Word {
        range: letters[first].start..letters[first].end,
        folded: String::new(),
        exact: String::new(),
        parts: Vec::new(),
        sign: None,
    };
    let (mut at, mut chars, mut part) = (first, 0, String::new());
    while let Some(letter) = letters.get(at) {
        if is_spaced(letter.c) || is_mark(letter.c) {
            if chars < WORD_CHARS {
                push_exact(letter.c, &mut word.exact);
                push_folded(letter.c, &mut part);
            }
            chars += 1;
            word.range.end = letter.end;
        } else if is_apostrophe_within(letters, at) {
            word.folded.push_str(&part);
            word.parts.push(std::mem::take(&mut part));
        } else if !is_dot_within(letters, at) {
            break;
        }
        at += 1;
    }
    word.folded.push_str(&part);
    if !word.parts.is_empty() {
        word.parts.push(part);
        keep_parts(&mut word);
    }
    add_sign(&mut word, letters, first, at);
    (word, at)
}

fn is_apostrophe_within(letters: &[Letter], at: usize) -> bool {
    letters[at].c == '\'' && letters.get(at + 1).is_some_and(|next| is_spaced(next.c))
}

/// Catalan: col·lecció.
fn is_dot_within(letters: &[Letter], at: usize) -> bool {
    let is_l = |letter: Option<&Letter>| letter.is_some_and(|letter| matches!(letter.c, 'l' | 'L'));
    letters[at].c == '·' && is_l(at.checked_sub(1).and_then(|before| letters.get(before))) && is_l(letters.get(at + 1))
}

/// Those that people look for: `reilly` of O'Reilly, `école` of l'école, `go` of Go's. Not `t` of don't.
fn keep_parts(word: &mut Word) {
    let is_genitive = word.parts.last().is_some_and(|last| last == "s");
    let owner = word.parts.len().checked_sub(2).filter(|_| is_genitive);
    let mut place = 0;
    word.parts.retain(|part| {
        let is_kept = part.chars().count() >= 3 || (owner == Some(place) && !part.is_empty());
        place += 1;
        is_kept
    });
}

/// `first..next` are the letters of the word.
fn add_sign(word: &mut Word, letters: &[Letter], first: usize, next: usize) {
    let is = |at: usize, c: char| letters.get(at).is_some_and(|letter| letter.c == c);
    let is_letter = |at: usize| letters.get(at).is_some_and(|letter| letter.c.is_alphabetic());
    let before = |count: usize| first.checked_sub(count).and_then(|at| letters.get(at)).map(|letter| letter.c);
    let ends_in_letter = word.folded.chars().next_back().is_some_and(char::is_alphabetic);
    if ends_in_letter && is(next, '+') && is(next + 1, '+') && !is(next + 2, '+') && !is_letter(next + 2) {
        word.range.end = letters[next + 1].end;
        word.sign = Some(Sign { word: format!("{}{PLUS}{PLUS}", word.folded), stands_alone: true });
    } else if ends_in_letter && next == first + 1 && is(next, '#') && !is(next + 1, '#') && !is_letter(next + 1) {
        word.range.end = letters[next].end;
        word.sign = Some(Sign { word: format!("{}{SHARP}", word.folded), stands_alone: true });
    } else if word.folded == "net" && before(1) == Some('.') {
        let stands_alone = !before(2).is_some_and(char::is_alphanumeric);
        word.sign = Some(Sign { word: format!("{DOT}net"), stands_alone });
    }
}

/// Whether it is a word together with its sign, as it stands in the index.
pub(super) fn has_sign(word: &str) -> bool {
    word.contains([PLUS, SHARP, DOT])
}

/// Whether it begins with its sign: in addresses, that is no word.
pub(super) fn begins_with_sign(word: &str) -> bool {
    word.starts_with(DOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words as they are folded, runs letter by letter.
    fn told(text: &str) -> Vec<String> {
        let told = |piece| match piece {
            Piece::Word(word) => word.folded,
            Piece::Run(units) => units.iter().map(|unit| unit.letter.as_str()).collect::<Vec<_>>().join("|"),
        };
        pieces(text).into_iter().map(told).collect()
    }

    fn only_word(text: &str) -> Word {
        match pieces(text).as_slice() {
            [Piece::Word(word)] => word.clone(),
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        let check = |text: &str, expected: &[&str]| assert_eq!(told(text), expected, "{text:?}");
        check("https://Example.com/Über-uns?a=1_2", &["https", "example", "com", "uber", "uns", "a", "1", "2"]);
        check(
            "R & D, 100 % pure; foo / bar – Rocket 🚀 launch",
            &["r", "d", "100", "pure", "foo", "bar", "rocket", "launch"],
        );
        check("don't o’reilly 'quoted' rock'n'roll l'", &["dont", "oreilly", "quoted", "rocknroll", "l"]);
        check("col·lecció a·b", &["colleccio", "a", "b"]);
        check("Donau\u{ad}dampf\u{ad}schiff", &["donaudampfschiff"]);
        check("हिन्दी में", &["हिन्दी", "में"]);
        check("🚀 … \u{301} \0", &[]);
        assert_eq!(only_word(&"ü".repeat(300)).folded.chars().count(), WORD_CHARS);
    }

    #[test]
    fn writing_without_spaces_comes_letter_by_letter() {
        let check = |text: &str, expected: &[&str]| assert_eq!(told(text), expected, "{text:?}");
        check("Rust入門書 2024年", &["rust", "入|門|書", "2024", "年"]);
        check("ｶﾞｲﾄﾞブック", &["ガ|イ|ド|ブ|ッ|ク"]);
        check("도서관에서 책", &["도|서|관|에|서", "책"]);
        check("ที่นี่", &["ที่|นี่"]);
    }

    #[test]
    fn places_are_those_of_the_text() {
        let text = "x Café\u{301}s ™ 東京 C++";
        let places: Vec<&str> = pieces(text).iter().map(|piece| &text[piece.range()]).collect();
        assert_eq!(places, ["x", "Café\u{301}s", "東京", "C++"]);
    }

    #[test]
    fn what_was_folded_is_known() {
        let word = only_word("Straße");
        assert_eq!((word.folded.as_str(), word.exact.as_str()), ("strasse", "straße"));
        let word = only_word("e\u{301}te\u{301}");
        assert_eq!((word.folded.as_str(), word.exact.as_str()), ("ete", "été"));
        let word = only_word("don't");
        assert_eq!((word.folded.as_str(), word.exact.as_str()), ("dont", "dont"));
    }

    #[test]
    fn parts_around_apostrophes_are_words_if_people_look_for_them() {
        for (text, expected) in [
            ("O'Reilly", &["reilly"][..]),
            ("l’école", &["ecole"]),
            ("Go's", &["go"]),
            ("O'Reilly's", &["reilly"]),
            ("it'll", &[]),
            ("don't", &["don"]),
        ] {
            assert_eq!(only_word(text).parts, expected, "{text:?}");
        }
    }

    #[test]
    fn some_signs_make_another_word() {
        let sign = |text: &str| {
            let signs = pieces(text).into_iter().filter_map(|piece| match piece {
                Piece::Word(word) => word.sign,
                Piece::Run(_) => None,
            });
            signs.map(|sign| format!("{}{}", sign.word, if sign.stands_alone { "" } else { " within" })).next()
        };
        for (text, expected) in [
            ("C++", Some("c＋＋")),
            ("C++20", Some("c＋＋")),
            ("Notepad++ 8", Some("notepad＋＋")),
            ("Ｃ＋＋", Some("c＋＋")),
            ("C#", Some("c＃")),
            ("F♯", Some("f＃")),
            ("C#9", Some("c＃")),
            (".NET", Some("．net")),
            ("(.net)", Some("．net")),
            ("ASP.NET", Some("．net within")),
            ("a+b", None),
            ("a++b", None),
            ("1++", None),
            ("C+++", None),
            ("issue #9", None),
            ("page#top", None),
            ("a#b", None),
            ("net", None),
            (".network", None),
        ] {
            assert_eq!(sign(text).as_deref(), expected, "{text:?}");
        }
    }
}
