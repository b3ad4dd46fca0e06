//! What each queue's worker does with its events.
//!
//! A handler may see an event any number of times. The effect is written in the transaction that takes the event off
//! the ledger, so only the first time counts.

mod analytics;
mod feed;
pub mod import;
mod leased;
pub mod metadata;
pub mod pictures;
pub mod records;
mod search;

pub use analytics::AnalyticsHandler;
pub use feed::FeedHandler;
pub use import::ImportLoop;
pub use leased::Pace;
pub use metadata::MetadataLoop;
pub use pictures::PictureLoop;
pub use records::{FakeRecordPublisher, RecordHandler, RecordLoop};
pub use search::SearchHandler;
