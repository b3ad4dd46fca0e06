//! What every [`SagaStateStore`] and the [`DistributedLock`] beside it must do. [`saga_suite!`](macro@crate::saga_suite)
//! makes one test of each case.

// Test code, although other crates call it.
#![allow(clippy::unwrap_used)]

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::{CardId, CollectionId, EventId, LinkId, Member, UserId};
use cardwire_saga::{
    ClaimedWindow, DistributedLock, PendingEvent, ReleaseReason, SagaKey, SagaStateStore, Timing,
    store::{CLAIMED_OF_ONE, FULL_WINDOW, SHOWN_EVENTS},
};
use jiff::Timestamp;
use tokio::time::Instant;

/// An empty store and the locks it uses.
pub struct Subject {
    pub store: Arc<dyn SagaStateStore>,
    pub lock: Arc<dyn DistributedLock>,
    /// What the store was made with.
    pub timing: Timing,
    /// Lives as long as the test, such as a server.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl Subject {
    /// Waits for due windows.
    async fn claim(&self) -> Vec<ClaimedWindow> {
        eventually("a window is due", async || {
            let claimed = self.store.claim_due(100).await.unwrap();
            (!claimed.is_empty()).then_some(claimed)
        })
        .await
    }

    async fn claim_one(&self) -> ClaimedWindow {
        let mut claimed = self.claim().await;
        assert_eq!(claimed.len(), 1, "{claimed:?}");
        claimed.remove(0)
    }

    async fn merge(&self, events: &[PendingEvent]) {
        self.store.merge(events).await.unwrap();
    }

    async fn is_empty(&self) -> bool {
        self.store.open(None, 10).await.unwrap().is_empty() && self.store.next_due().await.unwrap().is_none()
    }
}

/// Asks until there is an answer. Works with paused time, which then jumps.
async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn key(actor: &str) -> SagaKey {
    SagaKey { card_id: CardId::generate(), actor_id: UserId::parse(&format!("did:plc:{actor}")).unwrap() }
}

fn event(key: &SagaKey, at_ms: i64) -> PendingEvent {
    PendingEvent {
        card_id: key.card_id,
        actor_id: key.actor_id.clone(),
        member: Member {
            occurred_at: Timestamp::from_microsecond(1_800_000_000_000_001 + at_ms * 1_000).unwrap(),
            event_id: EventId::generate(),
            link_id: LinkId::generate(),
            collection_id: (at_ms % 2 == 1).then(CollectionId::generate),
        },
    }
}

fn ids<'a>(events: impl IntoIterator<Item = &'a PendingEvent>) -> BTreeSet<EventId> {
    events.into_iter().map(|event| event.member.event_id).collect()
}

fn claimed_ids(window: &ClaimedWindow) -> BTreeSet<EventId> {
    window.pending.members.keys().copied().collect()
}

pub async fn merging_again_in_any_order_changes_nothing(subject: Subject) {
    let (alice, bob) = (key("alice"), key("bob"));
    let mut events: Vec<PendingEvent> = (0..200).map(|n| event(if n % 3 == 0 { &bob } else { &alice }, n)).collect();
    subject.merge(&events).await;
    events.reverse();
    subject.merge(&events).await;
    // An event never changes, so what pretends to be a newer form of it does not count.
    let mut forged = events[60].clone();
    forged.member.link_id = LinkId::generate();
    subject.merge(&[&events[50..90], &[forged]].concat()).await;
    let claimed = subject.store.claim_all(10).await.unwrap();
    assert_eq!(claimed.len(), 2);
    for window in &claimed {
        let expected = events.iter().filter(|event| event.key() == *window.key());
        let members: BTreeSet<&Member> = expected.map(|event| &event.member).collect();
        assert_eq!(window.pending.members.values().collect::<BTreeSet<_>>(), members);
        assert_eq!((window.failures, window.unreadable.len()), (0, 0));
    }
    subject.store.commit(&claimed).await.unwrap();
    assert!(subject.is_empty().await);
}

pub async fn a_window_is_due_after_its_time_and_not_before(subject: Subject) {
    assert_eq!(subject.store.next_due().await.unwrap(), None);
    let alice = key("alice");
    let before = Instant::now();
    subject.merge(&[event(&alice, 0)]).await;
    let merged = Instant::now();
    assert!(subject.store.claim_due(10).await.unwrap().is_empty());
    let next = subject.store.next_due().await.unwrap().expect("a window is open");
    assert!(next <= subject.timing.window, "{next:?}");
    let due_at = async || subject.store.open(None, 1).await.unwrap()[0].due_at;
    let due = due_at().await;
    eventually("the clock ticks", async || (merged.elapsed() >= Duration::from_millis(5)).then_some(())).await;
    subject.merge(&[event(&alice, 1)]).await;
    assert_eq!(due_at().await, due, "a later event does not put it off");
    let claimed = subject.claim_one().await;
    assert_eq!(claimed.pending.members.len(), 2);
    // The store's clock may count whole milliseconds.
    assert!(before.elapsed() + Duration::from_millis(2) >= subject.timing.window);
    assert!(claimed.late <= merged.elapsed(), "{claimed:?}");
}

pub async fn a_claim_is_exclusive_and_longest_due_first(subject: Subject) {
    let keys = ["a", "b", "c"].map(key);
    for key in &keys {
        subject.merge(&[event(key, 0)]).await;
        let merged = Instant::now();
        eventually("the clock ticks", async || (merged.elapsed() >= Duration::from_millis(2)).then_some(())).await;
    }
    let first = subject.store.claim_all(1).await.unwrap();
    assert_eq!(first.iter().map(ClaimedWindow::key).collect::<Vec<_>>(), [&keys[0]]);
    let (left, right) = tokio::join!(subject.store.claim_all(10), subject.store.claim_all(10));
    let rest: Vec<ClaimedWindow> = left.unwrap().into_iter().chain(right.unwrap()).collect();
    assert_eq!(rest.iter().map(ClaimedWindow::key).collect::<Vec<_>>(), [&keys[1], &keys[2]]);
    assert_ne!(first[0].token, rest[0].token);
    assert!(subject.store.claim_all(10).await.unwrap().is_empty());
    assert!(subject.store.claim_due(10).await.unwrap().is_empty());
}

pub async fn an_expired_lock_lets_another_worker_take_over(subject: Subject) {
    subject.merge(&[event(&key("alice"), 0)]).await;
    let lost = subject.claim_one().await;
    let claimed_at = Instant::now();
    let taken_over = subject.claim_one().await;
    assert!(claimed_at.elapsed() + Duration::from_millis(5) >= subject.timing.lock, "{:?}", claimed_at.elapsed());
    assert_eq!(taken_over.pending, lost.pending);
    assert_ne!(taken_over.token, lost.token);
    assert_eq!(taken_over.failures, 0, "a dead worker is no failure of the window");
    subject.store.commit(&[taken_over]).await.unwrap();
    assert!(subject.is_empty().await);
}

pub async fn a_late_owner_removes_what_it_read_and_frees_no_lock(subject: Subject) {
    let alice = key("alice");
    let (read, unread) = (event(&alice, 0), event(&alice, 1));
    subject.merge(&[read]).await;
    let late = subject.claim_one().await;
    subject.merge(std::slice::from_ref(&unread)).await;
    let owner = subject.claim_one().await;
    assert_eq!(owner.pending.members.len(), 2);

    subject.store.commit(std::slice::from_ref(&late)).await.unwrap();
    subject.store.release(std::slice::from_ref(&late), ReleaseReason::Failed).await.unwrap();
    assert!(!subject.lock.release(&alice, late.token).await.unwrap());
    assert_eq!(subject.lock.acquire(&alice).await.unwrap(), None, "the owner has it still");
    let open = subject.store.open(None, 10).await.unwrap();
    assert_eq!((open.len(), open[0].locked, open[0].failures), (1, true, 0));
    assert_eq!(open[0].pending.members.keys().copied().collect::<BTreeSet<_>>(), ids([&unread]));
    assert!(subject.store.claim_due(10).await.unwrap().is_empty());

    subject.store.commit(&[owner]).await.unwrap();
    assert!(subject.is_empty().await);
}

pub async fn what_is_merged_during_a_flush_is_flushed_next(subject: Subject) {
    let alice = key("alice");
    let (early, during) = (event(&alice, 0), event(&alice, 1));
    subject.merge(std::slice::from_ref(&early)).await;
    let claimed = subject.claim_one().await;
    subject.merge(&[early, during.clone()]).await;
    assert!(subject.store.claim_due(10).await.unwrap().is_empty(), "it is locked");
    subject.store.commit(&[claimed]).await.unwrap();
    assert_eq!(subject.store.next_due().await.unwrap(), Some(Duration::ZERO));
    let rest = subject.store.claim_due(10).await.unwrap();
    assert_eq!(rest.iter().map(claimed_ids).collect::<Vec<_>>(), [ids([&during])]);
    subject.store.commit(&rest).await.unwrap();
    assert!(subject.is_empty().await);
}

pub async fn committing_again_changes_nothing(subject: Subject) {
    let alice = key("alice");
    subject.merge(&[event(&alice, 0)]).await;
    let claimed = subject.store.claim_all(10).await.unwrap();
    subject.store.commit(&claimed).await.unwrap();
    let next = event(&alice, 1);
    subject.merge(std::slice::from_ref(&next)).await;
    subject.store.commit(&claimed).await.unwrap();
    subject.store.release(&claimed, ReleaseReason::Unavailable).await.unwrap();
    assert!(subject.store.claim_due(10).await.unwrap().is_empty(), "a new window has its own time");
    let open = subject.store.open(None, 10).await.unwrap();
    assert_eq!(open[0].pending.members.keys().copied().collect::<BTreeSet<_>>(), ids([&next]));
}

pub async fn what_was_unavailable_is_due_soon_and_not_counted(subject: Subject) {
    subject.merge(&[event(&key("alice"), 0)]).await;
    for _ in 0..4 {
        let claimed = subject.claim_one().await;
        assert_eq!(claimed.failures, 0);
        let released = Instant::now();
        subject.store.release(&[claimed], ReleaseReason::Unavailable).await.unwrap();
        assert!(subject.store.claim_due(10).await.unwrap().is_empty());
        let next = subject.store.next_due().await.unwrap().expect("it is open");
        assert!(
            next <= subject.timing.pause
                && next + released.elapsed() + Duration::from_millis(2) >= subject.timing.pause
        );
    }
}

pub async fn failures_are_counted_and_wait_longer_each_time(subject: Subject) {
    let alice = key("alice");
    subject.merge(&[event(&alice, 0)]).await;
    for failures in 1..=3u32 {
        let claimed = subject.claim_one().await;
        assert_eq!(claimed.failures, failures - 1);
        let released = Instant::now();
        subject.store.release(std::slice::from_ref(&claimed), ReleaseReason::Failed).await.unwrap();
        // Again with a lock that is not held any more: counts nothing.
        subject.store.release(&[claimed], ReleaseReason::Failed).await.unwrap();
        let next = subject.store.next_due().await.unwrap().expect("it is open");
        let wait = subject.timing.backoff_after(failures);
        assert!(next <= wait && next + released.elapsed() + Duration::from_millis(2) >= wait, "{next:?}");
        assert_eq!(subject.store.open(None, 1).await.unwrap()[0].failures, failures);
    }
    // What is merged meanwhile does not inherit the failures of what is gone.
    let claimed = subject.claim_one().await;
    subject.merge(&[event(&alice, 1)]).await;
    subject.store.commit(&[claimed]).await.unwrap();
    assert_eq!(subject.claim_one().await.failures, 0);
}

pub async fn a_full_window_is_due_at_once(subject: Subject) {
    let alice = key("alice");
    let events: Vec<PendingEvent> = (0..FULL_WINDOW as i64).map(|n| event(&alice, n)).collect();
    let (last, all_but_one) = events.split_last().expect("there are a thousand");
    assert!(!subject.store.merge(all_but_one).await.unwrap());
    assert!(!subject.store.merge(&all_but_one[..300]).await.unwrap(), "repetitions do not fill it");
    let next = subject.store.next_due().await.unwrap();
    assert!(next.is_some_and(|next| next > Duration::ZERO), "{next:?}");
    assert!(subject.store.merge(std::slice::from_ref(last)).await.unwrap());
    let claimed = subject.store.claim_due(10).await.unwrap();
    assert_eq!(claimed.iter().map(claimed_ids).collect::<Vec<_>>(), [ids(&events)]);
    subject.store.commit(&claimed).await.unwrap();
    assert!(subject.is_empty().await);
}

pub async fn a_huge_window_is_claimed_whole_in_the_end(subject: Subject) {
    let alice = key("alice");
    let events: Vec<PendingEvent> = (0..CLAIMED_OF_ONE as i64 + 500).map(|n| event(&alice, n)).collect();
    subject.merge(&events).await;
    let mut seen = BTreeSet::new();
    while seen.len() < events.len() {
        let window = subject.claim_one().await;
        for id in claimed_ids(&window) {
            assert!(seen.insert(id), "claimed twice");
        }
        subject.store.commit(&[window]).await.unwrap();
    }
    assert_eq!(seen, ids(&events));
    assert!(subject.is_empty().await);
}

pub async fn a_window_can_be_made_due_now(subject: Subject) {
    let alice = key("alice");
    assert!(!subject.store.flush_now(&alice).await.unwrap());
    subject.merge(&[event(&alice, 0), event(&key("bob"), 0)]).await;
    assert!(subject.store.flush_now(&alice).await.unwrap());
    let claimed = subject.store.claim_due(10).await.unwrap();
    assert_eq!(claimed.iter().map(ClaimedWindow::key).collect::<Vec<_>>(), [&alice]);
    assert!(subject.store.flush_now(&alice).await.unwrap(), "it is there, being flushed");
    assert!(subject.store.claim_due(10).await.unwrap().is_empty());
}

pub async fn what_waits_is_held_until_it_is_committed(subject: Subject) {
    let (first, second, other) = (event(&key("alice"), 0), event(&key("alice"), 1), event(&key("bob"), 2));
    let asked = [first.clone(), second.clone(), other.clone()];
    let held = async || subject.store.hold(&asked).await.unwrap();
    assert_eq!(held().await, [false, false, false]);
    subject.merge(&[first, other]).await;
    assert_eq!(held().await, [true, false, true]);
    subject.merge(&[second]).await;
    let claimed = subject.store.claim_all(10).await.unwrap();
    assert_eq!(held().await, [true, true, true], "while it is flushed, too");
    subject.store.commit(&claimed).await.unwrap();
    assert_eq!(held().await, [false, false, false]);
}

pub async fn a_held_lock_keeps_a_window_from_being_claimed(subject: Subject) {
    let alice = key("alice");
    let token = subject.lock.acquire(&alice).await.unwrap().expect("it is free");
    assert_eq!(subject.lock.acquire(&alice).await.unwrap(), None);
    subject.merge(&[event(&alice, 0)]).await;
    assert!(subject.store.claim_all(10).await.unwrap().is_empty());
    assert!(subject.lock.release(&alice, token).await.unwrap());
    assert!(!subject.lock.release(&alice, token).await.unwrap());
    assert_eq!(subject.store.claim_all(10).await.unwrap().len(), 1);
    assert_eq!(subject.lock.acquire(&alice).await.unwrap(), None, "the store's locks are these locks");
}

pub async fn a_lock_expires_and_its_late_owner_frees_nothing(subject: Subject) {
    let alice = key("alice");
    let lost = subject.lock.acquire(&alice).await.unwrap().expect("it is free");
    let acquired = Instant::now();
    let token = eventually("the lock expires", async || subject.lock.acquire(&alice).await.unwrap()).await;
    assert!(acquired.elapsed() + Duration::from_millis(5) >= subject.timing.lock);
    assert!(!subject.lock.release(&alice, lost).await.unwrap());
    assert_eq!(subject.lock.acquire(&alice).await.unwrap(), None);
    assert!(subject.lock.release(&alice, token).await.unwrap());
}

pub async fn a_window_behind_a_lock_does_not_hold_up_the_others(subject: Subject) {
    let locked: Vec<SagaKey> = (0..5).map(|n| key(&format!("locked{n}"))).collect();
    for key in &locked {
        subject.lock.acquire(key).await.unwrap().expect("it is free");
        subject.merge(&[event(key, 0)]).await;
        assert!(subject.store.flush_now(key).await.unwrap());
    }
    let free = key("free");
    subject.merge(&[event(&free, 0)]).await;
    subject.store.flush_now(&free).await.unwrap();
    let claimed = eventually("the free one is claimed", async || subject.store.claim_due(2).await.unwrap().pop()).await;
    assert_eq!(*claimed.key(), free);
}

/// Many locks that end in different milliseconds, and somebody who looks in each of these: none of the windows waits for a second lock.
pub async fn windows_are_claimed_as_soon_as_their_locks_end(subject: Subject) {
    const WINDOWS: usize = 60;
    let mut locked = BTreeMap::new();
    for n in 0..WINDOWS {
        let key = key(&format!("locked{n}"));
        subject.merge(&[event(&key, 0)]).await;
        locked.insert(key.clone(), Instant::now());
        subject.lock.acquire(&key).await.unwrap().expect("it is free");
        assert!(subject.store.flush_now(&key).await.unwrap());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while !locked.is_empty() {
        for window in subject.store.claim_due(WINDOWS).await.unwrap() {
            let waited = locked.remove(window.key()).expect("claimed once").elapsed();
            assert!(waited + Duration::from_millis(2) >= subject.timing.lock, "{waited:?}");
        }
        let waiting = locked.values().map(Instant::elapsed).max().unwrap_or_default();
        assert!(waiting < subject.timing.lock * 3 / 2, "{} of {WINDOWS} wait on after {waiting:?}", locked.len());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub async fn open_windows_are_listed_page_by_page(subject: Subject) {
    let keys: BTreeSet<SagaKey> = (0..7).map(|n| key(&format!("user{n}"))).collect();
    // In one call, so that most of them share their instant.
    let events: Vec<PendingEvent> = keys.iter().flat_map(|key| [event(key, 0), event(key, 1)]).collect();
    assert_eq!(subject.store.open_count().await.unwrap(), 0);
    subject.merge(&events).await;
    assert_eq!(subject.store.open_count().await.unwrap(), 7);
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = subject.store.open(after.as_ref(), 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.place().to_string().parse().unwrap());
        seen.extend(page);
    }
    assert!(seen.is_sorted_by_key(|window| window.place()));
    assert_eq!(seen.len(), 7);
    assert_eq!(seen.iter().map(|window| window.key().clone()).collect::<BTreeSet<_>>(), keys);
    for window in &seen {
        let own = events.iter().filter(|event| event.key() == *window.key());
        assert_eq!(window.pending.members.keys().copied().collect::<BTreeSet<_>>(), ids(own));
        assert!(window.pending.has_library_event() && window.pending.has_collection_events());
        assert_eq!((window.events, window.locked, window.failures), (2, false, 0));
    }
}

pub async fn a_large_window_is_listed_in_part(subject: Subject) {
    let alice = key("alice");
    let events: Vec<PendingEvent> = (0..4 * SHOWN_EVENTS as i64).map(|n| event(&alice, n)).collect();
    subject.merge(&events).await;
    let claimed = subject.store.claim_due(1).await.unwrap();
    subject.store.release(&claimed, ReleaseReason::Failed).await.unwrap();
    let open = subject.store.open(None, 10).await.unwrap();
    let [window] = &open[..] else { panic!("one window, not {}", open.len()) };
    assert_eq!((window.events, window.failures), (events.len() as u64, 1));
    let shown: BTreeSet<EventId> = window.pending.members.keys().copied().collect();
    assert!(shown.is_subset(&ids(&events)));
    assert!((SHOWN_EVENTS / 2..SHOWN_EVENTS * 2).contains(&shown.len()), "{} are shown", shown.len());
}

/// One test per case: `saga_suite! { #[tokio::test(start_paused = true)] => make }`, where `make` is an asynchronous
/// function that gives each case an empty [`Subject`].
#[macro_export]
macro_rules! saga_suite {
    ($(#[$attribute:meta])* => $make:path) => {
        $crate::saga_suite! { @cases [$(#[$attribute])*] $make;
            merging_again_in_any_order_changes_nothing
            a_window_is_due_after_its_time_and_not_before
            a_claim_is_exclusive_and_longest_due_first
            an_expired_lock_lets_another_worker_take_over
            a_late_owner_removes_what_it_read_and_frees_no_lock
            what_is_merged_during_a_flush_is_flushed_next
            committing_again_changes_nothing
            what_was_unavailable_is_due_soon_and_not_counted
            failures_are_counted_and_wait_longer_each_time
            a_full_window_is_due_at_once
            a_huge_window_is_claimed_whole_in_the_end
            a_window_can_be_made_due_now
            what_waits_is_held_until_it_is_committed
            a_held_lock_keeps_a_window_from_being_claimed
            a_lock_expires_and_its_late_owner_frees_nothing
            a_window_behind_a_lock_does_not_hold_up_the_others
            windows_are_claimed_as_soon_as_their_locks_end
            open_windows_are_listed_page_by_page
            a_large_window_is_listed_in_part
        }
    };
    (@cases $attributes:tt $make:path; $($case:ident)*) => {
        $($crate::saga_suite! { @case $attributes $make; $case })*
    };
    (@case [$(#[$attribute:meta])*] $make:path; $case:ident) => {
        $(#[$attribute])*
        async fn $case() {
            $crate::saga_suite::$case($make().await).await;
        }
    };
}
