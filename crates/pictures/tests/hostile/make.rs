//! Pictures, good and bad, made by code.

use std::io::{Cursor, Write as _};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, Rgba, RgbaImage};

/// Different everywhere, and opaque.
pub fn drawing(width: u32, height: u32) -> DynamicImage {
    let pixel = |x: u32, y: u32| {
        let channel = |n: u32| u8::try_from(n % 256).unwrap();
        Rgba([channel(x), channel(y), channel(x * y / 64), 255])
    };
    RgbaImage::from_fn(width, height, pixel).into()
}

pub fn as_(format: ImageFormat, image: &DynamicImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

pub fn png(width: u32, height: u32) -> Vec<u8> {
    as_(ImageFormat::Png, &drawing(width, height).into_rgb8().into())
}

pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    as_(ImageFormat::Jpeg, &drawing(width, height).into_rgb8().into())
}

pub fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// So many zero bytes, packed.
pub fn packed_zeros(count: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..count >> 20 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.write_all(&zeros[..count % (1 << 20)]).unwrap();
    encoder.finish().unwrap()
}

fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(data);
    [&u32::try_from(data.len()).unwrap().to_be_bytes(), &kind[..], data, &crc.sum().to_be_bytes()].concat()
}

/// Eight bits of red, green and blue.
pub fn png_of(width: u32, height: u32, before: &[(&[u8; 4], &[u8])], data: &[u8]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend(png_chunk(b"IHDR", &header));
    before.iter().for_each(|(kind, data)| png.extend(png_chunk(kind, data)));
    png.extend(png_chunk(b"IDAT", data));
    png.extend(png_chunk(b"IEND", b""));
    png
}

/// All black.
pub fn black_png(width: u32, height: u32, before: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    png_of(width, height, before, &packed_zeros((width as usize * 3 + 1) * height as usize))
}

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    [&[0xff, marker], &u16::try_from(data.len() + 2).unwrap().to_be_bytes()[..], data].concat()
}

/// A JPEG in which every coefficient is zero. `frame` is its marker: 0xc0 is baseline, 0xc2 progressive.
pub fn flat_jpeg(frame: u8, bits: u8, (width, height): (u16, u16), components: u8, scans: usize) -> Vec<u8> {
    let mut jpeg = vec![0xff, 0xd8];
    if components == 4 {
        jpeg.extend(segment(0xee, b"Adobe\0\x64\0\0\0\0\0"));
    }
    jpeg.extend(segment(0xdb, &[&[0][..], &[1; 64]].concat()));
    let sizes = [&[bits][..], &height.to_be_bytes(), &width.to_be_bytes(), &[components]].concat();
    let each = (1..=components).flat_map(|id| [id, 0x11, 0]).collect::<Vec<_>>();
    jpeg.extend(segment(frame, &[sizes, each].concat()));
    // One code of one bit in each table: no difference, and the end of the block.
    let lengths = [&[1][..], &[0; 15]].concat();
    for table in [0x00, 0x10] {
        jpeg.extend(segment(0xc4, &[&[table][..], &lengths, &[0]].concat()));
    }
    let blocks = usize::from(width.div_ceil(8)) * usize::from(height.div_ceil(8)) * usize::from(components);
    let is_progressive = frame == 0xc2;
    let last = if is_progressive { 0 } else { 63 };
    for _ in 0..scans {
        let each = (1..=components).flat_map(|id| [id, 0]).collect::<Vec<_>>();
        jpeg.extend(segment(0xda, &[&[components][..], &each, &[0, last, 0]].concat()));
        let bytes = blocks.div_ceil(if is_progressive { 8 } else { 4 });
        jpeg.extend(vec![0; bytes.min(1 << 20)]);
    }
    jpeg.extend([0xff, 0xd9]);
    jpeg
}

/// Says that it was taken with the camera on its side.
pub fn on_its_side(jpeg: &[u8]) -> Vec<u8> {
    let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    [&jpeg[..2], &segment(0xe1, exif), &jpeg[2..]].concat()
}

pub fn animated_gif(frames: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, 30);
    for number in 0..frames {
        let shade = u8::try_from(number % 256).unwrap();
        encoder.encode_frame(Frame::new(RgbaImage::from_pixel(64, 64, Rgba([shade, 0, 0, 255])))).unwrap();
    }
    drop(encoder);
    bytes
}

/// With one frame, whose data is not much.
pub fn gif_of((screen_width, screen_height): (u16, u16), (width, height): (u16, u16)) -> Vec<u8> {
    let two = |one: u16, other: u16| [one.to_le_bytes(), other.to_le_bytes()].concat();
    let screen = [b"GIF89a".to_vec(), two(screen_width, screen_height), vec![0x80, 0, 0], vec![0, 0, 0, 255, 255, 255]];
    let frame = [vec![0x2c], two(0, 0), two(width, height), vec![0, 2, 2, 0x44, 0x01, 0, 0x3b]];
    [screen.concat(), frame.concat()].concat()
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let pad = vec![0; data.len() % 2];
    [&kind[..], &u32::try_from(data.len()).unwrap().to_le_bytes(), data, &pad].concat()
}

fn three(number: u32) -> [u8; 3] {
    let [a, b, c, _] = number.to_le_bytes();
    [a, b, c]
}

pub fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    [b"RIFF", &u32::try_from(body.len() + 4).unwrap().to_le_bytes()[..], b"WEBP", &body].concat()
}

pub fn canvas(flags: u8, width: u32, height: u32) -> Vec<u8> {
    chunk(b"VP8X", &[&[flags, 0, 0, 0][..], &three(width - 1), &three(height - 1)].concat())
}

/// With this size in its header, and nothing behind that.
pub fn vp8_frame(width: u16, height: u16) -> Vec<u8> {
    let sides = [width.to_le_bytes(), height.to_le_bytes()].concat();
    chunk(b"VP8 ", &[&[0x10, 0, 0, 0x9d, 0x01, 0x2a][..], &sides, &[0; 64]].concat())
}

/// Of a chunk that is not all there.
pub fn torn_chunk(kind: &[u8; 4], length: u32) -> Vec<u8> {
    [&kind[..], &length.to_le_bytes(), &[0; 16]].concat()
}

pub fn animated_webp(width: u32, height: u32, frames: usize) -> Vec<u8> {
    let still = as_(ImageFormat::WebP, &drawing(width, height));
    let place = [&[0; 6][..], &three(width - 1), &three(height - 1), &[100, 0, 0, 2]].concat();
    let frame = chunk(b"ANMF", &[place, still[12..].to_vec()].concat());
    let head = [canvas(0x12, width, height), chunk(b"ANIM", &[0; 6])];
    riff(&[head.to_vec(), vec![frame; frames]].concat())
}

/// Of entries as (side, offset, length), then data from the first byte behind them.
pub fn icon(entries: &[(u8, u32, u32)], data: &[u8]) -> Vec<u8> {
    let mut icon = vec![0, 0, 1, 0];
    icon.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    for (side, offset, length) in entries {
        icon.extend([*side, *side, 0, 0, 1, 0, 32, 0]);
        icon.extend(length.to_le_bytes());
        icon.extend(offset.to_le_bytes());
    }
    icon.extend(data);
    icon
}

/// One entry with this data.
pub fn icon_of(side: u8, data: &[u8]) -> Vec<u8> {
    icon(&[(side, 22, u32::try_from(data.len()).unwrap())], data)
}

/// As it stands in icons: twice as high for the mask behind it, which lets all through.
pub fn bitmap(side: u32) -> Vec<u8> {
    let mut bitmap = [40, side, 2 * side].map(u32::to_le_bytes).concat();
    bitmap.extend([1, 0, 32, 0]);
    bitmap.extend([0; 24]);
    (0..side * side).for_each(|_| bitmap.extend([200, 100, 50, 255]));
    bitmap.extend(vec![0; (side.div_ceil(32) * 4 * side) as usize]);
    bitmap
}
