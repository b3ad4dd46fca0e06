//! Works off the `analytics` queue.

use std::process::ExitCode;

use cardwire_runtime::{CliSettings, Role, launch, maintenance, worker_process};
use clap::{Parser, Subcommand};

/// Works off the `analytics` queue
#[derive(Clone, Debug, Parser)]
#[command(name = "analytics-worker")]
struct Cli {
    #[command(flatten)]
    settings: CliSettings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Count the days that lie wholly in the event log anew, and exit
    Rebuild,
}

impl AsRef<CliSettings> for Cli {
    fn as_ref(&self) -> &CliSettings {
        &self.settings
    }
}

fn main() -> ExitCode {
    launch(Role::AnalyticsWorker, |cli: Cli, process| async move {
        match cli.command {
            Some(Command::Rebuild) => maintenance::rebuild(process).await,
            None => worker_process::run(process).await,
        }
    })
}
