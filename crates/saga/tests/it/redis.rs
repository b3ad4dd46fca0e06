//! The contract suite over Redis, and what only Redis can do wrong.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::{CardId, CollectionId, EventId, LinkId, Member, UserId};
use cardwire_events::redis::{Connection, RedisSettings, Repeat, Script, Value};
use cardwire_saga::{
    ClaimedWindow, DistributedLock, Error, PendingEvent, RedisDistributedLock, RedisSagaStateStore, ReleaseReason,
    SagaKey, SagaStateStore, Timing,
    store::{CLAIMED_EVENTS, CLAIMED_OF_ONE, SHOWN_EVENTS, SHOWN_WHOLE},
};
use cardwire_testkit::redis::RedisServer;
use cardwire_testkit::saga_suite::Subject;
use tokio::time::Instant;

/// In a hurry, yet with room for a busy machine.
pub const TIMING: Timing = Timing {
    window: Duration::from_secs(1),
    lock: Duration::from_secs(3),
    pause: Duration::from_secs(1),
    backoff: Duration::from_secs(1),
};

pub struct Redis {
    server: RedisServer,
    connection: Connection,
    pub store: RedisSagaStateStore,
    pub lock: RedisDistributedLock,
}

impl Redis {
    pub async fn start(partitions: u16, timing: Timing) -> Self {
        let server = RedisServer::start();
        let connection = Connection::open(RedisSettings::from_url(&server.url()).unwrap()).unwrap();
        let store = RedisSagaStateStore::new(connection.clone(), partitions, timing);
        let lock = RedisDistributedLock::new(connection.clone(), partitions, timing);
        Self { server, connection, store, lock }
    }

    /// Makes it as full as can be, or lifts that.
    fn set_full(&self, full: bool) {
        self.server.command(&["CONFIG", "SET", "maxmemory", if full { "1" } else { "0" }]);
        assert_eq!(self.server.try_command(&["SET", "probe", "1"]).is_err(), full);
    }

    fn lines(&self, args: &[&str]) -> BTreeSet<String> {
        self.server.command(args).lines().map(str::to_owned).collect()
    }

    async fn claim_all(&self) -> Vec<ClaimedWindow> {
        self.store.claim_all(1_000).await.unwrap()
    }
}

async fn subject() -> Subject {
    let Redis { server, store, lock, .. } = Redis::start(1, TIMING).await;
    Subject { store: Arc::new(store), lock: Arc::new(lock), timing: TIMING, guard: Box::new(server) }
}

cardwire_testkit::saga_suite! { #[tokio::test] => subject }

pub fn key(actor: &str) -> SagaKey {
    SagaKey { card_id: CardId::generate(), actor_id: UserId::parse(&format!("did:plc:{actor}")).unwrap() }
}

pub fn event(key: &SagaKey) -> PendingEvent {
    PendingEvent {
        card_id: key.card_id,
        actor_id: key.actor_id.clone(),
        member: Member {
            occurred_at: "2026-11-22T10:00:00.123456Z".parse().unwrap(),
            event_id: EventId::generate(),
            link_id: LinkId::generate(),
            collection_id: Some(CollectionId::generate()),
        },
    }
}

fn members(windows: &[ClaimedWindow]) -> BTreeSet<Member> {
    windows.iter().flat_map(|window| window.pending.members.values().cloned()).collect()
}

#[tokio::test]
async fn names_and_times_are_the_documented_ones() {
    let redis = Redis::start(1, Timing::default()).await;
    let alice = key("alice");
    let added = event(&alice);
    let before = Instant::now();
    redis.store.merge(std::slice::from_ref(&added)).await.unwrap();
    let [pending, lock, due] =
        [format!("saga:feed:pending:{alice}"), format!("saga:feed:lock:{alice}"), "saga:feed:due:0".to_owned()];
    assert_eq!(redis.lines(&["KEYS", "*"]), BTreeSet::from([pending.clone(), due.clone()]));
    let leak_guard: u64 = redis.server.command(&["TTL", &pending]).parse().unwrap();
    assert!((604_790..=604_800).contains(&leak_guard), "{leak_guard}");
    let collection_id = added.member.collection_id.unwrap();
    let effect = format!("1|{}|{}|{collection_id}", added.member.occurred_at.as_microsecond(), added.member.link_id);
    assert_eq!(redis.server.command(&["HGETALL", &pending]), format!("{}\n{effect}", added.member.event_id));

    let claimed = loop {
        let claimed = redis.store.claim_due(10).await.unwrap();
        if !claimed.is_empty() {
            break claimed;
        }
        assert!(before.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(redis.store.next_due().await.unwrap().expect("a window is open")).await;
    };
    assert!(before.elapsed() + Duration::from_millis(2) >= Duration::from_secs(3));
    assert_eq!(redis.server.command(&["GET", &lock]), claimed[0].token.to_string());
    let ttl: u64 = redis.server.command(&["PTTL", &lock]).parse().unwrap();
    assert!((8_000..=13_000).contains(&ttl), "{ttl}");
    redis.store.commit(&claimed).await.unwrap();
    assert_eq!(redis.server.command(&["KEYS", "*"]), "", "nothing is left behind");
}

#[tokio::test]
async fn a_window_that_is_flushed_again_and_again_but_never_empty_is_not_forgotten() {
    let redis = Redis::start(1, TIMING).await;
    let alice = key("alice");
    redis.store.merge(&[event(&alice)]).await.unwrap();
    let claimed = redis.claim_all().await;
    let pending = format!("saga:feed:pending:{alice}");
    redis.server.command(&["EXPIRE", &pending, "60"]);
    redis.store.merge(&[event(&alice)]).await.unwrap();
    redis.store.commit(&claimed).await.unwrap();
    let left: u64 = redis.server.command(&["TTL", &pending]).parse().unwrap();
    assert!((604_700..=604_800).contains(&left), "forgotten in {left} s, although it was just flushed");
}

#[tokio::test]
async fn a_full_redis_refuses_to_merge_and_does_everything_else() {
    let redis = Redis::start(1, TIMING).await;
    let keys: Vec<SagaKey> = ["done", "more", "away", "failed", "early"].map(key).into();
    let events: Vec<PendingEvent> = keys.iter().map(event).collect();
    redis.store.merge(&events).await.unwrap();
    redis.set_full(true);

    let refused: Vec<PendingEvent> = keys.iter().map(event).chain([event(&key("new"))]).collect();
    assert!(matches!(redis.store.merge(&refused).await, Err(Error::Full)));
    assert!(matches!(redis.lock.acquire(&key("free")).await, Err(Error::Full)));
    assert!(redis.store.flush_now(&keys[4]).await.unwrap());
    let early = redis.store.claim_due(10).await.unwrap();
    assert_eq!(early.iter().map(ClaimedWindow::key).collect::<Vec<_>>(), [&keys[4]]);
    let claimed = redis.claim_all().await;
    assert_eq!(members(&[early.clone(), claimed.clone()].concat()), events.iter().map(|e| e.member.clone()).collect());
    assert!(redis.claim_all().await.is_empty(), "the locks hold");
    redis.store.commit(&early).await.unwrap();

    let window = |key: &SagaKey| claimed.iter().find(|window| window.key() == key).cloned().unwrap();
    redis.set_full(false);
    let more = event(&keys[1]);
    redis.store.merge(std::slice::from_ref(&more)).await.unwrap();
    redis.set_full(true);
    redis.store.commit(&[window(&keys[0]), window(&keys[1])]).await.unwrap();
    redis.store.release(&[window(&keys[2])], ReleaseReason::Unavailable).await.unwrap();
    redis.store.release(&[window(&keys[3])], ReleaseReason::Failed).await.unwrap();

    let rest = redis.store.claim_due(1).await.unwrap();
    assert_eq!(members(&rest), BTreeSet::from([more.member]));
    let open = redis.store.open(None, 10).await.unwrap();
    let state = |key: &SagaKey| open.iter().find(|w| w.key() == key).map(|w| (w.locked, w.failures));
    let states: Vec<_> = keys.iter().map(state).collect();
    assert_eq!(states, [None, Some((true, 0)), Some((false, 0)), Some((false, 1)), None]);
}

#[tokio::test]
async fn what_is_not_ours_is_removed_and_holds_nothing_up() {
    let redis = Redis::start(1, TIMING).await;
    let (alice, bob) = (key("alice"), key("bob"));
    let events = [event(&alice), event(&bob)];
    redis.store.merge(&events).await.unwrap();
    let command = |args: &[&str]| redis.server.command(args);
    let pending = |key: &SagaKey| format!("saga:feed:pending:{key}");
    // Junk beside an event, alone in a window, of another type, without a window, and under a name of no form.
    command(&["HSET", &pending(&alice), "junk", "x", &EventId::generate().to_string(), "9|new"]);
    let (junk, text, gone) = (key("junk"), key("text"), key("gone"));
    command(&["HSET", &pending(&junk), "junk", "x"]);
    command(&["SET", &pending(&text), "x"]);
    command(&["HSET", "saga:feed:pending:garbage", "x", "x"]);
    for name in [junk.to_string(), text.to_string(), gone.to_string(), "garbage".into()] {
        command(&["ZADD", "saga:feed:due:0", "1", &name]);
    }
    assert!(matches!(redis.store.merge(&[event(&alice), event(&text)]).await, Err(Error::Corrupt(_))));
    assert!(
        redis.store.open(None, 10).await.unwrap().iter().all(|window| [&alice, &bob, &junk].contains(&window.key()))
    );

    let claimed = redis.claim_all().await;
    assert_eq!(members(&claimed), events.iter().map(|event| event.member.clone()).collect(), "half a merge is none");
    let unreadable: usize = claimed.iter().map(|window| window.unreadable.len()).sum();
    assert_eq!((claimed.len(), unreadable), (3, 3));
    redis.store.commit(&claimed).await.unwrap();
    assert_eq!(command(&["KEYS", "*"]), "");
}

/// The claim, but only in the one millisecond in which the lock is there and its PTTL is 0. Else it returns the PTTL.
static CLAIM_IN_THE_LAST_MILLISECOND: Script = Script::new(
    "claim_in_the_last_millisecond",
    concat!(
        "local ttl = redis.call('PTTL', KEYS[2])\nif ttl ~= 0 then return ttl end\n",
        include_str!("../../src/redis/lua/claim_due.lua")
    ),
);

#[tokio::test]
async fn a_lock_in_its_last_millisecond_is_not_taken_for_one_without_end() {
    let redis = Redis::start(1, TIMING).await;
    let alice = key("alice");
    redis.store.merge(&[event(&alice)]).await.unwrap();
    redis.store.flush_now(&alice).await.unwrap();
    let lock = format!("saga:feed:lock:{alice}");
    let started = Instant::now();
    let contended = loop {
        assert!(started.elapsed() < Duration::from_secs(30), "nobody looked in the last millisecond of a lock");
        let set = [lock.as_str(), "somebody", "PX", "10"].map(Value::from).into();
        redis.connection.command::<Value>("SET", set, Repeat::Never).await.unwrap();
        let args = ["saga:feed:lock:", "saga:feed:pending:", "me", "10", "3000", "due", "100", "100"];
        let keys = || vec!["saga:feed:due:0".into(), lock.as_str().into()];
        let claim = async || -> Value {
            let args = args.map(Value::from).into();
            redis.connection.script(&CLAIM_IN_THE_LAST_MILLISECOND, keys(), args, Repeat::Never).await.unwrap()
        };
        let mut answer = claim().await;
        while matches!(answer, Value::Integer(1..)) {
            answer = claim().await;
        }
        if let Value::Array(contended) = answer {
            break contended;
        }
    };
    assert_eq!(contended, [Value::from(1)], "the lock holds to its end");
    let next = redis.store.next_due().await.unwrap();
    assert!(next.is_some_and(|next| next <= Duration::from_millis(1)), "due when the lock has ended, not in {next:?}");
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(redis.store.claim_due(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_lock_without_an_expiry_holds_its_window_as_long_as_any_other() {
    let redis = Redis::start(1, TIMING).await;
    let alice = key("alice");
    redis.store.merge(&[event(&alice)]).await.unwrap();
    redis.server.command(&["SET", &format!("saga:feed:lock:{alice}"), "by hand"]);
    assert!(redis.claim_all().await.is_empty());
    let found = Instant::now();
    let claimed = loop {
        let claimed = redis.store.claim_due(10).await.unwrap();
        if !claimed.is_empty() {
            break claimed;
        }
        assert!(found.elapsed() < TIMING.lock * 2, "it waits for ever");
        tokio::time::sleep(redis.store.next_due().await.unwrap().expect("it is open")).await;
    };
    assert!(found.elapsed() + Duration::from_millis(5) >= TIMING.lock, "{:?}", found.elapsed());
    redis.store.commit(&claimed).await.unwrap();
    assert_eq!(redis.server.command(&["KEYS", "*"]), "");
}

#[tokio::test]
async fn what_redis_forgets_is_merged_anew() {
    let redis = Redis::start(1, TIMING).await;
    let alice = key("alice");
    let added = event(&alice);
    redis.store.merge(std::slice::from_ref(&added)).await.unwrap();
    let lost = redis.claim_all().await;
    redis.server.flushall();
    redis.server.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(redis.store.next_due().await.unwrap(), None);
    redis.store.merge(std::slice::from_ref(&added)).await.unwrap();
    let claimed = redis.claim_all().await;
    assert_eq!(members(&claimed), BTreeSet::from([added.member.clone()]));
    // Whoever held the window before commits the same events; that is harmless too.
    redis.store.commit(&lost).await.unwrap();
    redis.store.commit(&claimed).await.unwrap();
    assert_eq!(redis.server.command(&["KEYS", "*"]), "");

    // A lost due time comes back with the next event.
    redis.store.merge(std::slice::from_ref(&added)).await.unwrap();
    redis.server.command(&["DEL", "saga:feed:due:0"]);
    redis.store.merge(std::slice::from_ref(&added)).await.unwrap();
    assert_eq!(members(&redis.claim_all().await), BTreeSet::from([added.member]));
}

#[tokio::test]
async fn with_several_partitions_every_key_has_the_tag_of_its_queue() {
    let redis = Redis::start(4, TIMING).await;
    let keys: BTreeSet<SagaKey> = (0..60).map(|n| key(&format!("user{n}"))).collect();
    let events: Vec<PendingEvent> = keys.iter().flat_map(|key| [event(key), event(key), event(key)]).collect();
    redis.store.merge(&events).await.unwrap();

    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = redis.store.open(after.as_ref(), 7).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.place());
        seen.extend(page);
    }
    assert!(seen.is_sorted_by_key(|window| window.place()));
    assert_eq!(seen.len(), 60);
    assert_eq!(seen.iter().map(|window| window.key().clone()).collect::<BTreeSet<_>>(), keys);

    let taken = redis.lock.acquire(seen[0].key()).await.unwrap().expect("it is free");
    let claimed = redis.claim_all().await;
    assert_eq!(claimed.len(), 59);
    assert!(redis.lock.release(seen[0].key(), taken).await.unwrap());
    for name in redis.lines(&["KEYS", "*"]) {
        let (tag, rest) = name.split_at("{feeds:0}:".len());
        assert!((0..4).any(|p| tag == format!("{{feeds:{p}}}:")), "{name}");
        assert!(rest.starts_with("saga:feed:"), "{name}");
    }
    redis.store.release(&claimed[..30], ReleaseReason::Unavailable).await.unwrap();
    redis.store.commit(&claimed[30..]).await.unwrap();
    let rest = redis.claim_all().await;
    assert_eq!(rest.len(), 31);
    assert_eq!(members(&[&claimed[30..], &rest].concat()), events.into_iter().map(|event| event.member).collect());
    redis.store.commit(&rest).await.unwrap();
    assert_eq!(redis.server.command(&["KEYS", "*"]), "");
    assert_eq!(redis.store.next_due().await.unwrap(), None);
}

#[tokio::test]
async fn a_claim_is_bounded_in_events_and_a_window_of_any_size_is_committed() {
    let redis = Redis::start(1, TIMING).await;
    let (large, small) = (key("large"), key("small"));
    let events: Vec<PendingEvent> = (0..CLAIMED_OF_ONE + 500).map(|_| event(&large)).collect();
    redis.store.merge(&events).await.unwrap();
    redis.store.merge(&[event(&small)]).await.unwrap();
    let sizes =
        |claimed: &[ClaimedWindow]| claimed.iter().map(|window| window.pending.members.len()).collect::<Vec<_>>();
    let first = redis.claim_all().await;
    assert_eq!(sizes(&first), [CLAIMED_OF_ONE], "a part of the large one, and nothing besides");
    let second = redis.claim_all().await;
    assert_eq!(second.iter().map(ClaimedWindow::key).collect::<Vec<_>>(), [&small]);
    redis.store.commit(&[first, second].concat()).await.unwrap();
    let rest = redis.claim_all().await;
    assert_eq!(sizes(&rest), [500]);
    redis.store.commit(&rest).await.unwrap();
    assert_eq!(redis.server.command(&["KEYS", "*"]), "");
}

#[tokio::test]
async fn a_list_of_many_large_windows_is_bounded() {
    let redis = Redis::start(1, Timing::default()).await;
    let keys: BTreeSet<SagaKey> = (0..30).map(|n| key(&format!("user{n}"))).collect();
    let events: Vec<PendingEvent> = keys.iter().flat_map(|key| (0..900).map(|_| event(key))).collect();
    redis.store.merge(&events).await.unwrap();
    let small = key("small");
    redis.store.merge(&(0..SHOWN_WHOLE).map(|_| event(&small)).collect::<Vec<_>>()).await.unwrap();
    let mut open = redis.store.open(None, 100).await.unwrap();
    let last = open.pop().unwrap();
    assert_eq!((last.events, last.pending.members.len()), (SHOWN_WHOLE as u64, SHOWN_WHOLE), "due last, and whole");
    assert_eq!(open.iter().map(|window| window.events).collect::<Vec<_>>(), [900; 30]);
    let shown: usize = open.iter().map(|window| window.pending.members.len()).sum();
    assert!((CLAIMED_EVENTS / 2..CLAIMED_EVENTS + 2 * SHOWN_EVENTS).contains(&shown), "{shown} are shown");
}

#[tokio::test]
async fn what_comes_while_a_large_window_is_read_or_removed_is_claimed_with_it_or_next() {
    let redis = Redis::start(1, TIMING).await;
    let large = key("large");
    let make = |count: usize| -> Vec<PendingEvent> { (0..count).map(|_| event(&large)).collect() };
    let (before, during, after) = (make(5_000), make(2_000), make(2_000));
    redis.store.merge(&before).await.unwrap();
    let (claimed, merged) = tokio::join!(redis.claim_all(), redis.store.merge(&during));
    merged.unwrap();
    let claimed_members = members(&claimed);
    assert!(before.iter().all(|event| claimed_members.contains(&event.member)), "what was there is read");
    // The lock is kept, so nobody else claims it meanwhile.
    let (committed, merged) = tokio::join!(redis.store.commit(&claimed), redis.store.merge(&after));
    committed.unwrap();
    merged.unwrap();
    let rest = redis.claim_all().await;
    let rest_members = members(&rest);
    assert!(claimed_members.is_disjoint(&rest_members), "nothing is claimed twice");
    let all: BTreeSet<Member> = [before, during, after].concat().into_iter().map(|event| event.member).collect();
    assert_eq!(claimed_members.union(&rest_members).cloned().collect::<BTreeSet<_>>(), all);
    redis.store.commit(&rest).await.unwrap();
    assert_eq!(redis.server.command(&["KEYS", "*"]), "");
}

#[tokio::test]
async fn a_part_of_a_large_window_tells_its_failures() {
    let redis = Redis::start(1, TIMING).await;
    let large = key("large");
    let events: Vec<PendingEvent> = (0..CLAIMED_OF_ONE + 100).map(|_| event(&large)).collect();
    redis.store.merge(&events).await.unwrap();
    for failures in 0..3 {
        let claimed = redis.claim_all().await;
        assert_eq!(claimed.iter().map(|window| window.failures).collect::<Vec<_>>(), [failures]);
        redis.store.release(&claimed, ReleaseReason::Failed).await.unwrap();
    }
}

#[tokio::test]
async fn a_redis_that_is_away_is_unavailable() {
    let mut redis = Redis::start(1, TIMING).await;
    redis.store.merge(&[event(&key("alice"))]).await.unwrap();
    redis.server.kill();
    assert!(matches!(redis.store.merge(&[event(&key("bob"))]).await, Err(Error::Unavailable(_))));
    assert!(matches!(redis.store.claim_due(10).await, Err(Error::Unavailable(_))));
    assert!(matches!(redis.lock.acquire(&key("bob")).await, Err(Error::Unavailable(_))));
}

/// The figures of docs/operate/RELIABILITY.md: what a window of one event and a lock weigh, keys included.
#[tokio::test]
async fn a_window_and_a_lock_weigh_little() {
    const KEYS: usize = 1_000;
    let redis = Redis::start(1, TIMING).await;
    let used = || -> usize {
        let memory = redis.server.command(&["INFO", "memory"]);
        let line = memory.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        line.trim().parse().unwrap()
    };
    let events: Vec<PendingEvent> = (0..KEYS).map(|n| event(&key(&format!("person{n}")))).collect();
    // Scripts and connections weigh something once.
    redis.store.merge(&[event(&key("first"))]).await.unwrap();
    let empty = used();
    for batch in events.chunks(100) {
        redis.store.merge(batch).await.unwrap();
    }
    let merged = used();
    let mut claimed = 0;
    while claimed <= KEYS {
        let windows = redis.claim_all().await.len();
        assert!(windows > 0, "{claimed} windows of {KEYS} could be claimed");
        claimed += windows;
    }
    let locked = used();
    let (window, lock) = ((merged - empty) / KEYS, locked.saturating_sub(merged) / KEYS);
    println!("a pending window of one event weighs {window} bytes, a lock {lock}");
    assert!(window < 1_000, "{window} bytes for a window");
    assert!(lock < 400, "{lock} bytes for a lock");
}
