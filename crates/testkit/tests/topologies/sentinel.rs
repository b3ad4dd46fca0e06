//! One master, two replicas, three sentinels.

use std::time::Duration;

use cardwire_testkit::deployment::{Deployment, REDIS_PASSWORD, SENTINEL_PASSWORD};
use cardwire_testkit::stack::{Plan, Stack};
use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::flow::{Flow, RECOVERY, SETTLE, eventually, report};

pub const SENTINELS: [&str; 3] = ["sentinel-1", "sentinel-2", "sentinel-3"];

/// Everything is up and everybody knows everybody.
pub async fn start() -> Deployment {
    let deployment = Deployment::start("sentinel");
    let fields = |service: &str, args: &[&str], expected: &[&str]| {
        let answer = deployment.try_command(service, args).unwrap_or_default();
        expected.iter().all(|expected| answer.contains(expected))
    };
    eventually("two replicas in step", Duration::from_secs(30), || {
        fields("redis-1", &["INFO", "replication"], &["connected_slaves:2", "min_slaves_good_slaves:2"])
    })
    .await;
    eventually("three sentinels that agree", Duration::from_secs(30), || {
        SENTINELS
            .iter()
            .all(|sentinel| fields(sentinel, &["INFO", "sentinel"], &["status=ok,", "slaves=2,sentinels=3"]))
    })
    .await;
    deployment
}

pub fn settings(deployment: &Deployment) -> Vec<(&'static str, String)> {
    let [first, second, third] = SENTINELS.map(|name| deployment.address(name));
    vec![
        ("REDIS_URL", String::new()),
        ("REDIS_PASSWORD", REDIS_PASSWORD.to_owned()),
        ("REDIS_SENTINEL_ENABLED", "true".to_owned()),
        ("REDIS_SENTINEL_1_HOST", first),
        ("REDIS_SENTINEL_2_HOST", second),
        ("REDIS_SENTINEL_3_HOST", third),
        ("REDIS_SENTINEL_MASTER", "mymaster".to_owned()),
        ("REDIS_SENTINEL_PASSWORD", SENTINEL_PASSWORD.to_owned()),
    ]
}

fn master(deployment: &Deployment) -> String {
    let answer = deployment.command("sentinel-1", &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"]);
    let port = answer.lines().nth(1).unwrap_or_default();
    deployment.at_port(port).unwrap_or_else(|| panic!("nobody is at {answer}")).to_owned()
}

fn role(deployment: &Deployment, service: &str) -> String {
    let answer = deployment.try_command(service, &["ROLE"]).unwrap_or_default();
    answer.lines().next().unwrap_or_default().to_owned()
}

async fn stack(deployment: &Deployment) -> Stack {
    Stack::start(&Plan { feed_workers: 2, settings: settings(deployment), ..Plan::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_killed_under_load_is_replaced_and_nothing_is_lost_or_doubled() {
    let mut deployment = start().await;
    let mut stack = stack(&deployment).await;
    let flow = Flow::start(&stack).await;
    let fault = Instant::now();
    deployment.kill("redis-1");
    flow.goes_on(RECOVERY * 2).await;
    assert_ne!(master(&deployment), "redis-1");
    // It comes back as a replica of the one that took over.
    deployment.restart("redis-1");
    eventually("the old master is a replica", Duration::from_secs(30), || role(&deployment, "redis-1") == "slave")
        .await;
    let (history, gaps) = flow.end(fault).await;
    let settled = stack.settled(SETTLE).await;
    println!("{:?}", stack.check(&history).await);
    report("Sentinel, master killed by SIGKILL", gaps, settled);
    for worker in &mut stack.workers {
        assert!(worker.process.is_running(), "nothing was restarted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_frozen_under_load_is_replaced_and_does_no_harm_when_it_comes_back() {
    let deployment = start().await;
    let mut stack = stack(&deployment).await;
    let flow = Flow::start(&stack).await;
    let fault = Instant::now();
    deployment.signal("redis-1", Signal::SIGSTOP);
    flow.goes_on(RECOVERY * 2).await;
    assert_ne!(master(&deployment), "redis-1");
    // It wakes up as a master that does not know that there is another.
    deployment.signal("redis-1", Signal::SIGCONT);
    let refused = deployment.try_command("redis-1", &["LPUSH", "{feeds:0}:wait", "stale"]).unwrap_err();
    println!("the stale master answers a write: {refused}");
    assert!(refused.contains("NOREPLICAS") || refused.contains("READONLY"), "{refused}");
    eventually("the old master is a replica", Duration::from_secs(30), || role(&deployment, "redis-1") == "slave")
        .await;
    let (history, gaps) = flow.end(fault).await;
    let settled = stack.settled(SETTLE).await;
    println!("{:?}", stack.check(&history).await);
    report("Sentinel, master frozen by SIGSTOP", gaps, settled);
    for worker in &mut stack.workers {
        assert!(worker.process.is_running(), "nothing was restarted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_failover_under_load_is_followed() {
    let deployment = start().await;
    let stack = stack(&deployment).await;
    let flow = Flow::start(&stack).await;
    let fault = Instant::now();
    deployment.command("sentinel-2", &["SENTINEL", "FAILOVER", "mymaster"]);
    eventually("a new master", Duration::from_secs(30), || master(&deployment) != "redis-1").await;
    flow.goes_on(RECOVERY * 2).await;
    eventually("the old master is a replica", Duration::from_secs(30), || role(&deployment, "redis-1") == "slave")
        .await;
    flow.goes_on(RECOVERY).await;
    let (history, gaps) = flow.end(fault).await;
    let settled = stack.settled(SETTLE).await;
    println!("{:?}", stack.check(&history).await);
    report("Sentinel, planned failover", gaps, settled);
}
