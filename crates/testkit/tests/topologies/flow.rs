//! How long nothing has an effect while people go on saving.

use std::time::Duration;

use cardwire_testkit::history::History;
use cardwire_testkit::stack::{Client, Stack};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Recovery must be faster than this.
pub const RECOVERY: Duration = Duration::from_secs(10);
/// What a failover lost is published again 30 s after it was published first.
pub const SETTLE: Duration = Duration::from_secs(90);

const EFFECTS: [(&str, &str); 3] = [
    ("feed", "SELECT count(*) FROM activities"),
    ("search", "SELECT count(*) FROM search_documents"),
    ("analytics", "SELECT coalesce(sum(saves), 0)::bigint FROM daily_totals"),
];

/// Waits until `done`, which may ask servers that do not answer yet.
pub async fn eventually(what: &str, within: Duration, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !done() {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Saves and watches what comes of it.
pub struct Flow {
    pool: PgPool,
    load: JoinHandle<History>,
    watch: JoinHandle<Vec<Seen>>,
    stop: CancellationToken,
}

struct Seen {
    at: Instant,
    counts: [i64; 3],
}

impl Flow {
    /// Starts to save and returns when effects are seen, so that a fault hits a running system.
    pub async fn start(stack: &Stack) -> Self {
        let stop = CancellationToken::new();
        let pool = stack.pool().clone();
        let load = tokio::spawn(save_until(stack.client(), stop.clone()));
        let watch = tokio::spawn(watch(pool.clone(), stop.clone()));
        let deadline = Instant::now() + Duration::from_secs(20);
        while counts(&pool).await.iter().any(|count| *count < 50) {
            assert!(Instant::now() < deadline, "nothing has an effect");
            sleep(Duration::from_millis(20)).await;
        }
        Self { pool, load, watch, stop }
    }

    /// Waits until all effects go on again, with what was saved after now.
    pub async fn goes_on(&self, within: Duration) {
        let before = counts(&self.pool).await;
        let deadline = Instant::now() + within;
        loop {
            let now = counts(&self.pool).await;
            if (0..3).all(|n| now[n] > before[n] + 50) {
                return;
            }
            assert!(Instant::now() < deadline, "{before:?}, and still {now:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the load. Returns what was answered, and for how long each kind of effect stood still at most after `since`.
    pub async fn end(self, since: Instant) -> (History, [Duration; 3]) {
        self.stop.cancel();
        let ended = Instant::now();
        let history = self.load.await.unwrap();
        let seen = self.watch.await.unwrap();
        let gaps = std::array::from_fn(|n| longest_gap(&seen, n, since, ended));
        (history, gaps)
    }
}

/// Prints a line of the table in docs/operate/REDIS.md, and fails when an effect stood still for too long.
pub fn report(fault: &str, gaps: [Duration; 3], settled: Duration) {
    let parts: Vec<_> =
        EFFECTS.iter().zip(gaps).map(|((name, _), gap)| format!("{name} {:.1} s", gap.as_secs_f64())).collect();
    println!("{fault}: stood still for {}; all settled {settled:.1?} after the load", parts.join(", "));
    assert!(gaps.iter().all(|gap| *gap < RECOVERY), "{fault}: {gaps:?}");
}

fn longest_gap(seen: &[Seen], n: usize, since: Instant, until: Instant) -> Duration {
    let mut count = seen.iter().take_while(|seen| seen.at <= since).last().map_or(0, |seen| seen.counts[n]);
    let (mut moved, mut longest) = (since, Duration::ZERO);
    for seen in seen.iter().filter(|seen| seen.at > since && seen.at <= until) {
        if seen.counts[n] != count {
            longest = longest.max(seen.at - moved);
            (count, moved) = (seen.counts[n], seen.at);
        }
    }
    longest.max(until - moved)
}

async fn counts(pool: &PgPool) -> [i64; 3] {
    let mut counts = [0; 3];
    for ((_, query), count) in EFFECTS.iter().zip(&mut counts) {
        *count = sqlx::query_scalar(*query).fetch_one(pool).await.unwrap();
    }
    counts
}

async fn watch(pool: PgPool, stop: CancellationToken) -> Vec<Seen> {
    let mut seen = Vec::new();
    while !stop.is_cancelled() {
        seen.push(Seen { counts: counts(&pool).await, at: Instant::now() });
        sleep(Duration::from_millis(20)).await;
    }
    seen
}

/// Four people save a URL of their own every 60 ms, whatever happens; each URL until it is answered.
async fn save_until(client: Client, stop: CancellationToken) -> History {
    let savers = (0..4).map(|n| {
        let (client, stop) = (client.clone(), stop.clone());
        tokio::spawn(async move {
            let person = format!("did:plc:person{n}");
            let mut history = History::default();
            for url in 0.. {
                let url = format!("https://example.com/{n}/{url}");
                while !client.save(&person, &url, &[], &mut history).await {
                    sleep(Duration::from_millis(100)).await;
                }
                if stop.is_cancelled() {
                    break;
                }
                sleep(Duration::from_millis(60)).await;
            }
            history
        })
    });
    let savers: Vec<_> = savers.collect();
    let mut history = History::default();
    for saver in savers {
        history.merge(saver.await.unwrap());
    }
    history
}
