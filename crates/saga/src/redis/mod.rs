//! The saga's state in Redis, shared by all workers.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `saga:feed:pending:<cardId>-<actorId>` | HASH | event id -> effect; `failures` -> how often the flush failed |
//! | `saga:feed:lock:<cardId>-<actorId>` | STRING | the token of who flushes the window; expires after 13 s |
//! | `saga:feed:due:<p>` | ZSET | key of a window -> when it is due, in ms by Redis' clock |
//!
//! With several partitions, and in Cluster, all three begin with the partition's hash tag, `{feeds:<p>}:`, so that every
//! script stays on one node. Scripts that start from `due` find the other keys there and cannot declare them.
//!
//! A window costs about 200 bytes, a lock 50. A window that nothing flushes for seven days is forgotten; the ledger is not.
//!
//! When Redis is full (`noeviction`), only merging is refused, and then nothing of the portion is merged. All that
//! leads to less in Redis goes on: claim, commit and release each begin with a write that frees memory, behind which
//! Redis (6.2 and 7, scripts without a shebang) lets a script finish. Shown in `tests/it/redis.rs`.
//!
//! A Redis that loses everything costs nothing but time: the events are published again when they are due, and
//! merged again.

mod effect;
mod keys;
mod lock;
mod scripts;
mod store;

pub use lock::RedisDistributedLock;
pub use store::RedisSagaStateStore;

use crate::error::Error;

impl From<cardwire_events::Error> for Error {
    fn from(error: cardwire_events::Error) -> Self {
        match error {
            cardwire_events::Error::Full(_) => Self::Full,
            cardwire_events::Error::Unavailable(_, why) => Self::Unavailable(why),
            cardwire_events::Error::Corrupt(_, why) | cardwire_events::Error::Misconfigured(_, why) => {
                Self::Corrupt(why)
            }
        }
    }
}
