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
mod form;
mod limits;
mod refused;

use std::panic::{AssertUnwindSafe, catch_unwind};

use cardwire_domain::pictures::Picture;

pub use form::Form;
pub use limits::{MAX_PIXELS, MAX_SIDE};
pub use refused::Refused;

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
