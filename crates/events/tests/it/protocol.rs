//! The scripts against a real server: every published copy is in exactly one place, for any operations in any order,
//! when each script runs twice because a reply was lost, and when Redis is full.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cardwire_events::redis::{Connection, Repeat, Script, Value, keys, scripts};
use cardwire_events::{Depth, Error, EventPublisher, EventSubscriber, Queue};
use cardwire_testkit::redis::RedisServer;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{connect, publish, publisher, subscriber};

const QUEUE: Queue = Queue::Feeds;
/// Ten minutes: longer than the test.
const LEASE_MS: i64 = 600_000;

#[derive(Clone, Debug)]
enum Step {
    Publish(usize),
    Claim {
        max: usize,
    },
    Ack(usize),
    Release(usize),
    Renew(usize),
    /// The lease runs out, and then some worker reclaims.
    Expire(usize),
    /// Redis runs out of memory, or has some again.
    Full(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6_usize).prop_map(Step::Publish),
        5 => (1..5_usize).prop_map(|max| Step::Claim { max }),
        2 => (0..4_usize).prop_map(Step::Ack),
        2 => (0..4_usize).prop_map(Step::Release),
        1 => (0..4_usize).prop_map(Step::Renew),
        3 => (0..4_usize).prop_map(Step::Expire),
        1 => any::<bool>().prop_map(Step::Full),
    ];
    vec(step, 1..40)
}

/// The expected entries in each place. Fronts are claimed next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Places {
    wait: VecDeque<String>,
    suspect: VecDeque<String>,
    claims: BTreeMap<String, Vec<String>>,
    leases: BTreeSet<String>,
}

/// Runs scripts as the adapters do, each twice.
struct Machine {
    connection: Connection,
    model: Places,
    suspects: BTreeSet<String>,
    published: usize,
    consumed: BTreeSet<String>,
    batches: usize,
    full: bool,
}

impl Machine {
    fn claim_key(batch: &str) -> Value {
        Value::Bytes(keys::claim(QUEUE, 0, batch.as_bytes()).into())
    }

    /// The second run stands for a lost reply.
    async fn twice(&self, script: &Script, keys: Vec<Value>, args: Vec<Value>) -> (Value, Value) {
        let first = self.run(script, keys.clone(), args.clone()).await.unwrap();
        let after_first = self.actual().await;
        let second = self.run(script, keys, args).await.unwrap();
        assert_eq!(self.actual().await, after_first, "the second run of a script changed something");
        (first, second)
    }

    async fn run(&self, script: &Script, keys: Vec<Value>, args: Vec<Value>) -> Result<Value, Error> {
        self.connection.script(script, keys, args, Repeat::Never).await
    }

    async fn list(&self, key: Value) -> Vec<String> {
        self.connection.command("LRANGE", vec![key, 0.into(), (-1).into()], Repeat::Harmless).await.unwrap()
    }

    async fn actual(&self) -> Places {
        let popped_next_first = |mut entries: Vec<String>| {
            entries.reverse();
            VecDeque::from(entries)
        };
        let all: Vec<String> = self.connection.server_command("KEYS", vec!["*claim*".into()]).await.unwrap();
        let mut claims = BTreeMap::new();
        for key in all {
            let batch = key.rsplit(':').next().unwrap().to_owned();
            claims.insert(batch, self.list(key.into()).await);
        }
        let range = vec![keys::leases(QUEUE, 0).into(), 0.into(), (-1).into()];
        let leases: Vec<String> = self.connection.command("ZRANGE", range, Repeat::Harmless).await.unwrap();
        Places {
            wait: popped_next_first(self.list(keys::wait(QUEUE, 0).into()).await),
            suspect: popped_next_first(self.list(keys::suspect(QUEUE, 0).into()).await),
            claims,
            leases: leases.into_iter().collect(),
        }
    }

    /// The n-th open batch, or sometimes one that is not open.
    fn batch(&self, n: usize) -> String {
        self.model.claims.keys().nth(n).cloned().unwrap_or_else(|| format!("B{:04}", n * 3))
    }

    async fn step(&mut self, step: Step) {
        let key = |make: fn(Queue, u16) -> String| Value::from(make(QUEUE, 0));
        match step {
            Step::Publish(count) => {
                let entries: Vec<String> = (0..count).map(|n| format!("E{:04}", self.published + n)).collect();
                let args = entries.iter().map(|entry| entry.as_str().into()).collect();
                // Not twice: a publisher that repeats after a lost reply makes copies, which are known and harmless.
                let answer = self.run(&scripts::PUBLISH, vec![key(keys::wait), key(keys::bell)], args).await;
                if self.full && count > 0 {
                    assert!(matches!(answer, Err(Error::Full(_))), "{answer:?}");
                } else {
                    answer.unwrap();
                    self.published += count;
                    self.model.wait.extend(entries);
                }
            }
            Step::Claim { max } => {
                self.batches += 1;
                let batch = format!("B{:04}", self.batches);
                let keys = vec![
                    key(keys::wait),
                    key(keys::suspect),
                    key(keys::leases),
                    key(keys::bell),
                    Self::claim_key(&batch),
                ];
                let args = vec![batch.as_str().into(), i64::try_from(max).unwrap().into(), LEASE_MS.into()];
                let (first, second) = self.twice(&scripts::CLAIM, keys, args).await;
                let (expected, suspect) = match self.model.suspect.pop_front() {
                    Some(entry) => (vec![entry], true),
                    None => (self.model.wait.drain(..max.min(self.model.wait.len())).collect(), false),
                };
                if expected.is_empty() {
                    assert!(first.is_null() && second.is_null());
                    return;
                }
                let (was_suspect, entries): (i64, Vec<String>) = first.convert().unwrap();
                assert_eq!((was_suspect == 1, &entries), (suspect, &expected));
                let (careful, again): (i64, Vec<String>) = second.convert().unwrap();
                assert_eq!((careful == 1, &again), (expected.len() == 1, &expected));
                if suspect {
                    self.suspects.insert(batch.clone());
                }
                self.model.claims.insert(batch.clone(), expected);
                self.model.leases.insert(batch);
            }
            Step::Ack(n) => {
                let batch = self.batch(n);
                let keys = vec![key(keys::leases), Self::claim_key(&batch)];
                let (first, second) = self.twice(&scripts::ACK, keys, vec![batch.as_str().into()]).await;
                let held = self.model.leases.remove(&batch);
                assert_eq!((first, second), (i64::from(held).into(), 0.into()));
                self.consumed.extend(self.model.claims.remove(&batch).unwrap_or_default());
            }
            Step::Release(n) => {
                let batch = self.batch(n);
                let suspect = self.suspects.contains(&batch);
                let target = if suspect { key(keys::suspect) } else { key(keys::wait) };
                let keys = vec![target, key(keys::leases), key(keys::bell), Self::claim_key(&batch)];
                self.twice(&scripts::RELEASE, keys, vec![batch.as_str().into()]).await;
                self.model.leases.remove(&batch);
                let back = if suspect { &mut self.model.suspect } else { &mut self.model.wait };
                for entry in self.model.claims.remove(&batch).unwrap_or_default().into_iter().rev() {
                    back.push_front(entry);
                }
            }
            Step::Renew(n) => {
                let batch = self.batch(n);
                let args = vec![batch.as_str().into(), LEASE_MS.into()];
                let (first, second) = self.twice(&scripts::RENEW, vec![key(keys::leases)], args).await;
                let held: Value = i64::from(self.model.leases.contains(&batch)).into();
                assert_eq!((&first, &second), (&held, &held));
            }
            Step::Expire(n) => {
                let batch = self.batch(n);
                let args = vec![batch.as_str().into(), (-1_000).into()];
                self.run(&scripts::RENEW, vec![key(keys::leases)], args).await.unwrap();
                let fixed = vec![key(keys::leases), key(keys::suspect), key(keys::bell)];
                let expired: Vec<String> =
                    self.run(&scripts::RECLAIM, fixed.clone(), Vec::new()).await.unwrap().convert().unwrap();
                let held = self.model.leases.remove(&batch);
                assert_eq!(expired, if held { vec![batch.clone()] } else { vec![] });
                // Somebody else's batch is named too: its lease is still running, so it stays.
                let named: BTreeSet<String> = expired.into_iter().chain(self.model.leases.first().cloned()).collect();
                if named.is_empty() {
                    return;
                }
                let keys = fixed.into_iter().chain(named.iter().map(|batch| Self::claim_key(batch))).collect();
                let args = named.iter().map(|batch| batch.as_str().into()).collect();
                let (first, second) = self.twice(&scripts::RECLAIM, keys, args).await;
                let moved = self.model.claims.remove(&batch).unwrap_or_default();
                assert_eq!((first, second), (i64::try_from(moved.len()).unwrap().into(), 0.into()));
                self.model.suspect.extend(moved);
            }
            Step::Full(full) => {
                self.full = full;
                let limit = if full { "1" } else { "0" };
                let args = vec!["SET".into(), "maxmemory".into(), limit.into()];
                self.connection.server_command::<Value>("CONFIG", args).await.unwrap();
            }
        }
    }

    async fn check(&self) {
        let actual = self.actual().await;
        assert_eq!(actual, self.model);
        let mut copies: Vec<&String> = actual.wait.iter().chain(&actual.suspect).collect();
        copies.extend(actual.claims.values().flatten());
        copies.extend(&self.consumed);
        copies.sort();
        let published: Vec<String> = (0..self.published).map(|n| format!("E{n:04}")).collect();
        assert!(copies.into_iter().eq(&published), "each copy must be in exactly one place: {actual:?}");
        let bell = self.list(keys::bell(QUEUE, 0).into()).await;
        assert!(bell.len() <= 1, "{bell:?}");
        assert!(actual.wait.is_empty() && actual.suspect.is_empty() || bell.len() == 1, "the bell must be ringing");
    }
}

#[test]
fn every_copy_is_in_exactly_one_place_after_every_step() {
    let server = RedisServer::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let connection = {
        let _guard = runtime.enter();
        connect(&server)
    };
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            runtime.block_on(async {
                let mut machine = Machine {
                    connection: connection.clone(),
                    model: Places::default(),
                    suspects: BTreeSet::new(),
                    published: 0,
                    consumed: BTreeSet::new(),
                    batches: 0,
                    full: false,
                };
                machine.step(Step::Full(false)).await;
                connection.server_command::<Value>("FLUSHALL", Vec::new()).await.unwrap();
                for step in steps {
                    machine.step(step).await;
                    machine.check().await;
                }
            });
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_full_redis_is_still_drained_and_refuses_more() {
    let server = RedisServer::start_with(&["--maxmemory", "4mb"]);
    let connection = connect(&server);
    let (publisher, subscriber) = (publisher(&connection), subscriber(&connection));
    let batch: Vec<_> = (0..100).map(|n| ("key".to_owned(), format!("{n:0300}"))).collect();
    let mut published = 0;
    let error = loop {
        match publisher.publish(QUEUE, &batch).await {
            Ok(()) => published += batch.len(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Full(_)), "{error}");
    assert!(published > 1_000, "{published}");
    assert_eq!(subscriber.depth().await.unwrap().waiting, published, "all or nothing");
    let refused = server.try_command(&["SET", "more", "data"]).unwrap_err();
    assert!(refused.contains("OOM"), "{refused}");
    let mut claimed = 0;
    let first = subscriber.claim(128).await.unwrap().unwrap();
    assert!(subscriber.renew(&first).await.unwrap());
    subscriber.release(&first).await.unwrap();
    while let Some(claim) = subscriber.claim(128).await.unwrap() {
        claimed += claim.entries.len();
        subscriber.ack(&claim).await.unwrap();
    }
    assert_eq!(claimed, published);
    publisher.publish(QUEUE, &batch).await.unwrap();
}

#[tokio::test]
async fn a_key_of_another_type_is_a_clear_error_and_costs_no_entry() {
    let server = RedisServer::start();
    let connection = connect(&server);
    let (publisher, subscriber) = (publisher(&connection), subscriber(&connection));
    for key in ["{feeds:0}:wait", "{feeds:0}:suspect", "{feeds:0}:leases", "{feeds:0}:bell"] {
        server.flushall();
        publish(&publisher, &["a", "b"]).await;
        server.command(&["DEL", key]);
        server.command(&["HSET", key, "by", "hand"]);
        let error = subscriber.claim(10).await.unwrap_err();
        assert!(matches!(error, Error::Corrupt(..)), "{key}: {error}");
        let text = error.to_string();
        assert!(text.contains("WRONGTYPE") && text.contains(key), "{text}");
        let published = publisher.publish(QUEUE, &[("key".into(), "c".into())]).await;
        assert_eq!(published.is_err(), key.ends_with("wait") || key.ends_with("bell"), "{key}: {published:?}");
        if !key.ends_with("wait") {
            let left = if published.is_ok() { "3" } else { "2" };
            assert_eq!(server.command(&["LLEN", "{feeds:0}:wait"]), left, "{key}");
        }
        // Once the key is repaired, everything continues.
        server.command(&["DEL", key]);
        publish(&publisher, &["d"]).await;
        let claim = subscriber.claim(10).await.unwrap().unwrap();
        assert_eq!(claim.entries.last().map(String::as_str), Some("d"), "{key}");
    }
}

#[tokio::test]
async fn odd_leases_and_entries_stop_nothing() {
    let server = RedisServer::start();
    let connection = connect(&server);
    let (publisher, subscriber) = (publisher(&connection), subscriber(&connection));
    // A lease without a claim, one whose claim is not a list, one that is not text, and a real one between them.
    server.command(&["ZADD", "{feeds:0}:leases", "1", "nothing", "2", "odd", "-inf", "first"]);
    server.command(&["SET", "{feeds:0}:claim:odd", "by hand"]);
    server.command(&["EVAL", r"return redis.call('ZADD', KEYS[1], 3, '\255\254')", "1", "{feeds:0}:leases"]);
    server.command(&["EVAL", r"return redis.call('LPUSH', KEYS[1], '\255')", "1", "{feeds:0}:wait"]);
    publish(&publisher, &["a"]).await;
    let claim = subscriber.claim(10).await.unwrap().unwrap();
    assert_eq!(claim.entries, ["\u{fffd}", "a"]);
    server.command(&["ZADD", "{feeds:0}:leases", "4", &claim.batch.to_string()]);
    assert_eq!(subscriber.reclaim().await.unwrap(), 2);
    assert_eq!(server.command(&["ZCARD", "{feeds:0}:leases"]), "0");
    assert_eq!(server.command(&["GET", "{feeds:0}:claim:odd"]), "by hand");
    assert_eq!(subscriber.depth().await.unwrap(), Depth { waiting: 0, suspects: 2, in_flight: 0 });
}

#[tokio::test]
async fn a_claim_is_at_most_128_entries() {
    let server = RedisServer::start();
    let connection = connect(&server);
    let many: Vec<_> = (0..300).map(|n| ("key".to_owned(), n.to_string())).collect();
    publisher(&connection).publish(QUEUE, &many).await.unwrap();
    assert_eq!(subscriber(&connection).claim(usize::MAX).await.unwrap().unwrap().entries.len(), 128);
}
