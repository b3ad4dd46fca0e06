//! The event log: events, and what is owed of them to each queue.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::{DomainEvent, EventId, RecordedEvent};
use cardwire_events::log::{NO_ATTEMPT_LEFT, RELAY_LEASE, SWEEP_AFTER, SWEEP_AT_MOST, WORKER_LOST, count_failures};
use cardwire_events::operations::{DeadLetterWay, MAX_STEPS, Step, StepKind};
use cardwire_events::{
    Attempt, Backlog, DeadFilter, DeadLetter, DeadSelection, Envelope, EventLog, Failure, Owed, Queue, QueueSettings,
    Result, Verdict, routes,
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

    fn due(&self, now: Timestamp) -> bool {
        self.claimed_until.is_none_or(|until| until <= now) && self.not_before.is_none_or(|from| from <= now)
    }

    fn overdue(&self, now: Timestamp) -> bool {
        let wait = SWEEP_AFTER.saturating_mul(1 << self.sweeps.min(16)).min(SWEEP_AT_MOST);
        self.dead.is_none() && self.published_at.is_some_and(|at| now >= later(at, wait))
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
    fn take(&mut self, id: EventId) -> bool {
        self.unpublished.remove(&id);
        self.rows.remove(&id).is_some()
    }

    fn bury(&mut self, id: EventId, now: Timestamp, error: String) {
        if let Some(row) = self.rows.get_mut(&id) {
            row.note(now, StepKind::Died, "");
            row.dead = Some((now, error));
            self.unpublished.remove(&id);
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

    /// Keeps the event and owes it to the queues of its route.
    pub(super) fn accept(&mut self, event: &DomainEvent, envelope: Envelope) {
        for queue in routes(event) {
            let deliveries = self.queues.entry(*queue).or_default();
            deliveries.rows.insert(envelope.id, Delivery::default());
            deliveries.unpublished.insert(envelope.id);
        }
        self.events.insert(envelope.id, envelope);
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
            let mut row = Delivery { steps, ..Delivery::default() };
            row.note(now, StepKind::Redriven, "");
            deliveries.rows.insert(*id, row);
            deliveries.unpublished.insert(*id);
        }
        selected.len() as u64
    }

    pub(super) fn discard(&mut self, queue: Queue, which: &DeadSelection) -> u64 {
        let selected = self.selected(queue, which);
        selected.iter().map(|id| u64::from(self.take(queue, *id))).sum()
    }

    /// Makes what is owed and not dead due and unpublished.
    pub(super) fn redeliver(&mut self, queue: Queue, now: Timestamp) -> u64 {
        let mut again = 0;
        let Deliveries { rows, unpublished } = self.deliveries(queue);
        let waiting = |row: &Delivery| row.published_at.is_some() || row.not_before.is_some_and(|from| from > now);
        for (id, row) in rows.iter_mut().filter(|(_, row)| row.dead.is_none() && waiting(row)) {
            row.published_at = None;
            row.claimed_until = None;
            row.not_before = None;
            unpublished.insert(*id);
            again += 1;
        }
        again
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
    async fn lease(&self, queues: &[Queue], limit: usize) -> Result<Vec<Owed>> {
        let mut state = self.lock().await;
        let now = self.now();
        let ledger = &mut state.ledger;
        let mut due: Vec<(EventId, Queue)> = Vec::new();
        for queue in queues {
            if let Some(deliveries) = ledger.queues.get(queue) {
                let ids = deliveries.unpublished.iter();
                let ids = ids.filter(|id| deliveries.rows.get(id).is_some_and(|row| row.due(now)));
                due.extend(ids.take(limit).map(|id| (*id, *queue)));
            }
        }
        due.sort_unstable();
        due.dedup();
        due.truncate(limit);
        let mut owed = Vec::with_capacity(due.len());
        for (id, queue) in due {
            if let Some(row) = ledger.deliveries(queue).rows.get_mut(&id) {
                row.claimed_until = Some(later(now, RELAY_LEASE));
            }
            if let Some(envelope) = ledger.events.get(&id) {
                owed.push(Owed { queue, envelope: envelope.clone() });
            }
        }
        Ok(owed)
    }

    async fn mark_published(&self, published: &[(Queue, EventId)]) -> Result<()> {
        let mut state = self.lock().await;
        let now = self.now();
        for (queue, id) in published {
            let deliveries = state.ledger.deliveries(*queue);
            // A lease that ended meanwhile (the event failed, or was redriven) books nothing.
            let leased = |row: &&mut Delivery| row.dead.is_none() && row.claimed_until.is_some();
            if let Some(row) = deliveries.rows.get_mut(id).filter(leased) {
                row.published_at = Some(now);
                row.claimed_until = None;
                deliveries.unpublished.remove(id);
            }
        }
        Ok(())
    }

    async fn sweep(&self) -> Result<u64> {
        let mut state = self.lock().await;
        let now = self.now();
        let mut swept = 0;
        let State { ledger, desk, .. } = &mut *state;
        for (_, deliveries) in ledger.queues.iter_mut().filter(|(queue, _)| desk.sweeps(**queue, now)) {
            for (id, row) in deliveries.rows.iter_mut().filter(|(_, row)| row.overdue(now)) {
                row.published_at = None;
                row.sweeps += 1;
                deliveries.unpublished.insert(*id);
                swept += 1;
            }
        }
        if swept > 0 {
            self.wake.ring();
        }
        Ok(swept)
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
                    row.not_before = Some(later(now, settings.backoff(row.tries, rand::random())));
                    row.published_at = None;
                    row.claimed_until = None;
                    deliveries.unpublished.insert(failure.event_id);
                }
                Verdict::Retry | Verdict::Reject => {
                    deliveries.bury(failure.event_id, now, failure.error.clone());
                    died.push(failure.event_id);
                }
            }
        }
        desk.add(queue, 0, failed as u64);
        count_failures(queue, failed, died.len());
        if !failures.is_empty() {
            self.wake.ring();
        }
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
            self.wake.ring();
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
                unpublished: deliveries.unpublished.len() as u64,
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

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
