//! The same suite over the queue in memory and the one in Redis.

mod in_memory {
    use std::sync::Arc;
    use std::time::Duration;

    use cardwire_events::Queue;
    use cardwire_events::memory::{InMemoryEventPublisher, InMemoryEventSubscriber, InMemoryQueues};
    use cardwire_testkit::queue_suite::QueueUnderTest;

    async fn start() -> QueueUnderTest {
        let lease = Duration::from_millis(400);
        let queues = InMemoryQueues::new(lease);
        let subscriber = || Arc::new(InMemoryEventSubscriber::new(&queues, Queue::Feeds));
        QueueUnderTest {
            publisher: Arc::new(InMemoryEventPublisher::new(queues.clone())),
            subscribers: [subscriber(), subscriber()],
            queue: Queue::Feeds,
            lease,
            keep: Box::new(()),
        }
    }

    cardwire_testkit::queue_suite!(start);
}

mod redis {
    use std::sync::Arc;
    use std::time::Duration;

    use cardwire_events::Queue;
    use cardwire_events::redis::{RedisEventPublisher, RedisEventSubscriber};
    use cardwire_testkit::queue_suite::QueueUnderTest;
    use cardwire_testkit::redis::RedisServer;

    use crate::support::connect;

    async fn start() -> QueueUnderTest {
        let server = RedisServer::start();
        let lease = Duration::from_millis(400);
        let subscriber = || Arc::new(RedisEventSubscriber::new(connect(&server), Queue::Feeds, 1, lease).unwrap());
        QueueUnderTest {
            publisher: Arc::new(RedisEventPublisher::new(connect(&server), 1)),
            subscribers: [subscriber(), subscriber()],
            queue: Queue::Feeds,
            lease,
            keep: Box::new(server),
        }
    }

    cardwire_testkit::queue_suite!(start);
}

mod partitions {
    use std::collections::BTreeSet;

    use cardwire_events::redis::{RedisEventPublisher, RedisEventSubscriber};
    use cardwire_events::{Error, EventPublisher, EventSubscriber, Queue};
    use cardwire_testkit::redis::RedisServer;

    use crate::support::{LONG_LEASE, connect};

    #[tokio::test]
    async fn all_partitions_are_worked_off_in_turn() {
        let server = RedisServer::start();
        let connection = connect(&server);
        let publisher = RedisEventPublisher::new(connection.clone(), 4);
        let subscriber = RedisEventSubscriber::new(connection, Queue::Search, 4, LONG_LEASE).unwrap();
        let entries: Vec<_> = (0..400).map(|n| (format!("key {n}"), format!("entry {n}"))).collect();
        publisher.publish(Queue::Search, &entries).await.unwrap();
        assert_eq!(publisher.depth(Queue::Search).await.unwrap(), 400);
        subscriber.wait().await.unwrap();
        let mut seen = BTreeSet::new();
        let mut turns = Vec::new();
        while let Some(claim) = subscriber.claim(10).await.unwrap() {
            assert!(subscriber.renew(&claim).await.unwrap());
            subscriber.ack(&claim).await.unwrap();
            turns.push(claim.partition);
            seen.extend(claim.entries);
        }
        assert_eq!(seen, entries.into_iter().map(|(_, entry)| entry).collect());
        let first: BTreeSet<_> = turns[..4].iter().copied().collect();
        assert_eq!(first.len(), 4, "a deep partition must not starve the others: {turns:?}");
    }

    #[tokio::test]
    async fn another_number_of_partitions_is_refused_with_a_reason() {
        let server = RedisServer::start();
        let connection = connect(&server);
        let subscriber =
            |count| RedisEventSubscriber::new(connection.clone(), Queue::Feeds, count, LONG_LEASE).unwrap();
        subscriber(2).agree().await.unwrap();
        subscriber(2).agree().await.unwrap();
        let check = |error: Error| {
            assert!(matches!(error, Error::Misconfigured(..)), "{error}");
            let text = error.to_string();
            assert!(text.contains("feeds has 2 partitions there and 3 in this process"), "{text}");
        };
        check(subscriber(3).agree().await.unwrap_err());
        check(subscriber(3).claim(1).await.unwrap_err());
        check(RedisEventPublisher::new(connection.clone(), 3).depth(Queue::Feeds).await.unwrap_err());
        let running = subscriber(2);
        running.claim(1).await.unwrap();
        // Redis loses everything and another process comes first.
        server.flushall();
        subscriber(3).agree().await.unwrap();
        assert!(matches!(running.reclaim().await.unwrap_err(), Error::Misconfigured(..)));
    }
}
