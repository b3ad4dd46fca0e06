//! What operators find: dead letters, open windows, figures.

use actix_web::http::Method;
use cardwire_domain::EventId;
use cardwire_events::operations::Gauges;
use cardwire_events::{Envelope, EventLog, Failure, Message, Queue, QueueSettings, Verdict, WorkHistory as _};
use cardwire_saga::PendingEvent;

use crate::harness::{Answer, Api};

pub const QUEUES: &str = "/api/admin/queues";
pub const SAGAS: &str = "/api/admin/sagas";
pub const ADMIN: &str = "mock123";

pub fn dead(queue: Queue) -> String {
    format!("{QUEUES}/{queue}/dead")
}

/// Saves `count` cards whose events are dead letters of the queue then. Tells the events' ids, in order.
pub async fn bury(api: &Api, queue: Queue, count: usize) -> Vec<String> {
    for index in 0..count {
        api.save("alice", &format!("https://example.com/{index}"), &[]).await;
    }
    let died = bury_owed(api, queue).await;
    assert_eq!(died.len(), count);
    died
}

/// Makes dead letters of all that is owed to the queue. Tells the events' ids, in order.
pub async fn bury_owed(api: &Api, queue: Queue) -> Vec<String> {
    let owed = api.store.lease(queue, 100, None).await.unwrap().events;
    let died: Vec<EventId> = owed.iter().map(|owed| owed.envelope.id).collect();
    let failure = |id: &EventId| Failure { event_id: *id, error: "it is poison".into(), verdict: Verdict::Reject };
    let failures: Vec<Failure> = died.iter().map(failure).collect();
    assert_eq!(api.store.fail(queue, &failures, &QueueSettings::of(queue)).await.unwrap(), died);
    died.iter().map(EventId::to_string).collect()
}

/// (owed, dead) of a queue.
pub async fn counts(api: &Api, queue: Queue) -> (u64, u64) {
    let backlog = api.store.backlog().await.unwrap();
    let backlog = backlog.iter().find(|backlog| backlog.queue == queue).unwrap();
    (backlog.owed, backlog.dead)
}

/// Opens a window for each card saved by alice, with all events owed to feeds in it. Tells their keys, in order.
pub async fn open_windows(api: &Api) -> Vec<String> {
    let owed = api.store.lease(Queue::Feeds, 100, None).await.unwrap().events;
    let decode = |envelope: &Envelope| Message::parse(&envelope.to_entry()).unwrap().decode().unwrap();
    let events = owed.iter().filter_map(|owed| PendingEvent::from_recorded(&decode(&owed.envelope)));
    let events: Vec<PendingEvent> = events.collect();
    api.state.operations.saga.merge(&events).await.unwrap();
    let mut keys: Vec<String> = events.iter().map(|event| event.key().to_string()).collect();
    keys.sort();
    keys.dedup();
    keys
}

pub async fn flush(api: &Api, key: &str) -> Answer {
    api.ask(ADMIN, Method::POST, &format!("{SAGAS}/{key}/flush"), None).await
}

/// Measures the search queue, after 30 more events and 2 more failures.
pub async fn sample(api: &Api, waiting: Option<u64>) {
    api.store.add_work(Queue::Search, 30, 2).await.unwrap();
    let at = api.store.take_turn().await.unwrap().unwrap();
    let gauges = Gauges {
        queue: Queue::Search,
        waiting,
        in_flight: Some(1),
        suspects: Some(2),
        owed: 7,
        unpublished: 3,
        dead: 5,
        oldest_age_s: 11,
        workers: waiting,
    };
    api.store.keep(at, &[gauges]).await.unwrap();
}
