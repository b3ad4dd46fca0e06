//! Cards that others saved, as rows of a list.

use cardwire_domain::feed::CollectionName;
use cardwire_domain::public::{ListedCollection, SavedCard};
use jiff::Timestamp;

use crate::links::{about_url, person};
use crate::shown::{Link, When};

/// A card, with who saved it.
pub struct Saved {
    pub link: Link,
    pub description: Option<String>,
    pub owner: String,
    pub owner_path: String,
    pub collections: Vec<CollectionName>,
    pub when: When,
    /// Who else saved the link.
    pub about: String,
}

impl Saved {
    pub fn of(saved: SavedCard, now: Timestamp) -> Self {
        Self {
            about: about_url(&saved.card.url),
            link: Link::of(saved.card),
            description: saved.description,
            owner_path: person(&saved.owner.handle),
            owner: saved.owner.handle,
            collections: saved.collections,
            when: When::of(saved.added_at, now),
        }
    }
}

/// A public collection.
pub struct Listed {
    pub id: String,
    pub name: String,
    pub description: String,
    pub author: String,
    pub author_path: String,
    pub cards: String,
    pub when: When,
}

impl Listed {
    pub fn of(listed: ListedCollection, now: Timestamp) -> Self {
        Self {
            id: listed.id.to_string(),
            name: listed.name,
            description: listed.description,
            author_path: person(&listed.author.handle),
            author: listed.author.handle,
            cards: match listed.card_count {
                1 => "1 link".to_owned(),
                many => format!("{many} links"),
            },
            when: When::of(listed.changed_at, now),
        }
    }
}
