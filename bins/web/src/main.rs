//! The web process: accepts what people save, shows what became of it. With events in memory it runs the workers, too.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use actix_web::HttpServer;
use anyhow::Context as _;
use cardwire_http::AppState;
use cardwire_http::connection::cut_when_unread;
use cardwire_runtime::adapters::Adapters;
use cardwire_runtime::{CliSettings, InMemoryEventWorkerProcess, Process, Role, Rounds, launch, one_file};
use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use tokio::task::JoinSet;

mod commands;
mod people;
mod wiring;

/// Gives memory back that is not needed any more: glibc keeps for its many arenas what some large files once took.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Serves the pages and the API of Cardwire
#[derive(Clone, Debug, Parser)]
#[command(name = "web")]
struct Cli {
    #[command(flatten)]
    settings: CliSettings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Update the database's schema and exit
    Migrate,
    /// Copy the file of DATABASE_URL=sqlite:PATH, even while it is in use, and exit
    Backup {
        /// Path of the copy, which must not exist yet
        path: PathBuf,
    },
    /// Move everything from the file of DATABASE_URL=sqlite:PATH to PostgreSQL and exit
    Move {
        /// An empty database
        #[arg(long, value_name = "postgres://…")]
        to: String,
    },
    /// Manage accounts, whether Cardwire is running or not, and exit
    User {
        #[command(subcommand)]
        command: people::Command,
    },
}

impl AsRef<CliSettings> for Cli {
    fn as_ref(&self) -> &CliSettings {
        &self.settings
    }
}

fn main() -> ExitCode {
    launch(Role::Web, |cli: Cli, process| async move {
        match cli.command {
            Some(Command::Migrate) => Adapters::plug(&process.settings)?.migrate().await,
            Some(Command::Backup { path }) => one_file::back_up(&process.settings, path).await,
            Some(Command::Move { to }) => commands::move_up(&process.settings, &to).await,
            Some(Command::User { command }) => people::run(&process.settings, command).await,
            None => serve(process).await,
        }
    })
}

async fn serve(process: Process) -> anyhow::Result<()> {
    let health = process.serve_health()?;
    let Process { settings, readiness, shutdown, .. } = process;
    let stop = shutdown.token().clone();
    let adapters = Adapters::plug(&settings)?;
    adapters.watch(&readiness, false);
    let state = wiring::state(&adapters, &settings, &readiness, stop.clone())?;
    let app = move || cardwire_http::app(AppState::clone(&state), wiring::resources);
    let addresses = settings.host.addresses(settings.port).context("resolving HOST")?;
    let server = HttpServer::new(app)
        .on_connect(cut_when_unread)
        .disable_signals()
        .shutdown_timeout(u64::from(SERVER_PATIENCE_S))
        .keep_alive(KEEP_ALIVE)
        // A reader of the live feed who closes the connection gives its place back at once, not at the next heartbeat.
        .h1_allow_half_closed(false)
        .bind(addresses.as_slice())
        .with_context(|| format!("listening on {}:{} (PORT)", settings.host, settings.port))?
        .run();
    let handle = server.handle();

    let mut parts: JoinSet<anyhow::Result<()>> = JoinSet::new();
    // Servers that cannot be reached yet do not keep web from starting; servers that are not fit do.
    let (verifying, verified, stopped) = (adapters.clone(), settings.clone(), stop.clone());
    parts.spawn(async move { verifying.verify(&verified, &stopped).await });
    let (measurements, stopped) = (adapters.measurements()?, stop.clone());
    parts.spawn(async move {
        measurements.run(stopped).await;
        Ok(())
    });
    let workers = if settings.use_in_memory_events {
        Some(InMemoryEventWorkerProcess::start(&adapters, &settings)?)
    } else {
        let (rounds, stopped) = (Rounds::new(&adapters)?.reading_urls(), stop.clone());
        parts.spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = rounds.run() => {}
            }
            Ok(())
        });
        let (relay, stopped) = (adapters.relay(&settings), stop.clone());
        parts.spawn(async move {
            relay.run(stopped).await;
            Ok(())
        });
        None
    };
    let (imports, stopped) = (adapters.imports(), stop.clone());
    parts.spawn(async move {
        imports.run(stopped).await;
        Ok(())
    });
    let mut server = tokio::spawn(server);
    readiness.serve();
    tracing::info!(port = settings.port, "serving");

    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            ended = &mut server => anyhow::bail!("the server ended by itself: {ended:?}"),
            Some(part) = parts.join_next() => part??,
        }
    }
    handle.stop(true).await;
    server.await?.context("the server failed")?;
    if let Some(workers) = workers {
        workers.drain(settings.shutdown_deadline.saturating_sub(Duration::from_secs(2))).await?;
    }
    while let Some(part) = parts.join_next().await {
        part??;
    }
    adapters.finish_refreshes().await;
    if let Err(error) = adapters.close().await {
        tracing::warn!(
            error = format!("{error:#}"),
            "the file could not be closed: the latest changes are still in its -wal file"
        );
    }
    health.stop().await.context("stopping the health server")
}

/// How long an idle connection stays open. Longer than proxies keep theirs (60 to 75 s), which would else send a request into one that
/// is just being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(90);

/// How long requests in flight may take once the process is told to stop.
const SERVER_PATIENCE_S: u8 = 5;
