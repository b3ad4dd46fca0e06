//! What a page tells those who show a link to it: OpenGraph and Twitter tags, where its oEmbed answer is, and where its feed is. Only of what
//! everybody sees.

use cardwire_domain::collection::CollectionView;
use cardwire_domain::library::LibraryCard;

use crate::assets;
use crate::links::{person, with_parameter};
use crate::shown::without_scheme;
use crate::visit::Visit;

/// What describes a page longer than this is cut: whoever shows it shows no more.
const DESCRIPTION_CHARS: usize = 200;

/// The tags of one page. Addresses are whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Sharing {
    /// As OpenGraph calls it.
    pub kind: &'static str,
    pub title: String,
    pub description: String,
    pub url: String,
    pub image: String,
    pub oembed: Option<String>,
    pub feed: Option<Feed>,
}

/// A feed of the page, by its path.
#[derive(Debug, PartialEq, Eq)]
pub struct Feed {
    pub title: String,
    pub path: String,
}

impl Sharing {
    /// `None` unless everybody sees the collection.
    pub fn of_collection(visit: &Visit, collection: &CollectionView) -> Option<Self> {
        if collection.visibility.is_private() {
            return None;
        }
        let about = match collection.description.as_str() {
            "" => format!("A collection of links by {}", collection.author.handle),
            text => text.to_owned(),
        };
        let path = format!("/collections/{}", collection.id);
        let feed = Feed { title: collection.name.clone(), path: format!("{path}/feed.atom") };
        Self { feed: Some(feed), ..Self::of(visit, "website", &path, collection.name.clone(), about)? }
            .with_oembed(visit)
    }

    /// `None` unless everybody sees the card.
    pub fn of_card(visit: &Visit, kept: &LibraryCard) -> Option<Self> {
        if kept.card.visibility.is_private() || kept.card.is_hidden {
            return None;
        }
        let address = without_scheme(&kept.card.url).to_owned();
        let title = kept.card.title.clone().unwrap_or_else(|| address.clone());
        let about = kept.page.metadata.description.clone().unwrap_or(address);
        Self::of(visit, "article", &format!("/cards/{}", kept.card.id), title, about)?.with_oembed(visit)
    }

    pub fn of_person(visit: &Visit, handle: &str, name: &str, bio: Option<&str>) -> Option<Self> {
        let about = bio.map_or_else(|| format!("Links that {handle} saved"), str::to_owned);
        let path = person(handle);
        let feed = Feed { title: format!("Links that {handle} saved"), path: format!("{path}/feed.atom") };
        Some(Self { feed: Some(feed), ..Self::of(visit, "profile", &path, name.to_owned(), about)? })
    }

    fn of(visit: &Visit, kind: &'static str, path: &str, title: String, about: String) -> Option<Self> {
        let base = visit.base()?;
        Some(Self {
            kind,
            title,
            description: cut(&about),
            url: format!("{base}{path}"),
            image: format!("{base}{}", assets::path("icon-512.png")),
            oembed: None,
            feed: None,
        })
    }

    fn with_oembed(self, visit: &Visit) -> Option<Self> {
        let oembed = with_parameter(&format!("{}/oembed", visit.base()?), "url", &self.url);
        Some(Self { oembed: Some(oembed), ..self })
    }
}

/// On one line, and not too long.
fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(DESCRIPTION_CHARS) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_on_one_line_and_not_too_long() {
        assert_eq!(cut(" a\n\n b\t"), "a b");
        assert_eq!(cut(&"é".repeat(200)), "é".repeat(200));
        assert_eq!(cut(&"é".repeat(201)), format!("{}…", "é".repeat(200)));
    }
}
