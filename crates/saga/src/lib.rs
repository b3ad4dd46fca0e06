//! The saga that turns the events of one card and one person into one activity of the feed.
//!
//! Events are merged into *windows*, one per card and person, kept in a [`SagaStateStore`]. A window is due three
//! seconds after its first event was merged; any worker may then claim it, write its activity and remove what it wrote. The
//! store only decides *when* that happens. *Which* activity an event belongs to is decided by the
//! [`FeedRepository`](cardwire_domain::feed::FeedRepository), in the transaction that takes the event off the ledger.
//!
//! Guarantees, and the tests that show them:
//! - Merging an event again, in any order or portion, changes nothing (`pending::tests`,
//!   `saga_suite::merging_again_in_any_order_changes_nothing`).
//! - Due times are in the store, not in a process: a worker that dies is followed by another after the lock's 13 s
//!   (`saga_suite::an_expired_lock_lets_another_worker_take_over`).
//! - What is merged while a window is being flushed stays and is flushed next
//!   (`saga_suite::what_is_merged_during_a_flush_is_flushed_next`).
//! - Nobody frees a lock that is not theirs (`saga_suite::a_late_owner_removes_what_it_read_and_frees_no_lock`).
//! - No window can keep others from being flushed: one that fails three times ends as dead letters
//!   (`saga::a_poison_window_ends_as_dead_letters_and_its_neighbours_are_flushed`).
//! - A store that is full slows nothing down: the events go straight to the feed
//!   (`saga::a_full_store_is_bypassed`).
//!
//! Not guaranteed: that only one worker flushes a window at a time (a lock may expire), nor that a window survives the
//! loss of the store. Neither costs an event or doubles an effect: the ledger holds each event until its effect is
//! committed, and an event that is no longer owed contributes nothing.

pub mod error;
pub mod flush;
pub mod lock;
pub mod memory;
pub mod pending;
pub mod redis;
pub mod saga;
pub mod store;
pub mod timing;

pub use error::{Error, Result};
pub use flush::FlushLoop;
pub use lock::{DistributedLock, OwnerToken};
pub use memory::{InMemoryDistributedLock, InMemorySagaStateStore};
pub use pending::{PendingActivity, PendingEvent, SagaKey};
pub use redis::{RedisDistributedLock, RedisSagaStateStore};
pub use saga::{CardCollectionSaga, Flushed, SagaSettings};
pub use store::{ClaimedWindow, OpenWindow, Place, ReleaseReason, SagaStateStore};
pub use timing::Timing;
