//! The event log: events, and what is owed of them to each queue.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::{DomainEvent, EventId, RecordedEvent};
use cardwire_events::log::{
    AT_WORK, FIRST_LOOK_AFTER, GIVEN_BACK_FOR, LOOK_AGAIN_AFTER, LOOK_AGAIN_AT_MOST, NO_ATTEMPT_LEFT, PUT_OFF_AT_MOST,
    WORKER_LOST, count_failures,
};
use cardwire_events::operations::{DeadLetterWay, MAX_STEPS, Step, StepKind};
use cardwire_events::{
    Attempt, Backlog, DeadFilter, DeadLetter, DeadSelection, Due, Envelope, EventLog, Failure, Handover, Owed, Queue,
    QueueSettings, Result, Verdict, routes,
};
use jiff::Timestamp;
use ulid::Ulid;

use super::kept::{Deliveries, Delivery, Ledger, RejectedEntry};
use super::operators::matches;
use super::state::State;
use super::store::InMemoryStore;

/// How many entries that are no events are kept; the oldest go first.
const REJECTED_KEPT: usize = 1_000;
/// Of each such entry, this many characters.
const REJECTED_CHARS: usize = 4_096;

impl Delivery {
    fn due_at(due_at: Timestamp) -> Self {
        Self { due_at, published_at: None, sweeps: 0, tries: 0, dead: None, steps: VecDeque::new() }
    }

    fn note(&mut self, at: Timestamp, kind: StepKind, detail: &str) {
        if self.steps.len() == MAX_STEPS {
            self.steps.pop_front();
        }
        self.steps.push_back(Step { at, kind, detail: detail.to_owned() });
    }

    /// An attempt was counted before it was made, and has not ended.
    fn is_being_tried(&self) -> bool {
        self.steps.back().is_some_and(|step| step.kind == StepKind::RunAfterLoss)
    }

    fn last_error(&self) -> Option<String> {
        self.steps.iter().rev().find(|step| step.kind == StepKind::Failed).map(|step| step.detail.clone())
    }

    fn is_unpublished(&self) -> bool {
        self.dead.is_none() && self.published_at.is_none()
    }

    /// How long to put it off, if it must still be in the queue, or worked on, by the oldest that waits there.
    fn on_its_way(&self, waiting_since: Option<Timestamp>) -> Option<Duration> {
        let (published_at, since) = (self.published_at?, waiting_since?);
        let rest = passed(since, later(published_at, AT_WORK));
        (!rest.is_zero()).then(|| (rest + Duration::from_secs(1)).min(PUT_OFF_AT_MOST))
    }

    fn selected(&self, id: EventId, envelope: Option<&Envelope>, which: &DeadSelection) -> bool {
        let Some((_, error)) = &self.dead else {
            return false;
        };
        match which {
            DeadSelection::All => true,
            DeadSelection::Ids(ids) => ids.contains(&id),
            DeadSelection::Matching(filter) => envelope.is_some_and(|envelope| matches(filter, envelope, error)),
            DeadSelection::NotUnderstood(types) => {
                let unknown = ["unknown event type", "unknown version of event type"];
                unknown.iter().any(|start| error.starts_with(start))
                    && envelope.is_some_and(|envelope| types.contains(&envelope.kind))
            }
        }
    }
}

impl Deliveries {
    fn insert(&mut self, id: EventId, row: Delivery) {
        self.due.insert((row.due_at, id));
        self.rows.insert(id, row);
    }

    fn take(&mut self, id: EventId) -> bool {
        let Some(row) = self.rows.remove(&id) else { return false };
        self.due.remove(&(row.due_at, id));
        true
    }

    /// It is known not to be in the queue.
    fn unpublish(&mut self, id: EventId, due_at: Timestamp) {
        self.put_off(id, due_at);
        if let Some(row) = self.rows.get_mut(&id).filter(|row| row.dead.is_none()) {
            row.published_at = None;
        }
    }

    fn put_off(&mut self, id: EventId, due_at: Timestamp) {
        if let Some(row) = self.rows.get_mut(&id).filter(|row| row.dead.is_none()) {
            self.due.remove(&(row.due_at, id));
            row.due_at = due_at;
            self.due.insert((due_at, id));
        }
    }

    fn bury(&mut self, id: EventId, now: Timestamp, error: String) {
        if let Some(row) = self.rows.get_mut(&id) {
            row.note(now, StepKind::Died, "");
            row.dead = Some((now, error));
            self.due.remove(&(row.due_at, id));
        }
    }
}

impl Ledger {
    /// Ids sort in the order in which events were accepted.
    pub(super) fn next_id(&mut self, now: Timestamp) -> EventId {
        let ms = u64::try_from(now.as_millisecond()).unwrap_or_default();
        let fresh = Ulid::from_parts(ms, rand::random());
        let next = match self.last_id {
            Some(last) if last.timestamp_ms() >= ms => last.increment().unwrap_or(fresh),
            _ => fresh,
        };
        self.last_id = Some(next);
        EventId::from_ulid(next)
    }

    /// Keeps the event and owes it to the queues of its route. Returns what is born published.
    pub(super) fn accept(&mut self, event: &DomainEvent, envelope: Envelope, handover: &Handover) -> Vec<Owed> {
        let mut handed = Vec::new();
        let now = envelope.time;
        for queue in routes(event) {
            let mut row = Delivery::due_at(now);
            if handover.is_open(*queue) {
                row = Delivery { published_at: Some(now), ..Delivery::due_at(later(now, FIRST_LOOK_AFTER)) };
                handed.push(Owed { queue: *queue, envelope: envelope.clone() });
            }
            self.deliveries(*queue).insert(envelope.id, row);
        }
        self.events.insert(envelope.id, envelope);
        handed
    }

    /// Takes the event off the queue's ledger; true if it was owed.
    pub(super) fn take(&mut self, queue: Queue, id: EventId) -> bool {
        self.deliveries(queue).take(id)
    }

    /// The event as the log has it; `None`: it is unknown, or nobody here understands it. Effects are made of this alone: what came
    /// through a queue may have been altered there.
    pub(super) fn recorded(&self, id: EventId) -> Option<RecordedEvent> {
        self.events.get(&id)?.decode().ok()
    }

    pub(super) fn owes(&self, queue: Queue, id: EventId) -> bool {
        self.queues.get(&queue).is_some_and(|deliveries| deliveries.rows.contains_key(&id))
    }

    pub(super) fn pruned_until(&self) -> Option<Timestamp> {
        self.pruned_until
    }

    /// The cards added to libraries, oldest first.
    pub(super) fn saves(&self) -> impl Iterator<Item = RecordedEvent> {
        self.events
            .values()
            .filter_map(|envelope| envelope.decode().ok())
            .filter(|r| matches!(r.event, DomainEvent::CardAddedToLibrary { .. }))
    }

    fn deliveries(&mut self, queue: Queue) -> &mut Deliveries {
        self.queues.entry(queue).or_default()
    }

    fn selected(&mut self, queue: Queue, which: &DeadSelection) -> Vec<EventId> {
        let deliveries = self.queues.entry(queue).or_default();
        let selected = deliveries.rows.iter().filter(|(id, row)| row.selected(**id, self.events.get(id), which));
        selected.map(|(id, _)| *id).collect()
    }

    pub(super) fn redrive(&mut self, queue: Queue, which: &DeadSelection, now: Timestamp) -> u64 {
        let selected = self.selected(queue, which);
        let deliveries = self.deliveries(queue);
        for id in &selected {
            let steps = deliveries.rows.remove(id).map(|row| row.steps).unwrap_or_default();
            let mut row = Delivery { steps, ..Delivery::due_at(now) };
            row.note(now, StepKind::Redriven, "");
            deliveries.insert(*id, row);
        }
        selected.len() as u64
    }

    pub(super) fn discard(&mut self, queue: Queue, which: &DeadSelection) -> u64 {
        let selected = self.selected(queue, which);
        selected.iter().map(|id| u64::from(self.take(queue, *id))).sum()
    }

    /// Makes what is owed and not dead due and unpublished.
    pub(super) fn redeliver(&mut self, queue: Queue, now: Timestamp) -> u64 {
        let deliveries = self.deliveries(queue);
        let waits = |row: &Delivery| row.dead.is_none() && (row.published_at.is_some() || row.due_at > now);
        let waiting: Vec<_> = deliveries.rows.iter().filter(|(_, row)| waits(row)).map(|(id, _)| *id).collect();
        for id in &waiting {
            deliveries.unpublish(*id, now);
        }
        waiting.len() as u64
    }

    /// Dead letters that match, behind `after`.
    pub(super) fn letters(
        &self,
        queue: Queue,
        filter: &DeadFilter,
        after: Option<EventId>,
    ) -> impl Iterator<Item = DeadLetter> {
        use std::ops::Bound::{Excluded, Unbounded};
        let behind = (after.map_or(Unbounded, Excluded), Unbounded);
        let rows = self.queues.get(&queue).into_iter().flat_map(move |deliveries| deliveries.rows.range(behind));
        let letters = rows.filter_map(move |(id, row)| self.letter(queue, *id, row));
        letters.filter(|letter| matches(filter, &letter.envelope, &letter.error))
    }

    fn letter(&self, queue: Queue, id: EventId, row: &Delivery) -> Option<DeadLetter> {
        let (dead_at, error) = row.dead.clone()?;
        Some(DeadLetter { queue, envelope: self.events.get(&id)?.clone(), tries: row.tries, error, dead_at })
    }

    pub(super) fn way(&self, queue: Queue, id: EventId) -> Option<DeadLetterWay> {
        let row = self.queues.get(&queue)?.rows.get(&id)?;
        let letter = self.letter(queue, id, row)?;
        Some(DeadLetterWay {
            accepted_at: letter.envelope.time,
            letter,
            published_at: row.published_at,
            sweeps: row.sweeps,
            steps: row.steps.iter().cloned().collect(),
        })
    }
}

#[async_trait]
impl EventLog for InMemoryStore {
    async fn lease(&self, queue: Queue, limit: usize, waiting_since: Option<Timestamp>) -> Result<Due> {
        let mut state = self.lock().await;
        let now = self.now();
        let ledger = &mut state.ledger;
        let deliveries = ledger.queues.entry(queue).or_default();
        let ids: Vec<_> =
            deliveries.due.iter().take_while(|(at, _)| *at <= now).take(limit).map(|(_, id)| *id).collect();
        let mut due = Due { found: ids.len(), ..Due::default() };
        for id in ids {
            let (Some(row), Some(envelope)) = (deliveries.rows.get_mut(&id), ledger.events.get(&id)) else { continue };
            if let Some(rest) = row.on_its_way(waiting_since) {
                deliveries.put_off(id, later(now, rest));
                due.put_off += 1;
                continue;
            }
            let again = row.published_at.is_some();
            let wait = LOOK_AGAIN_AFTER.saturating_mul(1 << row.sweeps.min(16)).min(LOOK_AGAIN_AT_MOST);
            row.published_at = Some(now);
            row.sweeps += u32::from(again);
            deliveries.put_off(id, later(now, wait));
            due.again += usize::from(again);
            due.events.push(Owed { queue, envelope: envelope.clone() });
        }
        due.events.sort_by_key(|owed| owed.envelope.id);
        Ok(due)
    }

    async fn give_back(&self, queue: Queue, ids: &[EventId]) -> Result<()> {
        let mut state = self.lock().await;
        let now = self.now();
        let deliveries = state.ledger.deliveries(queue);
        for id in ids {
            deliveries.unpublish(*id, later(now, GIVEN_BACK_FOR));
        }
        Ok(())
    }

    async fn look_up(&self, ids: &[EventId]) -> Result<Vec<Envelope>> {
        let state = self.lock().await;
        Ok(ids.iter().filter_map(|id| state.ledger.events.get(id).cloned()).collect())
    }

    async fn settle(&self, queue: Queue, ids: &[EventId]) -> Result<u64> {
        let mut state = self.lock().await;
        Ok(ids.iter().map(|id| u64::from(state.ledger.take(queue, *id))).sum())
    }

    async fn begin_attempt(&self, queue: Queue, id: EventId, settings: &QueueSettings) -> Result<Attempt> {
        let mut state = self.lock().await;
        let now = self.now();
        let State { ledger, desk, .. } = &mut *state;
        let deliveries = ledger.deliveries(queue);
        let Some(row) = deliveries.rows.get_mut(&id) else {
            return Ok(Attempt::Gone);
        };
        if row.dead.is_some() {
            return Ok(Attempt::Dead);
        }
        let lost = usize::from(row.is_being_tried());
        if lost > 0 {
            row.note(now, StepKind::Failed, WORKER_LOST);
            desk.add(queue, 0, 1);
        }
        let dies = row.tries >= settings.attempts;
        count_failures(queue, lost, usize::from(dies));
        if dies {
            let error = row.last_error().unwrap_or_else(|| NO_ATTEMPT_LEFT.to_owned());
            deliveries.bury(id, now, error);
            return Ok(Attempt::Dead);
        }
        row.tries += 1;
        row.note(now, StepKind::RunAfterLoss, "");
        Ok(Attempt::Run)
    }

    async fn undo_attempt(&self, queue: Queue, id: EventId) -> Result<()> {
        let mut state = self.lock().await;
        if let Some(row) = state.ledger.deliveries(queue).rows.get_mut(&id).filter(|row| row.is_being_tried()) {
            row.steps.pop_back();
            row.tries -= 1;
        }
        Ok(())
    }

    async fn fail(&self, queue: Queue, failures: &[Failure], settings: &QueueSettings) -> Result<Vec<EventId>> {
        let mut state = self.lock().await;
        let now = self.now();
        let State { ledger, desk, .. } = &mut *state;
        let deliveries = ledger.deliveries(queue);
        let mut failed = 0;
        let mut died = Vec::new();
        for failure in failures {
            let Some(row) = deliveries.rows.get_mut(&failure.event_id).filter(|row| row.dead.is_none()) else {
                continue;
            };
            failed += 1;
            row.tries += u32::from(!row.is_being_tried());
            row.note(now, StepKind::Failed, &failure.error);
            match failure.verdict {
                Verdict::Held => {}
                Verdict::Retry if row.tries < settings.attempts => {
                    let back = later(now, settings.backoff(row.tries, rand::random()));
                    deliveries.unpublish(failure.event_id, back);
                }
                Verdict::Retry | Verdict::Reject => {
                    deliveries.bury(failure.event_id, now, failure.error.clone());
                    died.push(failure.event_id);
                }
            }
        }
        desk.add(queue, 0, failed as u64);
        count_failures(queue, failed, died.len());
        Ok(died)
    }

    async fn reject_entry(&self, queue: Queue, raw: &str, reason: &str) -> Result<()> {
        let mut state = self.lock().await;
        let rejected_at = self.now();
        let rejected = &mut state.ledger.rejected;
        if rejected.len() == REJECTED_KEPT {
            rejected.pop_front();
        }
        let raw = raw.chars().take(REJECTED_CHARS).collect();
        rejected.push_back(RejectedEntry { queue, raw, reason: reason.to_owned(), rejected_at });
        Ok(())
    }

    async fn dead_letters(&self, queue: Queue, after: Option<EventId>, limit: usize) -> Result<Vec<DeadLetter>> {
        Ok(self.lock().await.ledger.letters(queue, &DeadFilter::default(), after).take(limit).collect())
    }

    async fn redrive(&self, queue: Queue, which: &DeadSelection) -> Result<u64> {
        let redriven = self.lock().await.ledger.redrive(queue, which, self.now());
        if redriven > 0 {
            self.handover.ring(queue);
        }
        Ok(redriven)
    }

    async fn discard(&self, queue: Queue, which: &DeadSelection) -> Result<u64> {
        Ok(self.lock().await.ledger.discard(queue, which))
    }

    async fn backlog(&self) -> Result<Vec<Backlog>> {
        let mut state = self.lock().await;
        let ledger = &mut state.ledger;
        let backlog = |queue| {
            let deliveries = ledger.queues.entry(queue).or_default();
            let dead = deliveries.rows.values().filter(|row| row.dead.is_some()).count();
            let oldest = deliveries.rows.iter().find(|(_, row)| row.dead.is_none());
            Backlog {
                queue,
                owed: (deliveries.rows.len() - dead) as u64,
                unpublished: deliveries.rows.values().filter(|row| row.is_unpublished()).count() as u64,
                dead: dead as u64,
                oldest: oldest.and_then(|(id, _)| ledger.events.get(id)).map(|envelope| envelope.time),
            }
        };
        Ok(Queue::ALL.into_iter().map(backlog).collect())
    }

    async fn traceparents(&self, ids: &[EventId]) -> Result<Vec<String>> {
        let state = self.lock().await;
        let found = ids.iter().filter_map(|id| state.ledger.events.get(id)?.traceparent.clone());
        Ok(found.collect::<BTreeSet<_>>().into_iter().collect())
    }

    async fn prune(&self, keep: Duration) -> Result<u64> {
        let mut state = self.lock().await;
        let ledger = &mut state.ledger;
        let before = self.now().checked_sub(keep).unwrap_or(Timestamp::MIN);
        let queues = &ledger.queues;
        let kept = ledger.events.len();
        if ledger.events.values().any(|envelope| envelope.time < before) {
            ledger.pruned_until = ledger.pruned_until.max(Some(before));
        }
        ledger.events.retain(|id, envelope| {
            envelope.time >= before || queues.values().any(|deliveries| deliveries.rows.contains_key(id))
        });
        Ok((kept - ledger.events.len()) as u64)
    }
}

impl InMemoryStore {
    /// The entries that were no events, oldest first: the last 1,000.
    pub async fn rejected_entries(&self) -> Vec<RejectedEntry> {
        self.lock().await.ledger.rejected.iter().cloned().collect()
    }

    /// Whether a look would find something, for tests that break just those.
    pub async fn is_due(&self, queue: Queue) -> bool {
        let now = self.now();
        let mut state = self.lock().await;
        state.ledger.deliveries(queue).due.first().is_some_and(|(at, _)| *at <= now)
    }

    /// Tells another time of an event, for tests: the times of events decide what makes one activity.
    pub async fn redate(&self, id: EventId, time: Timestamp) {
        if let Some(envelope) = self.lock().await.ledger.events.get_mut(&id) {
            envelope.time = time;
        }
    }

    /// Tells another type of an event, for tests: one that a later release wrote.
    pub async fn retype(&self, id: EventId, kind: &str) {
        if let Some(envelope) = self.lock().await.ledger.events.get_mut(&id) {
            envelope.kind = kind.to_owned();
        }
    }

    /// Every event that is kept, in the order in which they were accepted.
    pub async fn events(&self) -> Vec<Envelope> {
        self.lock().await.ledger.events.values().cloned().collect()
    }
}

fn passed(since: Timestamp, until: Timestamp) -> Duration {
    until.duration_since(since).try_into().unwrap_or_default()
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
