//! The scenario `e2e`: from a save over HTTP to its activity in the live feed, with everything running, at a steady rate.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use cardwire_testkit::history::History;
use cardwire_testkit::process::Process;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use crate::cli::E2e;
use crate::drain::usage;
use crate::frozen::{self, FrozenPds};
use crate::http::Client;
use crate::processes::{environment, run_on};
use crate::report::{CpuSplit, Figures, Latency, Progress, per_s};
use crate::save::{Saved, save};
use crate::servers::{Ground, Servers};
use crate::{accounting, console, explain};

/// How long a window is kept open, which is not counted.
const WINDOW: Duration = Duration::from_secs(3);
/// How long after the last save its activity may be missing.
const PATIENCE: Duration = Duration::from_secs(60);

/// When a card was first seen in the live feed.
pub type Sightings = mpsc::UnboundedReceiver<anyhow::Result<(String, Instant)>>;

pub async fn run(servers: &Servers, ground: &Ground, count: usize, case: E2e) -> anyhow::Result<Figures> {
    let E2e { workers, rate, concurrency, explain, conditions, one_process, .. } = case;
    let mut environment = environment(ground.database.url(), &ground.redis.url);
    let mut frozen = if case.frozen_pds { Some(FrozenPds::start().await?) } else { None };
    environment.extend(frozen.iter().flat_map(FrozenPds::settings));
    environment.insert("USE_IN_MEMORY_EVENTS".to_owned(), one_process.to_string());
    let mut web = Process::start("web", &environment);
    let names =
        std::iter::repeat_n("feed-worker", workers).chain(["search-worker", "analytics-worker", "record-worker"]);
    let names = names.filter(|_| !one_process);
    let mut processes: Vec<Process> = names.map(|name| Process::start(name, &environment)).collect();
    web.ready().await;
    for process in &mut processes {
        process.ready().await;
    }
    if let Some(pds) = &mut frozen {
        pds.connect(&web, concurrency).await?;
    }
    let (mut sightings, _reader) = watch(&web).await?;
    let _held = conditions.hold(servers, ground).await?;
    let _consoles = console::open(&web, case.consoles).await?;
    if explain {
        explain::begin(&ground.pool).await?;
    }
    let wal = ground.wal().await?;
    let before = (ground.cpu(), accounting::cpu(web.id()), usage(&processes).0);
    let started = Instant::now();
    let saved = load(&web, count, rate, concurrency).await?;
    let saving = started.elapsed();
    let seen = all_seen(&mut sightings, &mut processes, &saved).await?;
    let after = (ground.cpu(), accounting::cpu(web.id()), usage(&processes).0);
    let rss_mib = if one_process { accounting::peak_rss_mib(web.id()) } else { usage(&processes).1 };
    settled(ground).await?;
    let records_waiting = match &frozen {
        Some(_) => Some(frozen::waiting(&ground.pool, count).await?),
        None => None,
    };
    let wal_bytes_per_event = Some((ground.wal().await? - wal) / count as f64);
    if explain {
        eprintln!("{}", explain::table(&ground.pool, count).await?);
    }
    eprintln!("  checking that everything had its effect once …");
    let mut history = History::default();
    saved.iter().for_each(|saved| history.accept(&saved.person, &saved.url, &saved.answer));
    let checked = history.check(&ground.pool).await?;
    Ok(Figures {
        events: count,
        workers: if one_process { 0 } else { workers },
        drain_per_s: Some(per_s(count, saving)),
        activities: Some(checked.activities),
        latency_ms: Latency::of(saved.iter().filter_map(|saved| latency(saved, &seen)).collect()),
        rss_mib,
        records_waiting,
        wal_bytes_per_event,
        cpu_us_per_event: CpuSplit::over(
            count,
            (before.0, after.0),
            after.1.saturating_sub(before.1),
            after.2.saturating_sub(before.2),
        ),
        ..Figures::default()
    })
}

/// How long after its window an activity was seen.
pub fn latency(saved: &Saved, seen: &HashMap<String, Instant>) -> Option<Duration> {
    let seen = seen.get(saved.answer["urlCardId"].as_str()?)?;
    Some(seen.saturating_duration_since(saved.due).saturating_sub(WINDOW))
}

/// Save `n` is due at `n / rate`, whatever became of those before, as long as a connection is free.
pub async fn load(web: &Process, count: usize, rate: u32, concurrency: usize) -> anyhow::Result<Vec<Saved>> {
    let mut clients = Vec::new();
    for _ in 0..concurrency {
        clients.push(Client::connect(web.port).await?);
    }
    let start = Instant::now() + Duration::from_millis(100);
    let mut savers = JoinSet::new();
    for (first, mut client) in clients.into_iter().enumerate() {
        savers.spawn(async move {
            let mut saved = Vec::new();
            for n in (first..count).step_by(concurrency) {
                let due = start + Duration::from_secs_f64(n as f64 / f64::from(rate));
                sleep_until(due.into()).await;
                saved.push(save(&mut client, n, first, due).await?);
            }
            anyhow::Ok(saved)
        });
    }
    let mut progress = Progress::of("saving");
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let mut saved = Vec::with_capacity(count);
    loop {
        tokio::select! {
            done = savers.join_next() => match done {
                Some(done) => saved.extend(done.context("a saver")??),
                None => return Ok(saved),
            },
            _ = tick.tick() => {
                let due = start.elapsed().as_secs_f64() * f64::from(rate);
                progress.at((due as usize).min(count), count);
            }
        }
    }
}

/// Reads the live feed until dropped.
pub async fn watch(web: &Process) -> anyhow::Result<(Sightings, JoinSet<()>)> {
    let mut answer = cardwire_testkit::net::http_client()
        .get(web.url("/api/feeds/global/stream"))
        .send()
        .await?
        .error_for_status()?;
    // The stream says where it begins; what is saved from now on comes.
    answer.chunk().await?.context("the live feed ended")?;
    let (sender, sightings) = mpsc::unbounded_channel();
    let mut reader = JoinSet::new();
    reader.spawn(async move {
        let mut rest = Vec::new();
        loop {
            let chunk = match answer.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return,
                Err(error) => {
                    // Nobody is left to tell when the run is over.
                    let _ = sender.send(Err(error.into()));
                    return;
                }
            };
            let now = Instant::now();
            rest.extend_from_slice(&chunk);
            for card in cards_in(&mut rest) {
                if sender.send(card.map(|card| (card, now))).is_err() {
                    return;
                }
            }
        }
    });
    Ok((sightings, reader))
}

/// The cards of the activities in the lines that are whole; they are taken out.
fn cards_in(rest: &mut Vec<u8>) -> Vec<anyhow::Result<String>> {
    let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines: Vec<u8> = rest.drain(..whole).collect();
    let card = |data: &[u8]| -> anyhow::Result<String> {
        let item: Value = serde_json::from_slice(data).context("an activity of the live feed")?;
        Ok(item["card"]["id"].as_str().context("an activity without a card")?.to_owned())
    };
    lines.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data: ")).map(card).collect()
}

/// Fails when an activity comes twice, or one is missing for too long.
pub async fn all_seen(
    sightings: &mut Sightings,
    processes: &mut [Process],
    saved: &[Saved],
) -> anyhow::Result<HashMap<String, Instant>> {
    let mut progress = Progress::of("waiting for the last activities");
    let mut seen = HashMap::with_capacity(saved.len());
    let deadline = Instant::now() + PATIENCE;
    while seen.len() < saved.len() {
        run_on(processes)?;
        match timeout(Duration::from_secs(1), sightings.recv()).await {
            Ok(Some(sighting)) => {
                let (card, at) = sighting?;
                ensure!(seen.insert(card.clone(), at).is_none(), "two activities of card {card}");
            }
            Ok(None) => bail!("the live feed ended"),
            Err(_) if Instant::now() > deadline => {
                bail!("{} of {} activities never came", saved.len() - seen.len(), saved.len())
            }
            Err(_) => {}
        }
        progress.at(seen.len(), saved.len());
    }
    Ok(seen)
}

/// Search and analytics are done, too.
async fn settled(ground: &Ground) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let owed: i64 = sqlx::query_scalar("SELECT count(*) FROM deliveries").fetch_one(&ground.pool).await?;
        if owed == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{owed} deliveries are left");
        sleep(Duration::from_millis(50)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_found_wherever_the_stream_is_cut() {
        let text = b"retry: 1\nid: 1-a\n\nevent: activity\ndata: {\"card\":{\"id\":\"A\"}}\n\ndata: {\"card\":{\"id\":\"B\"}}\n\n";
        for cut in 0..text.len() {
            let mut rest = text[..cut].to_vec();
            let mut found = cards_in(&mut rest);
            rest.extend_from_slice(&text[cut..]);
            found.extend(cards_in(&mut rest));
            let found: Vec<String> = found.into_iter().map(Result::unwrap).collect();
            assert_eq!(found, ["A", "B"], "{cut}");
        }
    }
}
