//! Test support: real servers on free ports, contract suites that every adapter must pass, a clock that tests turn.
//!
//! A development dependency only. The suites know the ports alone, never an adapter.

pub mod account_suite;
pub mod clock;
pub mod deployment;
pub mod faults;
pub mod history;
pub mod longer;
pub mod net;
pub mod network;
pub mod pds;
pub mod pgbouncer;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod queue_suite;
pub mod real_pds;
pub mod record_suite;
pub mod redis;
pub mod remains;
pub mod saga_suite;
pub mod schemas;
pub mod stack;
pub mod store_suite;

pub use clock::TokioClock;
