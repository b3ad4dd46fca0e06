//! Publishes people's records in turns, several people at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cardwire_atproto::Repos;
use cardwire_domain::records::{Done, Ending, Outcome, RecordRepository, Subject, Tid, Todo, Turn};
use cardwire_domain::{Error, Result};
use futures_util::future::{join, join_all};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::plan::{Planner, Write};
use super::send::{self, Refusal, Servers};
use super::value::Names;

#[derive(Clone, Debug)]
pub struct RecordSettings {
    /// The prefix of collection names in a repository.
    pub prefix: String,
    /// How many people's turns run at once.
    pub lanes: usize,
    /// Between checks while nobody is due.
    pub poll: Duration,
    /// After an error of the store.
    pub pause_after_error: Duration,
    /// A turn that takes longer than this may be taken over by another process. More than twice the patience: requests
    /// from one turn must not arrive during the next.
    pub lease: Duration,
    /// How long a server may take for one call.
    pub patience: Duration,
    /// Between updates of everybody's figures.
    pub measure_every: Duration,
}

impl RecordSettings {
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            lanes: 8,
            poll: Duration::from_millis(500),
            pause_after_error: Duration::from_secs(2),
            lease: Duration::from_secs(65),
            patience: Duration::from_secs(30),
            measure_every: Duration::from_secs(15),
        }
    }
}

/// As many as a server takes in one commit.
const BATCH: usize = 200;
/// This many records are sent one by one in a turn: each may use up all of our patience with the server.
const ONE_BY_ONE: usize = 20;
/// How long a turn may go on after the process is told to stop. Other work still has to finish then.
const TURNS_END_WITHIN: Duration = Duration::from_secs(10);
/// How many keys are tried for one record, each after one that another record has.
const KEYS: usize = 16;

/// Publishes what is owed, no matter to whom it belongs.
pub struct RecordLoop {
    records: Arc<dyn RecordRepository>,
    repos: Arc<dyn Repos>,
    settings: RecordSettings,
}

impl RecordLoop {
    pub fn new(records: Arc<dyn RecordRepository>, repos: Arc<dyn Repos>, settings: RecordSettings) -> Self {
        Self { records, repos, settings }
    }

    /// Runs until `stop`; running turns then have some seconds to end. If they do not, or the future is dropped, their
    /// leases run out and another process continues: unconfirmed records are sent again, to the same keys.
    pub async fn run(&self, stop: CancellationToken) {
        let lanes = (0..self.settings.lanes).map(|_| self.work(&stop));
        let too_long = async {
            stop.cancelled().await;
            sleep(TURNS_END_WITHIN).await;
        };
        tokio::select! {
            _ = join(join_all(lanes), self.measure(&stop)) => {}
            () = too_long => tracing::info!("a repository's server is slow; its turn ends with its lease"),
        }
    }

    async fn work(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let wait = match self.take_turn().await {
                Ok(true) => continue,
                Ok(false) => self.settings.poll,
                Err(error) => {
                    tracing::warn!(%error, "records wait for the store");
                    self.settings.pause_after_error
                }
            };
            pause(wait, stop).await;
        }
    }

    async fn measure(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.records.record_totals().await {
                Ok(totals) => {
                    metrics::gauge!("cardwire_records_waiting").set(totals.waiting as f64);
                    metrics::gauge!("cardwire_record_people").set(totals.people as f64);
                    metrics::gauge!("cardwire_record_people_failing").set(totals.failing as f64);
                }
                Err(error) => tracing::debug!(%error, "records were not counted"),
            }
            pause(self.settings.measure_every, stop).await;
        }
    }

    /// One person's turn. False: nobody is due.
    ///
    /// # Errors
    /// If the store cannot answer. Then its lease runs out, and the turn is taken again.
    pub async fn take_turn(&self) -> Result<bool> {
        let Some(turn) = self.records.begin_turn(self.settings.lease).await? else { return Ok(false) };
        if turn.is_new {
            self.records.owe_everything(&turn).await?;
        }
        let (done, ending) = self.publish(&turn).await?;
        for done in &done {
            if let Some(name) = named(&done.outcome) {
                metrics::counter!("cardwire_records_total", "outcome" => name).increment(1);
            }
        }
        match &ending {
            Ending::Paused { reason, pause, .. } => {
                tracing::info!(person = %turn.person, reason, ?pause, "publishing pauses for this person");
            }
            Ending::Ended(reason) => {
                tracing::info!(person = %turn.person, reason, "publishing ends until they connect again")
            }
            Ending::Further | Ending::OutOfBudget(_) | Ending::NotConnected => {}
        }
        if !self.records.end_turn(&turn, &done, &ending).await? {
            tracing::debug!(person = %turn.person, "somebody else publishes for this person now");
        }
        Ok(true)
    }

    async fn publish(&self, turn: &Turn) -> Result<(Vec<Done>, Ending)> {
        let todo = self.records.todo(turn, BATCH).await?;
        let names = Names { prefix: self.settings.prefix.clone() };
        let keys = self.keys(turn, &names, &todo).await?;
        let left = turn.spent.left(turn.now);
        let plan = Planner { turn, names: &names, keys: &keys, left }.plan(todo);
        let (mut done, mut writes) = (plan.done, plan.writes);
        let ending = match plan.is_out_of_budget {
            true => Ending::OutOfBudget(turn.spent.free_in(turn.now).max(Duration::from_secs(60))),
            false => Ending::Further,
        };
        if writes.is_empty() {
            return Ok((done, ending));
        }
        let is_alone = writes.len() == 1 || writes.iter().any(|write| write.is_doubtful);
        if is_alone {
            writes.truncate(ONE_BY_ONE);
        }
        let points = writes.iter().map(Write::points).sum();
        let attempts: Vec<_> = writes.iter().map(|write| write.attempt.clone()).collect();
        if !self.records.attempt(turn, &attempts, points, self.settings.lease).await? {
            return Err(Error::Stale);
        }
        let refused = match is_alone {
            true => self.one_by_one(turn, &writes, &mut done).await,
            false => self.together(turn, &writes, &mut done).await,
        };
        Ok((done, refused.unwrap_or(ending)))
    }

    fn servers(&self) -> Servers<'_> {
        Servers { repos: &*self.repos, patience: self.settings.patience }
    }

    async fn together(&self, turn: &Turn, writes: &[Write], done: &mut Vec<Done>) -> Option<Ending> {
        match send::several(self.servers(), turn, writes).await {
            Ok(outcomes) => {
                done.extend(writes.iter().zip(outcomes).map(|(write, outcome)| write.done(outcome)));
                None
            }
            // One of them is at fault, or exists already. They are in doubt now, so the next turn sends them one by
            // one.
            Err(Refusal::Content(reason)) => {
                tracing::debug!(person = %turn.person, reason, "records are sent one by one");
                Some(Ending::Further)
            }
            Err(Refusal::Turn(ending)) => Some(ending),
        }
    }

    /// Stops at the first that fails, since later ones may refer to it.
    async fn one_by_one(&self, turn: &Turn, writes: &[Write], done: &mut Vec<Done>) -> Option<Ending> {
        let begun = Instant::now();
        for write in writes {
            // A slow server must not cost us the lease.
            if begun.elapsed() >= self.settings.lease / 2 {
                return Some(Ending::Further);
            }
            match send::one(self.servers(), turn, write).await {
                Ok(outcome) => done.push(write.done(outcome)),
                Err(Refusal::Content(reason)) => {
                    done.push(write.done(Outcome::Refused(reason)));
                    return Some(Ending::Further);
                }
                Err(Refusal::Turn(ending)) => {
                    // If the server fails because of this record, others come first next time.
                    if let Ending::Paused { pause, is_asked: false, .. } = &ending {
                        done.push(write.done(Outcome::Later(pause.saturating_mul(2))));
                    }
                    return Some(ending);
                }
            }
        }
        None
    }

    /// Chooses keys for records without one.
    async fn keys(&self, turn: &Turn, names: &Names, todo: &[Todo]) -> Result<BTreeMap<Subject, String>> {
        let is_new = |item: &&Todo| item.kept.is_none() && item.wanted.is_some();
        let mut open: Vec<(Subject, Tid)> =
            todo.iter().filter(is_new).map(|item| (item.subject, Tid::of(item.subject.id))).collect();
        let mut used: BTreeSet<(String, String)> = BTreeSet::new();
        let mut keys = BTreeMap::new();
        for _ in 0..KEYS {
            if open.is_empty() {
                break;
            }
            let place = |(subject, tid): &(Subject, Tid)| (names.nsid(subject.kind), tid.to_string());
            let wanted: Vec<(String, String)> = open.iter().map(place).collect();
            let taken: BTreeSet<_> = self.records.taken(turn, &wanted).await?.into_iter().collect();
            let mut again = Vec::new();
            for ((subject, tid), place) in open.into_iter().zip(wanted) {
                if taken.contains(&place) || !used.insert(place) {
                    again.push((subject, tid.next()));
                } else {
                    keys.insert(subject, tid.to_string());
                }
            }
            open = again;
        }
        Ok(keys)
    }
}

const fn named(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Published { .. } => Some("published"),
        Outcome::Deleted => Some("deleted"),
        Outcome::Refused(_) => Some("refused"),
        Outcome::Unchanged | Outcome::Later(_) => None,
    }
}

async fn pause(wait: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = sleep(wait) => {}
    }
}
