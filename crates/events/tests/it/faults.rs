//! The network and Redis misbehave; the queue recovers without help and nothing is lost.

use std::time::Duration;

use cardwire_events::{Claim, Depth, Error, EventSubscriber, redis::RedisEventSubscriber};
use cardwire_testkit::proxy::{Fault, Proxy};
use cardwire_testkit::redis::RedisServer;
use nix::sys::signal::Signal;
use tokio::time::{Instant, timeout};

use crate::support::{connect, eventually, hasty, open, publish, publisher, subscriber};

/// The next claim, with as many tries as it takes.
async fn claim(subscriber: &RedisEventSubscriber) -> Claim {
    eventually("a claim", || async {
        match subscriber.claim(100).await {
            Ok(claim) => claim,
            Err(Error::Unavailable(..)) => None,
            Err(error) => panic!("{error}"),
        }
    })
    .await
}

fn lines(claim: &Claim) -> Vec<&str> {
    claim.entries.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_claim_whose_reply_was_lost_is_given_again() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let direct = connect(&server);
    let subscriber = subscriber(&open(proxy.port(), hasty()));
    assert_eq!(claim_now(&subscriber).await, None);
    publish(&publisher(&direct), &["a", "b", "c"]).await;
    proxy.set(Fault::DropReplies);
    let error = subscriber.claim(100).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(..)), "{error}");
    let lost = crate::support::subscriber(&direct).depth().await.unwrap();
    assert_eq!(lost, Depth { waiting: 0, suspects: 0, in_flight: 3 }, "Redis ran it, the reply was lost");
    proxy.set(Fault::None);
    let again = claim(&subscriber).await;
    assert_eq!((lines(&again), again.suspect), (vec!["a", "b", "c"], false));
    assert_eq!(subscriber.depth().await.unwrap(), Depth { waiting: 0, suspects: 0, in_flight: 3 });
}

async fn claim_now(subscriber: &RedisEventSubscriber) -> Option<Claim> {
    subscriber.claim(100).await.unwrap()
}

#[tokio::test]
async fn an_acknowledgement_whose_reply_was_lost_counts_once() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let direct = connect(&server);
    let (publisher, through) = (publisher(&direct), subscriber(&open(proxy.port(), hasty())));
    publish(&publisher, &["a", "b"]).await;
    let first = claim(&through).await;
    publish(&publisher, &["c"]).await;
    proxy.set(Fault::DropReplies);
    through.ack(&first).await.unwrap_err();
    proxy.set(Fault::None);
    eventually("an acknowledgement", || async { through.ack(&first).await.ok() }).await;
    assert_eq!(subscriber(&direct).depth().await.unwrap(), Depth { waiting: 1, suspects: 0, in_flight: 0 });
}

#[tokio::test]
async fn a_dropped_claim_is_given_again() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let subscriber = subscriber(&open(proxy.port(), hasty()));
    assert_eq!(claim_now(&subscriber).await, None);
    publish(&publisher(&connect(&server)), &["a", "b"]).await;
    proxy.set(Fault::Delay(Duration::from_millis(100)));
    timeout(Duration::from_millis(30), subscriber.claim(100)).await.expect_err("the reply comes later");
    proxy.set(Fault::None);
    assert_eq!(lines(&claim(&subscriber).await), ["a", "b"]);
}

#[tokio::test]
async fn a_slow_network_only_costs_time() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let connection = open(proxy.port(), hasty());
    proxy.set(Fault::Delay(Duration::from_millis(60)));
    let (publisher, subscriber) = (publisher(&connection), subscriber(&connection));
    eventually("a connection", || async { connection.ping().await.ok() }).await;
    for round in 0..3 {
        publish(&publisher, &[&format!("{round}")]).await;
        let claim = claim(&subscriber).await;
        assert_eq!(lines(&claim), [format!("{round}")]);
        subscriber.ack(&claim).await.unwrap();
    }
    assert_eq!(subscriber.depth().await.unwrap(), Depth::default());
}

#[tokio::test]
async fn connections_that_hang_are_replaced() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let subscriber = subscriber(&open(proxy.port(), hasty()));
    assert_eq!(claim_now(&subscriber).await, None);
    publish(&publisher(&connect(&server)), &["a", "b"]).await;
    let before = proxy.accepted();
    proxy.hang_open_connections();
    let hung = Instant::now();
    let claim = claim(&subscriber).await;
    assert_eq!(lines(&claim), ["a", "b"]);
    subscriber.ack(&claim).await.unwrap();
    assert!(proxy.accepted() > before);
    println!("recovered from hanging connections in {:?}", hung.elapsed());
}

#[tokio::test]
async fn a_wait_that_hangs_is_noticed() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let through = subscriber(&open(proxy.port(), hasty()));
    assert_eq!(claim_now(&through).await, None);
    // Its connection now blocks on the bell.
    timeout(Duration::from_millis(100), through.wait()).await.expect_err("nothing was published");
    eventually("two connections for commands and one for the bell", || async { (proxy.accepted() >= 3).then_some(()) })
        .await;
    let before = proxy.accepted();
    proxy.hang_open_connections();
    let waiter = through.clone();
    let waiting = tokio::spawn(async move { waiter.wait().await.unwrap() });
    eventually("a new connection", || async { (proxy.accepted() > before).then_some(()) }).await;
    let published = Instant::now();
    publish(&publisher(&connect(&server)), &["a"]).await;
    timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    println!("woken {:?} after publishing over a new connection", published.elapsed());
    assert!(published.elapsed() < Duration::from_secs(1), "the bell must be heard: {:?}", published.elapsed());
    assert_eq!(lines(&claim(&through).await), ["a"]);
}

#[tokio::test]
async fn reset_connections_are_made_anew() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let connection = open(proxy.port(), hasty());
    let (publisher, subscriber) = (publisher(&connection), subscriber(&connection));
    for round in 0..5 {
        proxy.reset();
        eventually("publishing", || async {
            let entry = ("key".to_owned(), format!("{round}"));
            cardwire_events::EventPublisher::publish(&publisher, cardwire_events::Queue::Feeds, &[entry]).await.ok()
        })
        .await;
        proxy.reset();
        let claim = claim(&subscriber).await;
        assert_eq!(lines(&claim)[0], format!("{round}"));
        eventually("acknowledging", || async { subscriber.ack(&claim).await.ok() }).await;
    }
    assert_eq!(subscriber.depth().await.unwrap(), Depth::default());
}

#[tokio::test]
async fn a_frozen_redis_is_used_again_when_it_thaws() {
    let server = RedisServer::start();
    let connection = open(server.port(), hasty());
    let (publisher, subscriber) = (publisher(&connection), subscriber(&connection));
    publish(&publisher, &["a", "b"]).await;
    let held = claim(&subscriber).await;
    publish(&publisher, &["c"]).await;
    server.signal(Signal::SIGSTOP);
    let frozen = Instant::now();
    while frozen.elapsed() < Duration::from_secs(2) {
        let before = Instant::now();
        subscriber.claim(100).await.unwrap_err();
        assert!(before.elapsed() < Duration::from_secs(1), "a command must not hang: {:?}", before.elapsed());
    }
    server.signal(Signal::SIGCONT);
    let thawed = Instant::now();
    let next = claim(&subscriber).await;
    println!("recovered {:?} after a freeze of two seconds", thawed.elapsed());
    assert_eq!(lines(&next), ["c"]);
    assert!(subscriber.renew(&held).await.unwrap());
    assert_eq!(subscriber.depth().await.unwrap(), Depth { waiting: 0, suspects: 0, in_flight: 3 });
}

#[tokio::test]
async fn forgotten_scripts_are_loaded_again() {
    let server = RedisServer::start();
    let connection = connect(&server);
    let (publisher, subscriber) = (publisher(&connection), subscriber(&connection));
    for round in ["a", "b", "c"] {
        server.command(&["SCRIPT", "FLUSH"]);
        publish(&publisher, &[round]).await;
        server.command(&["SCRIPT", "FLUSH"]);
        let claim = claim_now(&subscriber).await.unwrap();
        assert_eq!(lines(&claim), [round]);
        server.command(&["SCRIPT", "FLUSH"]);
        subscriber.ack(&claim).await.unwrap();
    }
}

#[tokio::test]
async fn a_killed_redis_is_used_again_when_it_is_back() {
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let connection = open(server.port(), hasty());
    let (publisher, subscriber) = (publisher(&connection), subscriber(&connection));
    publish(&publisher, &["a", "b", "c"]).await;
    server.kill();
    assert!(matches!(subscriber.claim(2).await.unwrap_err(), Error::Unavailable(..)));
    assert!(matches!(connection.ping().await.unwrap_err(), Error::Unavailable(..)));
    server.restart();
    assert_eq!(lines(&claim(&subscriber).await), ["a", "b", "c"]);
    connection.ping().await.unwrap();
}

#[tokio::test]
async fn redis_may_lose_everything_at_any_time() {
    let server = RedisServer::start();
    let connection = connect(&server);
    let (publisher, subscriber) = (publisher(&connection), subscriber(&connection));
    publish(&publisher, &["a", "b"]).await;
    let held = claim_now(&subscriber).await.unwrap();
    server.flushall();
    assert!(!subscriber.renew(&held).await.unwrap());
    subscriber.ack(&held).await.unwrap();
    subscriber.release(&held).await.unwrap();
    assert_eq!(subscriber.reclaim().await.unwrap(), 0);
    assert_eq!(subscriber.depth().await.unwrap(), Depth::default());
    publish(&publisher, &["a"]).await;
    assert_eq!(lines(&claim_now(&subscriber).await.unwrap()), ["a"]);
}
