//! Works off the `search` queue.

use std::process::ExitCode;

use cardwire_runtime::{Cli, Role, launch, worker_process};

fn main() -> ExitCode {
    launch::<Cli, _, _>(Role::SearchWorker, |_, process| worker_process::run(process))
}
