//! Reads an Atom feed by the rules of RFC 4287, and refuses one that breaks them.

use std::collections::{BTreeMap, BTreeSet};

use cardwire_domain::url::CardUrl;
use jiff::Timestamp;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

const NAMESPACE: &str = "http://www.w3.org/2005/Atom";

#[derive(Debug, Default)]
pub struct Element {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    pub children: Vec<Element>,
    pub text: String,
}

impl Element {
    pub fn all(&self, name: &str) -> Vec<&Self> {
        self.children.iter().filter(|child| child.name == name).collect()
    }

    /// The only one.
    #[track_caller]
    pub fn one(&self, name: &str) -> &Self {
        let found = self.all(name);
        assert_eq!(found.len(), 1, "{} has {} of {name}", self.name, found.len());
        found[0]
    }

    pub fn text_of(&self, name: &str) -> &str {
        &self.one(name).text
    }

    pub fn link(&self, rel: &str) -> &str {
        let is_such = |link: &&&Self| link.attributes.get("rel").map_or("alternate", String::as_str) == rel;
        let links = self.all("link");
        let found: Vec<_> = links.iter().filter(is_such).collect();
        assert_eq!(found.len(), 1, "{} has {} links {rel}", self.name, found.len());
        &found[0].attributes["href"]
    }
}

/// The feed, which keeps every rule.
pub fn checked(body: &[u8]) -> Element {
    let feed = tree(std::str::from_utf8(body).expect("it is UTF-8"));
    assert_eq!(feed.name, "feed");
    assert_eq!(feed.attributes.get("xmlns").map(String::as_str), Some(NAMESPACE));
    let known = [
        "author",
        "category",
        "contributor",
        "generator",
        "icon",
        "id",
        "link",
        "logo",
        "rights",
        "subtitle",
        "title",
        "updated",
        "entry",
    ];
    common(&feed, &known);
    at_most_one(&feed, &["generator", "icon", "logo", "rights", "subtitle"]);
    let mut ids = BTreeSet::new();
    for entry in feed.all("entry") {
        let known = [
            "author",
            "category",
            "content",
            "contributor",
            "id",
            "link",
            "published",
            "rights",
            "source",
            "summary",
            "title",
            "updated",
        ];
        common(entry, &known);
        at_most_one(entry, &["content", "published", "rights", "source", "summary"]);
        if let Some(published) = entry.all("published").first() {
            is_time(&published.text);
        }
        assert!(!entry.all("author").is_empty() || !feed.all("author").is_empty(), "nobody wrote {entry:?}");
        assert!(!entry.all("content").is_empty() || !entry.link("alternate").is_empty(), "{entry:?}");
        assert!(ids.insert(entry.text_of("id").to_owned()), "an id twice: {entry:?}");
    }
    // What it says of itself, which the RFC recommends.
    assert!(!feed.link("self").is_empty());
    feed
}

/// What the feed and each of its entries must keep.
fn common(element: &Element, known: &[&str]) {
    for child in &element.children {
        assert!(known.contains(&child.name.as_str()), "{} in {}", child.name, element.name);
    }
    is_iri(element.text_of("id"));
    is_time(element.text_of("updated"));
    assert!(!element.text_of("title").trim().is_empty());
    for person in element.all("author").into_iter().chain(element.all("contributor")) {
        assert!(!person.text_of("name").trim().is_empty());
        at_most_one(person, &["uri", "email"]);
        person.all("uri").iter().for_each(|uri| is_iri(&uri.text));
    }
    for category in element.all("category") {
        assert!(category.attributes.contains_key("term"), "{category:?}");
    }
    let mut alternates = BTreeSet::new();
    for link in element.all("link") {
        is_iri(&link.attributes["href"]);
        let rel = link.attributes.get("rel").map_or("alternate", String::as_str);
        let kind = (link.attributes.get("type"), link.attributes.get("hreflang"));
        assert!(rel != "alternate" || alternates.insert(kind), "two alternates of one type: {element:?}");
    }
    for text in ["title", "subtitle", "summary", "rights"] {
        for construct in element.all(text) {
            let kind = construct.attributes.get("type").map_or("text", String::as_str);
            assert!(matches!(kind, "text" | "html"), "{construct:?}");
            assert!(construct.children.is_empty(), "{construct:?}");
        }
    }
}

fn at_most_one(element: &Element, names: &[&str]) {
    for name in names {
        assert!(element.all(name).len() <= 1, "{} has several of {name}", element.name);
    }
}

/// RFC 3339, with a capital T, and with a capital Z where there is no offset.
fn is_time(text: &str) {
    assert!(text.contains('T') && text.parse::<Timestamp>().is_ok(), "{text:?} is no time");
}

/// With a scheme; for the web, with a host as well.
fn is_iri(text: &str) {
    let (scheme, rest) = text.split_once(':').unwrap_or_else(|| panic!("{text:?} has no scheme"));
    assert!(scheme.starts_with(|c: char| c.is_ascii_alphabetic()), "{text:?}");
    assert!(scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)), "{text:?}");
    assert!(!rest.is_empty() && !text.contains(|c: char| c.is_whitespace() || "<>\"{}|\\^`".contains(c)), "{text:?}");
    let is_web = matches!(scheme, "http" | "https");
    assert!(!is_web || CardUrl::is_url(text), "{text:?}");
}

/// As XML has it. A character that it cannot hold is refused, as it is written and as a reference.
fn tree(text: &str) -> Element {
    assert!(text.chars().all(is_xml), "a character that XML cannot hold");
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let (mut open, mut root) = (vec![Element::default()], None);
    loop {
        match reader.read_event().expect("it is well-formed") {
            Event::Start(start) => open.push(element(&start)),
            Event::Empty(start) => {
                let empty = element(&start);
                open.last_mut().unwrap().children.push(empty);
            }
            Event::End(_) => {
                let closed = open.pop().unwrap();
                match open.len() {
                    1 => assert!(root.replace(closed).is_none(), "two roots"),
                    _ => open.last_mut().unwrap().children.push(closed),
                }
            }
            Event::Text(text) => open.last_mut().unwrap().text += &text.decode().unwrap(),
            Event::CData(text) => open.last_mut().unwrap().text += &text.decode().unwrap(),
            Event::GeneralRef(reference) => {
                let name = reference.decode().unwrap().into_owned();
                let c = reference.resolve_char_ref().unwrap().unwrap_or_else(|| match name.as_str() {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    "apos" => '\'',
                    other => panic!("&{other}; is not defined"),
                });
                assert!(is_xml(c), "&{name}; cannot be in XML");
                open.last_mut().unwrap().text.push(c);
            }
            Event::Eof => break,
            Event::DocType(_) => panic!("a document type"),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
        }
    }
    root.expect("there is a root")
}

fn element(start: &BytesStart<'_>) -> Element {
    let name = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let attribute = |attribute: Result<quick_xml::events::attributes::Attribute<'_>, _>| {
        let attribute = attribute.unwrap();
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).unwrap().into_owned();
        (name(attribute.key.as_ref()), value)
    };
    let attributes = start.attributes().map(attribute).collect();
    Element { name: name(start.name().as_ref()), attributes, ..Element::default() }
}

fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[test]
fn the_checker_refuses_what_is_no_feed() {
    let feed = |inside: &str| {
        format!(
            "<?xml version=\"1.0\"?><feed xmlns=\"{NAMESPACE}\"><id>urn:x:1</id><title>t</title>\
             <updated>2026-03-05T12:00:00Z</updated><link rel=\"self\" href=\"https://links.example/feed.atom\"/>{inside}</feed>"
        )
    };
    let entry = "<entry><id>urn:x:2</id><title>t</title><updated>2026-03-05T12:00:00Z</updated>\
                 <link href=\"https://links.example/a\"/><author><name>a &amp; b</name></author></entry>";
    let good = checked(feed(entry).as_bytes());
    assert_eq!(good.one("entry").one("author").text_of("name"), "a & b");
    for bad in [
        feed(&format!("{entry}{entry}")),
        feed(&entry.replace("<author><name>a &amp; b</name></author>", "")),
        feed(&entry.replace("urn:x:2", "2")),
        feed(&entry.replace("<title>t</title>", "")),
        feed(&entry.replace("2026-03-05T12:00:00Z", "5 March 2026")),
        feed(&entry.replace("&amp;", "&#1;")),
        feed(&entry.replace("<link href=\"https://links.example/a\"/>", "")),
        feed("<title>again</title>"),
        feed("<script/>"),
        feed("").replace("rel=\"self\"", "rel=\"related\""),
        feed("").replace("</feed>", ""),
        feed("").replace("2005/Atom", "2006/Atom"),
    ] {
        let refused = std::panic::catch_unwind(|| drop(checked(bad.as_bytes())));
        assert!(refused.is_err(), "{bad}");
    }
}
