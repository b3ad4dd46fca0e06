//! Which URLs may be saved, and when two of them are the same link: `docs/guide/LINKS.md` says it for people.
//!
//! What people paste is repaired (`repair`), and by the result's normalised form a person's link is found again (`identity`). Both take time
//! that is linear in the length of the text, and both leave what they made as it is.

mod domain;
mod identity;
mod pasted;
mod percent;
mod repair;
#[cfg(test)]
mod rules;
mod tracking;

use url::Url;

use crate::error::{Error, Result};
use crate::ids::CardId;

pub use domain::registrable_domain;

/// A URL as it is shown, with the form that decides identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardUrl {
    given: String,
    normalised: String,
}

/// Begins what is behind the identity of a merged card. There it would be encoded.
const MERGED: &str = "#merged-";

const TOO_LONG: &str = "Links are at most 2,048 bytes long.";

impl CardUrl {
    pub const MAX_BYTES: usize = 2_048;
    /// The rules that are in force. They rise when some URL gets another normalised form, and then cards that were stored under earlier ones are
    /// looked at again: see [`crate::use_cases::renew_identities`].
    pub const RULES: i16 = 1;

    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text).map_err(|rule| Error::invalid("url", rule))
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        // A bound for the work. There may be other text around the URL.
        if text.len() > 4 * Self::MAX_BYTES {
            return Err(TOO_LONG);
        }
        let given = repair::repair(text)?;
        if given.len() > Self::MAX_BYTES {
            return Err(TOO_LONG);
        }
        let url = Url::parse(&given).map_err(|_| "Enter a full link such as https://example.com/page.")?;
        // Everybody who sees the card would see them, too.
        if !url.username().is_empty() || url.password().is_some() {
            return Err("Remove the user name and password from the link.");
        }
        let normalised =
            identity::identity(&url).ok_or("Enter a link whose host consists of letters, digits, hyphens and dots.")?;
        if normalised.len() > 4 * Self::MAX_BYTES {
            return Err(TOO_LONG);
        }
        Ok(Self { given, normalised })
    }

    /// Whether this is a URL as it stands, with nothing to repair.
    pub fn is_url(text: &str) -> bool {
        Self::read(text).is_ok_and(|url| url.given == text)
    }

    /// A URL that was checked before it was stored.
    pub fn from_stored(given: String, normalised: String) -> Self {
        Self { given, normalised }
    }

    /// As the saver wrote it, repaired: an absolute URL, for people to see and to follow.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// Two cards of one person never share this.
    pub fn normalised(&self) -> &str {
        &self.normalised
    }

    /// The host, lower-case, of a normalised URL.
    pub fn domain(&self) -> &str {
        let rest = self.normalised.split_once("://").map_or(self.normalised.as_str(), |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or(rest);
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        }
    }

    /// The URL of a card whose place another one takes: no link has its normalised form.
    pub(crate) fn merged(&self, card: CardId) -> Self {
        Self { given: self.given.clone(), normalised: format!("{}{MERGED}{card}", self.normalised) }
    }

    pub(crate) fn is_merged(&self) -> bool {
        self.normalised.contains(MERGED)
    }
}
