//! Works off the `feeds` queue and writes the windows that are due.

use std::process::ExitCode;

use cardwire_runtime::{Cli, Role, launch, worker_process};

fn main() -> ExitCode {
    launch::<Cli, _, _>(Role::FeedWorker, |_, process| worker_process::run(process))
}
