//! Atom feeds (RFC 4287), and how they are answered: with what has changed, or that nothing has.

use actix_web::http::header::{self, EntityTag, HttpDate, IfModifiedSince, IfNoneMatch};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use atom_syndication as atom;
use atom_syndication::{FixedDateTime, Text};
use cardwire_domain::feed::CardView;
use cardwire_domain::user::User;
use cardwire_http::origin;
use cardwire_http::problem::{MALFORMED_REQUEST, Problem};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use sha2::{Digest, Sha256};

use crate::links::person;
use crate::shown::without_scheme;

/// So many entries, newest first.
pub const ENTRIES: u64 = 50;

/// A feed. Paths are of this site.
#[derive(Debug)]
pub struct Feed {
    pub id: FeedId,
    pub title: String,
    pub subtitle: String,
    /// Where it itself is.
    pub path: String,
    /// The page with the same.
    pub page: String,
    /// Whose all entries are.
    pub author: Option<User>,
    /// Of one without entries.
    pub since: Timestamp,
    pub entries: Vec<Entry>,
}

/// What the feed is known by, wherever this site moves.
#[derive(Debug)]
pub enum FeedId {
    /// Of this site as a whole.
    Everything,
    Whole(String),
}

#[derive(Debug)]
pub struct Entry {
    pub id: String,
    pub title: String,
    /// What was saved.
    pub url: String,
    /// The page of the card.
    pub card: String,
    pub author: User,
    pub summary: Option<String>,
    pub collections: Vec<String>,
    pub at: Timestamp,
}

impl Entry {
    /// `id`: the ULID of what the entry stands for.
    pub fn of(id: u128, card: CardView, author: User, at: Timestamp) -> Self {
        Self {
            id: urn(id),
            title: card.title.unwrap_or_else(|| without_scheme(&card.url).to_owned()),
            url: card.url,
            card: format!("/cards/{}", card.id),
            author,
            summary: None,
            collections: Vec::new(),
            at,
        }
    }
}

/// A ULID as a name that is the same everywhere.
pub fn urn(id: u128) -> String {
    let hex = format!("{id:032x}");
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

impl Feed {
    pub fn answer(self, request: &HttpRequest) -> Result<HttpResponse, Problem> {
        let base =
            origin::base(request).ok_or_else(|| Problem::new(&MALFORMED_REQUEST, "The request names no host."))?;
        let updated = self.updated();
        let body = self.write(&base)?;
        let digest: String = Sha256::digest(&body).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        // Weak: the same feed may come compressed.
        let tag = EntityTag::new_weak(digest);
        let modified = HttpDate::from(std::time::SystemTime::from(updated));
        let is_known = is_known(request, &tag, updated);
        let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response.insert_header(header::ETag(tag)).insert_header(header::LastModified(modified));
        // It is asked for again each time: what is private from now on must not be shown from a cache.
        response.insert_header((header::CACHE_CONTROL, "no-cache"));
        if is_known {
            return Ok(response.finish());
        }
        Ok(response.content_type("application/atom+xml; charset=utf-8").body(body))
    }

    fn updated(&self) -> Timestamp {
        self.entries.iter().map(|entry| entry.at).max().unwrap_or(self.since)
    }

    fn write(self, base: &str) -> Result<Vec<u8>, Problem> {
        let updated = self.updated();
        let host = base.split_once("://").map_or(base, |(_, host)| host);
        let name =
            host.rsplit_once(':').map_or(host, |(name, port)| if port.parse::<u16>().is_ok() { name } else { host });
        let id = match self.id {
            FeedId::Everything => format!("tag:{name},2026:everything"),
            FeedId::Whole(id) => id,
        };
        let entries = self.entries.into_iter().map(|entry| entry.write(base)).collect::<Result<Vec<_>, _>>()?;
        let feed = atom::Feed {
            title: text(&self.title),
            id,
            updated: time(updated)?,
            authors: self.author.iter().map(|author| written_person(author, base)).collect(),
            generator: Some(atom::Generator { value: "Cardwire".into(), ..atom::Generator::default() }),
            icon: Some(format!("{base}{}", crate::assets::path("icon-192.png"))),
            links: vec![
                link("self", format!("{base}{}", self.path), Some("application/atom+xml")),
                link("alternate", format!("{base}{}", self.page), Some("text/html")),
            ],
            subtitle: Some(self.subtitle.as_str()).filter(|subtitle| !subtitle.is_empty()).map(text),
            entries,
            ..atom::Feed::default()
        };
        feed.write_to(Vec::new()).map_err(|error| Problem::internal(format!("writing a feed: {error}")))
    }
}

impl Entry {
    fn write(self, base: &str) -> Result<atom::Entry, Problem> {
        let category = |name: &String| atom::Category { term: clean(name), ..atom::Category::default() };
        Ok(atom::Entry {
            title: text(&self.title),
            id: self.id,
            updated: time(self.at)?,
            published: Some(time(self.at)?),
            authors: vec![written_person(&self.author, base)],
            categories: self.collections.iter().map(category).collect(),
            links: vec![
                link("alternate", uri(&self.url), None),
                link("related", format!("{base}{}", self.card), Some("text/html")),
            ],
            summary: self.summary.as_deref().map(text),
            ..atom::Entry::default()
        })
    }
}

fn written_person(user: &User, base: &str) -> atom::Person {
    let uri = Some(format!("{base}{}", person(&user.handle)));
    atom::Person { name: clean(&user.handle), uri, ..atom::Person::default() }
}

fn link(rel: &str, href: String, mime_type: Option<&str>) -> atom::Link {
    atom::Link { href, rel: rel.into(), mime_type: mime_type.map(Into::into), ..atom::Link::default() }
}

fn text(text: &str) -> Text {
    Text::plain(clean(text))
}

/// What a URL may hold as people write it, but a URI may not, is encoded. It leads to the same address.
fn uri(url: &str) -> String {
    const REFUSED: &AsciiSet =
        &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');
    percent_encode(url.as_bytes(), REFUSED).to_string()
}

/// Without the characters that XML cannot hold in any form.
fn clean(text: &str) -> String {
    let is_allowed =
        |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(is_allowed).collect()
}

fn time(at: Timestamp) -> Result<FixedDateTime, Problem> {
    at.to_string().parse().map_err(|error| Problem::internal(format!("{at} is no time of a feed: {error}")))
}

/// Whether the reader has it already. The tag decides; the time only if no tag was sent.
fn is_known(request: &HttpRequest, tag: &EntityTag, updated: Timestamp) -> bool {
    if request.headers().contains_key(header::IF_NONE_MATCH) {
        return match request.get_header::<IfNoneMatch>() {
            Some(IfNoneMatch::Any) => true,
            Some(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
            None => false,
        };
    }
    let Some(IfModifiedSince(since)) = request.get_header::<IfModifiedSince>() else { return false };
    let since: std::time::SystemTime = since.into();
    Timestamp::try_from(since).is_ok_and(|since| updated.as_second() <= since.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_dropped() {
        assert_eq!(clean("a\0b\u{b}c\u{1b}\u{fffe}d\u{ffff}\te\n<é🦀"), "abcd\te\n<é🦀");
    }

    #[test]
    fn a_link_is_a_uri() {
        assert_eq!(uri("https://example.com/a|b{c}?d=%7C&e#é"), "https://example.com/a%7Cb%7Bc%7D?d=%7C&e#%C3%A9");
    }

    #[test]
    fn a_ulid_is_a_uuid_of_another_spelling() {
        assert_eq!(urn(0x0193_b5c0_1234_5678_9abc_def0_1234_5678), "urn:uuid:0193b5c0-1234-5678-9abc-def012345678");
    }
}
