//! Queues inside one process, with leases and suspects like the real ones.

mod publisher;
mod registry;
mod state;
mod subscriber;

pub use publisher::InMemoryEventPublisher;
pub use registry::InMemoryWorkerRegistry;
pub use state::InMemoryQueues;
pub use subscriber::InMemoryEventSubscriber;
