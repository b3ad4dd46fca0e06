//! Compressed responses, whether we asked for compression or not.

use std::io::{self, Read};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// How a response is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Deflate,
}

/// What we ask for.
pub(super) const ACCEPTED: &str = "gzip, deflate";
/// A response with more layers than this is malicious.
const MAX_LAYERS: usize = 2;

/// In the order in which it was compressed. Names that are not a compression, such as that of an encoding, are skipped,
/// as in browsers.
///
/// # Errors
/// The name of an unsupported compression.
pub(super) fn packings(headers: &HeaderMap) -> Result<Vec<Packing>, String> {
    let mut packings = Vec::new();
    for line in headers.get_all(CONTENT_ENCODING) {
        for name in String::from_utf8_lossy(line.as_bytes()).split(',') {
            match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => packings.push(Packing::Gzip),
                "deflate" => packings.push(Packing::Deflate),
                name @ ("br" | "zstd" | "compress" | "x-compress" | "dcb" | "dcz") => return Err(name.to_owned()),
                _ => {}
            }
        }
    }
    if packings.len() > MAX_LAYERS { Err("too many layers".to_owned()) } else { Ok(packings) }
}

/// What was unpacked, and why that is not everything.
pub(super) struct Unpacked {
    pub body: Vec<u8>,
    pub cut: Option<Cut>,
}

#[derive(Debug)]
pub(super) enum Cut {
    /// There is more than the limit.
    TooLarge,
    Broken(io::Error),
}

/// Each layer may produce at most `limit` bytes.
pub(super) fn unpack(packed: Vec<u8>, packings: &[Packing], limit: usize) -> Unpacked {
    let mut unpacked = Unpacked { body: packed, cut: None };
    for packing in packings.iter().rev() {
        let Unpacked { body, cut } = layer(&unpacked.body, *packing, limit);
        // A cut in the outer layer breaks the inner one.
        unpacked = Unpacked { body, cut: unpacked.cut.or(cut) };
    }
    unpacked
}

fn layer(packed: &[u8], packing: Packing, limit: usize) -> Unpacked {
    let mut body = Vec::new();
    let most = limit as u64 + 1;
    let read = match packing {
        _ if packed.is_empty() => Ok(0),
        Packing::Gzip => MultiGzDecoder::new(packed).take(most).read_to_end(&mut body),
        Packing::Deflate if is_zlib(packed) => ZlibDecoder::new(packed).take(most).read_to_end(&mut body),
        // Some servers omit the frame.
        Packing::Deflate => DeflateDecoder::new(packed).take(most).read_to_end(&mut body),
    };
    let cut = match read {
        _ if body.len() > limit => Some(Cut::TooLarge),
        Ok(_) => None,
        Err(error) => Some(Cut::Broken(error)),
    };
    body.truncate(limit);
    Unpacked { body, cut }
}

/// Whether it begins with the frame of RFC 1950: method and window, and a checksum of both.
fn is_zlib(packed: &[u8]) -> bool {
    match packed {
        [method, flags, ..] => method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use reqwest::header::HeaderValue;

    use super::*;

    const LIMIT: usize = 10_000;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(body: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_is_packed_comes_out_as_it_was() {
        let body = b"<title>Packed</title>".repeat(10);
        let check = |packed: Vec<u8>, packings: &[Packing]| {
            let unpacked = unpack(packed, packings, LIMIT);
            assert!(unpacked.cut.is_none(), "{packings:?}: {:?}", unpacked.cut);
            assert_eq!(unpacked.body, body, "{packings:?}");
        };
        check(body.clone(), &[]);
        check(gzip(&body), &[Packing::Gzip]);
        check([gzip(&body[..50]), gzip(&body[50..])].concat(), &[Packing::Gzip]);
        check(zlib(&body), &[Packing::Deflate]);
        check(deflate(&body), &[Packing::Deflate]);
        check(gzip(&zlib(&body)), &[Packing::Deflate, Packing::Gzip]);
        assert!(unpack(Vec::new(), &[Packing::Gzip], LIMIT).cut.is_none(), "no body at all");
    }

    #[test]
    fn a_bomb_gives_no_more_than_the_limit() {
        let bomb = gzip(&vec![b'x'; 4 << 20]);
        assert!(bomb.len() < 100_000);
        for (packed, packings) in [
            (bomb.clone(), vec![Packing::Gzip]),
            (zlib(&vec![b'x'; 4 << 20]), vec![Packing::Deflate]),
            (gzip(&bomb), vec![Packing::Gzip, Packing::Gzip]),
        ] {
            let unpacked = unpack(packed, &packings, LIMIT);
            assert!(matches!(unpacked.cut, Some(Cut::TooLarge)), "{packings:?}: {:?}", unpacked.cut);
            assert!(unpacked.body.len() <= LIMIT && unpacked.body.capacity() < 10 * LIMIT, "{packings:?}");
        }
    }

    #[test]
    fn what_came_before_the_damage_is_kept() {
        let body: Vec<u8> = (0..2_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let packed = gzip(&body);
        let unpacked = unpack(packed[..packed.len() / 2].to_vec(), &[Packing::Gzip], LIMIT);
        assert!(matches!(unpacked.cut, Some(Cut::Broken(_))));
        assert!(!unpacked.body.is_empty() && body.starts_with(&unpacked.body));
        let unpacked = unpack([gzip(b"whole"), b"garbage".to_vec()].concat(), &[Packing::Gzip], LIMIT);
        assert_eq!(unpacked.body, b"whole");
        for packing in [Packing::Gzip, Packing::Deflate] {
            let unpacked = unpack(b"<title>Not packed</title>".to_vec(), &[packing], LIMIT);
            assert!(matches!(unpacked.cut, Some(Cut::Broken(_))), "{packing:?}");
        }
    }

    #[test]
    fn packings_are_read_from_the_header() {
        let of =
            |line: &'static str| packings(&HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(line))]));
        assert_eq!(of("GZIP"), Ok(vec![Packing::Gzip]));
        assert_eq!(of("deflate , x-gzip,"), Ok(vec![Packing::Deflate, Packing::Gzip]));
        for none in ["", "identity", "utf-8", "none"] {
            assert_eq!(of(none), Ok(vec![]), "{none:?}");
        }
        for not_read in ["br", "zstd", "compress"] {
            assert_eq!(of(not_read), Err(not_read.to_owned()));
        }
        assert!(of("gzip, gzip, gzip").is_err());
    }
}
