//! What a picture is for.

/// What it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Fits 640 by 360.
    Cover,
    /// Fits 64 by 64.
    Icon,
}

impl Form {
    /// What it must fit.
    pub(crate) const fn size(self) -> (u32, u32) {
        match self {
            Self::Cover => (640, 360),
            Self::Icon => (64, 64),
        }
    }

    /// Of either side: what is smaller shows nothing, such as the dots that count readers.
    pub(crate) const fn least(self) -> u32 {
        match self {
            Self::Cover => 48,
            Self::Icon => 8,
        }
    }
}
