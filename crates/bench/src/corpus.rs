//! Pages in a made-up language, and searches of them. The same for every run.

use std::collections::BTreeMap;

use cardwire_testkit::store_suite::scene::Draws;

const VOCABULARY: usize = 40_000;

pub struct Page {
    /// In its normalised form.
    pub url: String,
    pub title: String,
    pub description: String,
}

pub fn pages(count: usize) -> Vec<Page> {
    let mut draws = Draws::seeded(7);
    let page = |number| Page {
        url: format!("https://{}.example/{}/{number}", drawn(&mut draws), drawn(&mut draws)),
        title: title(&mut draws, number),
        description: text(&mut draws, 20),
    };
    (0..count).map(page).collect()
}

/// One of ten is Chinese, one has accents.
fn title(draws: &mut Draws, number: usize) -> String {
    match number % 10 {
        0 => unspaced(draws, 12),
        1 => text(draws, 6).replace('a', "á").replace('u', "ü"),
        _ => text(draws, 6),
    }
}

/// `count` texts of each kind, of these pages.
pub fn searches(pages: &[Page], count: usize) -> BTreeMap<&'static str, Vec<String>> {
    let mut draws = Draws::seeded(11);
    let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for _ in 0..count {
        let title = text(&mut draws, 6);
        let words: Vec<&str> = title.split(' ').collect();
        let page = &pages[draws.below(pages.len())];
        for (kind, text) in [
            ("one word", words[0].to_owned()),
            ("two words", format!("{} {}", words[0], words[1])),
            ("phrase", format!("\"{} {}\"", words[0], words[1])),
            ("prefix", words[2].chars().take(4).collect()),
            ("one word, a typo", slip(words[3])),
            ("two words, a typo", format!("{} {}", words[0], slip(words[3]))),
            ("nothing", format!("{}qqqq", words[4])),
            ("the most frequent word", word(0)),
            ("a part of a word", words[1].chars().skip(2).take(4).collect()),
            ("a word with accents", words[2].replace('a', "á")),
            ("two Chinese characters", unspaced(&mut draws, 2)),
            ("twelve Chinese characters", unspaced(&mut draws, 12)),
            ("a pasted URL", format!("{}?utm_source=x#top", page.url)),
            ("a pasted title", page.title.clone()),
        ] {
            kinds.entry(kind).or_default().push(text);
        }
    }
    kinds
}

fn text(draws: &mut Draws, words: usize) -> String {
    (0..words).map(|_| drawn(draws)).collect::<Vec<_>>().join(" ")
}

/// Of 3,000 characters, frequent ones far more often.
fn unspaced(draws: &mut Draws, length: usize) -> String {
    let character = |_| {
        let share = draws.below(1 << 20) as f64 / f64::from(1 << 20);
        char::from_u32(0x4e00 + 3_000_f64.powf(share) as u32).unwrap_or('一')
    };
    (0..length).map(character).collect()
}

/// Frequent words are drawn much more often than rare ones, roughly as in a language (Zipf).
fn drawn(draws: &mut Draws) -> String {
    let share = draws.below(1 << 20) as f64 / f64::from(1 << 20);
    word((VOCABULARY as f64).powf(share) as usize - 1)
}

/// Four syllables that tell the number.
fn word(number: usize) -> String {
    const SYLLABLES: [&str; 20] = [
        "ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "pra", "ste", "gli", "cho", "fru", "dal", "wen",
        "rik", "tos", "mur",
    ];
    let mut rest = number.wrapping_mul(7_919) % VOCABULARY;
    let mut word = String::new();
    for _ in 0..4 {
        word.push_str(SYLLABLES[rest % SYLLABLES.len()]);
        rest /= SYLLABLES.len();
    }
    word
}

/// Two letters in the middle swapped.
fn slip(word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let middle = letters.len() / 2;
    letters.swap(middle - 1, middle);
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corpus_is_the_same_each_time() {
        let texts = || pages(50).into_iter().map(|page| (page.url, page.title)).collect::<Vec<_>>();
        assert_eq!(texts(), texts());
        let pages = pages(50);
        assert_eq!(searches(&pages, 3), searches(&pages, 3));
    }
}
