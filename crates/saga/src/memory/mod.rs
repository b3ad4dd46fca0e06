//! The saga's state in the memory of one process, for the mock and the single-process context. It forgets everything when
//! the process ends; the ledger does not.

mod lock;
mod store;

pub use lock::InMemoryDistributedLock;
pub use store::InMemorySagaStateStore;
