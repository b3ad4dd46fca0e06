//! Works off the `search` queue.

use std::process::ExitCode;

use cardwire_runtime::{CliWith, Role, launch, maintenance, worker_process};
use clap::Subcommand;

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Index every card again while searches continue, and exit
    Reindex,
}

fn main() -> ExitCode {
    launch(Role::SearchWorker, |cli: CliWith<Command>, process| async move {
        match cli.command {
            Some(Command::Reindex) => maintenance::reindex(process).await,
            None => worker_process::run(process).await,
        }
    })
}
