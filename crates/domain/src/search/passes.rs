//! In which order what is found is listed, and how a page of it is put together.

use super::hit::SearchHit;
use crate::error::Result;
use crate::page::{Limit, Page, Position, no_cursor};

/// Each lists what those before it did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pass {
    /// The page of the URL that was pasted.
    Url,
    /// All words whole.
    Whole,
    /// Beginnings of words; what a note completes; two words that were typed without a space.
    Begun,
    /// Parts of words.
    Inside,
    /// Similar words. Only if there is nothing else.
    Near,
}

impl Pass {
    pub const ALL: [Self; 5] = [Self::Url, Self::Whole, Self::Begun, Self::Inside, Self::Near];

    const fn mark(self) -> char {
        match self {
            Self::Url => 'u',
            Self::Whole => 'w',
            Self::Begun => 'b',
            Self::Inside => 'i',
            Self::Near => '~',
        }
    }

    /// The place of a hit: `id` is the store's.
    pub fn place(self, key: i64, id: &str) -> Position {
        Position { key, id: format!("{}{id}", self.mark()) }
    }
}

/// A page in the making.
pub struct Gathering {
    limit: Limit,
    /// Behind this one; of the first pass only.
    after: Option<(Pass, Position)>,
    hits: Vec<(SearchHit, Position)>,
}

impl Gathering {
    pub fn new(limit: Limit, after: Option<&Position>) -> Result<Self> {
        let read = |after: &Position| {
            let pass = Pass::ALL.into_iter().find(|pass| after.id.starts_with(pass.mark()));
            let pass = pass.ok_or_else(no_cursor)?;
            let id = after.id[pass.mark().len_utf8()..].to_owned();
            Ok((pass, Position { key: after.key, id }))
        };
        Ok(Self { limit, after: after.map(read).transpose()?, hits: Vec::new() })
    }

    /// How many more hits to ask the pass for, one to tell that there is more included, and behind which. `None`: there is nothing to ask it.
    pub fn wants(&self, pass: Pass) -> Option<(usize, Option<&Position>)> {
        let wanted = (self.limit.get() + 1).checked_sub(self.hits.len()).filter(|wanted| *wanted > 0)?;
        match &self.after {
            None if pass == Pass::Near && !self.hits.is_empty() => None,
            Some((first, _)) if pass < *first || (pass == Pass::Near && *first != Pass::Near) => None,
            Some((first, after)) if pass == *first => Some((wanted, Some(after))),
            _ => Some((wanted, None)),
        }
    }

    pub fn add(&mut self, pass: Pass, hits: impl IntoIterator<Item = (SearchHit, Position)>) {
        let place = |(hit, place): (SearchHit, Position)| (hit, pass.place(place.key, &place.id));
        self.hits.extend(hits.into_iter().map(place));
    }

    pub fn page(self) -> Page<SearchHit> {
        Page::cut(self.hits, self.limit, |(_, place)| place.clone()).map(|(hit, _)| hit)
    }
}

/// How well the words of a hit answer, so that each pass comes before the next: `rank` is from 0 to 999,999.
pub fn score(pass: Pass, is_exact: bool, rank: i64, cards: i64) -> i64 {
    let rank = match pass {
        Pass::Url => 2_000_000,
        Pass::Whole if is_exact => 1_000_000 + rank,
        Pass::Whole => 500_000 + rank / 2,
        Pass::Begun | Pass::Near => 250_000 + rank / 4,
        Pass::Inside => rank / 4,
    };
    rank * 1_000 + cards.clamp(0, 999)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::CardPictures;
    use crate::visibility::Visibility;

    fn hit(number: usize) -> SearchHit {
        let url = number.to_string();
        let visibility = Visibility::Public;
        SearchHit {
            url,
            title: None,
            description: None,
            kind: None,
            pictures: CardPictures::default(),
            card_ids: vec![],
            visibility,
            rank: 0.0,
        }
    }

    /// Reads all pages of what passes find, so many each.
    fn listed(found: [usize; 5], limit: u64) -> Vec<String> {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let mut gathering = Gathering::new(Limit::new(limit).unwrap(), after.as_ref()).unwrap();
            for (pass, count) in Pass::ALL.into_iter().zip(found) {
                let Some((wanted, behind)) = gathering.wants(pass) else { continue };
                let from = behind.map_or(0, |behind| behind.id.parse::<usize>().unwrap() + 1);
                let hits = (from..count).take(wanted).map(|n| (hit(n), Position { key: 0, id: n.to_string() }));
                gathering.add(pass, hits.collect::<Vec<_>>());
            }
            let page = gathering.page();
            assert!(page.next.is_none() || page.items.len() as u64 == limit);
            listed.extend(page.items.into_iter().map(|hit| hit.url));
            match page.next {
                Some(next) => after = Some(next),
                None => return listed,
            }
        }
    }

    #[test]
    fn passes_follow_each_other_whatever_the_pages() {
        for limit in 1..=8 {
            assert_eq!(listed([1, 2, 0, 3, 4], limit), ["0", "0", "1", "0", "1", "2"], "in pages of {limit}");
            assert_eq!(listed([0, 0, 0, 0, 3], limit), ["0", "1", "2"], "in pages of {limit}");
            assert_eq!(listed([0; 5], limit), Vec::<String>::new());
        }
        let unknown = Position { key: 0, id: "?1".into() };
        assert!(Gathering::new(Limit::default(), Some(&unknown)).is_err());
    }

    #[test]
    fn scores_order_the_passes() {
        let scores = [
            score(Pass::Inside, false, 0, 0),
            score(Pass::Inside, false, 999_999, 999),
            score(Pass::Begun, false, 0, 0),
            score(Pass::Begun, false, 999_999, 999),
            score(Pass::Whole, false, 0, 0),
            score(Pass::Whole, false, 999_999, 999),
            score(Pass::Whole, true, 0, 0),
            score(Pass::Whole, true, 999_999, 5_000),
            score(Pass::Url, true, 0, 0),
        ];
        assert!(scores.is_sorted_by(|one, other| one < other), "{scores:?}");
    }
}
