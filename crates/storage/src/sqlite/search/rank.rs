//! How well what is known of a page answers a search.

use cardwire_domain::search::{SearchQuery, Term};

use super::text::Near;

/// By where a word is: title, names, description, URL, note. A whole word counts twice a beginning.
const WEIGHTS: [i64; 5] = [1_000, 500, 300, 100, 50];
/// All words found whole.
const WHOLE: i64 = 1_000_000;
/// What many words in titles may come to.
const MOST: i64 = WHOLE - 1;

/// The words, and marks, of a page's columns without the scope, and of the note if there is one.
pub(super) struct Fields<'a>(Vec<Vec<&'a str>>);

impl<'a> Fields<'a> {
    pub(super) fn of(columns: &[&'a str]) -> Self {
        Self(columns.iter().map(|column| column.split(' ').collect()).collect())
    }
}

/// By all of it. `None`: it lacks a word, or has one that must not occur.
pub(super) fn of_page(query: &SearchQuery, near: &Near, fields: &Fields<'_>) -> Option<i64> {
    rank(query, near, &fields.0)
}

/// With the note, which comes last. Half, and never before what is whole; `None` as well when the page alone is found.
pub(super) fn of_note(query: &SearchQuery, near: &Near, fields: &Fields<'_>) -> Option<i64> {
    let page = fields.0.split_last().map_or(&[][..], |(_, page)| page);
    if rank(query, near, page).is_some() {
        return None;
    }
    rank(query, near, &fields.0).map(|rank| rank % WHOLE / 2)
}

fn rank(query: &SearchQuery, near: &Near, fields: &[Vec<&str>]) -> Option<i64> {
    if query.excluded.iter().any(|term| fields.iter().any(|words| holds(words, term))) {
        return None;
    }
    let (mut rank, mut all_whole) = (0, true);
    for term in &query.required {
        let (mut best, mut whole) = (0, false);
        for (words, weight) in fields.iter().zip(WEIGHTS) {
            if holds(words, term) {
                (best, whole) = (best.max(weight), true);
            } else if nearly_holds(words, term, near) {
                best = best.max(weight / 2);
            }
        }
        if best == 0 {
            return None;
        }
        rank += best * 10;
        all_whole &= whole;
    }
    Some(rank.min(MOST) + if all_whole { WHOLE } else { 0 })
}

fn holds(words: &[&str], term: &Term) -> bool {
    match term {
        Term::Word { word, .. } => words.contains(&word.as_str()),
        Term::Phrase(phrase) => words.windows(phrase.len()).any(|window| window == phrase.as_slice()),
    }
}

/// A longer word, or a similar one.
fn nearly_holds(words: &[&str], term: &Term, near: &Near) -> bool {
    let Term::Word { word, open } = term else { return false };
    (*open && words.iter().any(|other| other.starts_with(word.as_str())))
        || near.get(word).is_some_and(|near| near.iter().any(|near| words.contains(&near.as_str())))
}
