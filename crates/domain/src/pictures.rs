//! Covers and icons of pages: which are kept, for whom, and the jobs that fetch them.
//!
//! A picture is kept once, by its content, and lives as long as a page refers to it. It is seen by those who see such a page.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use ulid::Ulid;

use crate::error::{Error, Result};
use crate::fetch_room::{Fetch, FetchRoom};
use crate::ids::UserId;
use crate::url::registrable_domain;

/// What a picture is known by: the SHA-256 of its bytes. Written in hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PictureHash(pub [u8; 32]);

impl fmt::Display for PictureHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Text that is no hash names something that does not exist.
impl FromStr for PictureHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let missing = || Error::not_found("picture", text);
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(missing()),
        };
        let pairs = text.as_bytes().chunks_exact(2);
        if text.len() != 64 {
            return Err(missing());
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(pairs) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(hash))
    }
}

/// How a picture is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureKind {
    Jpeg,
    Png,
}

impl PictureKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
        }
    }

    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Jpeg, Self::Png].into_iter().find(|kind| kind.name() == name)
    }
}

/// As this server encoded it, never as it was fetched.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub kind: PictureKind,
    pub width: u32,
    pub height: u32,
    pub bytes: Vec<u8>,
}

impl Picture {
    pub const MAX_BYTES: usize = 60 * 1024;
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, width, height, bytes } = self;
        write!(f, "{} {width}x{height}, {} bytes", kind.name(), bytes.len())
    }
}

/// A cover, with its size, so that a page leaves room for it before it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cover {
    pub hash: PictureHash,
    pub width: u32,
    pub height: u32,
}

/// The pictures of the page that a card shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CardPictures {
    pub cover: Option<Cover>,
    pub icon: Option<PictureHash>,
}

impl CardPictures {
    pub const NONE: Self = Self { cover: None, icon: None };
}

/// Pictures of a page to fetch, leased to whoever got the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureJob {
    /// Of the page, normalised.
    pub url: String,
    /// Of the page.
    pub host: String,
    /// As in [`crate::metadata::FetchJob::keeper`].
    pub keeper: Option<UserId>,
    /// Where they are: absolute http or https URLs.
    pub cover: Option<String>,
    pub icon: Option<String>,
    /// Names the lease: an outcome counts only while it is held.
    pub lease: Ulid,
    /// Attempts since the page said where they are, this one included.
    pub tries: u32,
}

impl Fetch for PictureJob {
    fn hosts(&self) -> impl Iterator<Item = &str> {
        let [cover, icon] = [&self.cover, &self.icon].map(|address| address.as_deref().map(host_of));
        cover.into_iter().chain(icon.filter(|icon| cover != Some(*icon)))
    }

    fn domain(&self) -> Cow<'_, str> {
        registrable_domain(&self.host)
    }

    /// Nobody, for a page that everybody shares.
    fn person(&self) -> Option<&UserId> {
        self.keeper.as_ref()
    }
}

/// Of an absolute URL, as the parser writes it.
fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once(':').map_or(authority, |(host, port)| match port.bytes().all(|c| c.is_ascii_digit()) {
        true => host,
        false => authority,
    })
}

/// What came of one of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    Picture(Picture),
    /// There is none, or none that is shown: a page that had one has it no more.
    Nothing,
    /// It could not be had. What the page has stays.
    Failed,
}

/// What a job came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PicturesFetched {
    pub cover: Fetched,
    pub icon: Fetched,
    /// When to try again; `None`: when the page is next read.
    pub again: Option<Duration>,
}

/// Pictures are fetched again only after this, as long as the page says that they are in the same places.
pub const REFRESH: Duration = Duration::from_secs(28 * 86_400);
/// A picture that no page refers to is kept for this long: a page that is being written may refer to it.
pub const GRACE: Duration = Duration::from_secs(3_600);

/// The pictures, and the jobs that fetch them. Jobs come from reading pages: one that says where its pictures are makes one.
#[async_trait]
pub trait PictureRepository: Send + Sync {
    /// Due jobs, as many as there is room for, leased for this time, in the order in which their pages were read. Each lease counts as a try.
    async fn lease_pictures(&self, room: &FetchRoom<PictureJob>, lease: Duration) -> Result<Vec<PictureJob>>;

    /// Stores what a job came to. False: the lease was lost, nothing was stored.
    async fn finish_pictures(&self, job: &PictureJob, outcome: &PicturesFetched) -> Result<bool>;

    /// `None`, unless the reader sees a card whose page refers to it.
    async fn picture(&self, hash: PictureHash, reader: Option<&UserId>) -> Result<Option<Picture>>;

    /// Deletes pictures that no page has referred to for [`GRACE`], looking at up to `limit` that a page dropped. Returns how many it looked at.
    async fn drop_pictures(&self, limit: usize) -> Result<usize>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_written_in_hexadecimal_digits() {
        let hash = PictureHash([0xa0; 32]);
        assert_eq!(hash.to_string(), "a0".repeat(32));
        assert_eq!(hash.to_string().parse::<PictureHash>().unwrap(), hash);
        for other in ["", "a0", &"A0".repeat(32), &"a0".repeat(33), &"é".repeat(32), &"g0".repeat(32)] {
            assert!(other.parse::<PictureHash>().is_err(), "{other}");
        }
    }

    #[test]
    fn hosts_are_found_in_addresses() {
        for (address, host) in [
            ("https://example.com/a:1", "example.com"),
            ("http://example.com:8080?q", "example.com"),
            ("http://[::1]:80/", "[::1]"),
            ("http://[::1]/", "[::1]"),
            ("https://example.com", "example.com"),
        ] {
            assert_eq!(host_of(address), host, "{address}");
        }
    }
}
