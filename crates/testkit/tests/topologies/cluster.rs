//! Three masters with a replica each.

use std::collections::BTreeMap;
use std::time::Duration;

use cardwire_testkit::deployment::{Deployment, REDIS_PASSWORD};
use cardwire_testkit::net::http_client;
use cardwire_testkit::stack::{Plan, Stack};
use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::flow::{Flow, RECOVERY, SETTLE, eventually, report};

const NODES: [&str; 6] = ["redis-1", "redis-2", "redis-3", "redis-4", "redis-5", "redis-6"];
const PARTITIONS: u16 = 16;

fn role(deployment: &Deployment, node: &str) -> String {
    let answer = deployment.try_command(node, &["ROLE"]).unwrap_or_default();
    answer.lines().next().unwrap_or_default().to_owned()
}

fn masters(deployment: &Deployment) -> Vec<&'static str> {
    NODES.into_iter().filter(|node| role(deployment, node) == "master").collect()
}

async fn start() -> Deployment {
    let deployment = Deployment::start("cluster");
    eventually("each node knows the others", Duration::from_secs(30), || {
        NODES.iter().all(|node| {
            let info = deployment.try_command(node, &["CLUSTER", "INFO"]).unwrap_or_default();
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:6")
        })
    })
    .await;
    eventually("a replica in step for each master", Duration::from_secs(30), || {
        let masters = masters(&deployment);
        masters.len() == 3
            && masters.iter().all(|master| {
                deployment.try_command(master, &["INFO", "replication"]).is_ok_and(|info| info.contains("state=online"))
            })
    })
    .await;
    deployment
}

fn settings(deployment: &Deployment) -> Vec<(&'static str, String)> {
    let some: Vec<_> = NODES[..3].iter().map(|node| deployment.address(node)).collect();
    vec![
        ("REDIS_URL", String::new()),
        ("REDIS_PASSWORD", REDIS_PASSWORD.to_owned()),
        ("REDIS_CLUSTER_NODES", some.join(",")),
        ("APP__REDIS__PARTITIONS", PARTITIONS.to_string()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_of_three_killed_under_load_is_replaced_and_nothing_is_lost_or_doubled() {
    let mut deployment = start().await;
    let plan = Plan { feed_workers: 2, settings: settings(&deployment), ..Plan::default() };
    let mut stack = Stack::start(&plan).await;
    let flow = Flow::start(&stack).await;
    let victim = masters(&deployment)[0];
    let fault = Instant::now();
    deployment.kill(victim);
    flow.goes_on(RECOVERY * 2).await;
    assert_eq!(masters(&deployment).len(), 3, "a replica took over");
    deployment.restart(victim);
    eventually("the old master is a replica", Duration::from_secs(30), || role(&deployment, victim) == "slave").await;
    flow.goes_on(RECOVERY).await;
    let (history, gaps) = flow.end(fault).await;
    let settled = stack.settled(SETTLE).await;
    println!("{:?}", stack.check(&history).await);
    report("Cluster, one of three masters killed by SIGKILL", gaps, settled);
    for worker in &mut stack.workers {
        assert!(worker.process.is_running(), "nothing was restarted");
    }
}

/// Events in the waiting lists of the feeds, by master and partition.
fn waiting(deployment: &Deployment) -> BTreeMap<&'static str, BTreeMap<u16, usize>> {
    let mut found = BTreeMap::new();
    for master in masters(deployment) {
        let keys = deployment.command(master, &["KEYS", "{feeds:*}:wait"]);
        let lists: BTreeMap<u16, usize> = keys
            .lines()
            .filter(|key| !key.is_empty())
            .map(|key| {
                let partition = key.trim_start_matches("{feeds:").trim_end_matches("}:wait");
                (partition.parse().unwrap(), deployment.command(master, &["LLEN", key]).parse().unwrap())
            })
            .collect();
        found.insert(master, lists);
    }
    found
}

async fn processed(metrics_port: u16) -> usize {
    let url = format!("http://127.0.0.1:{metrics_port}/metrics");
    let text = http_client().get(url).send().await.unwrap().text().await.unwrap();
    let line = text.lines().find(|line| line.starts_with("cardwire_events_processed_total{") && line.contains("feeds"));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_partitions_lie_on_all_three_masters_and_three_workers_drain_them_evenly() {
    let deployment = start().await;
    let mut settings = settings(&deployment);
    // One batch at a time, so that who is first does not take everything.
    settings.push(("APP__QUEUES__FEEDS__CONCURRENCY", "1".to_owned()));
    let stack = Stack::start(&Plan { feed_workers: 3, settings, ..Plan::default() }).await;
    // Frozen, the workers let the queue fill.
    for worker in 0..3 {
        stack.signal_worker(worker, Signal::SIGSTOP);
    }
    let history = stack.client().load(20, 60, Duration::ZERO).await;
    eventually("everything is in Redis", Duration::from_secs(30), || {
        waiting(&deployment).values().flat_map(BTreeMap::values).sum::<usize>() == history.len()
    })
    .await;
    let lists = waiting(&deployment);
    for (master, partitions) in &lists {
        println!("{master}: events by partition of the feeds: {partitions:?}");
        assert!(!partitions.is_empty(), "{master} has no partition");
    }
    assert_eq!(lists.values().map(BTreeMap::len).sum::<usize>(), usize::from(PARTITIONS));
    for worker in 0..3 {
        stack.signal_worker(worker, Signal::SIGCONT);
    }
    let settled = stack.settled(SETTLE).await;
    assert!(waiting(&deployment).values().all(BTreeMap::is_empty), "drained");
    let mut shares = Vec::new();
    for worker in 0..3 {
        shares.push(processed(stack.workers[worker].process.metrics_port).await);
    }
    println!("feed-workers processed {shares:?} events; settled {settled:?}; {:?}", stack.check(&history).await);
    assert!(shares.iter().all(|share| *share * 6 > history.len()), "half of an equal share at least: {shares:?}");
}
