//! What operators see and do, for as long as the process lives.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::{EventId, UserId};
use cardwire_events::operations::{
    Action, AuditEntry, AuditId, DeadLetterWay, Gauges, KEEP_SAMPLES, NewEntry, Operator, Pause, REBUILD_LEASE,
    Rebuild, RebuildId, RebuildLease, Rebuilds, SAMPLE_EVERY, Sample, WorkHistory,
};
use cardwire_events::{DeadFilter, DeadLetter, Envelope, Queue, Result};
use jiff::Timestamp;
use serde_json::Value;

use super::kept::Desk;
use super::store::InMemoryStore;

/// How many entries of the audit log are kept; the oldest go first.
const ENTRIES_KEPT: usize = 10_000;

impl Desk {
    pub(super) fn add(&mut self, queue: Queue, processed: u64, failed: u64) {
        let totals = self.totals.entry(queue).or_default();
        *totals = (totals.0 + processed, totals.1 + failed);
    }

    fn write(&mut self, at: Timestamp, by: &UserId, entry: &NewEntry, affected: u64, completed: bool) -> AuditId {
        if self.audit.len() == ENTRIES_KEPT {
            self.audit.pop_front();
        }
        self.last_entry += 1;
        let id = AuditId(self.last_entry);
        let NewEntry { action, queue, target, parameters } = entry.clone();
        let (action, completed_at) = (action.to_owned(), completed.then_some(at));
        self.audit.push_back(AuditEntry {
            id,
            at,
            by: by.clone(),
            action,
            queue,
            target,
            parameters,
            affected,
            completed_at,
        });
        id
    }

    fn pause(&mut self, pause: Pause) -> u64 {
        match self.pauses.contains_key(&pause.queue) {
            true => 0,
            false => {
                self.pauses.insert(pause.queue, pause);
                1
            }
        }
    }

    fn resume(&mut self, queue: Queue) -> u64 {
        u64::from(self.pauses.remove(&queue).is_some())
    }

    /// The rebuild, if this lease holds it.
    fn held(&mut self, lease: RebuildLease, id: RebuildId) -> Option<&mut Rebuild> {
        let holds = self.lease.is_some_and(|(holder, _)| holder == lease);
        self.rebuild.as_mut().filter(|rebuild| holds && rebuild.id == id && rebuild.finished_at.is_none())
    }
}

/// As PostgreSQL matches: `text` occurs in a text value of the event.
pub(super) fn matches(filter: &DeadFilter, envelope: &Envelope, error: &str) -> bool {
    let DeadFilter { kind, text, error: wanted } = filter;
    let within = |whole: &str, part: &str| whole.to_lowercase().contains(&part.to_lowercase());
    kind.as_ref().is_none_or(|kind| *kind == envelope.kind)
        && wanted.as_ref().is_none_or(|wanted| within(error, wanted))
        && text.as_ref().is_none_or(|text| {
            let event = serde_json::to_value(envelope).unwrap_or_default();
            any_text(&event, &|value| within(value, text))
        })
}

fn any_text(value: &Value, found: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => found(text),
        Value::Array(values) => values.iter().any(|value| any_text(value, found)),
        Value::Object(fields) => fields.values().any(|value| any_text(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[async_trait]
impl Operator for InMemoryStore {
    async fn act(&self, by: &UserId, action: &Action) -> Result<u64> {
        let now = self.now();
        let mut state = self.lock().await;
        let affected = match action {
            Action::Redrive { queue, which } => state.ledger.redrive(*queue, which, now),
            Action::Discard { queue, which } => state.ledger.discard(*queue, which),
            Action::Pause { queue, reason } => {
                let pause = Pause { queue: *queue, since: now, by: by.clone(), reason: reason.clone() };
                state.desk.pause(pause)
            }
            Action::Resume { queue } => state.desk.resume(*queue),
            Action::Redeliver { queue } => state.ledger.redeliver(*queue, now),
        };
        state.desk.write(now, by, &action.entry(), affected, true);
        if affected > 0 {
            action.entry().queue.into_iter().for_each(|queue| self.handover.ring(queue));
        }
        Ok(affected)
    }

    async fn begin(&self, by: &UserId, entry: &NewEntry) -> Result<AuditId> {
        let now = self.now();
        Ok(self.lock().await.desk.write(now, by, entry, 0, false))
    }

    async fn complete(&self, id: AuditId, affected: u64) -> Result<()> {
        let now = self.now();
        let mut state = self.lock().await;
        let open = |entry: &&mut AuditEntry| entry.id == id && entry.completed_at.is_none();
        if let Some(entry) = state.desk.audit.iter_mut().find(open) {
            entry.affected += affected;
            entry.completed_at = Some(now);
        }
        Ok(())
    }

    async fn audit(&self, before: Option<AuditId>, limit: usize) -> Result<Vec<AuditEntry>> {
        let state = self.lock().await;
        let newest = state.desk.audit.iter().rev();
        Ok(newest.filter(|entry| before.is_none_or(|before| entry.id < before)).take(limit).cloned().collect())
    }

    async fn matching(
        &self,
        queue: Queue,
        filter: &DeadFilter,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        Ok(self.lock().await.ledger.letters(queue, filter, after).take(limit).collect())
    }

    async fn count_matching(&self, queue: Queue, filter: &DeadFilter) -> Result<u64> {
        Ok(self.lock().await.ledger.letters(queue, filter, None).count() as u64)
    }

    async fn way(&self, queue: Queue, id: EventId) -> Result<Option<DeadLetterWay>> {
        Ok(self.lock().await.ledger.way(queue, id))
    }

    async fn pauses(&self) -> Result<Vec<Pause>> {
        let mut pauses: Vec<Pause> = self.lock().await.desk.pauses.values().cloned().collect();
        pauses.sort_by_key(|pause| pause.queue.name());
        Ok(pauses)
    }
}

#[async_trait]
impl WorkHistory for InMemoryStore {
    async fn add_work(&self, queue: Queue, processed: u64, failed: u64) -> Result<()> {
        let mut state = self.lock().await;
        state.desk.add(queue, processed, failed);
        Ok(())
    }

    async fn take_turn(&self) -> Result<Option<Timestamp>> {
        let slot = stretch_of(self.now(), SAMPLE_EVERY);
        let mut state = self.lock().await;
        let mine = state.desk.turn.is_none_or(|last| last < slot);
        if mine {
            state.desk.turn = Some(slot);
        }
        Ok(mine.then_some(slot))
    }

    async fn keep(&self, at: Timestamp, measured: &[Gauges]) -> Result<()> {
        let now = self.now();
        let mut state = self.lock().await;
        let desk = &mut state.desk;
        for gauges in measured {
            if desk.samples.iter().any(|sample| sample.at == at && sample.gauges.queue == gauges.queue) {
                continue;
            }
            let (processed, failed) = desk.totals.get(&gauges.queue).copied().unwrap_or_default();
            desk.samples.push_back(Sample { at, gauges: *gauges, processed, failed });
        }
        desk.samples.retain(|sample| age(now, sample.at) <= KEEP_SAMPLES);
        Ok(())
    }

    async fn history(&self, queue: Queue, period: Duration, points: u32) -> Result<Vec<Sample>> {
        let now = self.now();
        let state = self.lock().await;
        let mut stretches: BTreeMap<Timestamp, Sample> = BTreeMap::new();
        let stretch = Sample::stretch(period, points);
        let of_queue = state.desk.samples.iter().filter(|sample| sample.gauges.queue == queue);
        for sample in of_queue.filter(|sample| age(now, sample.at) < period) {
            stretches
                .entry(stretch_of(sample.at, stretch))
                .and_modify(|highest| *highest = highest_of(*highest, *sample))
                .or_insert(*sample);
        }
        Ok(stretches.into_values().collect())
    }
}

fn age(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

/// When the stretch began that this moment is in.
fn stretch_of(at: Timestamp, length: Duration) -> Timestamp {
    let length_s = i64::try_from(length.as_secs()).unwrap_or(i64::MAX).max(1);
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(length_s)).unwrap_or(at)
}

fn highest_of(a: Sample, b: Sample) -> Sample {
    Sample {
        at: a.at.max(b.at),
        gauges: Gauges {
            queue: a.gauges.queue,
            waiting: a.gauges.waiting.max(b.gauges.waiting),
            in_flight: a.gauges.in_flight.max(b.gauges.in_flight),
            suspects: a.gauges.suspects.max(b.gauges.suspects),
            workers: a.gauges.workers.max(b.gauges.workers),
            owed: a.gauges.owed.max(b.gauges.owed),
            unpublished: a.gauges.unpublished.max(b.gauges.unpublished),
            dead: a.gauges.dead.max(b.gauges.dead),
            oldest_age_s: a.gauges.oldest_age_s.max(b.gauges.oldest_age_s),
        },
        processed: a.processed.max(b.processed),
        failed: a.failed.max(b.failed),
    }
}

#[async_trait]
impl Rebuilds for InMemoryStore {
    async fn request(&self, by: &UserId) -> Result<(Rebuild, bool)> {
        let now = self.now();
        let mut state = self.lock().await;
        let desk = &mut state.desk;
        let open = desk.rebuild.clone().filter(|rebuild| rebuild.finished_at.is_none());
        let (new, rebuild) = match open {
            Some(rebuild) => (false, rebuild),
            None => {
                let last = desk.rebuild.as_ref().map_or(0, |rebuild| rebuild.id.0);
                let rebuild = Rebuild {
                    id: RebuildId(last + 1),
                    requested_by: by.clone(),
                    requested_at: now,
                    started_at: None,
                    finished_at: None,
                    error: None,
                    after: None,
                    done: 0,
                    total: None,
                };
                desk.lease = None;
                desk.rebuild = Some(rebuild.clone());
                (true, rebuild)
            }
        };
        desk.write(now, by, &NewEntry::rebuild_search(), u64::from(new), true);
        Ok((rebuild, new))
    }

    async fn latest(&self) -> Result<Option<Rebuild>> {
        Ok(self.lock().await.desk.rebuild.clone())
    }

    async fn claim(&self, lease: RebuildLease) -> Result<Option<Rebuild>> {
        let now = self.now();
        let mut state = self.lock().await;
        let desk = &mut state.desk;
        if desk.lease.is_some_and(|(_, until)| until > now) {
            return Ok(None);
        }
        let Some(rebuild) = desk.rebuild.as_mut().filter(|rebuild| rebuild.finished_at.is_none()) else {
            return Ok(None);
        };
        rebuild.started_at = rebuild.started_at.or(Some(now));
        desk.lease = Some((lease, leased_until(now)));
        Ok(Some(rebuild.clone()))
    }

    async fn advance(&self, lease: RebuildLease, rebuild: &Rebuild) -> Result<bool> {
        let now = self.now();
        let mut state = self.lock().await;
        let Some(held) = state.desk.held(lease, rebuild.id) else { return Ok(false) };
        (held.after, held.done, held.total) = (rebuild.after, rebuild.done, rebuild.total);
        held.error.clone_from(&rebuild.error);
        state.desk.lease = Some((lease, leased_until(now)));
        Ok(true)
    }

    async fn finish(&self, lease: RebuildLease, id: RebuildId, error: Option<&str>) -> Result<bool> {
        let now = self.now();
        let mut state = self.lock().await;
        let Some(held) = state.desk.held(lease, id) else { return Ok(false) };
        held.finished_at = Some(now);
        held.error = error.map(str::to_owned).or(held.error.take());
        state.desk.lease = None;
        Ok(true)
    }
}

fn leased_until(now: Timestamp) -> Timestamp {
    now.checked_add(REBUILD_LEASE).unwrap_or(Timestamp::MAX)
}
