//! What every process of Cardwire has around its work: settings, command line, log, metrics, health, shutdown, exit code.
//!
//! A binary is one call of [`launch()`]; its own part gets a [`Process`] and returns when it has drained.
//!
//! Guarantees:
//! - A process whose settings contradict each other does not start: one line says why, and it exits 78
//!   (`settings::tests::contradictions_are_refused`). A nested name or a value that nobody understands is refused, never
//!   replaced by a default (`settings::tests::values_that_break_their_rule_are_refused`).
//! - A flag wins over the environment, the environment over `.env`, `.env` over the default; `.env` counts in development only
//!   (`settings::tests::flag_environment_dotenv_default`).
//! - No secret is printed, neither by `--check-config`, nor in an error, nor by `Debug`
//!   (`settings::tests::no_secret_is_shown`).
//! - The first signal fails readiness before it stops the intake, and the process fails when it does not drain in time
//!   (`shutdown::tests`, `launch::tests`). The second signal ends it at once.
//! - `/readyz` names the failing checks, runs each at most once a second and never hangs (`readiness::tests`, `health::tests`).
//!
//! Not guaranteed: that what is configured can be reached; that shows in readiness. A process that is killed, or that misses its
//! deadline, loses nothing, since every accepted event is in the log.
//!
//! Only this crate reads the environment, and only [`Environment::of_process`] does.

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
