//! A link of a bookmark file, while it is read.

use cardwire_domain::Visibility;

use crate::dates;
use crate::entities::decode;
use crate::folders::Folders;
use crate::names;
use crate::row::{Draft, Found, is_yes};

use super::markup::{lines, words};
use super::scan::Tag;

/// Those of an `<a>` that tell something of its link, and of a heading.
pub(super) const ATTRIBUTES: &[&str] =
    &["href", "add_date", "time_added", "date_added", "tags", "collections", "private_collections", "private"];

#[derive(Debug)]
pub(super) struct Item {
    href: String,
    is_broken: bool,
    added: String,
    /// Names of collections.
    tags: Vec<String>,
    visibilities: Vec<(String, Visibility)>,
    is_private: bool,
    /// Raw.
    pub title: String,
    /// Raw.
    pub note: String,
}

impl Item {
    /// `None`: it leads nowhere.
    pub fn of(tag: &Tag) -> Option<Self> {
        let value = |name: &str| tag.attribute(name).map(|raw| decode(raw, true).into_owned());
        let href = value("href")?;
        let is_broken = tag.broken.as_deref() == Some("href") || swallows_an_attribute(&href);
        let added = ["add_date", "time_added", "date_added"].into_iter().find_map(value);
        let mut tags = names::between(&value("tags").unwrap_or_default(), ',');
        // linkding marks what is archived so.
        tags.retain(|tag| !tag.starts_with("linkding:"));
        tags.extend(names::collections(&value("collections").unwrap_or_default()));
        let private = value("private_collections").map(|names| names::collections(&names));
        let visibilities = names::visibilities(&tags, private);
        let (title, note) = (String::new(), String::new());
        let (added, is_private) = (added.unwrap_or_default(), is_private(tag));
        Some(Self { href, is_broken, added, tags, visibilities, is_private, title, note })
    }

    pub fn finish(self, folders: &Folders) -> Found {
        if self.is_broken {
            return Found::Refused { url: self.href, why: "The quotation mark after HREF= is never closed.".into() };
        }
        let mut draft = Draft {
            url: self.href,
            title: words(&self.title),
            note: lines(&self.note),
            folder: folders.name(),
            tags: self.tags,
            visibilities: self.visibilities,
            is_private: self.is_private,
            ..Draft::default()
        };
        draft.dated(dates::read(&self.added));
        Found::Link(draft)
    }
}

/// Without a value it is set, as every attribute of HTML is.
pub(super) fn is_private(tag: &Tag) -> bool {
    tag.attribute("private").is_some_and(|raw| raw.is_empty() || is_yes(&decode(raw, true)))
}

/// `HREF="https://example.com/ ADD_DATE="1"`: the mark that opens the next value closes this one.
fn swallows_an_attribute(href: &str) -> bool {
    let last = href.strip_suffix('=').and_then(|before| before.rsplit_once(char::is_whitespace));
    let is_name = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '-');
    last.is_some_and(|(_, name)| !name.is_empty() && name.chars().all(is_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_in_a_url_is_seen() {
        for swallowing in ["https://example.com/ ADD_DATE=", "x\nTAGS=", "x data-cover="] {
            assert!(swallows_an_attribute(swallowing), "{swallowing}");
        }
        for plain in ["https://example.com/?q=", "https://example.com/?q=two words", "x =", "x 1=", "a b?c="] {
            assert!(!swallows_an_attribute(plain), "{plain}");
        }
    }
}
