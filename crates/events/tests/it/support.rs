use std::time::Duration;

use cardwire_events::redis::{Connection, RedisEventPublisher, RedisEventSubscriber, RedisSettings, Timings, Topology};
use cardwire_events::{EventPublisher, Queue};
use cardwire_testkit::redis::RedisServer;
use tokio::time::{Instant, sleep};

/// Long enough never to run out within a test.
pub const LONG_LEASE: Duration = Duration::from_secs(600);

/// A test's time limits: everything about ten times faster than in production.
pub fn hasty() -> Timings {
    Timings {
        command: Duration::from_millis(250),
        block: Duration::from_millis(250),
        block_grace: Duration::from_millis(150),
        connect: Duration::from_millis(250),
        reconnect_step: Duration::from_millis(10),
        reconnect_at_most: Duration::from_millis(100),
    }
}

pub fn open(port: u16, timings: Timings) -> Connection {
    let topology = Topology::Standalone { node: ("127.0.0.1".into(), port) };
    Connection::open(RedisSettings { timings, ..RedisSettings::new(topology) }).unwrap()
}

pub fn connect(server: &RedisServer) -> Connection {
    open(server.port(), Timings::default())
}

pub fn publisher(connection: &Connection) -> RedisEventPublisher {
    RedisEventPublisher::new(connection.clone(), 1)
}

pub fn subscriber(connection: &Connection) -> RedisEventSubscriber {
    RedisEventSubscriber::new(connection.clone(), Queue::Feeds, 1, LONG_LEASE).unwrap()
}

pub async fn publish(publisher: &RedisEventPublisher, entries: &[&str]) {
    let entries: Vec<_> = entries.iter().map(|entry| ("key".to_owned(), (*entry).to_owned())).collect();
    publisher.publish(Queue::Feeds, &entries).await.unwrap();
}

/// The first `Some` within ten seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut attempt: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within ten seconds");
        sleep(Duration::from_millis(5)).await;
    }
}
