//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::conditions::Conditions;

/// Measures Cardwire: throughput, latency, memory and processor time per event, on this machine
#[derive(Clone, Debug, Parser)]
#[command(name = "cardwire-bench", version)]
pub struct Cli {
    #[command(subcommand)]
    pub what: What,
    #[command(flatten)]
    pub options: Options,
}

#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Events, saves or reads; each scenario has a default of its own
    #[arg(long, global = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub events: Option<u32>,
    /// A throw-away Redis to use instead of starting one; it must be empty, and is emptied
    #[arg(long, global = true, value_name = "URL")]
    pub redis_url: Option<String>,
    /// A PostgreSQL to use instead of starting one; databases are created in it and dropped
    #[arg(long, global = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// Start Redis with an append-only file, synced each second
    #[arg(long, global = true, conflicts_with = "redis_url")]
    pub redis_aof: bool,
    /// Print one line of JSON for each scenario instead of a table
    #[arg(long, global = true)]
    pub json: bool,
    /// Run everything this often; more than once, medians are printed at the end
    #[arg(long, global = true, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub repeat: u32,
    /// Folder of a BullMQ benchmark (bench.mjs, installed), to be run beside each case; prints ratios
    #[arg(long, global = true, value_name = "DIR")]
    pub peer: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// Every case of every scenario
    All,
    /// Through a queue in Redis to workers that do nothing
    Queue {
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
        workers: u16,
    },
    /// From the queue through real feed-workers to activities in PostgreSQL
    Saga {
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
        workers: u16,
        /// Whether each event is of a card of its own, or all are of one
        #[arg(long, value_enum, default_value_t = Keys::Distinct)]
        keys: Keys,
        /// Milliseconds by which each answer of PostgreSQL to the workers is delayed
        #[arg(long, default_value_t = 0)]
        delay_postgres_ms: u64,
    },
    /// Saves over HTTP, against pgbench running the same statements
    Save {
        /// Connections that save at once
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=90))]
        concurrency: u16,
        /// Where everything is kept; in a file, web runs the workers, too
        #[arg(long, value_enum, default_value_t = Store::Postgres)]
        store: Store,
    },
    /// From a save over HTTP to its activity in the live feed, at a given rate
    E2e {
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
        workers: u16,
        /// Saves per second
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
        rate: u32,
        /// Connections that save
        #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=512))]
        concurrency: u16,
        /// Look for the highest rate at which 99 of 100 activities take less than half a second, from --rate on
        #[arg(long)]
        find_rate: bool,
        /// Print what each statement of PostgreSQL costs for each save
        #[arg(long)]
        explain: bool,
        /// Hold a snapshot meanwhile, as a report or a back-up does
        #[arg(long)]
        held_snapshot: bool,
        /// Write into another database of the server meanwhile, in transactions of 20 s
        #[arg(long)]
        foreign_writer: bool,
        /// So many operators have the console open meanwhile
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=64))]
        console: u16,
        /// Beside a run without it: those who save have their repositories on a server that does not answer, as if it were stopped
        #[arg(long, conflicts_with = "find_rate")]
        frozen_pds: bool,
        /// Run the workers inside web, without Redis
        #[arg(long, conflicts_with_all = ["workers", "frozen_pds"])]
        one_process: bool,
        /// Where everything is kept; in a file, everything is one process
        #[arg(long, value_enum, default_value_t = Store::Postgres, conflicts_with_all = ["explain", "held_snapshot", "foreign_writer", "workers", "frozen_pds", "one_process"])]
        store: Store,
    },
    /// Pages of a feed of 100,000 activities over HTTP
    FeedRead {
        /// Connections that read at once
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
        concurrency: u16,
        #[arg(long, value_enum, default_value_t = Store::Postgres)]
        store: Store,
    },
    /// Searches of 200,000 cards over HTTP, one after another, kind by kind; --events counts those of a kind
    Search {
        /// How many cards there are
        #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1_000..))]
        cards: u32,
        #[arg(long, value_enum, default_value_t = Store::Postgres)]
        store: Store,
    },
    /// A worker of the queue scenario, which starts it itself
    #[command(hide = true)]
    Worker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Store {
    Postgres,
    Sqlite,
}

impl Store {
    /// In the name of a case.
    const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "",
            Self::Sqlite => ", one file",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Keys {
    Distinct,
    Same,
}

impl Keys {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Distinct => "distinct",
            Self::Same => "same",
        }
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Queue { workers: usize },
    Saga { keys: Keys, workers: usize, delay: Duration },
    Save { concurrency: usize, store: Store },
    E2e(E2e),
    FeedRead { concurrency: usize, store: Store },
    Search { cards: usize, store: Store },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct E2e {
    pub workers: usize,
    /// With `find_rate`, where the search begins.
    pub rate: u32,
    pub concurrency: usize,
    pub find_rate: bool,
    pub explain: bool,
    pub conditions: Conditions,
    /// Open consoles.
    pub consoles: u16,
    /// Those who save have their repositories on a server that does not answer.
    pub frozen_pds: bool,
    /// web runs the workers, over PostgreSQL. With a file it always does.
    pub one_process: bool,
    pub store: Store,
}

impl Default for E2e {
    fn default() -> Self {
        let conditions = Conditions::default();
        let store = Store::Postgres;
        Self {
            workers: 1,
            rate: 200,
            concurrency: 32,
            find_rate: false,
            explain: false,
            conditions,
            consoles: 0,
            frozen_pds: false,
            one_process: false,
            store,
        }
    }
}

impl What {
    /// Empty for [`What::Worker`].
    pub fn cases(&self) -> Vec<Case> {
        let one = |case| vec![case];
        match *self {
            Self::All => all(),
            Self::Queue { workers } => one(Case::Queue { workers: workers.into() }),
            Self::Saga { workers, keys, delay_postgres_ms } => {
                one(Case::Saga { keys, workers: workers.into(), delay: Duration::from_millis(delay_postgres_ms) })
            }
            Self::Save { concurrency, store } => one(Case::Save { concurrency: concurrency.into(), store }),
            Self::E2e {
                workers,
                rate,
                concurrency,
                find_rate,
                explain,
                held_snapshot,
                foreign_writer,
                console: consoles,
                frozen_pds,
                one_process,
                store,
            } => {
                let conditions = Conditions { held_snapshot, foreign_writer };
                let (workers, concurrency) = (workers.into(), concurrency.into());
                let frozen: &[bool] = if frozen_pds { &[false, true] } else { &[false] };
                let case = |&frozen_pds: &bool| {
                    Case::E2e(E2e {
                        workers,
                        rate,
                        concurrency,
                        find_rate,
                        explain,
                        conditions,
                        consoles,
                        frozen_pds,
                        one_process,
                        store,
                    })
                };
                frozen.iter().map(case).collect()
            }
            Self::FeedRead { concurrency, store } => one(Case::FeedRead { concurrency: concurrency.into(), store }),
            Self::Search { cards, store } => one(Case::Search { cards: cards as usize, store }),
            Self::Worker => Vec::new(),
        }
    }
}

fn all() -> Vec<Case> {
    let mut cases = vec![Case::Queue { workers: 1 }, Case::Queue { workers: 3 }];
    for keys in [Keys::Distinct, Keys::Same] {
        cases.extend([1, 3].map(|workers| Case::Saga { keys, workers, delay: Duration::ZERO }));
    }
    let delay = Duration::from_millis(5);
    cases.extend([1, 3].map(|workers| Case::Saga { keys: Keys::Distinct, workers, delay }));
    cases.push(Case::Save { concurrency: 16, store: Store::Postgres });
    cases.push(Case::E2e(E2e::default()));
    cases.push(Case::FeedRead { concurrency: 16, store: Store::Postgres });
    cases.push(Case::Search { cards: 200_000, store: Store::Postgres });
    cases
}

impl Case {
    /// The same for every run of the case.
    pub fn name(&self) -> String {
        match self {
            Self::Queue { workers } => format!("queue x{workers}"),
            Self::Saga { keys, workers, delay } if delay.is_zero() => format!("saga {} x{workers}", keys.name()),
            Self::Saga { keys, workers, delay } => {
                format!("saga {} x{workers}, PostgreSQL {} ms away", keys.name(), delay.as_millis())
            }
            Self::Save { concurrency, store } => format!("save, {concurrency} at once{}", store.name()),
            Self::E2e(E2e {
                workers, rate, find_rate, conditions, consoles, frozen_pds, one_process, store, ..
            }) => {
                let rate = if *find_rate { "highest rate".to_owned() } else { format!("{rate}/s") };
                let consoles = if *consoles > 0 { format!(", {consoles} consoles open") } else { String::new() };
                let frozen = if *frozen_pds { ", a frozen PDS" } else { "" };
                let processes = if *one_process { ", one process" } else { "" };
                format!("e2e x{workers}, {rate}{}{consoles}{frozen}{processes}{}", conditions.name(), store.name())
            }
            Self::FeedRead { concurrency, store } => format!("feed-read, {concurrency} at once{}", store.name()),
            Self::Search { cards, store } => format!("search, {cards} cards{}", store.name()),
        }
    }

    /// Long enough that starting up does not show, short enough to be repeated.
    pub fn default_events(&self) -> usize {
        match self {
            Self::Queue { .. } => 200_000,
            Self::Saga { keys: Keys::Distinct, .. } => 60_000,
            Self::Saga { keys: Keys::Same, .. } | Self::Save { .. } | Self::FeedRead { .. } => 20_000,
            Self::E2e(E2e { rate, .. }) => *rate as usize * 15,
            Self::Search { .. } => 200,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["cardwire-bench", "saga", "--keys", "same", "--workers", "3", "--json"]);
        assert_eq!(cli.what.cases(), [Case::Saga { keys: Keys::Same, workers: 3, delay: Duration::ZERO }]);
        assert!(cli.options.json);
        let cli = Cli::parse_from(["cardwire-bench", "e2e", "--frozen-pds"]);
        let with = E2e { frozen_pds: true, ..E2e::default() };
        assert_eq!(cli.what.cases(), [Case::E2e(E2e::default()), Case::E2e(with)]);
    }

    #[test]
    fn names_of_cases_are_distinct() {
        let mut names: Vec<String> = What::All.cases().iter().map(Case::name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
