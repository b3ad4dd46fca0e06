//! One claimed batch, from its entries to its acknowledgement.

use std::sync::Arc;

use cardwire_domain::{EventId, RecordedEvent};
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{EventWorker, Finished, HANDLER_TIMEOUT, RENEW_EVERY};
use crate::envelope::Message;
use crate::error::Error;
use crate::log::{Attempt, Failure, Verdict};
use crate::port::{Claim, Outcome, all};
use crate::trace::{Batch, Operation};

/// A service is unavailable: the batch goes back and nothing is counted.
struct Away(String);

impl From<Error> for Away {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl EventWorker {
    pub(super) async fn run_batch(&self, claim: Claim) -> Finished {
        let mut lease = JoinSet::new();
        let (worker, kept) = (self.clone(), claim.clone());
        lease.spawn(async move { worker.keep_lease(&kept).await });
        let result = self.work(&claim).await;
        lease.shutdown().await;
        match result {
            Ok(()) => match self.subscriber.ack(&claim).await {
                Ok(()) => {
                    self.count_processed(claim.entries.len());
                    Finished::Acked
                }
                // The effects are recorded; copies that come again find nothing to take.
                Err(error) => {
                    tracing::warn!(queue = %self.queue, %error, "could not acknowledge a batch");
                    Finished::Unavailable
                }
            },
            Err(Away(why)) => {
                tracing::warn!(queue = %self.queue, why, "what the events need is away; they go back");
                if let Err(error) = self.subscriber.release(&claim).await {
                    tracing::warn!(queue = %self.queue, %error, "could not give a batch back; its lease runs out");
                }
                Finished::Unavailable
            }
        }
    }

    /// Renews the lease until dropped, or until it is lost.
    pub(super) async fn keep_lease(&self, claim: &Claim) {
        let mut tick = interval(RENEW_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.tick().await;
        loop {
            tick.tick().await;
            match self.subscriber.renew(claim).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(queue = %self.queue, batch = %claim.batch, "a lease was lost; another worker has the events");
                    return;
                }
                Err(error) => tracing::warn!(queue = %self.queue, %error, "could not renew a lease"),
            }
        }
    }

    async fn work(&self, claim: &Claim) -> Result<(), Away> {
        let mut events = Vec::with_capacity(claim.entries.len());
        let mut unread = Vec::new();
        let mut trace = Batch::begin(Operation::Process, self.queue, claim.entries.len());
        for entry in &claim.entries {
            let message = match Message::parse(entry) {
                Ok(message) => message,
                Err(reason) => {
                    metrics::counter!("cardwire_entries_rejected_total", "queue" => self.queue.name()).increment(1);
                    tracing::warn!(queue = %self.queue, %reason, "an entry is no event");
                    self.log.reject_entry(self.queue, entry, &reason.to_string()).await?;
                    continue;
                }
            };
            if trace.is_traced() {
                trace.event(message.id, message.traceparent.as_deref());
            }
            match message.decode() {
                Ok(event) => {
                    let age = Timestamp::now().duration_since(event.occurred_at).as_secs_f64();
                    metrics::histogram!("cardwire_event_age_seconds", "queue" => self.queue.name())
                        .record(age.max(0.0));
                    events.push(event);
                }
                Err(_) => unread.push(message.id),
            }
        }
        let mut failures = self.read_in_log(unread, &mut events).await?;
        // Copies of one event in one batch count as one event.
        events.sort_by_key(|event| event.id);
        events.dedup_by_key(|event| event.id);

        let run = self.run_events(claim, &events, &mut failures).await;
        if run.is_err() {
            trace.all_failed();
        }
        failures.iter().for_each(|failure| trace.failed(failure.event_id));
        drop(trace);
        run?;
        self.book(failures).await
    }

    /// Adds the events of entries that could not be read. An event fails only if it cannot be read in the log either.
    async fn read_in_log(&self, ids: Vec<EventId>, events: &mut Vec<RecordedEvent>) -> Result<Vec<Failure>, Away> {
        let mut failures = Vec::new();
        if ids.is_empty() {
            return Ok(failures);
        }
        for envelope in self.log.look_up(&ids).await? {
            match envelope.decode() {
                Ok(event) => events.push(event),
                Err(reason) => {
                    let error = reason.to_string();
                    failures.push(Failure { event_id: envelope.id, error, verdict: Verdict::Reject });
                }
            }
        }
        Ok(failures)
    }

    async fn run_events(
        &self,
        claim: &Claim,
        events: &[RecordedEvent],
        failures: &mut Vec<Failure>,
    ) -> Result<(), Away> {
        match events.first() {
            Some(event) if claim.suspect => self.run_after_counting(event, failures).await,
            _ => self.run_together(events, failures).await,
        }
    }

    /// Runs all at once. An event that fails together with others is run again alone before it counts.
    async fn run_together(&self, events: &[RecordedEvent], failures: &mut Vec<Failure>) -> Result<(), Away> {
        let outcomes = self.handle(events).await;
        for (event, outcome) in events.iter().zip(outcomes) {
            let outcome = match outcome {
                Outcome::Retry(_) if events.len() > 1 => self.handle(std::slice::from_ref(event)).await.remove(0),
                outcome => outcome,
            };
            self.measure(event, &outcome);
            failures.extend(failure(event.id, outcome)?);
        }
        Ok(())
    }

    async fn run_after_counting(&self, event: &RecordedEvent, failures: &mut Vec<Failure>) -> Result<(), Away> {
        match self.log.begin_attempt(self.queue, event.id, &self.settings).await? {
            Attempt::Gone => {}
            Attempt::Dead => {
                tracing::error!(queue = %self.queue, event = %event.id, "an event that never came back is a dead letter");
            }
            Attempt::Run => {
                let outcome = self.handle(std::slice::from_ref(event)).await.remove(0);
                if matches!(outcome, Outcome::Unavailable(_)) {
                    self.log.undo_attempt(self.queue, event.id).await?;
                }
                self.measure(event, &outcome);
                failures.extend(failure(event.id, outcome)?);
            }
        }
        Ok(())
    }

    fn measure(&self, event: &RecordedEvent, outcome: &Outcome) {
        if *outcome == Outcome::Done && self.handler.takes_effect() {
            self.progress.took.took_effect(self.queue, event.occurred_at);
        }
    }

    /// One outcome for each event, no matter what the handler does: it may hang, panic, or miscount.
    async fn handle(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        if events.is_empty() {
            return Vec::new();
        }
        let (handler, owned) = (Arc::clone(&self.handler), events.to_vec());
        // In its own task, so that a panic is an outcome; the set ends it together with us.
        let mut task = JoinSet::new();
        task.spawn(async move { handler.handle(&owned).await });
        match timeout(HANDLER_TIMEOUT, task.join_next()).await {
            Ok(Some(Ok(outcomes))) if outcomes.len() == events.len() => outcomes,
            Ok(Some(Ok(outcomes))) => {
                let why = format!("the handler answered {} outcomes for {} events", outcomes.len(), events.len());
                all(events, &Outcome::Retry(why))
            }
            Ok(Some(Err(error))) => all(events, &Outcome::Retry(format!("the handler failed: {error}"))),
            Ok(None) => all(events, &Outcome::Retry("the handler was never run".into())),
            Err(_) => all(events, &Outcome::Retry(format!("the handler took over {} s", HANDLER_TIMEOUT.as_secs()))),
        }
    }

    async fn book(&self, mut failures: Vec<Failure>) -> Result<(), Away> {
        if failures.is_empty() {
            return Ok(());
        }
        // Copies of one event that nobody understands count as one event too.
        failures.sort_by_key(|failure| failure.event_id);
        failures.dedup_by_key(|failure| failure.event_id);
        for failure in &failures {
            tracing::warn!(queue = %self.queue, event = %failure.event_id, error = failure.error, "an event failed");
        }
        for event in self.log.fail(self.queue, &failures, &self.settings).await? {
            tracing::error!(queue = %self.queue, %event, "an event is a dead letter");
        }
        Ok(())
    }
}

fn failure(event_id: EventId, outcome: Outcome) -> Result<Option<Failure>, Away> {
    match outcome {
        Outcome::Done => Ok(None),
        Outcome::Retry(error) => Ok(Some(Failure { event_id, error, verdict: Verdict::Retry })),
        Outcome::Reject(error) => Ok(Some(Failure { event_id, error, verdict: Verdict::Reject })),
        Outcome::Unavailable(why) => Err(Away(why)),
    }
}
