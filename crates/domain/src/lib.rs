//! What Cardwire is about: cards, libraries, collections, activities and the rules between them.
//!
//! This crate decides; it performs no I/O and knows no runtime. Use cases read through the ports declared here, decide
//! with the aggregates, and hand every change and every event they raise to the store as one [`Changes`] value, which is
//! committed whole or not at all.
//!
//! Guarantees: a refused command changes nothing (`use_cases` run against a transaction that is dropped on error); the
//! activities of one card and one person do not depend on the order in which their events arrive
//! (`activity::tests::any_order_any_cut_ends_in_the_same_activities`).

pub mod account_store;
pub mod accounts;
pub mod activity;
pub mod analytics;
pub mod atproto;
pub mod card;
pub mod changes;
pub mod clock;
pub mod collection;
pub mod error;
pub mod event;
pub mod exports;
pub mod feed;
pub mod fetch_room;
pub mod ids;
pub mod imports;
pub mod invites;
pub mod leaving;
pub mod library;
pub mod membership;
pub mod metadata;
pub mod note;
pub mod page;
pub mod password;
pub mod pictures;
pub mod profile;
pub mod public;
pub mod quotas;
pub mod records;
pub mod resets;
pub mod search;
pub mod sessions;
pub mod store;
pub mod text;
pub mod title;
pub mod tokens;
pub mod url;
pub mod use_cases;
pub mod user;
pub mod visibility;

pub use activity::{Activity, CollectedWindow, Member, WINDOW};
pub use card::{Card, CollectionLink};
pub use changes::{Change, Changes};
pub use clock::{Clock, SystemClock};
pub use collection::{AccessType, Collection};
pub use error::{Error, Result};
pub use event::{DomainEvent, RecordedEvent};
pub use ids::{ActivityId, CardId, CollectionId, EventId, ImportId, LinkId, SessionId, TokenId, UserId};
pub use page::{Limit, Page, PageRequest, Position};
pub use store::{Recall, Store, Transaction};
pub use visibility::Visibility;
