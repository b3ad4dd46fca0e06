//! From a picture to bytes that are few enough.

use cardwire_domain::pictures::{Picture, PictureKind};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, Rgb, RgbImage, RgbaImage};

use crate::decode::{fit, refused};
use crate::form::Form;
use crate::refused::Refused;

/// The first that is good enough in few enough bytes.
const QUALITIES: [u8; 5] = [82, 70, 58, 45, 32];
/// How often a cover that takes too many bytes even so is halved.
const HALVINGS: u32 = 4;

/// JPEG for covers. PNG for icons, and for covers that let something show through, if that is not too much.
pub(crate) fn picture(image: DynamicImage, form: Form) -> Result<Picture, Refused> {
    if form == Form::Icon {
        return png(&image.into_rgba8());
    }
    if image.color().has_alpha() {
        let rgba = image.into_rgba8();
        if rgba.pixels().all(|pixel| pixel.0[3] == u8::MAX) {
            return jpeg(DynamicImage::ImageRgba8(rgba).into_rgb8());
        }
        return match png(&rgba) {
            Ok(picture) if picture.bytes.len() <= Picture::MAX_BYTES => Ok(picture),
            _ => jpeg(on_white(&rgba)),
        };
    }
    jpeg(image.into_rgb8())
}

fn png(image: &RgbaImage) -> Result<Picture, Refused> {
    let mut bytes = Vec::new();
    image.write_with_encoder(PngEncoder::new(&mut bytes)).map_err(|error| refused(&error))?;
    Ok(Picture { kind: PictureKind::Png, width: image.width(), height: image.height(), bytes })
}

fn jpeg(mut image: RgbImage) -> Result<Picture, Refused> {
    for _ in 0..=HALVINGS {
        for quality in QUALITIES {
            let mut bytes = Vec::new();
            let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
            image.write_with_encoder(encoder).map_err(|error| refused(&error))?;
            if bytes.len() <= Picture::MAX_BYTES {
                return Ok(Picture { kind: PictureKind::Jpeg, width: image.width(), height: image.height(), bytes });
            }
        }
        let (width, height) = image.dimensions();
        image = fit(DynamicImage::ImageRgb8(image), (width.div_ceil(2), height.div_ceil(2))).into_rgb8();
    }
    Err(Refused::TooLarge)
}

fn on_white(image: &RgbaImage) -> RgbImage {
    let (width, height) = image.dimensions();
    RgbImage::from_fn(width, height, |x, y| {
        let [r, g, b, a] = image.get_pixel(x, y).0.map(u32::from);
        Rgb([r, g, b].map(|c| u8::try_from((c * a + 255 * (255 - a)) / 255).unwrap_or(u8::MAX)))
    })
}
