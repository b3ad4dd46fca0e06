//! Queues in Redis, and the connection that everything in Redis goes through.
//!
//! A queue is split into partitions, one by default. The keys of a partition share a hash tag, so every script is safe
//! in Cluster. All keys are made in [`keys`]:
//!
//! | key | type | holds |
//! |---|---|---|
//! | `{feeds:0}:wait` | LIST | entries; pushed left, popped right |
//! | `{feeds:0}:suspect` | LIST | entries of lost batches; claimed one at a time and before all others |
//! | `{feeds:0}:claim:<batch>` | LIST | the entries of one claimed batch |
//! | `{feeds:0}:leases` | ZSET | batch -> lease deadline, in ms by Redis' clock |
//! | `{feeds:0}:bell` | LIST | at most one element; workers wait on it, never on the data |
//! | `{feeds}:partitions` | STRING | how many partitions there are |
//! | `cardwire:deployment` | STRING | the id of the deployment that all of this belongs to |
//! | `{feeds}:workers` | HASH | worker -> what it said of itself last |
//!
//! Guarantees, each shown in `tests/`: each published copy is in exactly one of wait, suspect, claim or consumed, even
//! when a reply is lost and when Redis is full (`protocol`); a connection that hangs is noticed and replaced
//! (`faults`); scripts are loaded again when Redis has forgotten them (`faults`); Sentinel and Cluster work too
//! (`topologies`).
//!
//! Not guaranteed: that Redis keeps anything. What it loses is published again from the event log. Publishing to
//! several partitions is all or nothing for each of them, not for all.

mod bell;
mod check;
mod clients;
mod connection;
mod deployment;
pub mod keys;
mod publisher;
pub mod script;
pub mod scripts;
mod sentinel;
mod settings;
mod subscriber;
mod watchdog;
mod workers;

pub use check::ServerReport;
pub use connection::{Connection, DedicatedConnection, Repeat};
pub use deployment::Deployment;
pub use fred::types::{FromValue, Value};
pub use publisher::RedisEventPublisher;
pub use script::Script;
pub use settings::{RedisSettings, RedisUrl, Timings, Tls, Topology};
pub use subscriber::{MAX_BATCH, RedisEventSubscriber, agree};
pub use workers::RedisWorkerRegistry;
