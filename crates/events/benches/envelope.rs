//! The cost of one event in this crate: writing its entry, reading it back, finding its queues, and not tracing it.

use std::hint::black_box;

use cardwire_domain::{CardId, CollectionId, DomainEvent, EventId, LinkId, RecordedEvent, UserId, Visibility};
use cardwire_events::{Envelope, Message, routes};
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;

fn recorded(event: DomainEvent) -> RecordedEvent {
    RecordedEvent { id: EventId::generate(), occurred_at: Timestamp::now(), event }
}

fn events() -> [(&'static str, RecordedEvent); 2] {
    let actor_id = UserId::parse("did:plc:ewvi7nxzyoun6zhxrhs64oiz").expect("it is a DID");
    let (card_id, link_id) = (CardId::generate(), LinkId::generate());
    let (collection_id, visibility) = (CollectionId::generate(), Visibility::Public);
    let saved = DomainEvent::CardAddedToLibrary { card_id, actor_id: actor_id.clone(), link_id, visibility };
    let collected = DomainEvent::CardAddedToCollection { card_id, actor_id, collection_id, link_id, visibility };
    [("library", recorded(saved)), ("collection", recorded(collected))]
}

fn traceparent() -> Option<String> {
    Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned())
}

fn envelope(criterion: &mut Criterion) {
    for (name, event) in events() {
        let entry = Envelope::wrap(&event, traceparent()).to_entry();
        criterion.bench_function(&format!("encode/{name}"), |bencher| {
            bencher.iter(|| Envelope::wrap(black_box(&event), traceparent()).to_entry());
        });
        criterion.bench_function(&format!("decode/{name}"), |bencher| {
            bencher.iter(|| {
                let message = Message::parse(black_box(&entry)).expect("it is an entry");
                message.decode().expect("its type is known")
            });
        });
        criterion.bench_function(&format!("route/{name}"), |bencher| {
            bencher.iter(|| routes(black_box(&event.event)));
        });
        criterion.bench_function(&format!("partition key/{name}"), |bencher| {
            bencher.iter(|| black_box(&event.event).partition_key());
        });
    }
}

/// A batch as a worker has it, in a process that logs and exports no traces.
fn tracing_off(criterion: &mut Criterion) {
    use cardwire_events::Queue;
    use cardwire_events::trace::{Batch, Operation, TARGET};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{EnvFilter, fmt};

    let filter = EnvFilter::new(format!("info,{TARGET}=off"));
    let subscriber = tracing_subscriber::registry().with(filter).with(fmt::layer().json().with_writer(std::io::sink));
    let events: Vec<_> = (0..128).map(|_| (EventId::generate(), traceparent())).collect();
    tracing::subscriber::with_default(subscriber, || {
        criterion.bench_function("tracing off/batch of 128", |bencher| {
            bencher.iter(|| {
                let mut batch = Batch::begin(Operation::Process, Queue::Feeds, events.len());
                for (id, traceparent) in black_box(&events) {
                    if batch.is_traced() {
                        batch.event(*id, traceparent.as_deref());
                    }
                }
                batch
            });
        });
    });
}

criterion_group!(benches, envelope, tracing_off);
criterion_main!(benches);
