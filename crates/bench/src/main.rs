//! Measures Cardwire: the real binaries as processes, real Redis and PostgreSQL, on this machine.
//!
//! Each scenario starts on an empty Redis and a new database, checks in the end that nothing is missing or doubled, and fails
//! otherwise. Figures are what was measured; what they mean and how they are made is in `docs/develop/PERFORMANCE.md`.
//!
//! Not measured: TLS, networks, and looking up who a caller is (mock authentication).

// Results go to standard output, progress to standard error.
#![allow(clippy::print_stdout)]

mod accounting;
mod cli;
mod conditions;
mod console;
mod corpus;
mod drain;
mod e2e;
mod explain;
mod feed_read;
mod find_rate;
mod frozen;
mod http;
mod noop;
mod one_file;
mod peer;
mod pgbench;
mod processes;
mod report;
mod save;
mod search;
mod servers;
mod workload;

use anyhow::{Context as _, bail};
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use cli::{Case, Cli, Options, Store, What};
use peer::Peer;
use report::Figures;
use servers::Servers;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if matches!(cli.what, What::Worker) {
        let url = cli.options.redis_url.context("a worker needs --redis-url")?;
        return noop::run(&url).await;
    }
    let cases = cli.what.cases();
    let mut terminated = signal(SignalKind::terminate())?;
    // Dropping the run ends the processes that it started.
    tokio::select! {
        measured = measure(&cases, &cli.options) => measured,
        _ = terminated.recv() => bail!("terminated"),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            bail!("interrupted")
        }
    }
}

async fn measure(cases: &[Case], options: &Options) -> anyhow::Result<()> {
    let peer = options.peer.as_deref().map(Peer::at).transpose()?;
    let servers = Servers::start(options.redis_url.clone(), options.database_url.as_deref(), options.redis_aof)
        .context("starting PostgreSQL")?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=options.repeat {
        for case in cases {
            eprintln!("{} ({round} of {})", case.name(), options.repeat);
            let figures = run(case, options, &servers).await.with_context(|| case.name())?;
            if options.json {
                println!("{}", serde_json::to_string(&figures)?);
            }
            ours.push(figures);
            if let Some(peer) = &peer {
                let runs = peer.run(&servers, case).await.with_context(|| case.name())?;
                if options.json {
                    for figures in &runs {
                        println!("{}", serde_json::json!({ "peer": "bullmq", "figures": figures }));
                    }
                }
                theirs.extend(runs);
            }
        }
    }
    if !options.json {
        println!("{}", report::table(&ours));
    }
    if let Some(line) = frozen::side_by_side(cases, &ours) {
        match options.json {
            true => eprintln!("{line}"),
            false => println!("{line}\n"),
        }
    }
    if options.repeat > 1 || peer.is_some() {
        let medians = peer::comparison(cases, &ours, &theirs);
        match options.json {
            true => eprintln!("\n{medians}"),
            false => println!("{medians}"),
        }
    }
    Ok(())
}

async fn run(case: &Case, options: &Options, servers: &Servers) -> anyhow::Result<Figures> {
    let events = options.events.map_or(case.default_events(), |events| events as usize);
    let ground = servers.ground().await?;
    let figures = match *case {
        Case::Queue { workers } => drain::queue(&ground, events, workers).await?,
        Case::Saga { keys, workers, delay } => drain::saga(&ground, keys, events, workers, delay).await?,
        Case::Save { concurrency, store: Store::Postgres } => save::run(servers, &ground, events, concurrency).await?,
        Case::Save { concurrency, store: Store::Sqlite } => one_file::save(&ground, events, concurrency).await?,
        Case::E2e(case) if case.find_rate => find_rate::find_rate(servers, case).await?,
        Case::E2e(case) if case.store == Store::Sqlite => one_file::e2e(&ground, events, case).await?,
        Case::E2e(case) => e2e::run(servers, &ground, events, case).await?,
        Case::FeedRead { concurrency, store: Store::Postgres } => feed_read::run(&ground, events, concurrency).await?,
        Case::FeedRead { concurrency, store: Store::Sqlite } => {
            feed_read::run_on_one_file(&ground, events, concurrency).await?
        }
        Case::Search { cards, store } => search::run(&ground, cards, events, store).await?,
    };
    ground.clear().await?;
    Ok(Figures { scenario: case.name(), ..figures }.finish())
}
