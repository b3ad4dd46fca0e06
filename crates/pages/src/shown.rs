//! What several pages show: links, moments and cards.

use cardwire_domain::feed::{CardView, CollectionName, FeedItem};
use cardwire_domain::library::LibraryCard;
use cardwire_domain::metadata::FetchState;
use cardwire_domain::text::turns_direction;
use cardwire_domain::url::CardUrl;
use cardwire_domain::{Limit, Page, PageRequest, UserId};
use cardwire_http::cursor::List;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::links::with_parameter;
use crate::pictures::Pictures;

/// Items of a list on one page.
const PER_PAGE: u64 = 30;

/// A saved link.
#[derive(Debug, Default)]
pub struct Link {
    pub id: String,
    pub url: String,
    /// The page's title, or the address without its scheme.
    pub title: String,
    /// Empty beside an address, which shows it.
    pub domain: String,
    /// Its owner, who is the reader, keeps it to themselves.
    pub is_private: bool,
    /// An administrator hides it from everyone but its owner, who is the reader.
    pub is_hidden: bool,
    /// For the macros of `picture.html`.
    pub pictures: Pictures,
}

impl Link {
    pub fn of(card: CardView) -> Self {
        Self {
            id: card.id.to_string(),
            is_private: card.visibility.is_private(),
            is_hidden: card.is_hidden,
            pictures: Pictures::of(card.pictures, &card.url),
            ..Self::to(card.url, card.title)
        }
    }

    pub fn to(url: String, title: Option<String>) -> Self {
        let (title, domain) = match title {
            Some(title) => (title, CardUrl::parse(&url).map(|url| url.domain().to_owned()).unwrap_or_default()),
            None => (without_scheme(&url).to_owned(), String::new()),
        };
        Self { url, title, domain, ..Self::default() }
    }
}

/// What was typed, with its misspelt words corrected.
pub struct Corrected {
    pub text: String,
    /// Where it is looked for.
    pub href: String,
}

impl Corrected {
    pub fn of(path: &str, text: String) -> Self {
        Self { href: with_parameter(path, "q", &text), text }
    }
}

/// What stands in a URL's place, where nobody has read it as one yet. Characters that would show another address are encoded, as browsers
/// show them.
pub fn address(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if turns_direction(c) {
            shown.extend(utf8_percent_encode(c.encode_utf8(&mut [0; 4]), NON_ALPHANUMERIC));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A name in a sentence, whichever way it is written: it turns nothing around it.
pub fn quoted(name: &str) -> String {
    format!("“\u{2068}{name}\u{2069}”")
}

pub fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/')
}

/// For a `datetime` attribute, which takes three digits of a second at most.
fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A moment, as people and as programs read it.
#[derive(Debug, Default)]
pub struct When {
    pub iso: String,
    pub whole: String,
    pub text: String,
}

impl When {
    pub fn of(at: Timestamp, now: Timestamp) -> Self {
        let ago = now.duration_since(at);
        let text = if ago < SignedDuration::from_mins(1) {
            "just now".into()
        } else if ago < SignedDuration::from_hours(1) {
            format!("{} min ago", ago.as_mins())
        } else if ago < SignedDuration::from_hours(24) {
            format!("{} h ago", ago.as_hours())
        } else {
            at.strftime("%Y-%m-%d").to_string()
        };
        Self { text, ..Self::day(at) }
    }

    /// One that may be ahead.
    pub fn day(at: Timestamp) -> Self {
        let text = at.strftime("%Y-%m-%d").to_string();
        Self { iso: iso(at), whole: at.strftime("%Y-%m-%d %H:%M UTC").to_string(), text }
    }
}

/// A link with what its page says, as the feed shows it.
#[derive(Debug, Default)]
pub struct Body {
    pub link: Link,
    pub description: Option<String>,
    /// When to look whether the page was fetched meanwhile.
    pub again: Option<Again>,
}

impl Body {
    /// `look`: how often the browser has looked before.
    pub fn of(kept: LibraryCard, look: u32) -> Self {
        let is_pending = kept.page.state == FetchState::Pending;
        Self {
            again: Again::of_feed(is_pending, look),
            link: Link::of(kept.card),
            description: kept.page.metadata.description,
        }
    }
}

/// An entry of the feed.
#[derive(Debug, Default)]
pub struct Activity {
    pub id: String,
    pub body: Body,
    pub collections: Vec<CollectionName>,
    pub when: When,
}

impl Activity {
    pub fn of(item: FeedItem, now: Timestamp) -> Self {
        Self {
            id: item.id.to_string(),
            body: Body {
                link: Link::of(item.card),
                description: item.description,
                again: Again::of_feed(item.is_pending, 0),
            },
            collections: item.collections,
            when: When::of(item.created_at, now),
        }
    }
}

/// A card of a library.
#[derive(Debug)]
pub struct Row {
    pub link: Link,
    pub description: Option<String>,
    pub note: Option<String>,
    pub is_pending: bool,
    pub failed: Option<String>,
    pub when: When,
    pub collections: Vec<CollectionName>,
    pub is_own: bool,
    /// What its owner calls it, and what it is called if they do not.
    pub own_title: String,
    pub page_title: String,
    /// On the page of the card, where it is shown whole and edited below.
    pub is_whole: bool,
    /// When to look whether the page was fetched meanwhile.
    pub again: Option<Again>,
}

/// One more look.
#[derive(Debug)]
pub struct Again {
    pub look: u32,
    pub delay_ms: u32,
}

/// A browser looks so often whether a page was fetched, ever more slowly: for about a minute and a half.
const LOOKS: u32 = 16;
/// The same in the feed, where many look at once.
const LOOKS_IN_FEED: u32 = 6;

impl Again {
    fn of(is_pending: bool, look: u32) -> Option<Self> {
        (is_pending && look < LOOKS).then(|| Self { look: look + 1, delay_ms: (1_000 + look * 1_000).min(8_000) })
    }

    fn of_feed(is_pending: bool, look: u32) -> Option<Self> {
        (is_pending && look < LOOKS_IN_FEED).then(|| Self { look: look + 1, delay_ms: 2_000 << look })
    }
}

/// What removing a card from the library does: said with scripts and without.
pub fn removal(title: &str) -> String {
    let title = quoted(title);
    format!("{title} is removed from your library and from every collection, and your note on it is deleted.")
}

/// The same of several.
pub const REMOVAL_OF_SELECTED: &str =
    "They are removed from your library and from every collection, and your notes on them are deleted.";

impl Row {
    pub fn removal(&self) -> String {
        removal(&self.link.title)
    }

    pub fn whole(self) -> Self {
        Self { is_whole: true, ..self }
    }

    /// `look`: how often the browser has looked before.
    pub fn of(kept: LibraryCard, reader: Option<&UserId>, look: u32, now: Timestamp) -> Self {
        let is_pending = kept.page.state == FetchState::Pending;
        let again = Again::of(is_pending, look);
        let page_title = kept.page.metadata.title.unwrap_or_else(|| without_scheme(&kept.card.url).to_owned());
        let failed = match kept.page.state {
            FetchState::Failed { reason, .. } => Some(reason),
            FetchState::Pending | FetchState::Ready => None,
        };
        Self {
            is_own: reader == Some(&kept.owner.id),
            link: Link::of(kept.card),
            description: kept.page.metadata.description,
            note: kept.note.map(|note| note.text.as_str().to_owned()),
            is_pending,
            failed,
            when: When::of(kept.added_at, now),
            collections: kept.collections,
            own_title: kept.own_title.unwrap_or_default(),
            page_title,
            is_whole: false,
            again,
        }
    }
}

/// Which part of a list is looked at. Pages pass over parameters that they do not know: links gather some on their way.
pub fn part(params: &mut Params, list: &List) -> Result<PageRequest, Problem> {
    part_behind(&params.text("cursor").unwrap_or_default(), list)
}

/// The part behind this cursor; the first one, if it is empty.
pub fn part_behind(cursor: &str, list: &List) -> Result<PageRequest, Problem> {
    let after = Some(cursor).filter(|cursor| !cursor.is_empty()).map(|cursor| list.decode(cursor)).transpose()?;
    Ok(PageRequest { limit: Limit::new(PER_PAGE)?, after })
}

/// The way to the next part, if there is one. `path` holds the list's other parameters.
pub fn next<T>(page: &Page<T>, list: &List, path: &str) -> Option<String> {
    page.next.as_ref().map(|position| with_parameter(path, "cursor", &list.encode(position)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(text: &str) -> (String, String) {
        (text.to_owned(), text.to_owned())
    }

    #[test]
    fn moments_are_told_as_people_tell_them() {
        let now: Timestamp = "2026-03-05T12:00:00Z".parse().unwrap();
        let check = |at: &str, expected: &str| assert_eq!(When::of(at.parse().unwrap(), now).text, expected, "{at}");
        check("2026-03-05T12:00:01Z", "just now");
        check("2026-03-05T11:59:01Z", "just now");
        check("2026-03-05T11:58:59Z", "1 min ago");
        check("2026-03-05T09:00:00Z", "3 h ago");
        check("2026-03-04T11:00:00Z", "2026-03-04");
        let precise: Timestamp = "2026-03-05T12:00:00.123456Z".parse().unwrap();
        assert_eq!(When::of(precise, now).whole, "2026-03-05 12:00 UTC");
        assert_eq!((When::of(precise, now).iso, When::day(precise).iso), two("2026-03-05T12:00:00.123Z"));
    }

    #[test]
    fn a_link_without_title_is_called_by_its_address() {
        let link = Link::to("https://example.com/a/".into(), None);
        assert_eq!((link.title.as_str(), link.domain.as_str()), ("example.com/a", ""));
        let link = Link::to("https://example.com/a/".into(), Some("A".into()));
        assert_eq!((link.title.as_str(), link.domain.as_str()), ("A", "example.com"));
    }

    #[test]
    fn an_address_is_read_in_the_order_of_its_letters() {
        assert_eq!(address("https://example.com/\u{202e}fdp.exe"), "https://example.com/%E2%80%AEfdp.exe");
        assert_eq!(address("not a link\u{2069} é שלום"), "not a link%E2%81%A9 é שלום");
    }
}
