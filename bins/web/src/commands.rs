//! Commands that show how far they have come.

use std::io::Write as _;

use anyhow::Context as _;
use cardwire_runtime::{Settings, one_file};
use cardwire_storage::moving::Progress;
use indicatif::{ProgressBar, ProgressStyle};

struct Bar(ProgressBar);

impl Progress for Bar {
    fn at(&self, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
    }
}

/// Moves everything to PostgreSQL, and says what it was.
pub async fn move_up(settings: &Settings, to: &str) -> anyhow::Result<()> {
    let style = ProgressStyle::with_template("{bar:40} {percent}% {pos}/{len} {eta} left").context("a progress bar")?;
    let bar = Bar(ProgressBar::new(0).with_style(style));
    let moved = one_file::move_up(settings, to, &bar).await;
    bar.0.finish_and_clear();
    let mut out = std::io::stdout().lock();
    for (table, rows) in moved?.rows {
        writeln!(out, "{rows:>10}  {table}")?;
    }
    writeln!(
        out,
        "Everything arrived as it was. Start Cardwire with DATABASE_URL=postgres://… from here on. What is in the file stays."
    )?;
    Ok(())
}
