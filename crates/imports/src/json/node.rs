//! One pass over nested objects and lists, whatever program wrote them. Of what is not a part of a link, nothing is kept.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::row::{Draft, Found};

use super::fields::{Field, Loose};
use super::item::{Item, Shelf};
use super::walk::{Stop, Walk};

/// Of collections in one list; the rest is left out.
const MAX_NAMES: usize = 1_000;
/// Of the name of a collection, before what no name may hold is taken out.
const MAX_NAME_BYTES: usize = 16 * 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Links: what is none is told.
    Items,
    /// Links, folders, and what programs put between them.
    Children,
    /// Names of collections, or collections with links in them.
    Collections,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Top,
    /// What a member holds.
    Value(Kind),
    /// What is in a list.
    Element(Kind),
}

/// A value at this place.
pub(super) struct Node<'n, 'w, 'a> {
    pub walk: &'n mut Walk<'w, 'a>,
    pub place: Place,
}

/// What was in a value.
#[derive(Debug, Default)]
pub(super) struct Seen {
    has_links: bool,
    /// Collections without links.
    shelves: Vec<Shelf>,
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_, '_> {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_, '_> {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("links")
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    /// A link without anything else, or a name.
    fn visit_str<E: Error>(self, text: &str) -> Result<Seen, E> {
        match self.place {
            Place::Element(Kind::Items) => {
                let draft = Draft { url: text.to_owned(), ..Draft::default() };
                self.walk.add(Found::Link(draft)).map_err(stopped)?;
                Ok(Seen { has_links: true, ..Seen::default() })
            }
            Place::Value(Kind::Collections) | Place::Element(Kind::Collections) => {
                Ok(Seen { shelves: vec![shelf(text, None)], ..Seen::default() })
            }
            _ => Ok(Seen::default()),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Seen, A::Error> {
        let place = match self.place {
            Place::Top => Place::Element(Kind::Items),
            Place::Value(kind) | Place::Element(kind) => Place::Element(kind),
        };
        let mut all = Seen::default();
        while let Some(seen) = elements.next_element_seed(Node { walk: &mut *self.walk, place })? {
            all.has_links |= seen.has_links;
            let room = MAX_NAMES.saturating_sub(all.shelves.len());
            all.shelves.extend(seen.shelves.into_iter().take(room));
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Seen, A::Error> {
        let Self { walk, place } = self;
        let (mut item, mut seen) = (Item::default(), Seen::default());
        let mut is_folder = false;
        while let Some(field) = object.next_key::<Field>()? {
            let kind = match field {
                Field::Items => Kind::Items,
                Field::Children | Field::Roots => Kind::Children,
                Field::Collections => Kind::Collections,
                Field::Other => {
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
                field => {
                    item.set(field, object.next_value::<Loose>()?);
                    if field == Field::Title && is_folder {
                        walk.name(item.folder_name()).map_err(stopped)?;
                    }
                    if let Some(is_private) = item.privacy().filter(|_| is_folder) {
                        walk.settle(is_private).map_err(stopped)?;
                    }
                    continue;
                }
            };
            if !is_folder {
                is_folder = true;
                walk.enter();
                // The outermost object is no folder, even if it has a name.
                let is_whole = place == Place::Top && field != Field::Children;
                if is_whole || item.is_named() {
                    walk.name(item.folder_name().filter(|_| !is_whole)).map_err(stopped)?;
                }
                // Nothing waits for the end of the file.
                if let Some(is_private) = item.privacy().or(is_whole.then_some(false)) {
                    walk.settle(is_private).map_err(stopped)?;
                }
            }
            let inner = if field == Field::Roots {
                object.next_value_seed(Roots { walk: &mut *walk })?
            } else {
                object.next_value_seed(Node { walk: &mut *walk, place: Place::Value(kind) })?
            };
            seen.has_links |= inner.has_links;
            let room = MAX_NAMES.saturating_sub(item.collections.len());
            item.collections.extend(inner.shelves.into_iter().take(room));
        }
        if is_folder {
            walk.leave().map_err(stopped)?;
        }
        let (name, privacy) = (item.title(), item.privacy());
        match item.finish() {
            Some(draft) => {
                seen.has_links = true;
                walk.add(Found::Link(draft)).map_err(stopped)?;
            }
            None if seen.has_links => {}
            None if place == Place::Element(Kind::Items) => {
                let why = if name.is_empty() {
                    "There is no link in it.".into()
                } else {
                    format!("There is no link in “{name}”.")
                };
                walk.add(Found::Refused { url: String::new(), why }).map_err(stopped)?;
            }
            None if matches!(place, Place::Value(Kind::Collections) | Place::Element(Kind::Collections)) => {
                seen.shelves = vec![shelf(&name, privacy)];
            }
            None => {}
        }
        Ok(seen)
    }
}

fn shelf(name: &str, is_private: Option<bool>) -> Shelf {
    Shelf { name: name[..name.floor_char_boundary(MAX_NAME_BYTES)].to_owned(), is_private }
}

/// Chrome's folders: an object with a folder in each member.
struct Roots<'n, 'w, 'a> {
    walk: &'n mut Walk<'w, 'a>,
}

impl<'de> DeserializeSeed<'de> for Roots<'_, '_, '_> {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Roots<'_, '_, '_> {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with folders")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Seen, A::Error> {
        let mut all = Seen::default();
        while object.next_key::<IgnoredAny>()?.is_some() {
            let node = Node { walk: &mut *self.walk, place: Place::Element(Kind::Children) };
            all.has_links |= object.next_value_seed(node)?.has_links;
        }
        Ok(all)
    }
}

fn stopped<E: Error>(_: Stop) -> E {
    E::custom("nobody wants the rest")
}
