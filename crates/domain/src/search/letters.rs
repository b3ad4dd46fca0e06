//! Letters: which make up a word, which leave no trace in it, and which stand for the same one.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

/// A letter or sign as it is compared, and the bytes of the text it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) c: char,
}

/// The text in one form: composed, without widths, ligatures and characters that leave no trace. Case and accents stay.
pub(super) fn letters(text: &str) -> Vec<Letter> {
    let mut letters = Vec::with_capacity(text.len());
    let mut chars = text.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        let mut end = start + first.len_utf8();
        let mut is_plain = first.is_ascii();
        while let Some(&(at, next)) = chars.peek()
            && continues(next)
        {
            (end, is_plain) = (at + next.len_utf8(), false);
            chars.next();
        }
        if is_plain {
            letters.push(Letter { start, end, c: plain_sign(first) });
            continue;
        }
        // What composes is within one such piece, so each can be taken by itself, and its place is known.
        let composed = text[start..end].chars().filter(|c| !leaves_no_trace(*c)).map(plain_sign).nfkc();
        letters.extend(composed.map(|c| Letter { start, end, c }));
    }
    letters
}

/// Belongs to the letter before it: marks, Hangul vowels and finals, the voicing marks of narrow kana, and what leaves no trace.
fn continues(c: char) -> bool {
    !c.is_ascii()
        && (is_combining_mark(c)
            || leaves_no_trace(c)
            || matches!(u32::from(c), 0x1160..=0x11ff | 0xd7b0..=0xd7ff | 0xff9e..=0xff9f))
}

/// Soft hyphens, joiners, marks of direction, variation selectors and tags.
fn leaves_no_trace(c: char) -> bool {
    matches!(u32::from(c),
        0xad | 0x34f | 0x61c | 0x180b..=0x180f | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f
        | 0xfe00..=0xfe0f | 0xfeff | 0xe0000..=0xe0fff)
}

/// All apostrophes are one; signs that would turn into letters, as of a trade mark, stay signs.
fn plain_sign(c: char) -> char {
    match c {
        '‘' | '’' | '‛' | '`' | '´' | '′' | '\u{2b9}' | '\u{2bb}' | '\u{2bc}' => '\'',
        '™' | '℠' | 'ª' | 'º' => ' ',
        '♯' => '#',
        _ => c,
    }
}

/// Of writing that puts no spaces between words: Chinese, Japanese, Thai, Lao, Khmer and Burmese; and Korean, which writes particles and
/// other words on to a word.
pub(super) fn is_unspaced(c: char) -> bool {
    c.is_alphanumeric()
        && !is_combining_mark(c)
        && matches!(u32::from(c),
            0xe01..=0xe4e | 0xe81..=0xece | 0x1000..=0x103f | 0x1050..=0x108f | 0x109a..=0x109f | 0x1100..=0x11ff
            | 0x1780..=0x17d3 | 0x17d7 | 0x17dc | 0x3005..=0x3007 | 0x3021..=0x3029 | 0x3031..=0x3035 | 0x3038..=0x303c
            | 0x3041..=0x3096 | 0x309d..=0x309f | 0x30a1..=0x30fa | 0x30fc..=0x30ff | 0x3105..=0x312f | 0x3131..=0x318e
            | 0x31a0..=0x31bf | 0x31f0..=0x31ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xa000..=0xa48c | 0xa960..=0xa97c
            | 0xaa60..=0xaa7f | 0xac00..=0xd7a3 | 0xd7b0..=0xd7ff | 0xf900..=0xfaff | 0x1b000..=0x1b16f | 0x20000..=0x323af)
}

/// Begins, or goes on with, a word of writing that puts spaces between them.
pub(super) fn is_spaced(c: char) -> bool {
    c.is_alphanumeric() && !is_combining_mark(c) && !is_unspaced(c)
}

pub(super) fn is_mark(c: char) -> bool {
    is_combining_mark(c)
}

/// Adds a letter in lower case, with its accents.
pub(super) fn push_exact(c: char, exact: &mut String) {
    exact.extend(c.to_lowercase().filter(|c| c.is_alphanumeric() || is_combining_mark(*c)));
}

/// Adds a letter in lower case without its accents, as people type it who do not have it on their keyboards.
pub(super) fn push_folded(c: char, folded: &mut String) {
    if c.is_ascii() {
        folded.push(c.to_ascii_lowercase());
        return;
    }
    for c in c.to_lowercase() {
        match c {
            // Letters of their own.
            'й' | 'ї' | 'ў' => folded.push(c),
            _ => decompose_canonical(c, |c| push_bare(c, folded)),
        }
    }
}

fn push_bare(c: char, folded: &mut String) {
    let bare = match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ŋ' => "n",
        'ŧ' => "t",
        'ς' => "σ",
        // Persian and Arabic have their own; and a dot more or less.
        'ی' | 'ى' => "ي",
        'ک' => "ك",
        'ة' => "ه",
        _ if is_accent(c) || !(c.is_alphanumeric() || is_combining_mark(c)) => "",
        _ => {
            folded.push(c);
            return;
        }
    };
    folded.push_str(bare);
}

/// Accents, the points of Hebrew, the vowel marks and the stretching of Arabic, and the dot under letters of India. Not the vowels of India,
/// and not what tells letters of Japanese apart.
fn is_accent(c: char) -> bool {
    matches!(u32::from(c),
        0x300..=0x36f | 0x483..=0x487 | 0x591..=0x5bd | 0x5bf | 0x5c1..=0x5c2 | 0x5c4..=0x5c5 | 0x5c7 | 0x610..=0x61a | 0x640
        | 0x64b..=0x65f | 0x670 | 0x6d6..=0x6dc | 0x6df..=0x6e4 | 0x6e7..=0x6e8 | 0x6ea..=0x6ed | 0x93c | 0x9bc | 0xa3c | 0xabc
        | 0xb3c | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe20..=0xfe2f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(text: &str) -> String {
        letters(text).into_iter().map(|letter| letter.c).collect()
    }

    fn folded(text: &str) -> String {
        let mut folded = String::new();
        letters(text).into_iter().for_each(|letter| push_folded(letter.c, &mut folded));
        folded
    }

    #[test]
    fn one_form_whatever_the_width_the_composition_and_what_leaves_no_trace() {
        for (text, expected) in [
            ("Ｒｕｓｔ", "Rust"),
            ("ﬁne", "fine"),
            ("e\u{301}", "é"),
            ("ｶﾞｷﾞ", "ガギ"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("か\u{3099}", "が"),
            ("Donau\u{ad}dampf", "Donaudampf"),
            ("می\u{200c}خواهم", "میخواهم"),
            ("a\u{2060}\u{200b}\u{feff}b", "ab"),
            ("don’t", "don't"),
            ("Linux™", "Linux "),
            ("C♯", "C#"),
        ] {
            assert_eq!(composed(text), expected, "{text:?}");
        }
    }

    #[test]
    fn letters_keep_their_places() {
        let text = "ae\u{301}ﬁ";
        let places: Vec<_> = letters(text).into_iter().map(|letter| &text[letter.start..letter.end]).collect();
        assert_eq!(places, ["a", "e\u{301}", "ﬁ", "ﬁ"]);
    }

    #[test]
    fn accents_are_folded_and_letters_are_not() {
        for (text, expected) in [
            ("Dvořák", "dvorak"),
            ("São", "sao"),
            ("Łódź", "lodz"),
            ("STRAẞE", "strasse"),
            ("Smørrebrød", "smorrebrod"),
            ("Æther", "aether"),
            ("İstanbul ılık", "istanbul ilik"),
            ("phở", "pho"),
            ("Ἀθῆναι", "αθηναι"),
            ("ΛΌΓΟΣ", "λογοσ"),
            ("λόγος", "λογοσ"),
            ("ещё", "еще"),
            ("мой", "мой"),
            ("їжак", "їжак"),
            ("שָׁלוֹם", "שלום"),
            ("مُحَمَّد", "محمد"),
            ("أحمد", "احمد"),
            ("हिन्दी", "हिन्दी"),
            ("फ़िल्म", "फिल्म"),
        ] {
            assert_eq!(folded(text), expected, "{text:?}");
        }
    }

    #[test]
    fn writing_with_and_without_spaces_is_told_apart() {
        for c in ['東', 'の', 'カ', 'ー', '한', 'ก', 'ក', '々'] {
            assert!(is_unspaced(c) && !is_spaced(c), "{c}");
        }
        for c in ['a', 'ü', 'ж', 'ह', '1', '๑'] {
            assert!(is_spaced(c) && !is_unspaced(c), "{c}");
        }
        for c in ['・', '。', '-', '\u{e31}', '\u{301}'] {
            assert!(!is_spaced(c) && !is_unspaced(c), "{c}");
        }
    }
}
