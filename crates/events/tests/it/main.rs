//! The queues over their ports, and the Redis protocol against a real server.

#![allow(clippy::unwrap_used)]

mod contracts;
mod faults;
mod measure;
mod protocol;
mod queues;
mod registry;
mod server;
mod support;
mod topologies;
