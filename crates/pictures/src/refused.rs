//! Why a picture is not shown.

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("it is not a picture of a kind that is read")]
    Unknown,
    #[error("SVG is not read")]
    Svg,
    #[error("it has more pixels than are read")]
    TooLarge,
    #[error("it is too small to show anything")]
    TooSmall,
    #[error("it cannot be decoded: {0}")]
    Broken(String),
}

impl Refused {
    /// For metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Svg => "svg",
            Self::TooLarge => "pixels",
            Self::TooSmall => "small",
            Self::Broken(_) => "broken",
        }
    }
}
