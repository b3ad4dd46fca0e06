//! What people can do. Each command is one transaction: read, decide, commit.

mod admit;
mod associations;
mod collect;
mod collections;
mod execute;
mod hide;
mod identity;
mod import;
mod leave;
mod membership;
mod named;
mod remove;
mod save;
mod undo;
mod use_case;

pub use admit::admit;
pub use associations::{AssociationsUpdated, UpdateUrlCardAssociations};
pub use collect::{AddCardToCollections, CardCollected};
pub use collections::{CollectionChanged, CreateCollection, DeleteCollection, UpdateCollection, let_cards_go};
pub use execute::{Request, execute};
pub use hide::{CardHiding, HideCard, ShowCard};
pub use identity::{RenewIdentity, Renewed, renew_identities};
pub use import::{ImportUrls, UrlsImported, check_urls};
pub use leave::{Parting, let_person_go};
pub use membership::{AcceptInvitation, BlockPerson, LeaveCollection, SetCollaborators, UnblockPerson};
pub use named::MAX_COLLECTIONS;
pub use remove::{CardRemoved, RemoveCardFromCollections, RemoveCardFromLibrary};
pub use save::{AddUrlToLibrary, UrlAdded};
pub use undo::undo_imports;
pub use use_case::UseCase;
