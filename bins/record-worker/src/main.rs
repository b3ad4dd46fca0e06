//! Works off the `records` queue, and publishes what is public in people's own repositories.

use std::process::ExitCode;

use cardwire_runtime::{Cli, Role, launch, worker_process};

fn main() -> ExitCode {
    launch::<Cli, _, _>(Role::RecordWorker, |_, process| worker_process::run(process))
}
