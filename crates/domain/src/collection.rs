//! Collections of cards, and who may add to them.

use std::collections::BTreeSet;
use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::feed::CardView;
use crate::ids::{CollectionId, UserId};
use crate::membership::{Block, Invitation};
use crate::page::{Page, PageRequest, Position};
use crate::text::{checked, is_visible, turns_direction};
use crate::user::User;
use crate::visibility::Visibility;

/// Who may add cards. CLOSED: the author and the collaborators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AccessType {
    Open,
    #[default]
    Closed,
}

impl AccessType {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Closed => "CLOSED",
        }
    }
}

impl FromStr for AccessType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "OPEN" => Ok(Self::Open),
            "CLOSED" => Ok(Self::Closed),
            _ => Err(Error::invalid("accessType", "Choose OPEN or CLOSED.")),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    pub id: CollectionId,
    pub author: UserId,
    pub name: Name,
    pub description: Description,
    pub access: AccessType,
    /// A private one exists for its author and collaborators only.
    pub visibility: Visibility,
    /// They have accepted.
    pub collaborators: BTreeSet<UserId>,
    /// They have not answered yet, and may do no more than anybody.
    pub invited: BTreeSet<UserId>,
}

impl Collection {
    /// Those who have accepted and those who are invited.
    pub const MAX_COLLABORATORS: usize = 100;

    /// Invited people see nothing but their invitation until they accept.
    pub fn is_seen_by(&self, person: &UserId) -> bool {
        !self.visibility.is_private() || self.author == *person || self.collaborators.contains(person)
    }

    pub fn may_add(&self, person: &UserId) -> Result<()> {
        if self.access == AccessType::Open || self.author == *person || self.collaborators.contains(person) {
            return Ok(());
        }
        Err(Error::Forbidden(format!("Only the author and the collaborators of collection {} can add to it.", self.id)))
    }

    pub fn authored_by(self, person: &UserId) -> Result<Self> {
        if self.author == *person {
            Ok(self)
        } else {
            Err(Error::Forbidden(format!("Only the author of collection {} can change it.", self.id)))
        }
    }

    /// With these people: those who have accepted stay, the others are invited. The author is none of them.
    pub fn shared_with(mut self, mut people: BTreeSet<UserId>) -> Self {
        people.remove(&self.author);
        (self.collaborators, self.invited) = people.into_iter().partition(|person| self.collaborators.contains(person));
        self
    }

    /// The person neither collaborates nor is invited any more; false if neither was so.
    pub fn part_with(&mut self, person: &UserId) -> bool {
        self.collaborators.remove(person) | self.invited.remove(person)
    }
}

/// Trimmed, 1 to 100 characters, some of them visible, without NUL and without characters that turn the direction of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    pub const MAX_CHARS: usize = 100;

    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self(checked("name", text, Self::MAX_CHARS)?))
    }

    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Trimmed, up to 500 characters, without NUL and without characters that turn the direction of text; empty or visible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    pub const MAX_CHARS: usize = 500;

    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.contains('\0') {
            return Err(Error::invalid("description", "Remove the NUL character."));
        }
        if text.chars().count() > Self::MAX_CHARS {
            return Err(Error::invalid("description", "Use at most 500 characters."));
        }
        if !text.is_empty() && !is_visible(text) {
            return Err(Error::invalid("description", "Use at least one visible character, or leave it empty."));
        }
        if text.contains(turns_direction) {
            return Err(Error::invalid("description", "Remove the characters that change the direction of text."));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A collection as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionView {
    pub id: CollectionId,
    pub name: String,
    pub description: String,
    pub access: AccessType,
    pub visibility: Visibility,
    pub author: User,
    pub collaborators: Vec<User>,
    /// Only for the author.
    pub invited: Option<Vec<User>>,
    /// How many of its cards the reader sees. Stores count all of them in an index and look only at those that are not shown to
    /// everybody.
    pub card_count: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Set in the key of a position behind the person's own collections, so that it sorts behind theirs. Times since 1970 leave it free.
const OF_OTHERS: i64 = i64::MIN;

impl CollectionView {
    /// Its place among the collections of one who wrote it or collaborates in it.
    pub fn place(&self, person: &UserId) -> Position {
        let created = self.created_at.as_microsecond();
        let key = if self.author.id == *person { created } else { created | OF_OTHERS };
        Position { key, id: self.id.to_string() }
    }

    /// Whether a place is among the collections of others, and the position by time within those or the person's own.
    pub fn read_place(place: &Position) -> (bool, Position) {
        (place.key < 0, Position { key: place.key & !OF_OTHERS, id: place.id.clone() })
    }
}

/// A card in a collection as it is shown, without anybody's note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectedCard {
    pub card: CardView,
    pub added_by: User,
    pub added_at: Timestamp,
}

/// Reads about collections and the people who share them. A private collection is [`Error::NotFound`] unless the reader is its author or
/// has accepted to collaborate.
#[async_trait]
pub trait CollectionRepository: Send + Sync {
    async fn collection(&self, id: CollectionId, reader: Option<&UserId>) -> Result<CollectionView>;
    /// Newest first, by (added_at, card id). Other people's cards that are private or hidden are left out.
    async fn cards_in(
        &self,
        id: CollectionId,
        reader: Option<&UserId>,
        page: &PageRequest,
    ) -> Result<Page<CollectedCard>>;
    /// First the person's own collections, then those of others in which they collaborate; both newest first by (created_at, id). Its
    /// positions are those of [`CollectionView::place`].
    async fn collections_of(&self, person: &UserId, page: &PageRequest) -> Result<Page<CollectionView>>;
    /// The person's open invitations, newest first by (invited_at, collection id).
    async fn invitations_of(&self, person: &UserId, page: &PageRequest) -> Result<Page<Invitation>>;
    /// Whom this person has blocked, newest first by (blocked_at, id).
    async fn blocked_by(&self, person: &UserId, page: &PageRequest) -> Result<Page<Block>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_descriptions_are_trimmed_and_bounded() {
        assert_eq!(Name::parse("  a ").unwrap().as_str(), "a");
        assert!(Name::parse(&"ü".repeat(100)).is_ok());
        for bad in ["", "   ", "a\0", &"x".repeat(101)] {
            assert!(Name::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Description::parse(&"x".repeat(500)).is_ok());
        assert!(Description::parse(&"x".repeat(501)).is_err());
    }

    #[test]
    fn names_and_descriptions_are_visible_and_keep_their_direction() {
        for bad in ["\u{200b}", "\u{3164}\u{2800}", "a\u{202e}b", "\u{2066}a\u{2069}"] {
            assert!(Name::parse(bad).is_err() && Description::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Name::parse("שלום").is_ok() && Description::parse("").is_ok());
    }

    #[test]
    fn closed_collections_take_cards_from_author_and_collaborators() {
        let person = |name: &str| UserId::parse(&format!("did:plc:{name}")).unwrap();
        let mut collection = Collection {
            id: CollectionId::generate(),
            author: person("author"),
            name: Name::parse("n").unwrap(),
            description: Description::default(),
            access: AccessType::Closed,
            visibility: Visibility::Public,
            collaborators: [person("friend")].into(),
            invited: [person("invited")].into(),
        };
        assert!(collection.may_add(&person("author")).is_ok());
        assert!(collection.may_add(&person("friend")).is_ok());
        for other in ["invited", "stranger"] {
            assert!(collection.may_add(&person(other)).is_err(), "{other}");
        }
        collection.access = AccessType::Open;
        assert!(collection.may_add(&person("stranger")).is_ok());
        collection.visibility = Visibility::Private;
        let seen_by = ["author", "friend", "invited", "stranger"].map(|name| collection.is_seen_by(&person(name)));
        assert_eq!(seen_by, [true, true, false, false]);
    }

    #[test]
    fn access_is_read_back_from_its_name() {
        for access in [AccessType::Open, AccessType::Closed] {
            assert_eq!(access.name().parse::<AccessType>().unwrap(), access);
        }
        assert!("open".parse::<AccessType>().is_err());
    }
}
