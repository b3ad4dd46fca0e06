//! Works off the `analytics` queue.

use std::process::ExitCode;

use cardwire_runtime::{Cli, Role, launch, worker_process};

fn main() -> ExitCode {
    launch::<Cli, _, _>(Role::AnalyticsWorker, |_, process| worker_process::run(process))
}
