//! For administrators: what is on its way, what failed, which windows are open, and what to do about it.

pub mod audit;
pub mod cards;
pub mod dead_letters;
pub mod failures;
pub mod history;
pub mod invites;
pub mod people;
pub mod queues;
pub mod rebuild;
pub mod replays;
pub mod running;
pub mod sagas;
