//! Makes small pictures of what sites serve as their covers and icons.
//!
//! [`shrink`] takes bytes that anybody may have made, and gives a JPEG or PNG of at most 60 KiB that this crate encoded, or says why there is none.
//! It performs no I/O.
//!
//! Guarantees, and the tests that show them (`tests/hostile`):
//! - What a picture is follows from its bytes. Only PNG, JPEG, GIF, WebP and ICO are read; never SVG, which is a program.
//! - No bytes make it panic, and memory and time are bounded: a picture's size is read from its header, and refused before anything is decoded
//!   (`every_hostile_picture_has_a_clear_result`).
//! - Nothing of what was fetched is passed on but what is seen: no metadata, no second frame, no bytes behind the picture.
//!
//! Not guaranteed: colours. Profiles are ignored, and CMYK is converted by a formula.

mod container;
mod decode;
mod encode;

use std::panic::{AssertUnwindSafe, catch_unwind};

use cardwire_domain::pictures::Picture;

/// Pixels of a picture that is still decoded: as many as common cameras make. One at a time takes about 150 MiB.
pub const MAX_PIXELS: u64 = 12_500_000;
/// Of either side.
pub const MAX_SIDE: u32 = 16_384;

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
    const fn size(self) -> (u32, u32) {
        match self {
            Self::Cover => (640, 360),
            Self::Icon => (64, 64),
        }
    }

    /// Of either side: what is smaller shows nothing, such as the dots that count readers.
    const fn least(self) -> u32 {
        match self {
            Self::Cover => 48,
            Self::Icon => 8,
        }
    }
}

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

/// Takes up to a second or so of a processor, and blocks as long.
///
/// # Errors
/// Why there is no picture.
pub fn shrink(bytes: &[u8], form: Form) -> Result<Picture, Refused> {
    // The decoders are others' code, and they are given others' bytes.
    let made = catch_unwind(AssertUnwindSafe(|| {
        let image = decode::small(bytes, form)?;
        encode::picture(image, form)
    }));
    made.unwrap_or_else(|_| Err(Refused::Broken("the decoder gave up".to_owned())))
}
