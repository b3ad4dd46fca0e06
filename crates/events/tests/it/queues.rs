//! The same suite over the in-memory queue and the Redis queue.

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

    use cardwire_events::redis::{Connection, Deployment, RedisEventPublisher, RedisEventSubscriber, RedisSettings};
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

    fn of(server: &RedisServer, deployment: &Deployment) -> Connection {
        let settings = RedisSettings::from_url(&server.url()).unwrap();
        Connection::open(RedisSettings { deployment: Some(deployment.clone()), ..settings }).unwrap()
    }

    #[tokio::test]
    async fn a_second_deployment_is_refused_whoever_comes_first() {
        let server = RedisServer::start();
        let (first, second) = (Deployment::default(), Deployment::default());
        first.tell("one");
        second.tell("two");
        let subscriber =
            |deployment, queue| RedisEventSubscriber::new(of(&server, deployment), queue, 1, LONG_LEASE).unwrap();
        let running = subscriber(&first, Queue::Feeds);
        running.claim(1).await.unwrap();
        for queue in Queue::ALL {
            subscriber(&first, queue).agree().await.unwrap();
            let refused = subscriber(&second, queue).claim(1).await.unwrap_err();
            assert!(matches!(refused, Error::Misconfigured(..)), "{refused}");
            let text = refused.to_string();
            assert!(text.contains("another deployment (one; the database of this one says two)"), "{text}");
            assert!(!text.contains('\n'), "{text}");
            let publisher = RedisEventPublisher::new(of(&server, &second), 1);
            assert!(matches!(publisher.depth(queue).await.unwrap_err(), Error::Misconfigured(..)));
        }
        // Redis loses everything; the first process to look owns it, and the other one notices.
        server.flushall();
        running.reclaim().await.unwrap();
        assert!(matches!(subscriber(&second, Queue::Search).agree().await, Err(Error::Misconfigured(..))));
        server.flushall();
        subscriber(&second, Queue::Search).agree().await.unwrap();
        assert!(matches!(running.reclaim().await.unwrap_err(), Error::Misconfigured(..)));
        let publisher = RedisEventPublisher::new(of(&server, &first), 1);
        assert!(matches!(publisher.depth(Queue::Feeds).await.unwrap_err(), Error::Misconfigured(..)));
    }

    #[tokio::test]
    async fn nothing_is_published_before_the_deployment_is_known() {
        let server = RedisServer::start();
        let deployment = Deployment::default();
        let publisher = RedisEventPublisher::new(of(&server, &deployment), 1);
        assert!(matches!(publisher.depth(Queue::Feeds).await.unwrap_err(), Error::Unavailable(..)));
        let waiting = publisher.depth(Queue::Feeds);
        let telling = async { deployment.tell("one") };
        assert_eq!(tokio::join!(waiting, telling).0.unwrap(), 0);
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
