//! Which words are near each other, and which are looked up at all when one is not found as it was typed.

use std::collections::BTreeMap;

use super::letters::{is_mark, is_spaced};

/// Other words, by the word that was asked for.
pub type Alternatives = BTreeMap<String, Vec<String>>;

/// A word that occurs nowhere is taken for up to this many similar ones.
pub const MAX_NEAR_WORDS: usize = 5;

/// A search with more words that occur nowhere finds nothing: looking similar ones up is what costs most.
pub const MAX_MISSPELT: usize = 3;

/// Of the words that have what was asked for inside, the shortest are looked for.
pub const MAX_LONGER_WORDS: usize = 100;

/// In a search with more words, only those that begin no indexed word are looked for inside of longer ones.
pub const MAX_PARTS: usize = 3;

/// The shortest part of a word that is looked for.
pub const PART_CHARS: usize = 3;

/// The shortest and the longest word that may be misspelt.
pub const MISSPELT_CHARS: std::ops::RangeInclusive<usize> = 4..=50;

/// What [`is_near`] allows at most, so that words may be this much shorter or longer than what was asked for.
pub const MAX_SLIPS: usize = 2;

/// A word that is longer has no errors to find.
const LEXICON_CHARS: std::ops::RangeInclusive<usize> = PART_CHARS..=*MISSPELT_CHARS.end() + MAX_SLIPS;
/// Numbers, and keys in addresses, are no words that people mistype or know a part of.
const LEXICON_DIGITS: usize = 4;

/// Whether an indexed word is among those that typing errors and parts are looked up in.
pub fn is_in_lexicon(word: &str) -> bool {
    let (mut chars, mut digits) = (0, 0);
    for c in word.chars() {
        if !is_spaced(c) && !is_mark(c) {
            return false;
        }
        chars += 1;
        digits += usize::from(c.is_numeric());
    }
    LEXICON_CHARS.contains(&chars) && digits <= LEXICON_DIGITS && 2 * digits < chars
}

/// Whether a typing error makes one of the other: one letter wrong, missing, too many, or two swapped; two such errors in words of
/// eight letters and more. Words of less than four letters, and those with digits, are near nothing.
pub fn is_near(word: &str, other: &str) -> Option<usize> {
    let (word, other): (Vec<char>, Vec<char>) = (word.chars().collect(), other.chars().collect());
    let allowed = match word.len() {
        0..4 => return None,
        _ if word.iter().any(|c| c.is_numeric()) => return None,
        4..8 => 1,
        _ => 2,
    };
    if word.len().abs_diff(other.len()) > allowed {
        return None;
    }
    let distance = distance(&word, &other);
    (distance <= allowed).then_some(distance)
}

/// Optimal string alignment.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_nobody_mistypes_are_not_looked_up() {
        for (word, expected) in [
            ("ab", false),
            ("abc", true),
            ("mp3", true),
            ("iphone2007", true),
            ("2026", false),
            ("a1b2c3", false),
            ("über", true),
            ("東京", false),
            ("도서관", false),
            ("notepad＋＋", false),
            ("cafe＝café", false),
            ("हिन्दी", true),
        ] {
            assert_eq!(is_in_lexicon(word), expected, "{word}");
        }
        assert!(is_in_lexicon(&"x".repeat(52)) && !is_in_lexicon(&"x".repeat(53)));
    }

    #[test]
    fn one_slip_is_near_two_only_in_long_words() {
        let check = |word: &str, other: &str, expected: Option<usize>| {
            assert_eq!(is_near(word, other), expected, "{word} {other}");
        };
        check("rust", "rust", Some(0));
        check("rsut", "rust", Some(1));
        check("ruts", "rust", Some(1));
        check("rus", "rust", None);
        check("rusty", "rust", Some(1));
        check("rxst", "rust", Some(1));
        check("dust", "lost", None);
        check("ownershpi", "ownership", Some(1));
        check("onwershpi", "ownership", Some(2));
        check("onwershxx", "ownership", None);
        check("2025", "2026", None);
    }
}
