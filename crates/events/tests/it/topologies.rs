//! The same queue over a cluster, and over a master that the sentinels move.

use std::collections::BTreeSet;
use std::time::Duration;

use cardwire_events::redis::{Connection, RedisEventPublisher, RedisEventSubscriber, RedisSettings, Timings, Topology};
use cardwire_events::{Depth, Error, EventPublisher, EventSubscriber, Queue};
use cardwire_testkit::redis::RedisServer;
use tokio::time::{Instant, timeout};

use crate::support::{LONG_LEASE, eventually, publish, publisher, subscriber};

#[tokio::test]
async fn a_cluster_carries_partitions_on_all_its_nodes() {
    let nodes = RedisServer::start_cluster();
    let topology = Topology::Cluster { nodes: vec![("127.0.0.1".into(), nodes[0].port())] };
    let connection = Connection::open(RedisSettings::new(topology)).unwrap();
    connection.check_server(false).await.unwrap();
    let publisher = RedisEventPublisher::new(connection.clone(), 8);
    let subscriber = RedisEventSubscriber::new(connection, Queue::Feeds, 8, LONG_LEASE).unwrap();
    let entries: Vec<_> = (0..200).map(|n| (format!("key {n}"), format!("entry {n}"))).collect();
    publisher.publish(Queue::Feeds, &entries).await.unwrap();
    for node in &nodes {
        assert_ne!(node.command(&["DBSIZE"]), "0", "each node should carry some partitions");
    }
    let mut seen = BTreeSet::new();
    while let Some(claim) = subscriber.claim(10).await.unwrap() {
        assert!(subscriber.renew(&claim).await.unwrap());
        if claim.entries[0].ends_with('7') && !seen.contains(&claim.entries[0]) && seen.len() < 100 {
            subscriber.release(&claim).await.unwrap();
            let again = subscriber.claim(1).await.unwrap().unwrap();
            seen.extend(again.entries.clone());
            subscriber.ack(&again).await.unwrap();
            continue;
        }
        seen.extend(claim.entries.clone());
        subscriber.ack(&claim).await.unwrap();
    }
    assert_eq!(seen, entries.into_iter().map(|(_, entry)| entry).collect());
    assert_eq!(subscriber.reclaim().await.unwrap(), 0);
    assert_eq!(subscriber.depth().await.unwrap(), Depth::default());
    // The bell of every partition is heard, wherever it lives.
    for n in 0..8 {
        while timeout(Duration::from_millis(20), subscriber.wait()).await.is_ok() {}
        publisher.publish(Queue::Feeds, &[(format!("ring {n}"), "x".into())]).await.unwrap();
        let published = Instant::now();
        subscriber.wait().await.unwrap();
        assert!(published.elapsed() < Duration::from_secs(1), "{n}: {:?}", published.elapsed());
    }
}

#[tokio::test]
async fn a_planned_failover_is_followed_at_once() {
    let master = RedisServer::start();
    let replica = RedisServer::start_with(&["--replicaof", &format!("127.0.0.1 {}", master.port())]);
    let sentinel = RedisServer::start_sentinel(master.port());
    let topology = Topology::Sentinel {
        sentinels: vec![("127.0.0.1".into(), sentinel.port())],
        master: "mymaster".into(),
        password: None,
    };
    let timings = Timings { command: Duration::from_millis(500), ..Timings::default() };
    let connection = Connection::open(RedisSettings { timings, ..RedisSettings::new(topology) }).unwrap();
    let (publisher, subscriber) = (publisher(&connection), subscriber(&connection));
    publish(&publisher, &["before"]).await;
    eventually("the sentinel knows the replica, which is up to date", || async {
        let known = sentinel.command(&["SENTINEL", "REPLICAS", "mymaster"]).contains(&replica.port().to_string());
        (known && replica.command(&["LLEN", "{feeds:0}:wait"]) == "1").then_some(())
    })
    .await;
    eventually("a failover", || async { sentinel.try_command(&["SENTINEL", "FAILOVER", "mymaster"]).ok() }).await;
    eventually("a new master", || async {
        let now = sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"]);
        now.contains(&replica.port().to_string()).then_some(())
    })
    .await;
    let moved = Instant::now();
    eventually("publishing to the new master", || async {
        match publisher.publish(Queue::Feeds, &[("key".into(), "after".into())]).await {
            Ok(()) => replica.command(&["LRANGE", "{feeds:0}:wait", "0", "0"]).eq("after").then_some(()),
            Err(Error::Unavailable(..)) => None,
            Err(error) => panic!("{error}"),
        }
    })
    .await;
    println!("followed the master within {:?}", moved.elapsed());
    let claim = eventually("a claim", || async { subscriber.claim(100).await.ok().flatten() }).await;
    assert_eq!(claim.entries.first().map(String::as_str), Some("before"));
}
