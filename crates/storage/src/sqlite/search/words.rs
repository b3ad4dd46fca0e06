//! The words that typing errors are looked up among: each that may be taken for one is there exactly while a page that everybody finds has
//! it, or the title of a card, or a note of its owner, or a card that others do not see.
//!
//! Some letters of a word are right, whatever the errors: of its beginning, its end and what is in between, each error spoils one, with
//! a letter between them so that two swapped letters do not spoil two. Words are looked up by these parts.

use std::collections::BTreeSet;

use cardwire_domain::UserId;
use cardwire_domain::search::{MAX_MISSPELT, MAX_NEAR_WORDS, SearchQuery, Term, is_near};
use rusqlite::{Connection, Row, ToSql};

use super::super::error::Failure;
use super::super::portions::{PORTION, Portion};
use super::super::values::{first, get, rows, run, signed};
use super::text::{Near, beginning, in_notes_of, quoted};

/// (owner, word); the owner is empty for words that everybody may find.
pub(super) type Words = BTreeSet<(String, String)>;

/// Words that are looked up; there are no errors to find in longer ones.
const ASKED_CHARS: std::ops::RangeInclusive<usize> = 4..=50;
/// What [`is_near`] allows at most, so that words may be this much shorter or longer than what was asked for.
const ERRORS: usize = 2;
/// From here on words have two errors, and so three parts; those that are two letters shorter may be meant.
const LONG: usize = 8;

const PUT: &str = "INSERT INTO search_words (owner_id, word) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const PUT_PART: &str =
    "INSERT INTO search_word_parts (letters, at, length, word) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
const DROP: &str = "DELETE FROM search_words WHERE owner_id = ?1 AND word = ?2";
const DROP_PART: &str = "DELETE FROM search_word_parts WHERE letters = ?1 AND at = ?2 AND length = ?3 AND word = ?4";
const NEXT: &str =
    "SELECT owner_id, word FROM search_words WHERE (owner_id, word) > (?1, ?2) ORDER BY owner_id, word LIMIT ?3";

const IN_PAGES: &str = "SELECT 1 FROM search_pages WHERE search_pages MATCH ?1 LIMIT 1";
const IN_TITLES: &str = "SELECT 1 FROM search_titles WHERE search_titles MATCH ?1 LIMIT 1";
const IN_NOTES: &str = "SELECT 1 FROM search_notes WHERE search_notes MATCH ?1 LIMIT 1";

const WITH_PART: &str = "SELECT word FROM search_word_parts WHERE letters = ?1 AND at = ?2 AND length = ?3";
const OF_OWNER: &str = "SELECT word FROM search_words WHERE owner_id = ?1 AND length(word) BETWEEN ?2 AND ?3";

/// After the transaction's documents are written.
pub(super) fn replace(connection: &Connection, before: &Words, now: &Words) -> Result<(), Failure> {
    for (owner, word) in now.iter().filter(|(_, word)| may_be_meant(word)) {
        if run(connection, PUT, &[owner, word])? == 1 && owner.is_empty() {
            each_part(word, |letters, at, length| run(connection, PUT_PART, &[&letters, &at, &length, word]))?;
        }
    }
    before.difference(now).try_for_each(|(owner, word)| drop_unused(connection, owner, word))
}

/// Drops it unless something else has it.
fn drop_unused(connection: &Connection, owner: &str, word: &str) -> Result<(), Failure> {
    if occurs(connection, owner, &quoted(word))? || run(connection, DROP, &[&owner, &word])? == 0 {
        return Ok(());
    }
    if owner.is_empty() {
        each_part(word, |letters, at, length| run(connection, DROP_PART, &[&letters, &at, &length, &word]))?;
    }
    Ok(())
}

/// Of the next words, drops those that nothing needs.
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

/// Whether pages and titles, or what is the owner's alone, have what is asked for.
fn occurs(connection: &Connection, owner: &str, asked: &str) -> Result<bool, Failure> {
    let is_in = |sql, asked: &str| Ok::<_, Failure>(first(connection, sql, &[&asked], |_| Ok(()))?.is_some());
    if owner.is_empty() {
        Ok(is_in(IN_PAGES, asked)? || is_in(IN_TITLES, asked)?)
    } else {
        is_in(IN_NOTES, &in_notes_of(owner, asked))
    }
}

/// Similar words for those that begin no indexed one, the nearest first.
pub(super) fn near(connection: &Connection, query: &SearchQuery, reader: Option<&UserId>) -> Result<Near, Failure> {
    let unknown = unknown(connection, query, reader)?;
    // Every word must occur, so with more of them there is nothing to find.
    if unknown.len() > MAX_MISSPELT {
        return Ok(Near::new());
    }
    let mut near = Near::new();
    for word in unknown {
        let similar = similar(connection, word, reader)?;
        if !similar.is_empty() {
            near.insert(word.to_owned(), similar.into_iter().take(MAX_NEAR_WORDS).map(|(_, word)| word).collect());
        }
    }
    Ok(near)
}

fn unknown<'a>(
    connection: &Connection,
    query: &'a SearchQuery,
    reader: Option<&UserId>,
) -> Result<BTreeSet<&'a str>, Failure> {
    let mut unknown = BTreeSet::new();
    for term in &query.required {
        let Term::Word { word, .. } = term else { continue };
        let known = !ASKED_CHARS.contains(&word.chars().count())
            || occurs(connection, "", &beginning(word))?
            || reader.map_or(Ok(false), |reader| occurs(connection, reader.as_str(), &beginning(word)))?;
        if !known {
            unknown.insert(word.as_str());
        }
    }
    Ok(unknown)
}

/// All words that are near it, and how near.
fn similar(connection: &Connection, word: &str, reader: Option<&UserId>) -> Result<BTreeSet<(usize, String)>, Failure> {
    let letters: Vec<char> = word.chars().collect();
    let errors = if letters.len() < LONG { 1 } else { ERRORS };
    let lengths = letters.len() - errors..=letters.len() + errors;
    let kinds = kinds(word);
    let read = |row: &Row<'_>| {
        let other = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        // Each error may bring in a letter, and drop one. It is the distance that takes time.
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

/// Whether a word of [`ASKED_CHARS`] without digits may be near it.
fn may_be_meant(word: &str) -> bool {
    let shortest = ASKED_CHARS.start() - 1;
    (shortest..=ASKED_CHARS.end() + ERRORS).contains(&word.chars().count())
        && word.chars().filter(|c| c.is_numeric()).count() <= ERRORS
}

/// Which letters it has, as bits.
fn kinds(word: &str) -> u64 {
    word.chars().fold(0, |kinds, letter| kinds | 1 << (u32::from(letter) % u64::BITS))
}

/// Letters of a word, by their place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    at: usize,
    letters: usize,
}

impl Part {
    /// Where it may be in a word of `asked` letters when it is in one of `length`: the beginning is at the beginning, and the end at the
    /// end, or there is an error in each. Then what is in between has but one error before it.
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

/// One more than so many errors can spoil.
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

/// Those by which it is looked up.
fn each_part(word: &str, mut with: impl FnMut(String, i64, i64) -> Result<usize, Failure>) -> Result<(), Failure> {
    let letters: Vec<char> = word.chars().collect();
    let length = letters.len();
    let mut all = BTreeSet::new();
    // A word with one error has less than eight letters.
    if length <= LONG {
        all.extend(parts(length, 1));
    }
    if length >= LONG - ERRORS {
        all.extend(parts(length, ERRORS));
    }
    for part in all {
        let letters = letters.iter().skip(part.at).take(part.letters).collect();
        with(letters, signed(part.at), signed(length))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTERS: [char; 3] = ['a', 'b', 'c'];

    /// All words that one error makes of it.
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

    /// As [`similar`] asks and [`each_part`] stores.
    fn is_found(asked: &str, word: &str) -> bool {
        let mut stored = BTreeSet::new();
        each_part(word, |letters, at, length| {
            stored.insert((letters, at, length));
            Ok(1)
        })
        .unwrap();
        let asked: Vec<char> = asked.chars().collect();
        let errors = if asked.len() < LONG { 1 } else { ERRORS };
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
    fn words_that_no_error_makes_are_left_out() {
        for (word, expected) in
            [("ab", false), ("abc", true), ("mp3", true), ("2026", false), ("a1b2c3", false), ("über", true)]
        {
            assert_eq!(may_be_meant(word), expected, "{word}");
        }
        assert!(may_be_meant(&"x".repeat(52)) && !may_be_meant(&"x".repeat(53)));
    }
}
