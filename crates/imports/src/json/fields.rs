//! What the members of JSON objects are, by the names that services give them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Text of a value that is kept: longer than any note.
const MAX_TEXT_BYTES: usize = 64 * 1_024;
/// Of a list of tags, so many are kept.
const MAX_LISTED: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Url,
    Title,
    /// What the link is about: Pinboard has its title here.
    Description,
    /// What somebody wrote.
    Note,
    /// The same, of Pinboard.
    Extended,
    /// What was taken from the page.
    Excerpt,
    Added,
    Tags,
    /// Names, or objects with links of their own.
    Collections,
    /// One of them.
    Folder,
    Private,
    Visibility,
    /// With everybody, or at least with somebody.
    Shared,
    /// An object with the link.
    Content,
    /// Links.
    Items,
    /// Links and folders.
    Children,
    /// An object of folders.
    Roots,
    /// The name that a program has for it.
    Guid,
    Other,
}

impl Field {
    fn of(name: &str) -> Self {
        match name {
            "url" | "link" | "href" | "uri" | "address" | "originalUrl" => Self::Url,
            "title" | "name" => Self::Title,
            "description" | "desc" | "summary" => Self::Description,
            "note" | "notes" | "comment" | "comments" | "textContent" => Self::Note,
            "extended" => Self::Extended,
            "excerpt" | "selection" => Self::Excerpt,
            "addedAt"
            | "added_at"
            | "dateAdded"
            | "date_added"
            | "createdAt"
            | "created_at"
            | "created"
            | "savedAt"
            | "saved_at"
            | "time"
            | "timestamp"
            | "time_added"
            | "add_date"
            | "createdTimestampUsec" => Self::Added,
            "tags" | "tag_names" | "tagNames" | "labels" | "keywords" => Self::Tags,
            "collections" | "folders" | "groups" => Self::Collections,
            "collection" | "folder" => Self::Folder,
            "private" | "isPrivate" | "is_private" => Self::Private,
            "visibility" => Self::Visibility,
            "shared" | "public" | "isPublic" | "is_public" => Self::Shared,
            "content" => Self::Content,
            "bookmarks" | "links" | "items" | "cards" | "posts" | "entries" | "results" | "data" | "annotations"
            | "orderedItems" | "urls" => Self::Items,
            "children" => Self::Children,
            "roots" => Self::Roots,
            "guid" => Self::Guid,
            _ => Self::Other,
        }
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Field, E> {
                Ok(Field::of(name))
            }
        }
        deserializer.deserialize_identifier(Name)
    }
}

/// Whatever stands there, as far as it can be a part of a link.
#[derive(Debug, Default)]
pub(super) struct Loose {
    /// A string, number or boolean; of an object, what it holds as its text or name.
    pub text: String,
    /// Of an object, its link.
    pub url: String,
    /// Of a list, the texts of what is in it.
    pub list: Vec<String>,
}

impl Loose {
    fn of(text: &str) -> Self {
        Self { text: text[..text.floor_char_boundary(MAX_TEXT_BYTES)].to_owned(), ..Self::default() }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Loose;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
                Ok(Loose::of(text))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Loose, E> {
                Ok(Loose::of(&value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Loose, E> {
                Ok(Loose::of(&value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Loose, E> {
                Ok(Loose::of(&value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Loose, E> {
                Ok(Loose::of(&value.to_string()))
            }

            fn visit_unit<E>(self) -> Result<Loose, E> {
                Ok(Loose::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Loose, A::Error> {
                let mut list = Vec::new();
                while let Some(Loose { text, .. }) = elements.next_element()? {
                    if list.len() < MAX_LISTED {
                        list.push(text);
                    }
                }
                Ok(Loose { list, ..Loose::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Loose, A::Error> {
                let mut whole = Loose::default();
                while let Some(name) = object.next_key::<String>()? {
                    match &*name {
                        "text" | "name" | "title" | "label" | "tag" if whole.text.is_empty() => {
                            whole.text = object.next_value::<Loose>()?.text;
                        }
                        "url" | "href" | "link" => whole.url = object.next_value::<Loose>()?.text,
                        _ => {
                            object.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(whole)
            }
        }
        deserializer.deserialize_any(Any)
    }
}
