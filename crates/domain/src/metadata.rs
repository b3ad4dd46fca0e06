//! What a page says about itself, and the jobs that fetch it.
//!
//! All cards of a normalised URL that everybody sees share one page, and so one fetch. A card that others do not see has a page of its own,
//! and a fetch of its own.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;
use std::{fmt, iter};

use async_trait::async_trait;
use jiff::Timestamp;
use ulid::Ulid;

use crate::error::{Error, Result};
use crate::fetch_room::{Fetch, FetchRoom};
use crate::ids::{CardId, UserId};
use crate::text::{is_visible, turns_direction};
use crate::url::CardUrl;

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageKind {
    Article,
    Audio,
    Book,
    Document,
    Image,
    Profile,
    Video,
    Website,
}

impl PageKind {
    pub const ALL: [Self; 8] = [
        Self::Article,
        Self::Audio,
        Self::Book,
        Self::Document,
        Self::Image,
        Self::Profile,
        Self::Video,
        Self::Website,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Article => "article",
            Self::Audio => "audio",
            Self::Book => "book",
            Self::Document => "document",
            Self::Image => "image",
            Self::Profile => "profile",
            Self::Video => "video",
            Self::Website => "website",
        }
    }
}

impl fmt::Display for PageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PageKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            Error::invalid("type", "Choose article, audio, book, document, image, profile, video or website.")
        })
    }
}

/// What a page says about itself. Texts are trimmed, on one line and within the limits below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    pub title: Option<String>,
    pub description: Option<String>,
    /// An absolute http or https URL.
    pub image: Option<String>,
    /// Where its icon is: an absolute http or https URL.
    pub icon: Option<String>,
    pub site_name: Option<String>,
    pub author: Option<String>,
    pub kind: Option<PageKind>,
    /// A language tag such as `en` or `pt-BR`.
    pub language: Option<String>,
}

impl Metadata {
    pub const TITLE_CHARS: usize = 300;
    pub const DESCRIPTION_CHARS: usize = 1_000;
    pub const NAME_CHARS: usize = 200;
    pub const LANGUAGE_CHARS: usize = 35;

    /// Cuts every text to its limit and takes out what turns its direction or hides in it; what shows nothing or cannot be stored is left out.
    pub fn tidy(self) -> Self {
        let text = |text: Option<String>, chars: usize| {
            let hidden = |c: char| turns_direction(c) || hides(c);
            let words = text?.replace(hidden, "").replace(|c: char| c.is_control(), " ");
            let line: String = words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(chars).collect();
            let line = line.trim_end().to_owned();
            is_visible(&line).then_some(line)
        };
        Self {
            title: text(self.title, Self::TITLE_CHARS),
            description: text(self.description, Self::DESCRIPTION_CHARS),
            image: self.image.filter(|url| CardUrl::is_url(url)),
            icon: self.icon.filter(|url| CardUrl::is_url(url)),
            site_name: text(self.site_name, Self::NAME_CHARS),
            author: text(self.author, Self::NAME_CHARS),
            kind: self.kind,
            language: text(self.language, Self::LANGUAGE_CHARS),
        }
    }
}

/// Characters that are never seen and that no word needs: soft hyphens, spaces without width, invisible operators. Joiners stay, which Persian
/// words and emoji need, and so do the marks that Arabic and Hebrew need.
fn hides(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// How far the fetch of a page has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FetchState {
    /// Not fetched yet.
    #[default]
    Pending,
    /// Fetched; it is refreshed from time to time.
    Ready,
    /// `retryable`: it will be tried again.
    Failed { reason: String, retryable: bool },
}

impl FetchState {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Failed { .. } => "failed",
        }
    }
}

/// A page as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageInfo {
    pub state: FetchState,
    /// Empty until the first fetch that succeeded.
    pub metadata: Metadata,
    /// When it was last fetched, with or without success.
    pub fetched_at: Option<Timestamp>,
}

/// What comes of asking for a page to be fetched again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchAgain {
    /// It is fetched when its turn comes.
    Taken,
    /// It already waits for its fetch, or is being fetched.
    Waiting,
    /// It was fetched a moment ago, or its server asked to be left alone. This much later it can be asked for.
    TooSoon(Duration),
}

impl FetchAgain {
    /// Between a fetch and the next one that somebody may ask for, unless the server asks for more.
    pub const GAP: Duration = Duration::from_secs(60);
}

/// A page to fetch, leased to whoever got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchJob {
    /// Normalised.
    pub url: String,
    pub host: String,
    /// The registrable domain of the host.
    pub domain: String,
    /// Whose card it is fetched for, if others do not see that card. `None`: it is everybody's page.
    pub keeper: Option<UserId>,
    /// The person in whose place in line it was fetched: of those who keep the page, the one whose turn came first.
    pub asked_by: UserId,
    /// Names the lease: an outcome counts only while it is held.
    pub lease: Ulid,
    /// Fetches since the last that succeeded, this one included.
    pub tries: u32,
}

impl Fetch for FetchJob {
    fn hosts(&self) -> impl Iterator<Item = &str> {
        iter::once(&*self.host)
    }

    fn domain(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.domain)
    }

    fn person(&self) -> Option<&UserId> {
        Some(&self.asked_by)
    }
}

/// Why a fetch gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchFailure {
    pub reason: String,
    /// Whether trying again may help.
    pub retryable: bool,
    /// How long its server asks to be left alone.
    pub wait: Option<Duration>,
}

impl FetchFailure {
    /// Trying again soon does not help.
    pub fn lasting(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retryable: false, wait: None }
    }

    /// Trying again may help.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retryable: true, wait: None }
    }
}

/// When pages are fetched again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPolicy {
    /// After a fetch that succeeded.
    pub refresh: Duration,
    /// Between attempts: doubles from the first, with jitter, up to the last.
    pub backoff: Duration,
    pub backoff_at_most: Duration,
    /// Attempts before a retryable failure waits for `refresh` as well.
    pub attempts: u32,
    /// How long a fetch may take before somebody else takes it over.
    pub lease: Duration,
}

impl Default for FetchPolicy {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(7 * 86_400),
            backoff: Duration::from_secs(30),
            backoff_at_most: Duration::from_secs(6 * 3_600),
            attempts: 8,
            lease: Duration::from_secs(60),
        }
    }
}

impl FetchPolicy {
    /// How long to wait after attempt number `tries` failed. `draw` is random, from 0 to 1.
    pub fn wait(&self, tries: u32, draw: f64) -> Duration {
        if tries >= self.attempts {
            return self.refresh;
        }
        let doubled = self.backoff.saturating_mul(2u32.saturating_pow(tries.saturating_sub(1)));
        doubled.min(self.backoff_at_most).mul_f64(0.5 + draw.clamp(0.0, 1.0) / 2.0)
    }

    /// How long to wait after attempt number `tries` came to this failure: at least as long as the server asks.
    pub fn wait_after(&self, failure: &FetchFailure, tries: u32, draw: f64) -> Duration {
        let wait = if failure.retryable { self.wait(tries, draw) } else { self.refresh };
        wait.max(failure.wait.unwrap_or_default())
    }
}

/// The pages and the jobs that fetch them. Jobs come from indexing: a card whose page is new makes one.
#[async_trait]
pub trait PageRepository: Send + Sync {
    /// Due pages, as many as there is room for, leased for the policy's time. They take turns over the people who asked for them and
    /// over registrable domains: however many pages one of them has waiting, those of others come next. A lease that runs out
    /// may be given to somebody else; each counts as a try, so a page that kills who fetches it is given up like any other.
    async fn lease_fetches(&self, room: &FetchRoom<FetchJob>, policy: &FetchPolicy) -> Result<Vec<FetchJob>>;

    /// Stores what a fetch came to and, in the same transaction, indexes it again. False: the lease was lost, nothing was stored.
    /// A failure leaves metadata as it was, and a page that was ready stays so.
    async fn finish_fetch(
        &self,
        job: &FetchJob,
        outcome: &std::result::Result<Metadata, FetchFailure>,
        policy: &FetchPolicy,
    ) -> Result<bool>;

    /// What everyone may know of the page behind this URL; pending if that is nothing.
    async fn page(&self, url: &CardUrl) -> Result<PageInfo>;

    /// Has the page that this card shows fetched again, in its owner's place in line and with all its attempts: the page that is its owner's alone if
    /// others do not see the card. A page that failed is pending until then. A page that nothing is known of is waiting: indexing the
    /// card makes its job. [`Error::NotFound`] if the card is in no library.
    async fn fetch_again(&self, card: CardId) -> Result<FetchAgain>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_tidied() {
        let tidy = Metadata {
            title: Some(" a\n b\0c ".into()),
            description: Some("x".repeat(2_000)),
            image: Some("javascript:alert(1)".into()),
            author: Some("  ".into()),
            site_name: Some("\u{202e}elpmaxE\u{202c}".into()),
            language: Some("\u{200b}".into()),
            ..Metadata::default()
        }
        .tidy();
        assert_eq!(tidy.title.as_deref(), Some("a b c"));
        assert_eq!(tidy.description.map(|text| text.len()), Some(1_000));
        assert_eq!((tidy.image, tidy.author, tidy.language), (None, None, None));
        assert_eq!(tidy.site_name.as_deref(), Some("elpmaxE"), "in the order of its letters");
    }

    #[test]
    fn characters_that_hide_in_a_text_are_taken_out() {
        let title = |text: &str| Metadata { title: Some(text.into()), ..Metadata::default() }.tidy().title;
        let check = |text: &str, expected: &str| assert_eq!(title(text).as_deref(), Some(expected), "{text:?}");
        check(
            "Report \u{202e}cod.exe\u{202c} of\u{200b} May\u{a0}4 co\u{ad}operate",
            "Report cod.exe of May 4 cooperate",
        );
        check("\u{feff}Tab\tbell\u{7}", "Tab bell");
        check("👩\u{200d}🚀 می\u{200c}خواهم \u{200f}שלום", "👩\u{200d}🚀 می\u{200c}خواهم \u{200f}שלום");
        assert_eq!(title("\u{200b}\u{ad}"), None);
    }

    #[test]
    fn waits_double_and_end_in_the_refresh() {
        let policy = FetchPolicy::default();
        let waits: Vec<u64> = (1..=8).map(|tries| policy.wait(tries, 1.0).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1_920, 604_800]);
        assert_eq!(policy.wait(1, 0.0).as_secs(), 15);
        assert_eq!(FetchPolicy { attempts: 100, ..policy }.wait(99, 1.0), policy.backoff_at_most);
    }

    #[test]
    fn a_server_is_left_alone_as_long_as_it_asks() {
        let policy = FetchPolicy::default();
        let asks = |seconds| FetchFailure {
            wait: Some(Duration::from_secs(seconds)),
            ..FetchFailure::passing("answered 429")
        };
        assert_eq!(policy.wait_after(&asks(3_600), 1, 0.5).as_secs(), 3_600);
        assert_eq!(policy.wait_after(&asks(1), 1, 1.0).as_secs(), 30, "its own pauses are not shortened");
        assert_eq!(policy.wait_after(&asks(3_600), 8, 0.5), policy.refresh);
        assert_eq!(policy.wait_after(&FetchFailure::lasting("answered 404"), 1, 0.5), policy.refresh);
        assert_eq!(policy.wait_after(&FetchFailure::passing("answered 503"), 2, 1.0).as_secs(), 60);
    }

    #[test]
    fn kinds_have_names() {
        for kind in PageKind::ALL {
            assert_eq!(kind.name().parse::<PageKind>().unwrap(), kind);
        }
        assert!("Article".parse::<PageKind>().is_err());
    }
}
