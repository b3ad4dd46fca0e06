//! A Redis that refuses or is away, at the start: one clear line, then exit 78 or patience.

use std::collections::BTreeMap;
use std::time::Duration;

use cardwire_testkit::postgres::{Database, Postgres};
use cardwire_testkit::process::Process;
use serde_json::Value;

use crate::flow::eventually;
use crate::sentinel::{SENTINELS, settings, start};

/// The environment of a worker with a database of its own.
pub fn environment(database: &Database, settings: &[(&'static str, String)]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([("DATABASE_URL".to_owned(), database.url().to_owned())]);
    all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    all
}

/// What a process said that is more than information.
pub fn loud(process: &Process) -> Vec<String> {
    let lines = process.log();
    let loud = lines.lines().filter(|line| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        line["level"] != "INFO"
    });
    loud.map(str::to_owned).collect()
}

/// It ends with code 78 and one line that says `why`.
pub async fn refuses(environment: &BTreeMap<String, String>, why: &str) {
    let mut process = Process::start("feed-worker", environment);
    assert_eq!(process.ended().await.code(), Some(78), "{why}: {}", process.log());
    let loud = loud(&process);
    assert_eq!(loud.len(), 1, "{why}: {loud:#?}");
    assert!(loud[0].contains(why), "{why}: {loud:?}");
    println!("{}", loud[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_that_refuse_end_the_start_and_sentinels_that_are_away_are_waited_for() {
    let mut deployment = start().await;
    let postgres = Postgres::start().unwrap();
    let database = postgres.database().await.unwrap();
    let right = environment(&database, &settings(&deployment));
    let with = |name: &str, value: &str| {
        let mut changed = right.clone();
        changed.insert(name.to_owned(), value.to_owned());
        changed
    };
    refuses(&with("REDIS_PASSWORD", "wrong"), "WRONGPASS").await;
    refuses(&with("REDIS_PASSWORD", ""), "NOAUTH").await;
    refuses(&with("REDIS_SENTINEL_PASSWORD", "wrong"), &format!("{}: WRONGPASS", deployment.address("sentinel-1")))
        .await;
    refuses(&with("REDIS_SENTINEL_MASTER", "nobody"), "it knows no master called \\\"nobody\\\"").await;

    for sentinel in SENTINELS {
        deployment.kill(sentinel);
    }
    let mut worker = Process::start("feed-worker", &right);
    eventually("it says what it waits for", Duration::from_secs(20), || !loud(&worker).is_empty()).await;
    for sentinel in SENTINELS {
        assert!(loud(&worker)[0].contains(&deployment.address(sentinel)), "{:?}", loud(&worker));
        deployment.restart(sentinel);
    }
    worker.ready().await;
    let loud = loud(&worker);
    println!("{}", loud[0]);
    assert_eq!(loud.len(), 1, "{loud:#?}");
}
