//! What every queue must do, whatever it is made of. Use [`queue_suite!`](macro@crate::queue_suite) in a test of the adapter.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use cardwire_events::{Claim, Depth, EventPublisher, EventSubscriber, Queue};
use tokio::time::{Instant, sleep, timeout};

/// An empty queue, its publisher, and two workers' subscribers.
pub struct QueueUnderTest {
    pub publisher: Arc<dyn EventPublisher>,
    /// Both of `queue`.
    pub subscribers: [Arc<dyn EventSubscriber>; 2],
    pub queue: Queue,
    /// Short, since cases wait for it to run out; not so short that a slow machine cannot claim twice within it.
    pub lease: Duration,
    /// Kept alive with the queue: a server, for example.
    pub keep: Box<dyn Any + Send + Sync>,
}

/// One test per case. `$start` is an async function without arguments that returns a [`QueueUnderTest`].
#[macro_export]
macro_rules! queue_suite {
    ($start:path) => {
        $crate::queue_suite!(@ $start:
            entries_come_out_in_the_order_they_went_in,
            publishing_appends_all_entries_together,
            a_claim_takes_no_more_than_asked_for,
            nothing_to_claim_is_none,
            released_entries_come_next_and_in_order,
            a_released_suspect_is_a_suspect_again,
            acknowledged_entries_are_gone,
            acknowledging_twice_changes_nothing,
            entries_of_a_lost_lease_are_suspects_alone_and_first,
            a_suspect_that_is_lost_again_waits_behind_the_others,
            a_renewed_lease_is_kept,
            a_lost_lease_cannot_be_renewed_acknowledged_or_released,
            depth_counts_each_place,
            waiting_ends_when_something_is_published,
            waiting_ends_when_something_was_published_before,
            dropped_waits_cost_no_bell,
            two_workers_share_without_overlap,
            garbage_is_handed_out_like_anything_else,
        );
    };
    (@ $start:path: $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::queue_suite::$case($start().await).await;
            }
        )+
    };
}

impl QueueUnderTest {
    async fn publish(&self, entries: &[&str]) {
        let entries: Vec<_> = entries.iter().map(|entry| ("key".to_owned(), (*entry).to_owned())).collect();
        self.publisher.publish(self.queue, &entries).await.expect("the queue takes entries");
    }

    async fn claim(&self, max: usize) -> Claim {
        self.try_claim(max).await.expect("there is something to claim")
    }

    async fn try_claim(&self, max: usize) -> Option<Claim> {
        self.subscribers[0].claim(max).await.expect("the queue answers")
    }

    async fn reclaim(&self) -> usize {
        self.subscribers[1].reclaim().await.expect("the queue answers")
    }

    async fn depth(&self) -> Depth {
        self.subscribers[1].depth().await.expect("the queue answers")
    }

    /// Until `count` entries were reclaimed.
    async fn until_reclaimed(&self, count: usize) {
        let deadline = Instant::now() + self.lease * 20 + Duration::from_secs(5);
        let mut reclaimed = 0;
        while reclaimed < count {
            assert!(Instant::now() < deadline, "only {reclaimed} of {count} entries were reclaimed");
            reclaimed += self.reclaim().await;
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(reclaimed, count);
    }
}

pub async fn entries_come_out_in_the_order_they_went_in(test: QueueUnderTest) {
    test.publish(&["a", "b"]).await;
    test.publish(&["c"]).await;
    let claim = test.claim(10).await;
    assert_eq!((claim.entries, claim.suspect), (vec!["a".to_owned(), "b".into(), "c".into()], false));
}

pub async fn publishing_appends_all_entries_together(test: QueueUnderTest) {
    let many: Vec<String> = (0..2_500).map(|n| format!("entry {n}")).collect();
    test.publish(&many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    test.publish(&[]).await;
    assert_eq!(test.depth().await, Depth { waiting: 2_500, suspects: 0, in_flight: 0 });
    let mut seen = Vec::new();
    while let Some(claim) = test.try_claim(128).await {
        seen.extend(claim.entries);
    }
    assert_eq!(seen, many);
}

pub async fn a_claim_takes_no_more_than_asked_for(test: QueueUnderTest) {
    test.publish(&["a", "b", "c", "d", "e"]).await;
    assert_eq!(test.claim(2).await.entries, ["a", "b"]);
    assert_eq!(test.claim(2).await.entries, ["c", "d"]);
    assert_eq!(test.claim(2).await.entries, ["e"]);
    assert_eq!(test.try_claim(2).await, None);
}

pub async fn nothing_to_claim_is_none(test: QueueUnderTest) {
    assert_eq!(test.try_claim(10).await, None);
    assert_eq!(test.reclaim().await, 0);
    assert_eq!(test.depth().await, Depth::default());
}

pub async fn released_entries_come_next_and_in_order(test: QueueUnderTest) {
    test.publish(&["a", "b", "c", "d"]).await;
    let claim = test.claim(3).await;
    test.subscribers[0].release(&claim).await.expect("the queue answers");
    assert_eq!(test.depth().await, Depth { waiting: 4, suspects: 0, in_flight: 0 });
    test.subscribers[0].release(&claim).await.expect("releasing twice changes nothing");
    assert_eq!(test.claim(10).await.entries, ["a", "b", "c", "d"]);
}

pub async fn a_released_suspect_is_a_suspect_again(test: QueueUnderTest) {
    test.publish(&["a", "b"]).await;
    test.claim(2).await;
    test.until_reclaimed(2).await;
    let suspect = test.claim(10).await;
    test.subscribers[0].release(&suspect).await.expect("the queue answers");
    assert_eq!(test.depth().await, Depth { waiting: 0, suspects: 2, in_flight: 0 });
    let again = test.claim(10).await;
    assert_eq!((again.entries, again.suspect), (vec!["a".to_owned()], true));
}

pub async fn acknowledged_entries_are_gone(test: QueueUnderTest) {
    test.publish(&["a", "b", "c"]).await;
    let claim = test.claim(2).await;
    test.subscribers[0].ack(&claim).await.expect("the queue answers");
    assert_eq!(test.depth().await, Depth { waiting: 1, suspects: 0, in_flight: 0 });
    assert_eq!(test.claim(10).await.entries, ["c"]);
}

pub async fn acknowledging_twice_changes_nothing(test: QueueUnderTest) {
    test.publish(&["a", "b"]).await;
    let first = test.claim(1).await;
    let second = test.claim(1).await;
    for _ in 0..2 {
        test.subscribers[0].ack(&first).await.expect("the queue answers");
    }
    test.subscribers[0].release(&first).await.expect("the queue answers");
    assert_eq!(test.depth().await, Depth { waiting: 0, suspects: 0, in_flight: 1 });
    test.subscribers[0].ack(&second).await.expect("the queue answers");
    assert_eq!(test.depth().await, Depth::default());
}

pub async fn entries_of_a_lost_lease_are_suspects_alone_and_first(test: QueueUnderTest) {
    test.publish(&["a", "b"]).await;
    test.claim(2).await;
    test.publish(&["c", "d"]).await;
    assert_eq!(test.reclaim().await, 0, "the lease still runs");
    test.until_reclaimed(2).await;
    assert_eq!(test.depth().await, Depth { waiting: 2, suspects: 2, in_flight: 0 });
    let mut claims = Vec::new();
    while let Some(claim) = test.try_claim(10).await {
        claims.push((claim.entries, claim.suspect));
    }
    let expected =
        vec![(vec!["a".to_owned()], true), (vec!["b".to_owned()], true), (vec!["c".to_owned(), "d".to_owned()], false)];
    assert_eq!(claims, expected);
}

pub async fn a_suspect_that_is_lost_again_waits_behind_the_others(test: QueueUnderTest) {
    test.publish(&["a", "b"]).await;
    test.claim(2).await;
    test.until_reclaimed(2).await;
    assert_eq!(test.claim(1).await.entries, ["a"]);
    test.until_reclaimed(1).await;
    assert_eq!(test.claim(1).await.entries, ["b"]);
    let last = test.claim(1).await;
    assert_eq!((last.entries, last.suspect), (vec!["a".to_owned()], true));
}

pub async fn a_renewed_lease_is_kept(test: QueueUnderTest) {
    test.publish(&["a"]).await;
    let claim = test.claim(1).await;
    let claimed = Instant::now();
    while claimed.elapsed() < test.lease * 2 {
        assert!(test.subscribers[0].renew(&claim).await.expect("the queue answers"), "the lease was lost");
        assert_eq!(test.reclaim().await, 0);
        sleep(test.lease / 20).await;
    }
    test.until_reclaimed(1).await;
}

pub async fn a_lost_lease_cannot_be_renewed_acknowledged_or_released(test: QueueUnderTest) {
    test.publish(&["a", "b"]).await;
    let lost = test.claim(2).await;
    test.until_reclaimed(2).await;
    let other = test.subscribers[1].claim(1).await.expect("the queue answers").expect("a suspect");
    assert!(!test.subscribers[0].renew(&lost).await.expect("the queue answers"));
    test.subscribers[0].ack(&lost).await.expect("the queue answers");
    test.subscribers[0].release(&lost).await.expect("the queue answers");
    assert_eq!(test.depth().await, Depth { waiting: 0, suspects: 1, in_flight: 1 });
    assert!(test.subscribers[1].renew(&other).await.expect("the queue answers"), "the other worker's lease");
}

pub async fn depth_counts_each_place(test: QueueUnderTest) {
    test.publish(&["a", "b"]).await;
    test.claim(2).await;
    test.until_reclaimed(2).await;
    test.publish(&["c", "d", "e", "f"]).await;
    test.claim(10).await;
    assert_eq!(test.depth().await, Depth { waiting: 4, suspects: 1, in_flight: 1 });
    assert_eq!(test.publisher.depth(test.queue).await.expect("the queue answers"), 5);
}

pub async fn waiting_ends_when_something_is_published(test: QueueUnderTest) {
    for round in 0..5 {
        let subscriber = Arc::clone(&test.subscribers[0]);
        let waiting = tokio::spawn(async move {
            // A bell may have rung for what is gone already.
            loop {
                subscriber.wait().await.expect("the queue answers");
                if let Some(claim) = subscriber.claim(1).await.expect("the queue answers") {
                    return claim;
                }
            }
        });
        sleep(Duration::from_millis(50)).await;
        let published = Instant::now();
        test.publish(&["a"]).await;
        let claim = timeout(Duration::from_secs(10), waiting).await.expect("it wakes").expect("it does not panic");
        assert!(published.elapsed() < Duration::from_secs(1), "round {round}: {:?}", published.elapsed());
        test.subscribers[0].ack(&claim).await.expect("the queue answers");
    }
}

pub async fn waiting_ends_when_something_was_published_before(test: QueueUnderTest) {
    test.publish(&["a"]).await;
    let before = Instant::now();
    test.subscribers[0].wait().await.expect("the queue answers");
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
}

pub async fn dropped_waits_cost_no_bell(test: QueueUnderTest) {
    // A busy worker that waited, and stopped waiting before the bell rang.
    timeout(Duration::from_millis(50), test.subscribers[0].wait()).await.expect_err("nothing was published");
    let idle = Arc::clone(&test.subscribers[1]);
    let waiting = tokio::spawn(async move { idle.wait().await });
    sleep(Duration::from_millis(50)).await;
    let published = Instant::now();
    test.publish(&["a"]).await;
    waiting.await.expect("it does not panic").expect("the queue answers");
    assert!(published.elapsed() < Duration::from_secs(1), "{:?}", published.elapsed());
}

pub async fn two_workers_share_without_overlap(test: QueueUnderTest) {
    let all: Vec<String> = (0..1_000).map(|n| format!("{n:04}")).collect();
    test.publish(&all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let workers = test.subscribers.clone().map(|subscriber| {
        tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Some(claim) = subscriber.claim(7).await.expect("the queue answers") {
                subscriber.ack(&claim).await.expect("the queue answers");
                seen.extend(claim.entries);
            }
            seen
        })
    });
    let mut seen = Vec::new();
    for worker in workers {
        seen.extend(worker.await.expect("it does not panic"));
    }
    seen.sort();
    assert_eq!(seen, all);
    assert_eq!(test.depth().await, Depth::default());
}

pub async fn garbage_is_handed_out_like_anything_else(test: QueueUnderTest) {
    let garbage = ["", " ", "\0\n\r", "|||||", "{\"id\":1}", "ünïcödé 🃏"];
    test.publish(&garbage).await;
    assert_eq!(test.claim(10).await.entries, garbage);
}
