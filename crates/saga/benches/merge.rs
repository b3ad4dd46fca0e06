//! Merging a claimed batch of 128 events into windows: all of one card, or each of its own. And the cut of a window.

use std::hint::black_box;

use cardwire_domain::activity::regroup;
use cardwire_domain::{CardId, CollectionId, EventId, LinkId, Member, UserId};
use cardwire_saga::PendingEvent;
use cardwire_saga::pending::gather;
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::{SignedDuration, Timestamp};

const BATCH: i64 = 128;

fn batch(card: impl Fn() -> CardId) -> Vec<PendingEvent> {
    let actor_id = UserId::parse("did:plc:ewvi7nxzyoun6zhxrhs64oiz").expect("it is a DID");
    let start = Timestamp::now();
    let event = |n| PendingEvent {
        card_id: card(),
        actor_id: actor_id.clone(),
        member: Member {
            occurred_at: start + SignedDuration::from_millis(n),
            event_id: EventId::generate(),
            link_id: LinkId::generate(),
            collection_id: Some(CollectionId::generate()),
        },
    };
    (0..BATCH).map(event).collect()
}

fn merge(criterion: &mut Criterion) {
    let one = CardId::generate();
    for (name, events) in [("one key", batch(|| one)), ("distinct keys", batch(CardId::generate))] {
        criterion.bench_function(&format!("merge 128/{name}"), |bencher| bencher.iter(|| gather(black_box(&events))));
    }
    let window: Vec<Member> = batch(|| one).into_iter().map(|event| event.member).collect();
    let actor_id = UserId::parse("did:plc:ewvi7nxzyoun6zhxrhs64oiz").expect("it is a DID");
    criterion.bench_function("cut 128", |bencher| {
        bencher.iter(|| regroup(one, &actor_id, Vec::new(), black_box(window.clone())));
    });
}

criterion_group!(benches, merge);
criterion_main!(benches);
