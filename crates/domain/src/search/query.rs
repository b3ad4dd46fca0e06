//! What people type into a search box.

use std::collections::BTreeMap;

use super::address::{pasted, readable, readable_part};
use super::near::PART_CHARS;
use super::pieces::{Piece, Unit, Word, has_sign, pieces};
use super::wording::{pairs, spelled};
use crate::url::CardUrl;

/// Of a longer text, what comes first is looked for.
const MAX_TERMS: usize = 100;
/// A longer run is not taken for two words.
const MAX_SPLIT: usize = 12;

/// One thing that must, or must not, occur.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// `exact`: as it was typed, if accents were folded. `open`: also the beginning of a word.
    Word { word: String, exact: Option<String>, open: bool },
    /// These words in a row. `spellings`: of those that have accents. `open`: the last may be the beginning of a word.
    Phrase { words: Vec<String>, spellings: Vec<String>, open: bool },
    /// Two letters or more of writing that puts no spaces between words, in a row.
    Run(Vec<String>),
}

impl Term {
    /// The words that stand in a row where it occurs as it was typed.
    pub fn row(&self) -> Vec<String> {
        match self {
            Self::Word { word, .. } => vec![word.clone()],
            Self::Phrase { words, .. } => words.clone(),
            Self::Run(letters) => letters.windows(2).map(|pair| pair.concat()).collect(),
        }
    }

    /// Whether the last of them may be the beginning of a word.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Word { open, .. } | Self::Phrase { open, .. } => *open,
            Self::Run(_) => false,
        }
    }

    /// Of a run, the two words that it may be, typed without a space.
    pub fn splits(&self) -> Vec<[Self; 2]> {
        let Self::Run(letters) = self else { return Vec::new() };
        if letters.len() > MAX_SPLIT {
            return Vec::new();
        }
        let places = 2..(letters.len() - 1).max(2);
        places.map(|at| [Self::Run(letters[..at].to_vec()), Self::Run(letters[at..].to_vec())]).collect()
    }
}

/// Words separated by white space; `"words in a row"`; `-word` and `-"words in a row"` for what must not occur.
///
/// A word is found at the beginning of longer ones, unless punctuation ends it. Punctuation between words separates them; it is never
/// syntax otherwise, and never looked for, but for the signs that make another word: C++, C#, .NET.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchQuery {
    /// Never empty.
    pub required: Vec<Term>,
    pub excluded: Vec<Term>,
    /// What the text is if it is a URL. The words are those of the URL then.
    pub urls: Vec<CardUrl>,
}

impl SearchQuery {
    /// `None`: nothing is looked for.
    pub fn parse(text: &str) -> Option<Self> {
        let urls = pasted(text);
        let mut query = match urls.first() {
            Some(url) => Self::of_url(url, text),
            None => Self::of_words(text),
        };
        query.urls = urls;
        query.required.truncate(MAX_TERMS);
        query.excluded.truncate(MAX_TERMS);
        (!query.required.is_empty()).then_some(query)
    }

    fn of_url(url: &CardUrl, text: &str) -> Self {
        let url = readable(url.normalised());
        // A scheme that was not typed may be another one.
        let words: &str =
            if text.contains("://") { &url } else { url.split_once("://").map_or(url.as_str(), |(_, rest)| rest) };
        let mut required = Vec::new();
        let pieces = pieces(words);
        let last = pieces.len().saturating_sub(1);
        for (at, piece) in pieces.into_iter().enumerate() {
            let is_sign = |word: &Word| word.sign.as_ref().is_some_and(|sign| sign.word.starts_with(&word.folded));
            required.push(match piece {
                Piece::Word(word) if !is_sign(&word) => plain(word, at == last),
                piece => of_piece(piece, at == last),
            });
        }
        Self { required, ..Self::default() }
    }

    fn of_words(text: &str) -> Self {
        let text = text.replace(['“', '”', '„', '‟', '＂'], "\"");
        let mut query = Self::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (is_excluded, after) = match rest.strip_prefix('-') {
                Some(after) if after.starts_with(|c: char| c == '"' || c.is_alphanumeric()) => (true, after),
                _ => (false, rest),
            };
            let (terms, end) = if let Some(quoted) = after.strip_prefix('"') {
                // Without an end, it is still being typed.
                let (inside, end) = quoted.split_once('"').unwrap_or((quoted, ""));
                (in_a_row(inside), end)
            } else {
                let (chunk, end) = after.split_at(end_of_chunk(after));
                (if is_excluded { in_a_row(&readable_part(chunk)) } else { of_chunk(&readable_part(chunk)) }, end)
            };
            let target = if is_excluded { &mut query.excluded } else { &mut query.required };
            target.extend(terms);
            rest = end.trim_start();
        }
        query
    }

    /// The words that may be the beginnings of longer ones.
    pub fn open_words(&self) -> impl Iterator<Item = &str> {
        self.required.iter().filter_map(|term| match term {
            Term::Word { word, open: true, .. } => Some(word.as_str()),
            _ => None,
        })
    }

    /// The words that may be parts of longer ones.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.open_words().filter(|word| word.chars().count() >= PART_CHARS)
    }

    /// The words that may be misspelt.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.required.iter().filter_map(|term| match term {
            Term::Word { word, .. } if !has_sign(word) => Some(word.as_str()),
            _ => None,
        })
    }
}

/// The text with other words in the places of these.
pub fn corrected(text: &str, words: &BTreeMap<String, String>) -> String {
    let (mut corrected, mut done) = (String::with_capacity(text.len()), 0);
    for piece in pieces(text) {
        if let Piece::Word(Word { range, folded, .. }) = piece
            && let Some(word) = words.get(&folded)
        {
            corrected.push_str(&text[done..range.start]);
            corrected.push_str(word);
            done = range.end;
        }
    }
    corrected.push_str(&text[done..]);
    corrected
}

/// To the next space or quotation mark. After a digit, that is a sign for inches.
fn end_of_chunk(text: &str) -> usize {
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if c.is_whitespace() || (c == '"' && !before.is_ascii_digit()) {
            return at;
        }
        before = c;
    }
    text.len()
}

fn of_chunk(chunk: &str) -> Vec<Term> {
    let of_piece = |piece: Piece| {
        let is_at_the_end = piece.range().end == chunk.len();
        of_piece(piece, is_at_the_end)
    };
    pieces(chunk).into_iter().map(of_piece).collect()
}

fn of_piece(piece: Piece, open: bool) -> Term {
    match piece {
        Piece::Word(Word { sign: Some(sign), .. }) if sign.stands_alone => {
            Term::Word { word: sign.word, exact: None, open: false }
        }
        Piece::Word(word) => plain(word, open),
        Piece::Run(units) => of_run(units),
    }
}

fn plain(Word { folded, exact, .. }: Word, open: bool) -> Term {
    let exact = (exact != folded).then_some(exact);
    Term::Word { word: folded, exact, open }
}

/// A letter by itself begins the pairs that it is in.
fn of_run(mut units: Vec<Unit>) -> Term {
    match units.pop() {
        Some(only) if units.is_empty() => Term::Word { word: only.letter, exact: None, open: true },
        last => Term::Run(units.into_iter().chain(last).map(|unit| unit.letter).collect()),
    }
}

/// All words of it in a row; and, by themselves, those with signs.
fn in_a_row(text: &str) -> Vec<Term> {
    let mut pieces = pieces(text);
    if pieces.len() <= 1 {
        return pieces.pop().map(|piece| of_piece(piece, false)).into_iter().collect();
    }
    let last = pieces.len() - 1;
    let (mut words, mut spellings, mut signs, mut open) = (Vec::new(), Vec::new(), Vec::new(), false);
    for (at, piece) in pieces.into_iter().enumerate() {
        match piece {
            Piece::Word(word) => {
                let sign = word.sign.filter(|sign| sign.stands_alone);
                signs.extend(sign.map(|sign| Term::Word { word: sign.word, exact: None, open: false }));
                if word.exact != word.folded {
                    spellings.push(spelled(&word.folded, &word.exact));
                }
                words.push(word.folded);
            }
            Piece::Run(units) => {
                words.extend(pairs(&units));
                let is_one = units.len() == 1;
                if at < last || is_one {
                    words.extend(units.into_iter().next_back().map(|unit| unit.letter));
                }
                open = at == last && is_one;
            }
        }
    }
    signs.insert(0, Term::Phrase { words, spellings, open });
    signs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<String> {
        let term = |term: &Term| match term {
            Term::Word { word, exact, open } => {
                let exact = exact.as_ref().map(|exact| format!("({exact})")).unwrap_or_default();
                format!("{word}{exact}{}", if *open { "*" } else { "" })
            }
            Term::Phrase { words, open, .. } => format!("\"{}{}\"", words.join(" "), if *open { "*" } else { "" }),
            Term::Run(letters) => letters.join("|"),
        };
        let query = SearchQuery::parse(text)?;
        let excluded = query.excluded.iter().map(|excluded| format!("-{}", term(excluded)));
        Some(query.required.iter().map(term).chain(excluded).collect::<Vec<_>>().join(" "))
    }

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(told(text).as_deref(), expected, "{text:?}");
    }

    #[test]
    fn every_word_is_looked_for_and_other_punctuation_is_never_syntax() {
        check("Rust", Some("rust*"));
        check("rust own", Some("rust* own*"));
        check("rust_", Some("rust"));
        check("\"Memory  safety\" rust", Some("\"memory safety\" rust*"));
        check("rust -async", Some("rust* -async"));
        check("rust -\"no std\" well-known", Some("rust* well known* -\"no std\""));
        check("rust -a.b", Some("rust* -\"a b\""));
        check("\"being typed", Some("\"being typed\""));
        check("rust\"a b\"", Some("rust* \"a b\""));
        check("“memory safety” „no std‟", Some("\"memory safety\" \"no std\""));
        check("12\" vinyl", Some("12 vinyl*"));
        check("John Doe <john@provider.example>", Some("john* doe* john provider example"));
        check("to be or not to be", Some("to* be* or* not* to* be*"));
        check("R, Go", Some("r go*"));
        for nothing in ["  ", "", "-rust", "\"\"", "--", "%", "\0", "' | ! ( :*", "🚀", "\":*"] {
            check(nothing, None);
        }
    }

    #[test]
    fn signs_are_not_looked_for_and_never_empty_a_search() {
        check("rust &", Some("rust*"));
        check("R & D", Some("r* d*"));
        check("Foo Bar - Site Name", Some("foo* bar* site* name*"));
        check("Rocket 🚀 launch", Some("rocket* launch*"));
        check("100 % pure", Some("100* pure*"));
        check("foo / bar \"\" –", Some("foo* bar*"));
        check("foo <-> \\ team:foobar a|b ((", Some("foo* team foobar* a b*"));
    }

    #[test]
    fn signs_are_looked_for_where_they_make_another_word() {
        check("C++", Some("c＋＋"));
        check("c++ primer", Some("c＋＋ primer*"));
        check("C/C++", Some("c c＋＋"));
        check("C#, F#", Some("c＃ f＃"));
        check(".NET core", Some("．net core*"));
        check("ASP.NET", Some("asp net*"));
        check("\"learn C++ now\"", Some("\"learn c now\" c＋＋"));
        check("rust -C++", Some("rust* -c＋＋"));
    }

    #[test]
    fn words_are_folded_and_how_they_were_typed_is_known() {
        check("Café", Some("cafe(café)*"));
        check("cafe", Some("cafe*"));
        check("re\u{301}sume\u{301}", Some("resume(résumé)*"));
        check("don’t", Some("dont*"));
        check("Donau\u{ad}dampf\u{ad}", Some("donaudampf*"));
    }

    #[test]
    fn writing_without_spaces_is_looked_for_in_a_row() {
        check("検索", Some("検|索"));
        check("本", Some("本*"));
        check("本。", Some("本*"));
        check("図書館 検索 Rust入門", Some("図|書|館 検|索 rust 入|門"));
        check("\"入門 2024\"", Some("\"入門 門 2024\""));
        check("\"2024 入門\"", Some("\"2024 入門\""));
        check("\"2024 年\"", Some("\"2024 年*\""));
        check("rust -検索", Some("rust* -検|索"));
        let run = |text: &str| SearchQuery::parse(text).unwrap().required.remove(0);
        let splits = run("東京図書館").splits();
        let rows: Vec<_> = splits.iter().map(|[one, other]| (one.row().join(" "), other.row().join(" "))).collect();
        let row = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        assert_eq!(rows, [row("東京", "図書 書館"), row("東京 京図", "書館")]);
        for text in ["検索", "図書館", "rust", "一二三四五六七八九十百千万"] {
            assert_eq!(run(text).splits(), Vec::<[Term; 2]>::new(), "{text}");
        }
    }

    #[test]
    fn a_url_is_looked_for_by_the_words_of_its_page() {
        check("example.com/ru", Some("example com ru*"));
        check("https://Example.com/A?id=42&utm_medium=x#top", Some("https example com a id 42*"));
        check("https://example.com/", Some("https example com*"));
        check("https://xn--e1afmkfd.example/%D0%BF%D1%83%D1%82%D1%8C", Some("https пример example путь*"));
        check("xn--e1afmkfd.example", Some("пример example*"));
        check("https://example.net/c%2B%2B", Some("https example net c＋＋"));
        let urls = |text: &str| SearchQuery::parse(text).unwrap().urls.len();
        assert_eq!((urls("https://example.com/a"), urls("example.com/a"), urls("example.com")), (1, 2, 0));
    }

    #[test]
    fn words_are_replaced_where_they_stand() {
        let words = BTreeMap::from([("memroy".to_owned(), "memory".to_owned())]);
        assert_eq!(corrected("\"a b\" MEMROY, -x memroy", &words), "\"a b\" memory, -x memory");
    }
}
