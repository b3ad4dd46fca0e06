//! From bytes to a picture that is small enough.

use std::io::Cursor;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use crate::container::open;
use crate::form::Form;
use crate::limits::{MAX_PIXELS, MAX_SIDE};
use crate::refused::Refused;

/// Of the decoded picture, and of what a decoder makes room for besides.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The first frame, upright, no larger than the form allows.
pub(crate) fn small(bytes: &[u8], form: Form) -> Result<DynamicImage, Refused> {
    let (format, bytes) = open(bytes)?;
    let mut reader = ImageReader::with_format(Cursor::new(&*bytes), format);
    reader.limits(limits());
    let mut decoder = reader.into_decoder().map_err(|error| refused(&error))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width.max(height) > MAX_SIDE || pixels > MAX_PIXELS || decoder.total_bytes() > MAX_BYTES {
        return Err(Refused::TooLarge);
    }
    if width.min(height) < form.least() {
        return Err(Refused::TooSmall);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(|error| refused(&error))?;
    let mut image = fit(image, upright(form.size(), orientation));
    image.apply_orientation(orientation);
    Ok(image)
}

fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_BYTES);
    limits
}

/// What it must fit before it is turned.
fn upright((width, height): (u32, u32), orientation: Orientation) -> (u32, u32) {
    match orientation {
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => {
            (height, width)
        }
        _ => (width, height),
    }
}

/// A much larger one is halved and more in a quick way first. None is made larger.
pub(crate) fn fit(image: DynamicImage, (width, height): (u32, u32)) -> DynamicImage {
    if image.width() <= width && image.height() <= height {
        return image;
    }
    let scale = (f64::from(width) / f64::from(image.width())).min(f64::from(height) / f64::from(image.height()));
    let side = |side: u32, most: u32| ((f64::from(side) * scale).round() as u32).clamp(1, most);
    let (width, height) = (side(image.width(), width), side(image.height(), height));
    let image = if scale < 1.0 / 3.0 { image.thumbnail_exact(2 * width, 2 * height) } else { image };
    image.resize_exact(width, height, FilterType::CatmullRom)
}

pub(crate) fn refused(error: &ImageError) -> Refused {
    match error {
        ImageError::Limits(_) => Refused::TooLarge,
        error => Refused::Broken(error.to_string()),
    }
}
