//! What bytes are, and what the containers among them hold that their decoders would trust.

use std::borrow::Cow;

use image::ImageFormat;

use crate::limits::MAX_PIXELS;
use crate::refused::Refused;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Entries of an icon that are looked at.
const MAX_ENTRIES: usize = 64;
/// Where SVG may say that it is.
const LOOKED_AT: usize = 4_096;

/// What is to be decoded, and as what.
pub(crate) fn open(bytes: &[u8]) -> Result<(ImageFormat, Cow<'_, [u8]>), Refused> {
    if bytes.starts_with(PNG) {
        Ok((ImageFormat::Png, bytes.into()))
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        Ok((ImageFormat::Jpeg, bytes.into()))
    } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
        Ok((ImageFormat::Gif, bytes.into()))
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        check_webp(bytes)?;
        Ok((ImageFormat::WebP, bytes.into()))
    } else if bytes.starts_with(&[0, 0, 1, 0]) {
        open_icon(bytes)
    } else if is_svg(bytes) {
        Err(Refused::Svg)
    } else {
        Err(Refused::Unknown)
    }
}

fn is_svg(bytes: &[u8]) -> bool {
    let start = bytes.get(..LOOKED_AT).unwrap_or(bytes).to_ascii_lowercase();
    start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start().starts_with(b"<")
        && start.windows(4).any(|window| window == b"<svg")
}

/// An icon holds pictures of several sizes. The largest is taken out: a PNG is decoded like any other, within the same limits, which the decoder
/// of icons would not do.
fn open_icon(bytes: &[u8]) -> Result<(ImageFormat, Cow<'_, [u8]>), Refused> {
    let count = u16_at(bytes, 4).map_or(0, usize::from).min(MAX_ENTRIES);
    let entries = (0..count).filter_map(|number| {
        let entry = bytes.get(6 + 16 * number..22 + 16 * number)?;
        let side = |at: usize| if entry[at] == 0 { 256 } else { u32::from(entry[at]) };
        let (length, offset) = (u32_at(entry, 8)? as usize, u32_at(entry, 12)? as usize);
        let data = bytes.get(offset..)?;
        // Some say too much.
        let data = data.get(..length).unwrap_or(data);
        let bits = u16_at(entry, 6)?;
        Some(((side(0) * side(1), bits), entry, data))
    });
    let best = entries.filter(|(.., data)| data.len() > PNG.len()).max_by_key(|(score, ..)| *score);
    let (_, entry, data) = best.ok_or_else(|| Refused::Broken("the icon holds nothing".to_owned()))?;
    if data.starts_with(PNG) {
        return Ok((ImageFormat::Png, data.into()));
    }
    // Alone, where it says it is.
    let mut alone = vec![0, 0, 1, 0, 1, 0];
    alone.extend_from_slice(&entry[..8]);
    alone.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    alone.extend_from_slice(&22_u32.to_le_bytes());
    alone.extend_from_slice(data);
    Ok((ImageFormat::Ico, alone.into()))
}

/// The decoder makes room for what a chunk says that it holds, and for the frame in it, before it compares that with the file and the canvas.
fn check_webp(bytes: &[u8]) -> Result<(), Refused> {
    let mut canvas = None;
    check_chunks(&bytes[12..], &mut canvas, true)
}

fn check_chunks(mut rest: &[u8], canvas: &mut Option<u64>, may_nest: bool) -> Result<(), Refused> {
    let cut = || Refused::Broken("it ends in the middle of a chunk".to_owned());
    while let (Some(kind), Some(length)) = (rest.get(..4), u32_at(rest, 4)) {
        let length = length as usize;
        let data = rest.get(8..).and_then(|data| data.get(..length)).ok_or_else(cut)?;
        let pixels = match kind {
            b"VP8X" => {
                let pixels = (u24_at(data, 4).unwrap_or_default() + 1) * (u24_at(data, 7).unwrap_or_default() + 1);
                *canvas = Some(pixels);
                pixels
            }
            b"VP8 " => {
                let side = |at| u64::from(u16_at(data, at).unwrap_or_default() & 0x3fff);
                side(6) * side(8)
            }
            b"VP8L" => {
                let sides = u64::from(u32_at(data, 1).unwrap_or_default());
                ((sides & 0x3fff) + 1) * ((sides >> 14 & 0x3fff) + 1)
            }
            b"ANMF" if may_nest => {
                check_chunks(data.get(16..).ok_or_else(cut)?, canvas, false)?;
                0
            }
            _ => 0,
        };
        if pixels > MAX_PIXELS.min(canvas.unwrap_or(MAX_PIXELS)) {
            return Err(Refused::TooLarge);
        }
        rest = rest.get(8 + length + length % 2..).unwrap_or_default();
    }
    Ok(())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u24_at(bytes: &[u8], at: usize) -> Option<u64> {
    let [a, b, c] = bytes.get(at..at + 3)?.try_into().ok()?;
    Some(u64::from(u32::from_le_bytes([a, b, c, 0])))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
