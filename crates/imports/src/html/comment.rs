//! Comments, while it is not known whether they are any: one that is never closed would hide all links behind it.

use crate::error::Result;
use crate::kept::Kept;
use crate::row::Found;

use super::item::Item;
use super::place::{Place, State};

/// A comment that hides more links was not meant to.
const MOST_HIDDEN: usize = 1_000;

#[derive(Default)]
pub(super) enum Comment {
    #[default]
    None,
    /// In a text, of which so many bytes are before it.
    InText(usize),
    /// Between items.
    OfPage(Box<Hidden>),
}

impl Comment {
    pub fn hides_too_much(&self) -> bool {
        matches!(self, Self::OfPage(hidden) if hidden.found.len() >= MOST_HIDDEN)
    }
}

/// What a comment hides, if it is one, and what was before it.
pub(super) struct Hidden {
    before: Before,
    found: Vec<Found>,
}

pub(super) struct Before {
    pub state: State,
    pub item: Option<Item>,
    pub text: Kept,
}

impl Hidden {
    pub fn begin(before: Before) -> Box<Self> {
        Box::new(Self { before, found: Vec::new() })
    }

    pub fn push(&mut self, found: Found) {
        self.found.push(found);
    }

    /// It was a comment.
    pub fn forget(self) -> Before {
        self.before
    }

    /// It was none.
    pub fn keep(self, mut add: impl FnMut(Found) -> Result<()>) -> Result<()> {
        let Before { state, item, text } = self.before;
        let item = item.map(|mut item| {
            if state.place == Place::Note {
                item.note = text.into_text();
            }
            item.finish(&state.folders)
        });
        item.into_iter().chain(self.found).try_for_each(&mut add)
    }
}
