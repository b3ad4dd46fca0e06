//! Somebody kills a worker of any kind every half second, for as long as there is load. `scripts/test-faults.sh` runs it
//! longer, with more events and seeds.

use std::time::Duration;

use cardwire_testkit::history::History;
use cardwire_testkit::longer::told;
use cardwire_testkit::process::{FAKETIME, faketime};
use cardwire_testkit::stack::{Client, Plan, Stack};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// What besides the kills happens once, in the middle.
#[derive(Clone, Copy, Debug)]
enum Disaster {
    None,
    FlushAll,
    RedisRestart,
    PostgresRestart,
}

/// A small linear congruential generator: the same seed is the same run, as far as processes can be.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Each person saves each of their URLs with three collections, over and over in time: four events for each of the keys.
pub(crate) async fn save_all(client: &Client, people: usize, urls: usize, pause: Duration) -> History {
    let mut savers = JoinSet::new();
    for n in 0..people {
        let client = client.clone();
        savers.spawn(async move {
            let person = format!("did:plc:person{n}");
            let collections = client.collections(&person, 3).await;
            let mut history = History::default();
            for url in 0..urls {
                let url = format!("https://example.com/{n}/{url}");
                while !client.save(&person, &url, &collections, &mut history).await {
                    sleep(Duration::from_millis(100)).await;
                }
                sleep(pause).await;
            }
            history
        });
    }
    let mut history = History::default();
    while let Some(saved) = savers.join_next().await {
        history.merge(saved.unwrap());
    }
    history
}

async fn survive(disaster: Disaster) {
    let seconds = told("FAULT_SECONDS", 20);
    let keys = usize::try_from(told("FAULT_KEYS", 1_000)).unwrap();
    let mut random = Random(told("FAULT_SEED", 1));
    let mut stack = Stack::start(&Plan { feed_workers: 3, ..Plan::default() }).await;
    let (people, urls) = (20, keys / 20);
    let pause = Duration::from_millis(seconds * 900 / urls as u64);
    let client = stack.client();
    let load = tokio::spawn(async move { save_all(&client, people, urls, pause).await });
    let started = Instant::now();
    let (mut kills, mut disaster_left) = (0, Some(disaster));
    while started.elapsed() < Duration::from_secs(seconds) {
        sleep(Duration::from_millis(500)).await;
        let victim = random.below(stack.workers.len());
        stack.kill_and_restart(victim);
        kills += 1;
        if started.elapsed() > Duration::from_secs(seconds / 2) {
            match disaster_left.take() {
                Some(Disaster::FlushAll) => stack.redis.flushall(),
                Some(Disaster::RedisRestart) => {
                    stack.redis.kill();
                    sleep(Duration::from_secs(1)).await;
                    stack.redis.restart();
                }
                Some(Disaster::PostgresRestart) => stack.postgres.restart_immediate().unwrap(),
                Some(Disaster::None) | None => {}
            }
        }
    }
    let history = load.await.unwrap();
    let took = stack.settled(Duration::from_secs(180)).await;
    let checked = stack.check(&history).await;
    println!("{disaster:?}: {kills} kills in {seconds} s, settled {took:?} after the load: {checked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_kills() {
    survive(Disaster::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_kills_and_flushall() {
    survive(Disaster::FlushAll).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_kills_and_redis_restarted() {
    survive(Disaster::RedisRestart).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_kills_and_postgresql_restarted() {
    survive(Disaster::PostgresRestart).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_whose_clocks_are_ten_seconds_off_change_nothing() {
    let mut stack = Stack::start(&Plan { feed_workers: 3, ..Plan::default() }).await;
    for (worker, offset) in [(0, "-10s"), (1, "+10s"), (3, "+10s"), (4, "-10s")] {
        stack.restart_with(worker, &faketime(offset)).await;
    }
    assert!(FAKETIME.iter().any(|library| std::path::Path::new(library).exists()));
    let started = Instant::now();
    let client = stack.client();
    let history = save_all(&client, 10, 10, Duration::from_millis(20)).await;
    let loaded = started.elapsed();
    stack.settled(Duration::from_secs(15)).await;
    println!("saved in {loaded:?}, all settled after {:?}: {:?}", started.elapsed(), stack.check(&history).await);
}
