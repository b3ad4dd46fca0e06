//! The parts around the work of every Cardwire process: settings, command line, log, metrics, health, shutdown, exit
//! code.
//!
//! A binary is one call of [`launch()`]. Its own code gets a [`Process`] and returns once it has drained.
//!
//! Guarantees:
//! - A process with contradictory settings does not start: it prints one line with the reason and exits with 78
//!   (`settings::tests::contradictions_are_refused`). An unknown nested name or an invalid value is refused, never
//!   replaced by a default (`settings::tests::values_that_break_their_rule_are_refused`).
//! - A flag wins over the environment, the environment over `.env`, `.env` over the default; `.env` is only read in
//!   development (`settings::tests::flag_environment_dotenv_default`).
//! - No secret is printed by `--check-config`, in an error or by `Debug` (`settings::tests::no_secret_is_shown`).
//! - The first signal fails readiness before it stops the intake, and the process fails if it does not drain in time
//!   (`shutdown::tests`, `launch::tests`). The second signal ends it at once.
//! - `/readyz` names the failing checks, runs each at most once a second and never hangs (`readiness::tests`, `health::tests`).
//!
//! Not guaranteed: that the configured servers can be reached; readiness shows that. A process that is killed, or that
//! misses its deadline, loses nothing, since every accepted event is in the log.
//!
//! Only this crate reads the environment, and within it only [`Environment::of_process`].

pub mod adapters;
pub mod cli;
pub mod exit;
pub mod health;
pub mod healthcheck;
mod in_memory_worker_process;
pub mod launch;
pub mod maintenance;
pub mod measure;
pub mod metrics;
mod network;
pub mod one_file;
pub mod readiness;
mod rebuild;
mod replay;
pub mod rounds;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod traces;
mod version;
pub mod worker_process;

pub use cli::{Cli, CliSettings, CliWith};
pub use exit::Exit;
pub use in_memory_worker_process::{Drained, InMemoryEventWorkerProcess};
pub use launch::{Process, launch};
pub use readiness::Readiness;
pub use rounds::Rounds;
pub use settings::{Context, Environment, Role, Settings, SettingsError};
pub use shutdown::Shutdown;
pub use version::VERSION;
