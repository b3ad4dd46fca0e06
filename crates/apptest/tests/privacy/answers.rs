//! Answers, made comparable: what differs from run to run is replaced.

use std::collections::BTreeMap;

use cardwire_apptest::harness::Answer;

use crate::world::World;

/// One page of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub status: u16,
    headers: BTreeMap<String, Vec<String>>,
    /// With everything replaced that cannot be the same.
    pub body: String,
    /// Headers and body as they came.
    pub raw: String,
}

impl Seen {
    pub fn of(answer: &Answer, world: &World) -> Self {
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut raw = body.clone();
        for (name, value) in &answer.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            raw.push_str(&format!("\n{name}: {value}"));
            // A time as well, though it is not written like one.
            let told = if name == "last-modified" { "[time]".to_owned() } else { plain(&value, world) };
            headers.entry(name.to_string()).or_default().push(told);
        }
        Self { status: answer.status.as_u16(), headers, body: plain(&body, world), raw }
    }

    pub fn of_stream(told: String, world: &World) -> Self {
        Self { status: 200, headers: BTreeMap::new(), body: plain(&told, world), raw: told }
    }

    /// Whether it holds one of these words, which `asked` does not.
    pub fn shows(&self, marks: &[&str], asked: &str) -> bool {
        let (text, asked) = (self.raw.to_lowercase(), asked.to_lowercase());
        marks.iter().map(|mark| mark.to_lowercase()).any(|mark| text.contains(&mark) && !asked.contains(&mark))
    }

    /// `None`: readers cannot tell the two apart.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.status != other.status {
            return Some(format!("{} instead of {}: {}", self.status, other.status, cut(&self.body, 0)));
        }
        if self.headers != other.headers {
            return Some(format!("headers {:?} instead of {:?}", self.headers, other.headers));
        }
        if self.body == other.body {
            return None;
        }
        let same = self.body.bytes().zip(other.body.bytes()).take_while(|(one, other)| one == other).count();
        Some(format!("…{}… instead of …{}…", cut(&self.body, same), cut(&other.body, same)))
    }
}

/// Some of the text, around this place.
fn cut(text: &str, place: usize) -> String {
    let bytes = text.as_bytes();
    let from = place.saturating_sub(80).min(bytes.len());
    String::from_utf8_lossy(&bytes[from..bytes.len().min(from + 320)]).into_owned()
}

/// Where the next page of the answer is.
pub fn next_page(answer: &Answer, path: &str) -> Option<String> {
    let body = String::from_utf8_lossy(&answer.body);
    if answer.header("content-type").starts_with("application/json") {
        let page = answer.json();
        let cursor = page["nextCursor"].as_str().or_else(|| page["cards"]["nextCursor"].as_str())?;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let others = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
        let query: Vec<&str> = others.collect();
        return Some(format!("{path}?{}{}cursor={cursor}", query.join("&"), if query.is_empty() { "" } else { "&" }));
    }
    let links = body.split("href=\"").skip(1).filter_map(|link| link.split('"').next());
    links.map(|link| link.replace("&amp;", "&")).find(|link| link.starts_with('/') && link.contains("cursor="))
}

/// Replaces ids by the names of what they stand for, and times, other ids and random values by their kind.
fn plain(text: &str, world: &World) -> String {
    let mut text = text.to_owned();
    for (id, name) in world.names() {
        text = text.replace(id, name);
    }
    let mut plain = String::with_capacity(text.len());
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        if let Some(length) = time(rest) {
            plain.push_str("[time]");
            rest = &rest[length..];
        } else if is_of_word(c) {
            let (word, behind) = rest.split_at(rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()));
            plain.push_str(if is_random(word) { "[random]" } else { word });
            rest = behind;
        } else {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    plain
}

/// ULIDs, digests, tokens, cursors, and positions of the live feed. No word of a page that differs is as long and has digits or capitals.
fn is_random(word: &str) -> bool {
    word.len() >= 20 && word.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

/// The length of an RFC 3339 time that the text begins with.
fn time(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_one = bytes.len() >= 20
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && (bytes[4], bytes[7], bytes[10]) == (b'-', b'-', b'T')
        && bytes[13] == b':';
    if !is_one {
        return None;
    }
    // To the second, then its fraction, then the zone: Z or +00:00.
    let end = 19 + bytes[19..].iter().take_while(|b| **b == b'.' || b.is_ascii_digit()).count();
    match bytes.get(end) {
        Some(b'Z') => Some(end + 1),
        Some(b'+' | b'-') if bytes.len() >= end + 6 => Some(end + 6),
        _ => None,
    }
}
