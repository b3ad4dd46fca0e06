//! The lexicon, in which typos and parts of words are looked up ([`is_in_lexicon`]). A word is in it exactly while one
//! of these has it: a page that everybody finds, a card's title, an owner's note, or a card that others do not see.
//!
//! Whatever the typos, some parts of a word are right. It is split into its beginning, its end and what is in between,
//! and each typo spoils only one part; a letter between the parts keeps two swapped letters from spoiling two. Words
//! are looked up by these parts. A part inside a word begins one of its tails.

use std::collections::BTreeSet;

use cardwire_domain::UserId;
use cardwire_domain::search::{
    Alternatives, MAX_LONGER_WORDS, MAX_MISSPELT, MAX_NEAR_WORDS, MAX_PARTS, MAX_SLIPS, MISSPELT_CHARS, PART_CHARS,
    SearchQuery, is_in_lexicon, is_near,
};
use rusqlite::{Connection, Row, ToSql};

use super::super::error::Failure;
use super::super::portions::{PORTION, Portion};
use super::super::values::{first, get, rows, run, signed};
use super::asked::{beginning, in_notes_of, quoted};

/// (owner, word); the owner is empty for words that everybody can find.
pub(super) type Words = BTreeSet<(String, String)>;

/// From this length on, words may have two typos, and so have three parts; words two letters shorter may be meant.
const LONG: usize = 8;

const PUT: &str = "INSERT INTO search_words (owner_id, word) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const PUT_PART: &str =
    "INSERT INTO search_word_parts (letters, at, length, word) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
const PUT_TAIL: &str = "INSERT INTO search_word_tails (tail, word) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const DROP: &str = "DELETE FROM search_words WHERE owner_id = ?1 AND word = ?2";
const DROP_PART: &str = "DELETE FROM search_word_parts WHERE letters = ?1 AND at = ?2 AND length = ?3 AND word = ?4";
const DROP_TAIL: &str = "DELETE FROM search_word_tails WHERE tail = ?1 AND word = ?2";
const NEXT: &str =
    "SELECT owner_id, word FROM search_words WHERE (owner_id, word) > (?1, ?2) ORDER BY owner_id, word LIMIT ?3";

const IN_PAGES: &str = "SELECT 1 FROM search_pages WHERE search_pages MATCH ?1 LIMIT 1";
const IN_TITLES: &str = "SELECT 1 FROM search_titles WHERE search_titles MATCH ?1 LIMIT 1";
const IN_NOTES: &str = "SELECT 1 FROM search_notes WHERE search_notes MATCH ?1 LIMIT 1";

const WITH_PART: &str = "SELECT word FROM search_word_parts WHERE letters = ?1 AND at = ?2 AND length = ?3";
/// All words that begin with the part.
const WITH_TAIL: &str = "\
SELECT DISTINCT word FROM search_word_tails WHERE tail >= ?1 AND tail < ?1 || char(0x10ffff) AND NOT (word >= ?1 AND word < ?1 || char(0x10ffff))
ORDER BY length(word), word LIMIT ?2";
const OF_OWNER_INSIDE: &str = "\
SELECT word FROM search_words WHERE owner_id = ?1 AND instr(word, ?2) > 1 AND NOT (word >= ?2 AND word < ?2 || char(0x10ffff))
ORDER BY length(word), word LIMIT ?3";
const OF_OWNER: &str = "SELECT word FROM search_words WHERE owner_id = ?1 AND length(word) BETWEEN ?2 AND ?3";

/// After the transaction's documents are written.
pub(super) fn replace(connection: &Connection, before: &Words, now: &Words) -> Result<(), Failure> {
    for (owner, word) in now.iter().filter(|(_, word)| is_in_lexicon(word)) {
        if run(connection, PUT, &[owner, word])? == 1 && owner.is_empty() {
            each_part(word, |letters, at, length| run(connection, PUT_PART, &[&letters, &at, &length, word]))?;
            each_tail(word, |tail| run(connection, PUT_TAIL, &[&tail, word]))?;
        }
    }
    before.difference(now).try_for_each(|(owner, word)| drop_unused(connection, owner, word))
}

/// Drops it unless something else has it.
fn drop_unused(connection: &Connection, owner: &str, word: &str) -> Result<(), Failure> {
    let is_needed = is_in_lexicon(word) && occurs(connection, owner, &quoted(word))?;
    if is_needed || run(connection, DROP, &[&owner, &word])? == 0 {
        return Ok(());
    }
    if owner.is_empty() {
        each_part(word, |letters, at, length| run(connection, DROP_PART, &[&letters, &at, &length, &word]))?;
        each_tail(word, |tail| run(connection, DROP_TAIL, &[&tail, &word]))?;
    }
    Ok(())
}

/// Drops the unused ones among the next words.
pub(super) fn drop_strays(
    connection: &Connection,
    after: Option<(String, String)>,
) -> Result<Portion<(String, String)>, Failure> {
    let (owner, word) = after.unwrap_or_default();
    let next = rows(connection, NEXT, &[&owner, &word, &signed(PORTION)], |row| {
        Ok((get::<String>(row, "owner_id")?, get::<String>(row, "word")?))
    })?;
    next.iter().try_for_each(|(owner, word)| drop_unused(connection, owner, word))?;
    Ok(Portion { changed: next.len() as u64, next: next.into_iter().last() })
}

/// Whether it occurs in pages and titles, or in the owner's private entries.
fn occurs(connection: &Connection, owner: &str, asked: &str) -> Result<bool, Failure> {
    let is_in = |sql, asked: &str| Ok::<_, Failure>(first(connection, sql, &[&asked], |_| Ok(()))?.is_some());
    if owner.is_empty() {
        Ok(is_in(IN_PAGES, asked)? || is_in(IN_TITLES, asked)?)
    } else {
        is_in(IN_NOTES, &in_notes_of(owner, asked))
    }
}

/// The shortest words that contain one of the query's words.
pub(super) fn inside(
    connection: &Connection,
    query: &SearchQuery,
    reader: Option<&UserId>,
) -> Result<Alternatives, Failure> {
    let mut parts: BTreeSet<&str> = query.parts().collect();
    if parts.len() > MAX_PARTS {
        parts = unknown(connection, parts, reader)?;
    }
    let mut inside = Alternatives::new();
    if parts.len() > MAX_PARTS {
        return Ok(inside);
    }
    for part in parts {
        let longer = longer(connection, part, reader)?;
        if !longer.is_empty() {
            inside.insert(part.to_owned(), longer);
        }
    }
    Ok(inside)
}

fn longer(connection: &Connection, part: &str, reader: Option<&UserId>) -> Result<Vec<String>, Failure> {
    let most = signed(MAX_LONGER_WORDS);
    let mut longer = rows(connection, WITH_TAIL, &[&part, &most], |row| get::<String>(row, "word"))?;
    if let Some(reader) = reader {
        let own = rows(connection, OF_OWNER_INSIDE, &[&reader.as_str(), &part, &most], |row| get(row, "word"))?;
        longer.extend(own);
        longer.sort_by_cached_key(|word| (word.chars().count(), word.clone()));
        longer.dedup();
        longer.truncate(MAX_LONGER_WORDS);
    }
    Ok(longer)
}

/// Similar words for those that occur nowhere, not even inside other words; the closest first.
pub(super) fn near(
    connection: &Connection,
    query: &SearchQuery,
    inside: &Alternatives,
    reader: Option<&UserId>,
) -> Result<Alternatives, Failure> {
    let words = query.words().filter(|word| MISSPELT_CHARS.contains(&word.chars().count()));
    let unknown = unknown(connection, words.filter(|word| !inside.contains_key(*word)).collect(), reader)?;
    let mut near = Alternatives::new();
    // Every word must occur, so with more of them nothing can be found.
    if unknown.len() > MAX_MISSPELT {
        return Ok(near);
    }
    for word in unknown {
        let similar = similar(connection, word, reader)?;
        if !similar.is_empty() {
            near.insert(word.to_owned(), similar.into_iter().take(MAX_NEAR_WORDS).map(|(_, word)| word).collect());
        }
    }
    Ok(near)
}

/// Words that no indexed word begins with.
fn unknown<'a>(
    connection: &Connection,
    words: BTreeSet<&'a str>,
    reader: Option<&UserId>,
) -> Result<BTreeSet<&'a str>, Failure> {
    let mut unknown = BTreeSet::new();
    for word in words {
        let is_known = occurs(connection, "", &beginning(word))?
            || reader.map_or(Ok(false), |reader| occurs(connection, reader.as_str(), &beginning(word)))?;
        if !is_known {
            unknown.insert(word);
        }
    }
    Ok(unknown)
}

/// All similar words, with their distance.
fn similar(connection: &Connection, word: &str, reader: Option<&UserId>) -> Result<BTreeSet<(usize, String)>, Failure> {
    let letters: Vec<char> = word.chars().collect();
    let errors = if letters.len() < LONG { 1 } else { MAX_SLIPS };
    let lengths = letters.len() - errors..=letters.len() + errors;
    let kinds = kinds(word);
    let read = |row: &Row<'_>| {
        let other = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        // Each typo may add a letter and drop one. Computing the distance is the slow part.
        if (kinds ^ self::kinds(other)).count_ones() as usize > 2 * errors {
            return Ok(None);
        }
        Ok(is_near(word, other).map(|distance| (distance, other.to_owned())))
    };
    let mut similar = BTreeSet::new();
    for length in lengths.clone() {
        for part in parts(length, errors) {
            for at in part.places(letters.len(), length) {
                let Some(asked) = letters.get(at..at + part.letters) else { continue };
                let asked: String = asked.iter().collect();
                let found = rows(connection, WITH_PART, &[&asked, &signed(part.at), &signed(length)], read)?;
                similar.extend(found.into_iter().flatten());
            }
        }
    }
    if let Some(reader) = reader {
        let values: [&dyn ToSql; 3] = [&reader.as_str(), &signed(*lengths.start()), &signed(*lengths.end())];
        similar.extend(rows(connection, OF_OWNER, &values, read)?.into_iter().flatten());
    }
    Ok(similar)
}

/// Its letters, as bits.
fn kinds(word: &str) -> u64 {
    word.chars().fold(0, |kinds, letter| kinds | 1 << (u32::from(letter) % u64::BITS))
}

/// A range of letters in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    at: usize,
    letters: usize,
}

impl Part {
    /// Where it may be in a word of `asked` letters if it is in one of `length`. The beginning is at the beginning and
    /// the end at the end, unless there is a typo in each. In that case there is only one typo before the middle part.
    fn places(self, asked: usize, length: usize) -> std::ops::RangeInclusive<usize> {
        if self.at == 0 {
            0..=0
        } else if self.at + self.letters == length {
            let end = asked.saturating_sub(self.letters);
            end..=end
        } else {
            self.at - 1..=self.at + 1
        }
    }
}

/// One more than this many typos can spoil.
fn parts(length: usize, errors: usize) -> Vec<Part> {
    let end = |letters: usize| Part { at: length - letters, letters };
    if errors == 1 {
        let letters = (length - 1) / 2;
        vec![Part { at: 0, letters }, end(letters)]
    } else {
        let letters = (length - 2) / 3;
        let between = Part { at: letters + 1, letters: length - 2 * letters - 2 };
        vec![Part { at: 0, letters }, between, end(letters)]
    }
}

/// The parts by which it is looked up.
fn each_part(word: &str, mut with: impl FnMut(String, i64, i64) -> Result<usize, Failure>) -> Result<(), Failure> {
    let letters: Vec<char> = word.chars().collect();
    let length = letters.len();
    let mut all = BTreeSet::new();
    // A word with one typo has fewer than eight letters.
    if length <= LONG {
        all.extend(parts(length, 1));
    }
    if length >= LONG - MAX_SLIPS {
        all.extend(parts(length, MAX_SLIPS));
    }
    for part in all {
        let letters = letters.iter().skip(part.at).take(part.letters).collect();
        with(letters, signed(part.at), signed(length))?;
    }
    Ok(())
}

/// The rest of a word after cutting off one or more letters, if it is long enough to be searched for.
fn each_tail(word: &str, mut with: impl FnMut(&str) -> Result<usize, Failure>) -> Result<(), Failure> {
    let places: Vec<usize> = word.char_indices().map(|(at, _)| at).collect();
    let last = (places.len() + 1).saturating_sub(PART_CHARS);
    for at in places.iter().take(last).skip(1) {
        with(&word[*at..])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTERS: [char; 3] = ['a', 'b', 'c'];

    /// All words that one typo can turn it into.
    fn slips(word: &str) -> BTreeSet<String> {
        let letters: Vec<char> = word.chars().collect();
        let mut slips = BTreeSet::new();
        for at in 0..=letters.len() {
            for letter in LETTERS {
                let mut more = letters.clone();
                more.insert(at, letter);
                slips.insert(more.iter().collect());
                if at < letters.len() {
                    let mut other = letters.clone();
                    other[at] = letter;
                    slips.insert(other.iter().collect());
                }
            }
            if at < letters.len() {
                let mut less = letters.clone();
                less.remove(at);
                slips.insert(less.iter().collect());
            }
            if at + 1 < letters.len() {
                let mut swapped = letters.clone();
                swapped.swap(at, at + 1);
                slips.insert(swapped.iter().collect());
            }
        }
        slips
    }

    /// The way [`similar`] looks up and [`each_part`] stores.
    fn is_found(asked: &str, word: &str) -> bool {
        let mut stored = BTreeSet::new();
        each_part(word, |letters, at, length| {
            stored.insert((letters, at, length));
            Ok(1)
        })
        .unwrap();
        let asked: Vec<char> = asked.chars().collect();
        let errors = if asked.len() < LONG { 1 } else { MAX_SLIPS };
        let length = word.chars().count();
        parts(length, errors).into_iter().any(|part| {
            part.places(asked.len(), length).any(|at| {
                let letters = asked.get(at..at + part.letters);
                letters.is_some_and(|letters| {
                    stored.contains(&(letters.iter().collect(), signed(part.at), signed(length)))
                })
            })
        })
    }

    #[test]
    fn every_word_that_is_near_has_a_part_in_common() {
        for word in ["rust", "abcb", "aabbc", "memory", "abcabca"] {
            for slip in slips(word) {
                if is_near(&slip, word).is_some() {
                    assert!(is_found(&slip, word), "{slip:?} for {word:?}");
                }
            }
        }
        for word in ["abcabc", "abcabca", "ownershi", "ownership", "abcabcabca", "collections"] {
            for once in slips(word) {
                for twice in slips(&once) {
                    if is_near(&twice, word).is_some() {
                        assert!(is_found(&twice, word), "{twice:?} for {word:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_word_has_a_tail_for_all_that_is_inside_of_it() {
        let tails = |word: &str| {
            let mut tails = Vec::new();
            each_tail(word, |tail| {
                tails.push(tail.to_owned());
                Ok(1)
            })
            .unwrap();
            tails
        };
        assert_eq!(tails("schiff"), ["chiff", "hiff", "iff"]);
        assert_eq!(tails("über"), ["ber"]);
        assert_eq!(tails("abc"), Vec::<String>::new());
    }
}
