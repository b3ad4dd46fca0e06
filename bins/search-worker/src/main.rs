//! Works off the `search` queue.

use std::process::ExitCode;

use cardwire_runtime::{CliSettings, Role, launch, maintenance, worker_process};
use clap::{Parser, Subcommand};

/// Works off the `search` queue
#[derive(Clone, Debug, Parser)]
#[command(name = "search-worker")]
struct Cli {
    #[command(flatten)]
    settings: CliSettings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Index every card anew from its current row, while searches go on, and exit
    Reindex,
}

impl AsRef<CliSettings> for Cli {
    fn as_ref(&self) -> &CliSettings {
        &self.settings
    }
}

fn main() -> ExitCode {
    launch(Role::SearchWorker, |cli: Cli, process| async move {
        match cli.command {
            Some(Command::Reindex) => maintenance::reindex(process).await,
            None => worker_process::run(process).await,
        }
    })
}
