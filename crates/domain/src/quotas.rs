//! How much one person may add within a day.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// What is counted, over the last 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Cards that were made, removed ones too; but not those that an import made.
    Cards,
    /// Collections that were created and are not deleted.
    Collections,
    /// Imports that were begun.
    Imports,
}

impl Quota {
    pub const PERIOD: Duration = Duration::from_secs(86_400);
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cards => "new links",
            Self::Collections => "new collections",
            Self::Imports => "imports",
        })
    }
}

/// The most of each within a day; `None`: any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    pub cards: Option<NonZeroU32>,
    pub collections: Option<NonZeroU32>,
    pub imports: Option<NonZeroU32>,
}

impl Quotas {
    pub const fn most(&self, quota: Quota) -> Option<NonZeroU32> {
        match quota {
            Quota::Cards => self.cards,
            Quota::Collections => self.collections,
            Quota::Imports => self.imports,
        }
    }
}
