//! Shapes that several resources share.

use cardwire_domain::collection::AccessType;
use cardwire_domain::feed::{CardView, CollectionName};
use cardwire_domain::metadata::{FetchState, Metadata, PageInfo, PageKind};
use cardwire_domain::note::Note;
use cardwire_domain::pictures::{CardPictures, Cover, PictureHash};
use cardwire_domain::user::User;
use cardwire_domain::{CardId, CollectionId, Page, UserId, Visibility};
use cardwire_http::cursor::List;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PageBody<T> {
    pub items: Vec<T>,
    /// Opaque: send it as `cursor` to get the next page. Null on the last page.
    pub next_cursor: Option<String>,
}

impl<T> PageBody<T> {
    pub fn of<U: Into<T>>(page: Page<U>, list: &List) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            next_cursor: page.next.map(|position| list.encode(&position)),
        }
    }
}

/// For the document only: [`cardwire_http::idempotency`] reads it.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyHeader {
    /// Requests with the same key get the same answer. 1 to 255 visible ASCII characters; kept for 24 hours.
    #[param(rename = "Idempotency-Key")]
    pub key: Option<String>,
}

/// A field that was sent, even if it is null.
pub fn sent<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserBody {
    #[schema(value_type = String, example = "did:plc:alice")]
    pub id: UserId,
    #[schema(example = "alice")]
    pub handle: String,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self { id: user.id, handle: user.handle }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Card)]
pub struct CardBody {
    #[schema(value_type = String, example = "01JD4A3W5T8Q2V9X7Y6Z1B0C3D")]
    pub id: CardId,
    #[schema(example = "https://example.com/page")]
    pub url: String,
    /// The owner's title for it, otherwise the page's. Left out while neither is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "A page")]
    pub title: Option<String>,
    pub visibility: VisibilityBody,
    /// The page's preview picture; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover: Option<CoverBody>,
    /// The site's icon; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<IconBody>,
}

impl From<CardView> for CardBody {
    fn from(card: CardView) -> Self {
        let CardView { id, url, title, visibility, pictures, .. } = card;
        Self {
            id,
            url,
            title,
            visibility: visibility.into(),
            cover: CoverBody::of(pictures),
            icon: IconBody::of(pictures),
        }
    }
}

/// At most 640 by 360 pixels.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cover)]
pub struct CoverBody {
    /// On this server. Everyone who can see the card can read it.
    #[schema(example = "/pictures/5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9")]
    url: String,
    width: u32,
    height: u32,
}

/// At most 64 by 64 pixels.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Icon)]
pub struct IconBody {
    /// On this server. Everyone who can see the card can read it.
    #[schema(example = "/pictures/6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b")]
    url: String,
}

impl CoverBody {
    pub fn of(pictures: CardPictures) -> Option<Self> {
        pictures.cover.map(|Cover { hash, width, height }| Self { url: picture_url(hash), width, height })
    }
}

impl IconBody {
    pub fn of(pictures: CardPictures) -> Option<Self> {
        pictures.icon.map(|hash| Self { url: picture_url(hash) })
    }
}

fn picture_url(hash: PictureHash) -> String {
    format!("/pictures/{hash}")
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CollectionName)]
pub struct CollectionNameBody {
    #[schema(value_type = String, example = "01JD4A3W5T8Q2V9X7Y6Z1B0C3E")]
    pub id: CollectionId,
    #[schema(example = "Reading")]
    pub name: String,
    pub visibility: VisibilityBody,
}

impl From<CollectionName> for CollectionNameBody {
    fn from(collection: CollectionName) -> Self {
        Self { id: collection.id, name: collection.name, visibility: collection.visibility.into() }
    }
}

/// Only its author sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Note)]
pub struct NoteBody {
    #[schema(value_type = String, example = "01JD4A3W5T8Q2V9X7Y6Z1B0C3F")]
    pub id: CardId,
    #[schema(example = "Read this again.")]
    pub text: String,
}

impl From<Note> for NoteBody {
    fn from(note: Note) -> Self {
        Self { id: note.id, text: note.text.as_str().to_owned() }
    }
}

/// What the page behind a URL says about itself, and the state of its fetch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Metadata)]
pub struct MetadataBody {
    /// pending, ready or failed.
    #[schema(example = "ready")]
    state: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Whether a failed fetch will be retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
    /// The page's own title, even if the card has another.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "A page")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    site_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "article")]
    r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
}

impl From<PageInfo> for MetadataBody {
    fn from(page: PageInfo) -> Self {
        let state = page.state.name();
        let (reason, retryable) = match page.state {
            FetchState::Failed { reason, retryable } => (Some(reason), Some(retryable)),
            FetchState::Pending | FetchState::Ready => (None, None),
        };
        let Metadata { title, description, image, site_name, author, kind, language, icon: _ } = page.metadata;
        let r#type = kind.map(PageKind::name);
        Self { state, reason, retryable, title, description, image, site_name, author, r#type, language }
    }
}

/// Who can see it. PUBLIC: everyone. PRIVATE: for a card, only its owner; for a collection, its author and
/// collaborators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = Visibility)]
pub enum VisibilityBody {
    Public,
    Private,
}

impl From<VisibilityBody> for Visibility {
    fn from(visibility: VisibilityBody) -> Self {
        match visibility {
            VisibilityBody::Public => Self::Public,
            VisibilityBody::Private => Self::Private,
        }
    }
}

impl From<Visibility> for VisibilityBody {
    fn from(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Public => Self::Public,
            Visibility::Private => Self::Private,
        }
    }
}

/// Who may add cards. CLOSED: the author and the collaborators.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Access {
    Open,
    #[default]
    Closed,
}

impl From<Access> for AccessType {
    fn from(access: Access) -> Self {
        match access {
            Access::Open => Self::Open,
            Access::Closed => Self::Closed,
        }
    }
}

impl From<AccessType> for Access {
    fn from(access: AccessType) -> Self {
        match access {
            AccessType::Open => Self::Open,
            AccessType::Closed => Self::Closed,
        }
    }
}
