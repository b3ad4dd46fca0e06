//! The effect of the `records` queue, with faults.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::records::{
    Attempt, Done, Ending, FailingPerson, FailingTotals, PublishingState, RecordCounts, RecordRepository, RecordTotals,
    Todo, Turn,
};
use cardwire_domain::{RecordedEvent, Result, UserId};
use cardwire_events::Queue;

use super::{FaultPoint, Seam};

pub struct FaultyRecords {
    pub seam: Seam,
    pub inner: Arc<dyn RecordRepository>,
}

#[async_trait]
impl RecordRepository for FaultyRecords {
    async fn owe(&self, events: &[RecordedEvent], connects: bool) -> Result<usize> {
        let owe = || {
            let (inner, events) = (self.inner.clone(), events.to_vec());
            self.seam.effect(Queue::Records, async move { inner.owe(&events, connects).await }, |taken| *taken)
        };
        self.seam.at(FaultPoint::Owe, owe).await
    }

    async fn connect(&self, person: &UserId, did: &str) -> Result<()> {
        self.seam.through(self.inner.connect(person, did)).await
    }

    async fn disconnect(&self, person: &UserId) -> Result<()> {
        self.seam.through(self.inner.disconnect(person)).await
    }

    async fn publish_again(&self, person: &UserId) -> Result<()> {
        self.seam.through(self.inner.publish_again(person)).await
    }

    async fn record_counts(&self, person: &UserId) -> Result<Option<RecordCounts>> {
        self.seam.through(self.inner.record_counts(person)).await
    }

    async fn record_totals(&self) -> Result<RecordTotals> {
        self.seam.through(self.inner.record_totals()).await
    }

    async fn failing_totals(&self) -> Result<FailingTotals> {
        self.seam.through(self.inner.failing_totals()).await
    }

    async fn failing_people(
        &self,
        state: PublishingState,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<FailingPerson>> {
        self.seam.through(self.inner.failing_people(state, after, limit)).await
    }

    async fn begin_turn(&self, lease: Duration) -> Result<Option<Turn>> {
        self.seam.through(self.inner.begin_turn(lease)).await
    }

    async fn owe_everything(&self, turn: &Turn) -> Result<()> {
        self.seam.through(self.inner.owe_everything(turn)).await
    }

    async fn todo(&self, turn: &Turn, limit: usize) -> Result<Vec<Todo>> {
        self.seam.through(self.inner.todo(turn, limit)).await
    }

    async fn taken(&self, turn: &Turn, keys: &[(String, String)]) -> Result<Vec<(String, String)>> {
        self.seam.through(self.inner.taken(turn, keys)).await
    }

    async fn attempt(&self, turn: &Turn, attempts: &[Attempt], points: u32, lease: Duration) -> Result<bool> {
        self.seam.through(self.inner.attempt(turn, attempts, points, lease)).await
    }

    async fn end_turn(&self, turn: &Turn, done: &[Done], ending: &Ending) -> Result<bool> {
        self.seam.through(self.inner.end_turn(turn, done, ending)).await
    }
}
