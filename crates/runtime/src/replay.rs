//! Replays that administrators requested, run in the rounds of every process: the one that takes a replay works on it
//! until it is done.
//!
//! A replay marks events as owed to their queue again. So relays, workers, pauses, retries and dead letters treat them
//! like any other, and no event takes effect twice: search indexes the card as it is now, and the feed has the event
//! already. Analytics adds numbers up, so for it a replay counts whole days again from the log.

use std::time::Duration;

use cardwire_domain::Error;
use cardwire_domain::analytics::Analytics;
use cardwire_events::operations::{Owing, Replay, Replays, RunLease};
use cardwire_events::{EventLog, Queue};
use tokio::time::{Instant, sleep};

use crate::adapters::Adapters;

/// One transaction looks at this many events of the log. With a file, others wait for it.
const PORTION: usize = 500;
/// While a queue is owed this many events, no more are added, so that new events do not wait long behind old ones.
const ROOM: u64 = 5_000;
/// How long to wait for that.
const WAIT_FOR_ROOM: Duration = Duration::from_secs(1);
/// A replay that finds no room is held for this long before others get a turn.
const WAIT_AT_MOST: Duration = Duration::from_secs(30);
/// The longest pause between two portions.
const PAUSE_AT_MOST: Duration = Duration::from_secs(2);

/// How a step ended.
enum Step {
    Further,
    Full,
    /// Also if somebody else continues it, or it was cancelled.
    Over,
}

/// Takes a replay, if there is one, and runs it to the end. After an error the lease runs out, and it continues where
/// it was.
pub(crate) async fn run(adapters: &Adapters) -> cardwire_events::Result<()> {
    let Adapters { replays, log, analytics, .. } = adapters;
    let lease = RunLease::generate();
    let Some(mut replay) = replays.claim_replay(lease).await? else { return Ok(()) };
    let mut full_since = None;
    loop {
        let begun = Instant::now();
        let step = match replay.of.queue {
            Queue::Analytics => count_a_day(&**replays, &**analytics, lease, &mut replay).await?,
            _ => owe_some(&**replays, &**log, lease, &replay).await?,
        };
        match step {
            // Leaves as much time to everybody else as it took.
            Step::Further => {
                full_since = None;
                sleep(begun.elapsed().min(PAUSE_AT_MOST)).await;
            }
            // A paused queue must not hold up replays to others.
            Step::Full if full_since.get_or_insert(begun).elapsed() > WAIT_AT_MOST => return Ok(()),
            Step::Full => sleep(WAIT_FOR_ROOM).await,
            Step::Over => return Ok(()),
        }
    }
}

async fn owe_some(
    replays: &dyn Replays,
    log: &dyn EventLog,
    lease: RunLease,
    replay: &Replay,
) -> cardwire_events::Result<Step> {
    let backlog = log.backlog().await?;
    let owed = backlog.iter().find(|backlog| backlog.queue == replay.of.queue).map_or(0, |backlog| backlog.owed);
    // A look at zero events keeps the lease.
    let limit = if owed < ROOM { PORTION } else { 0 };
    match replays.owe_again(lease, replay.id, limit).await? {
        Owing::Lost => Ok(Step::Over),
        Owing::More if limit == 0 => Ok(Step::Full),
        Owing::More => Ok(Step::Further),
        Owing::All => finish(replays, lease, replay, None).await,
    }
}

/// Days are counted again one by one, each in one transaction. Events owed to analytics meanwhile are counted when they
/// come.
async fn count_a_day(
    replays: &dyn Replays,
    analytics: &dyn Analytics,
    lease: RunLease,
    replay: &mut Replay,
) -> cardwire_events::Result<Step> {
    match next_day(analytics, replay).await {
        Ok(true) => match replays.advance_replay(lease, replay).await? {
            true => Ok(Step::Further),
            false => Ok(Step::Over),
        },
        Ok(false) => finish(replays, lease, replay, None).await,
        Err(error @ (Error::Unavailable(_) | Error::Stale)) => {
            Err(cardwire_events::Error::Unavailable("the counts", error.to_string()))
        }
        Err(error) => {
            tracing::error!(replay = %replay.id, %error, "the replay is given up");
            finish(replays, lease, replay, Some(&error.to_string())).await
        }
    }
}

/// False: there was none. Trends follow from the cards and are counted last.
async fn next_day(analytics: &dyn Analytics, replay: &mut Replay) -> cardwire_domain::Result<bool> {
    let days = analytics.whole_days().await?;
    let mut left =
        days.into_iter().filter(|day| replay.of.touches(*day) && replay.after_day.is_none_or(|done| *day > done));
    let Some(day) = left.next() else {
        analytics.rebuild_trends().await?;
        return Ok(false);
    };
    analytics.rebuild(day).await?;
    replay.after_day = Some(day);
    replay.done += 1;
    Ok(true)
}

async fn finish(
    replays: &dyn Replays,
    lease: RunLease,
    replay: &Replay,
    error: Option<&str>,
) -> cardwire_events::Result<Step> {
    if replays.finish_replay(lease, replay.id, error).await? {
        tracing::info!(replay = %replay.id, queue = %replay.of.queue, error, "the replay is done");
    }
    Ok(Step::Over)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cardwire_domain::use_cases::{AddUrlToLibrary, Request, execute};
    use cardwire_domain::{Clock as _, SystemClock, UserId};
    use cardwire_events::operations::ReplayOf;
    use cardwire_testkit::longer;
    use tokio::time::timeout;

    use super::*;
    use crate::{CliSettings, Environment, InMemoryEventWorkerProcess, Role, Settings};

    const PATIENCE: Duration = Duration::from_secs(120);

    fn settings() -> Settings {
        let given = [("APP_ENV", "development"), ("USE_MOCK_REPOS", "true"), ("USE_IN_MEMORY_EVENTS", "true")];
        let variables: BTreeMap<_, _> = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let environment = Environment { variables, dotenv: None, terminal: false };
        Settings::load(Role::Web, &CliSettings::default(), &environment).unwrap()
    }

    async fn save(adapters: &Adapters, n: u64) {
        let person = UserId::parse(&format!("did:plc:person{}", n % 7)).unwrap();
        let command = AddUrlToLibrary { url: format!("https://example.com/{n}"), ..AddUrlToLibrary::default() };
        execute(&*adapters.store, &Request::by(person), &command).await.unwrap();
    }

    async fn nothing_is_owed(adapters: &Adapters, queue: Queue) {
        let settled = async {
            while adapters.log.backlog().await.unwrap().iter().any(|of| of.queue == queue && of.owed > 0) {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, settled).await.unwrap();
    }

    /// Sends everything to the queue again, and waits for the end.
    async fn replayed(adapters: &Adapters, queue: Queue, total: u64) -> Replay {
        let by = UserId::parse("did:plc:operator").unwrap();
        let of = ReplayOf::everything(queue, "1970-01-01T00:00:00Z".parse().unwrap(), SystemClock.now());
        let (asked, new) = adapters.replays.request_replay(&by, &of, total).await.unwrap();
        assert!(new);
        let finished = async {
            loop {
                let latest = adapters.replays.replays(1).await.unwrap().remove(0);
                if latest.finished_at.is_some() {
                    return latest;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        let done = timeout(PATIENCE, finished).await.unwrap();
        assert_eq!((done.id, done.is_cancelled, &done.error), (asked.id, false, &None));
        done
    }

    /// REPLAY_EVENTS=100000 makes it longer.
    #[tokio::test(flavor = "multi_thread")]
    async fn counts_are_the_truth_after_a_replay_beside_saves() {
        let before = longer::told("REPLAY_EVENTS", 1_000);
        let meanwhile = before / 10;
        let settings = settings();
        let adapters = Adapters::plug(&settings).unwrap();
        let workers = InMemoryEventWorkerProcess::start(&adapters, &settings).unwrap();
        for n in 0..before {
            save(&adapters, n).await;
        }
        nothing_is_owed(&adapters, Queue::Analytics).await;
        let saves = async {
            for n in before..before + meanwhile {
                save(&adapters, n).await;
                sleep(Duration::from_millis(1)).await;
            }
        };
        let (done, ()) = tokio::join!(replayed(&adapters, Queue::Analytics, 1), saves);
        // Two, if midnight passed.
        assert!((1..=2).contains(&done.done), "{done:?}");
        nothing_is_owed(&adapters, Queue::Analytics).await;
        let days = adapters.analytics.summary(2).await.unwrap();
        let counted: u64 = days.iter().map(|day| day.saves).sum();
        assert_eq!(counted, before + meanwhile, "each save once");
        assert_eq!(days.iter().map(|day| day.new_cards).sum::<u64>(), before + meanwhile);
        assert!((7..=14).contains(&days.iter().map(|day| day.active_curators).sum::<u64>()), "{days:?}");
        let domains = adapters.analytics.top_domains(7, 10).await.unwrap();
        assert_eq!((domains.len(), domains[0].saves), (1, before + meanwhile));
        workers.drain(Duration::from_secs(20)).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn events_go_through_their_queue_again_in_portions() {
        let events = 3 * PORTION as u64 / 2;
        let settings = settings();
        let adapters = Adapters::plug(&settings).unwrap();
        let workers = InMemoryEventWorkerProcess::start(&adapters, &settings).unwrap();
        for n in 0..events {
            save(&adapters, n).await;
        }
        nothing_is_owed(&adapters, Queue::Search).await;
        let done = replayed(&adapters, Queue::Search, events).await;
        assert_eq!(done.done, events);
        nothing_is_owed(&adapters, Queue::Search).await;
        assert_eq!(adapters.search.card_count().await.unwrap(), events);
        workers.drain(Duration::from_secs(20)).await.unwrap();
    }
}
