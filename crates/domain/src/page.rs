//! Lists in pages whose ties never skip or repeat.

use crate::error::{Error, Result};

/// How many items a page may hold: 1 to 100, 20 unless told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u8);

impl Limit {
    pub const MAX: u8 = 100;

    pub fn new(limit: u64) -> Result<Self> {
        match u8::try_from(limit) {
            Ok(n @ 1..=Self::MAX) => Ok(Self(n)),
            _ => Err(Error::invalid("limit", "Use a number from 1 to 100.")),
        }
    }

    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(20)
    }
}

/// The place of an item in its list. `key` is what the list is sorted by (microseconds since 1970, or a rank); `id`
/// breaks ties.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub key: i64,
    pub id: String,
}

/// The position is not one of this list.
pub fn no_cursor() -> Error {
    Error::invalid("cursor", "Use the nextCursor of this list, or start again without a cursor.")
}

#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    pub limit: Limit,
    /// Start behind this item.
    pub after: Option<Position>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last.
    pub next: Option<Position>,
}

impl<T> Page<T> {
    /// From up to `limit + 1` items in order: the extra one only tells that there is more.
    pub fn cut(mut items: Vec<T>, limit: Limit, position: impl Fn(&T) -> Position) -> Self {
        let more = items.len() > limit.get();
        items.truncate(limit.get());
        let next = if more { items.last().map(position) } else { None };
        Self { items, next }
    }

    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}
