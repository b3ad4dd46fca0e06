//! What people can do. Each command is one transaction: read, decide, commit.

mod admit;
mod associations;
mod collect;
mod collections;
mod execute;
mod import;
mod membership;
mod named;
mod remove;
mod save;
mod use_case;

pub use admit::admit;
pub use associations::{AssociationsUpdated, UpdateUrlCardAssociations};
pub use collect::{AddCardToCollections, CardCollected};
pub use collections::{CollectionChanged, CreateCollection, DeleteCollection, UpdateCollection, let_cards_go};
pub use execute::{Request, execute};
pub use import::{ImportUrls, UrlsImported};
pub use membership::{AcceptInvitation, BlockPerson, LeaveCollection, SetCollaborators, UnblockPerson};
pub use named::MAX_COLLECTIONS;
pub use remove::{CardRemoved, RemoveCardFromCollections, RemoveCardFromLibrary};
pub use save::{AddUrlToLibrary, UrlAdded};
pub use use_case::UseCase;
