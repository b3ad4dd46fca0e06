//! What an operator runs while the workers go on: rebuilding the index and the counts from the source data.

use anyhow::Context as _;
use cardwire_events::operations::{AuditId, DoneBy, NewEntry};
use indicatif::{ProgressBar, ProgressStyle};

use crate::adapters::Adapters;
use crate::launch::Process;
use crate::rebuild::PORTION;

/// Indexes every card again. Searching and indexing go on. It is safe to stop it and to run it again.
pub async fn reindex(process: Process) -> anyhow::Result<()> {
    let adapters = Adapters::plug(&process.settings)?;
    adapters.verify_store().await?;
    let stop = process.shutdown.token();
    let progress = bar(adapters.search.card_count().await.context("counting the cards")?, "cards")?;
    let entry = begin(&adapters, &NewEntry::rebuild_search()).await?;
    let (mut after, mut failed) = (None, 0);
    while let Some(portion) = adapters.search.reindex(after, PORTION).await.context("indexing")? {
        anyhow::ensure!(!stop.is_cancelled(), "stopped before the end");
        progress.inc(PORTION as u64);
        for (card, error) in &portion.failed {
            tracing::error!(%card, error, "the card cannot be indexed");
        }
        failed += portion.failed.len();
        after = Some(portion.last);
    }
    progress.finish();
    anyhow::ensure!(failed == 0, "every card is indexed but {failed}, which are logged");
    complete(&adapters, entry, 1).await?;
    tracing::info!("every card is indexed");
    Ok(())
}

/// Recounts the UTC days whose events are all still there, each in its own transaction, and then the trends.
/// New saves are counted meanwhile.
pub async fn rebuild(process: Process) -> anyhow::Result<()> {
    let adapters = Adapters::plug(&process.settings)?;
    adapters.verify_store().await?;
    let stop = process.shutdown.token();
    let days = adapters.analytics.whole_days().await.context("looking for whole days")?;
    let progress = bar(days.len() as u64, "days")?;
    let entry = begin(&adapters, &NewEntry::rebuild_counts()).await?;
    let mut saves = 0;
    for day in &days {
        anyhow::ensure!(!stop.is_cancelled(), "stopped before the end");
        saves += adapters.analytics.rebuild(*day).await.with_context(|| format!("counting {day}"))?;
        progress.inc(1);
    }
    progress.finish();
    adapters.analytics.rebuild_trends().await.context("counting what is trending")?;
    complete(&adapters, entry, days.len() as u64).await?;
    tracing::info!(days = days.len(), saves, "counted again");
    Ok(())
}

/// Records what the command line is about to do. An entry that is never completed was stopped or failed.
async fn begin(adapters: &Adapters, entry: &NewEntry) -> anyhow::Result<AuditId> {
    adapters.operator.begin(&DoneBy::CommandLine, entry).await.context("writing the audit log")
}

async fn complete(adapters: &Adapters, entry: AuditId, affected: u64) -> anyhow::Result<()> {
    adapters.operator.complete(entry, affected).await.context("writing the audit log")
}

/// Drawn on standard error if that is a terminal.
fn bar(length: u64, what: &str) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}, {eta} left")?;
    Ok(ProgressBar::new(length).with_style(style).with_message(what.to_owned()))
}
