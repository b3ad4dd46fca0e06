//! Works off the `analytics` queue.

use std::process::ExitCode;

use cardwire_runtime::{CliWith, Role, launch, maintenance, worker_process};
use clap::Subcommand;

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Count all days again that are complete in the event log, and exit
    Rebuild,
}

fn main() -> ExitCode {
    launch(Role::AnalyticsWorker, |cli: CliWith<Command>, process| async move {
        match cli.command {
            Some(Command::Rebuild) => maintenance::rebuild(process).await,
            None => worker_process::run(process).await,
        }
    })
}
