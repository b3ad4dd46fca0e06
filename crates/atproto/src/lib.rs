//! The open network, as AT Protocol has it: people's repositories, and who may write to them.

pub mod repo;

pub use repo::{CallError, Repos};
