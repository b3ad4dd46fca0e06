//! The members of an object that may be a link.

use cardwire_domain::Visibility;

use crate::dates;
use crate::names;
use crate::row::{Draft, is_yes};

use super::fields::{Field, Loose};

/// The name of a collection, and whether it is private, if the file says so.
#[derive(Debug)]
pub(super) struct Shelf {
    pub name: String,
    pub is_private: Option<bool>,
}

#[derive(Debug, Default)]
pub(super) struct Item {
    url: String,
    title: Option<String>,
    description: Option<String>,
    note: Option<String>,
    extended: Option<String>,
    excerpt: String,
    content: Loose,
    added: String,
    tags: Loose,
    folder: String,
    pub collections: Vec<Shelf>,
    /// Whether it is private, if it says so. What says it twice is private if either does.
    privacy: Option<bool>,
    guid: String,
}

impl Item {
    pub fn set(&mut self, field: Field, value: Loose) {
        match field {
            Field::Url => self.url = if value.text.is_empty() { value.url } else { value.text },
            Field::Title => self.title = Some(value.text),
            Field::Description => self.description = Some(value.text),
            Field::Note => self.note = Some(value.text),
            Field::Extended => self.extended = Some(value.text),
            Field::Excerpt => self.excerpt = value.text,
            // Of some services it is the page.
            Field::Content if !value.url.is_empty() => self.content = value,
            Field::Added if self.added.is_empty() => self.added = value.text,
            Field::Tags => self.tags = value,
            Field::Folder => self.folder = value.text,
            Field::Private | Field::Visibility | Field::Shared if value.text.is_empty() => {}
            Field::Private => self.say(is_yes(&value.text)),
            Field::Visibility => self.say(value.text.eq_ignore_ascii_case("private")),
            Field::Shared => self.say(!is_yes(&value.text)),
            Field::Guid => self.guid = value.text,
            Field::Added
            | Field::Content
            | Field::Collections
            | Field::Items
            | Field::Children
            | Field::Roots
            | Field::Other => {}
        }
    }

    fn say(&mut self, is_private: bool) {
        self.privacy = Some(self.privacy.unwrap_or_default() || is_private);
    }

    pub fn privacy(&self) -> Option<bool> {
        self.privacy
    }

    pub fn is_named(&self) -> bool {
        self.title.is_some()
    }

    /// Firefox's own folders have names that nobody is shown.
    pub fn folder_name(&self) -> Option<&str> {
        self.title.as_deref().filter(|_| !self.guid.ends_with("_____"))
    }

    pub fn title(&self) -> String {
        self.title.clone().unwrap_or_default()
    }

    /// `None`: it is no link.
    pub fn finish(self) -> Option<Draft> {
        let url = if self.url.is_empty() { self.content.url } else { self.url };
        if url.is_empty() {
            return None;
        }
        // Pinboard has its titles elsewhere, and blanks between tags.
        let is_pinboard = self.title.is_none() && self.extended.is_some();
        let (title, description) = if is_pinboard { (self.description, None) } else { (self.title, self.description) };
        let has_words = self.note.is_some() || self.extended.is_some() || description.is_some();
        let excerpt = Some(self.excerpt).filter(|_| !has_words);
        let notes = [self.note, self.extended, description, excerpt].into_iter().flatten();
        let mut tags = self.tags.list;
        if is_pinboard {
            tags.extend(self.tags.text.split_whitespace().map(str::to_owned));
        } else {
            tags.extend(names::tags(&self.tags.text));
        }
        tags.push(self.folder);
        let told = self.collections.iter().filter_map(|shelf| {
            let is_private = shelf.is_private?;
            Some((shelf.name.clone(), Visibility::of(is_private)))
        });
        let visibilities = told.collect();
        tags.extend(self.collections.into_iter().map(|shelf| shelf.name));
        let mut draft = Draft {
            url,
            title: title.filter(|title| !title.is_empty()).unwrap_or(self.content.text),
            note: notes.filter(|note| !note.trim().is_empty()).collect::<Vec<_>>().join("\n\n"),
            tags,
            visibilities,
            is_private: self.privacy.unwrap_or_default(),
            ..Draft::default()
        };
        draft.dated(dates::read(&self.added));
        Some(draft)
    }
}
