//! Pictures that somebody made to do harm, or by mistake: each has a clear result, in bounded memory and time.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

mod make;

use std::fs;
use std::time::{Duration, Instant};

use cardwire_domain::pictures::{Picture, PictureKind};
use cardwire_pictures::{Form, MAX_SIDE, shrink};
use image::{DynamicImage, GenericImageView as _, ImageFormat, Rgba, RgbaImage};
use make::*;
use proptest::prelude::*;

/// More than one that is as large as is allowed takes, and much less than what these ask for.
const MAX_KIB: u64 = 200 * 1024;
const MAX_TIME: Duration = Duration::from_secs(10);

/// What becomes of a picture.
#[derive(Debug, PartialEq)]
enum Becomes {
    Jpeg(u32, u32),
    Png(u32, u32),
    Refused(&'static str),
}

use Becomes::{Jpeg, Png, Refused};

fn becomes(bytes: &[u8], form: Form) -> Becomes {
    match shrink(bytes, form) {
        Ok(picture) => {
            let Picture { kind, width, height, bytes } = &picture;
            assert!(bytes.len() <= Picture::MAX_BYTES, "{picture:?}");
            let format = match kind {
                PictureKind::Jpeg => ImageFormat::Jpeg,
                PictureKind::Png => ImageFormat::Png,
            };
            let read = image::load_from_memory_with_format(bytes, format).unwrap();
            assert_eq!(read.dimensions(), (*width, *height));
            match kind {
                PictureKind::Jpeg => Jpeg(*width, *height),
                PictureKind::Png => Png(*width, *height),
            }
        }
        Err(refused) => Refused(refused.label()),
    }
}

/// Of this process, in KiB: what it has now, and the most that it had since it was last asked to forget that.
fn memory() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap()
    };
    (of("VmRSS:"), of("VmHWM:"))
}

fn see_through(width: u32, height: u32) -> DynamicImage {
    RgbaImage::from_pixel(width, height, Rgba([200, 0, 0, 100])).into()
}

fn covers() -> Vec<(&'static str, Vec<u8>, Becomes)> {
    let profile = |bytes: usize| [&b"p\0\0"[..], &packed_zeros(bytes)].concat();
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let with = |mut bytes: Vec<u8>, more: &[u8]| {
        bytes.extend_from_slice(more);
        bytes
    };
    let broken_crc = |mut png: Vec<u8>| {
        let at = png.len() - 20;
        png[at] ^= 0xff;
        png
    };
    vec![
        ("a common PNG", png(800, 600), Jpeg(480, 360)),
        ("one that is small enough", png(100, 80), Jpeg(100, 80)),
        ("16 bits a colour", as_(ImageFormat::Png, &drawing(800, 600).into_rgb16().into()), Jpeg(480, 360)),
        ("16 bits that show through", as_(ImageFormat::Png, &see_through(200, 200).into_rgba16().into()), Png(200, 200)),
        ("grey", as_(ImageFormat::Png, &drawing(300, 200).into_luma8().into()), Jpeg(300, 200)),
        ("an alpha channel that is all opaque", as_(ImageFormat::Png, &drawing(300, 200)), Jpeg(300, 200)),
        ("30,000 pixels a side", png_of(30_000, 30_000, &[], &packed(&[0; 64])), Refused("pixels")),
        ("the longest side that is read, twice", png_of(MAX_SIDE, MAX_SIDE, &[], &packed(&[0; 64])), Refused("pixels")),
        ("a line of 100,000,000 pixels", png_of(100_000_000, 1, &[], &packed(&[0; 64])), Refused("pixels")),
        ("no width", png_of(0, 100, &[], &packed(&[0; 64])), Refused("broken")),
        ("a PNG that unpacks to more than it says", png_of(500, 500, &[], &packed_zeros(300 << 20)), Jpeg(360, 360)),
        ("a profile that unpacks to 300 MiB", black_png(100, 100, &[(b"iCCP", &profile(300 << 20))]), Jpeg(100, 100)),
        ("a text that unpacks to 300 MiB", black_png(100, 100, &[(b"zTXt", &profile(300 << 20))]), Jpeg(100, 100)),
        ("a PNG cut in half", half(png(800, 600)), Refused("broken")),
        ("a PNG with a wrong checksum", broken_crc(png(100, 100)), Refused("broken")),
        ("as large as is read", black_png(5_000, 2_500, &[]), Jpeg(640, 320)),
        ("a common JPEG", jpeg(1_200, 630), Jpeg(640, 336)),
        ("a JPEG on its side", on_its_side(&jpeg(400, 200)), Jpeg(180, 360)),
        ("CMYK", flat_jpeg(0xc0, 8, (64, 64), 4, 1), Jpeg(64, 64)),
        ("12 bits", flat_jpeg(0xc1, 12, (64, 64), 3, 1), Refused("broken")),
        ("a JPEG of 65,500 pixels a side", flat_jpeg(0xc0, 8, (65_500, 65_500), 1, 1), Refused("pixels")),
        ("a JPEG in 300 passes", flat_jpeg(0xc2, 8, (64, 64), 3, 300), Refused("broken")),
        ("a large JPEG in 90 passes", flat_jpeg(0xc2, 8, (1_000, 1_000), 3, 90), Jpeg(360, 360)),
        ("a JPEG cut in half", half(jpeg(400, 200)), Jpeg(400, 200)),
        ("a JPEG without a frame", b"\xff\xd8\xff\xd9".to_vec(), Refused("broken")),
        ("a JPEG with 5 MB behind it", with(jpeg(400, 200), &[0; 5_000_000]), Jpeg(400, 200)),
        ("a JPEG that is a page, too", with(jpeg(400, 200), b"<script>alert(1)</script>"), Jpeg(400, 200)),
        ("an animation of 500 frames", animated_gif(500), Jpeg(64, 64)),
        ("a screen of 65,535 pixels a side", gif_of((65_535, 65_535), (64, 64)), Refused("pixels")),
        ("a frame of 60,000 pixels a side", gif_of((64, 64), (60_000, 60_000)), Refused("pixels")),
        ("a GIF without its end", gif_of((64, 64), (64, 64)), Refused("broken")),
        ("a dot that counts readers", gif_of((1, 1), (1, 1)), Refused("small")),
        ("a line", png(1_000, 2), Refused("small")),
        ("WebP", as_(ImageFormat::WebP, &drawing(700, 400)), Jpeg(630, 360)),
        ("WebP that moves", animated_webp(100, 80, 50), Jpeg(100, 80)),
        ("a canvas of 16 million pixels a side", riff(&[canvas(0, 1 << 24, 1 << 24)]), Refused("pixels")),
        (
            "a frame that is larger than its canvas",
            riff(&[canvas(0, 64, 64), vp8_frame(16_383, 16_383)]),
            Refused("pixels"),
        ),
        ("a chunk that is not there", riff(&[canvas(8, 64, 64), torn_chunk(b"EXIF", u32::MAX - 8)]), Refused("broken")),
        ("WebP cut in half", half(as_(ImageFormat::WebP, &drawing(700, 400))), Refused("broken")),
        (
            "SVG with a script",
            b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec(),
            Refused("svg"),
        ),
        ("a page", b"<!doctype html><title>Not found</title>".to_vec(), Refused("unknown")),
        ("nothing", Vec::new(), Refused("unknown")),
        ("a PDF", b"%PDF-1.7\n".to_vec(), Refused("unknown")),
        ("a bitmap", [&b"BM"[..], &[0; 100]].concat(), Refused("unknown")),
        ("AVIF", b"\0\0\0\x20ftypavif\0\0\0\0".to_vec(), Refused("unknown")),
    ]
}

fn icons() -> Vec<(&'static str, Vec<u8>, Becomes)> {
    let bomb = png_of(30_000, 30_000, &[], &packed(&[0; 64]));
    let profile = [&b"p\0\0"[..], &packed_zeros(300 << 20)].concat();
    vec![
        ("a small icon", png(16, 16), Png(16, 16)),
        ("a large one", png(512, 512), Png(64, 64)),
        ("a wide one", png(600, 200), Png(64, 21)),
        ("one of the oldest kind", icon_of(32, &bitmap(32)), Png(32, 32)),
        ("one that holds a PNG", icon_of(48, &png(48, 48)), Png(48, 48)),
        ("one that holds a PNG of 30,000 pixels a side", icon_of(0, &bomb), Refused("pixels")),
        (
            "one that holds a PNG with a profile of 300 MiB",
            icon_of(48, &black_png(48, 48, &[(b"iCCP", &profile)])),
            Png(48, 48),
        ),
        ("a bitmap that is larger than its entry says", icon_of(16, &bitmap(64)), Refused("broken")),
        ("65,535 entries that hold nothing", icon(&vec![(16, 0, 0); 65_535], &[]), Refused("broken")),
        ("an entry behind the end", icon(&[(16, u32::MAX, u32::MAX)], &[]), Refused("broken")),
        ("an entry that is the icon itself", icon(&[(16, 0, 40)], &[0; 18]), Refused("broken")),
        ("no entry", icon(&[], &[]), Refused("broken")),
    ]
}

#[test]
fn every_hostile_picture_has_a_clear_result() {
    let cases = covers().into_iter().map(|case| (Form::Cover, case));
    let cases: Vec<_> = cases.chain(icons().into_iter().map(|case| (Form::Icon, case))).collect();
    assert!(cases.len() >= 40);
    let mut wrong = Vec::new();
    for (form, (what, bytes, expected)) in cases {
        // Forgets the most that it had.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let (before, _) = memory();
        let started = Instant::now();
        let found = becomes(&bytes, form);
        let (took, (_, most)) = (started.elapsed(), memory());
        let grown = most.saturating_sub(before);
        if found != expected || grown > MAX_KIB || took > MAX_TIME {
            wrong.push(format!("{what}: {found:?} instead of {expected:?}, {grown} KiB, {took:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn covers_that_take_too_many_bytes_lose_detail_before_they_lose_size() {
    let mut seed = 1_u32;
    let mut noise = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_le_bytes()[3]
    };
    let noisy = RgbaImage::from_fn(640, 360, |_, _| Rgba([noise(), noise(), noise(), noise() / 2]));
    let opaque = DynamicImage::from(noisy.clone()).into_rgb8();
    for image in [DynamicImage::from(noisy), opaque.into()] {
        let picture = shrink(&as_(ImageFormat::Png, &image), Form::Cover).unwrap();
        assert_eq!(picture.kind, PictureKind::Jpeg);
        assert!(picture.bytes.len() <= Picture::MAX_BYTES && picture.width >= 320, "{picture:?}");
    }
}

#[test]
fn nothing_but_what_is_seen_is_passed_on() {
    let secret = b"taken at 52.5163 N, 13.3777 E";
    let jpeg = jpeg(100, 100);
    let comment = [&jpeg[..2], &[0xff, 0xfe, 0, 31], secret, &jpeg[2..]].concat();
    for bytes in [comment, black_png(100, 100, &[(b"tEXt", &[b"Comment\0", &secret[..]].concat())])] {
        assert!(bytes.windows(secret.len()).any(|window| window == secret));
        let picture = shrink(&bytes, Form::Cover).unwrap();
        assert!(!picture.bytes.windows(secret.len()).any(|window| window == secret));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_mistake_in_a_picture_does_harm(
        kind in 0..6_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let mut bytes = match kind {
            0 => png(60, 50),
            1 => jpeg(60, 50),
            2 => animated_gif(2),
            3 => as_(ImageFormat::WebP, &drawing(60, 50)),
            4 => animated_webp(60, 50, 2),
            _ => icon_of(32, &bitmap(32)),
        };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        for form in [Form::Cover, Form::Icon] {
            becomes(&bytes, form);
        }
    }
}
