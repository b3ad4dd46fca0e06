use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::EventId;
use cardwire_events::redis::{Connection, Repeat, Value};
use jiff::Timestamp;

use super::keys::Keys;
use super::{effect, scripts};
use crate::error::{Error, Result};
use crate::lock::OwnerToken;
use crate::pending::{PendingActivity, PendingEvent, SagaKey};
use crate::store::{
    CLAIMED_EVENTS, CLAIMED_OF_ONE, ClaimedWindow, FULL_WINDOW, OpenWindow, Place, ReleaseReason, SHOWN_EVENTS,
    SHOWN_WHOLE, SagaStateStore, count_contended,
};
use crate::timing::Timing;

/// Events merged by one script.
const MERGED_AT_ONCE: usize = 128;
/// Windows committed or released by one script.
const WINDOWS_AT_ONCE: usize = 256;
/// Fields of a window from which on it is read and removed bit by bit, and about so many at a time.
const READ_AT_ONCE: usize = 1_000;
/// Windows that nothing flushes are forgotten after this long, in seconds.
const LEAK_GUARD_S: u32 = 7 * 24 * 3_600;
/// The field of a window that is no event.
const FAILURES: &[u8] = b"failures";

/// Keeps windows in Redis; time is Redis' time.
pub struct RedisSagaStateStore {
    connection: Connection,
    keys: Keys,
    timing: Timing,
    /// Where the next claim starts, so that no partition always comes last.
    first: AtomicU16,
}

impl RedisSagaStateStore {
    /// `partitions` must be the same in all processes.
    pub fn new(connection: Connection, partitions: u16, timing: Timing) -> Self {
        let keys = Keys::new(partitions, connection.is_cluster());
        Self { connection, keys, timing, first: AtomicU16::new(0) }
    }

    async fn claim(&self, limit: usize, which: &str) -> Result<Vec<ClaimedWindow>> {
        let token = OwnerToken::generate();
        let count = self.keys.partitions();
        let first = self.first.fetch_add(1, Ordering::Relaxed) % count;
        let mut claimed = Vec::new();
        for partition in (first..count).chain(0..first) {
            let room = limit - claimed.len();
            if room == 0 {
                break;
            }
            match self.claim_partition(partition, room, which, token).await {
                Ok(windows) => claimed.extend(windows),
                Err(error) if claimed.is_empty() => return Err(error),
                // What is claimed is not held up by a partition that is away; the next call will say so again.
                Err(error) => {
                    tracing::warn!(%error, partition, "a partition's windows cannot be claimed");
                    break;
                }
            }
        }
        Ok(claimed)
    }

    async fn claim_partition(
        &self,
        partition: u16,
        limit: usize,
        which: &str,
        token: OwnerToken,
    ) -> Result<Vec<ClaimedWindow>> {
        let args = vec![
            self.keys.lock_prefix(partition).into(),
            self.keys.pending_prefix(partition).into(),
            token.to_string().into(),
            limit.min(WINDOWS_AT_ONCE).to_string().into(),
            self.timing.lock.as_millis().to_string().into(),
            which.into(),
            CLAIMED_EVENTS.to_string().into(),
            READ_AT_ONCE.to_string().into(),
        ];
        let keys = vec![self.keys.due(partition).into()];
        let answer: Value = self.connection.script(&scripts::CLAIM_DUE, keys, args, Repeat::Never).await?;
        let mut claimed = Vec::new();
        let mut unread = None;
        let mut answered = rows(answer).into_iter();
        count_contended(answered.next().as_ref().and_then(Value::as_u64).unwrap_or_default());
        for window in answered {
            let [name, late_ms, large, fields] = row(window)?;
            let Some(key) = key_of(&name) else {
                self.forget(partition, &name).await?;
                continue;
            };
            let mut read = Fields::new(key);
            read.add(fields);
            if number(&large)? == 1 {
                // While Redis is away the others are not tried: the windows in hand would wait for time-outs. Whoever finds them when
                // their locks have expired reads them.
                if matches!(unread, Some(Error::Unavailable(_))) {
                    continue;
                }
                if let Err(error) = self.read_large(&mut read).await {
                    tracing::warn!(%error, key = %read.pending.key, "a window was claimed that cannot be read now");
                    unread = Some(error);
                    continue;
                }
            }
            let Fields { pending, failures, unreadable } = read;
            let late = Duration::from_millis(u64::try_from(number(&late_ms)?).unwrap_or_default());
            let unreadable = unreadable.into_iter().collect();
            claimed.push(ClaimedWindow { pending, token, failures, late, unreadable });
        }
        match unread {
            Some(error) if claimed.is_empty() => Err(error),
            _ => Ok(claimed),
        }
    }

    /// Adds the events of a window, [`CLAIMED_OF_ONE`] at most.
    async fn read_large(&self, read: &mut Fields) -> Result<()> {
        let pending = Value::from(self.keys.pending(&read.pending.key));
        let mut cursor = Value::from("0");
        loop {
            let args = vec![pending.clone(), cursor, "COUNT".into(), READ_AT_ONCE.to_string().into()];
            let answer: Value = self.connection.command("HSCAN", args, Repeat::Harmless).await?;
            let [next, fields] = row(answer)?;
            read.add(fields);
            if next.as_bytes() == Some(b"0") || read.is_full() {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// Removes what stands among the due windows and is none.
    async fn forget(&self, partition: u16, name: &Value) -> Result<()> {
        tracing::error!(partition, ?name, "dropping a due time that belongs to no window");
        let name = name.as_bytes().unwrap_or_default();
        for prefix in [self.keys.pending_prefix(partition), self.keys.lock_prefix(partition)] {
            let key = bytes([prefix.as_bytes(), name].concat());
            self.connection.command::<Value>("UNLINK", vec![key], Repeat::Harmless).await?;
        }
        let args = vec![self.keys.due(partition).into(), bytes(name.to_vec())];
        self.connection.command::<Value>("ZREM", args, Repeat::Harmless).await?;
        Ok(())
    }

    /// Removes what was read of a window, but for a last portion, whose names it returns.
    async fn remove_but_the_last(&self, window: &ClaimedWindow) -> Result<Vec<Value>> {
        let ids: Vec<&EventId> = window.pending.members.keys().collect();
        let (first, last) = ids.split_at(ids.len().saturating_sub(1) / READ_AT_ONCE * READ_AT_ONCE);
        for portion in first.chunks(READ_AT_ONCE) {
            let mut args = vec![Value::from(self.keys.pending(window.key()))];
            args.extend(portion.iter().map(|id| Value::from(id.to_string())));
            self.connection.command::<Value>("HDEL", args, Repeat::Harmless).await?;
        }
        let mut names: Vec<Value> = last.iter().map(|id| Value::from(id.to_string())).collect();
        names.extend(window.unreadable.iter().map(|name| bytes(name.clone())));
        Ok(names)
    }

    /// In portions that one script may take, each of one partition.
    fn portions<'a>(&self, windows: &'a [ClaimedWindow]) -> Vec<(u16, Vec<&'a ClaimedWindow>)> {
        let mut partitions: BTreeMap<u16, Vec<&ClaimedWindow>> = BTreeMap::new();
        for window in windows {
            partitions.entry(self.keys.partition(window.key())).or_default().push(window);
        }
        let mut portions: Vec<(u16, Vec<&ClaimedWindow>)> = Vec::new();
        for (partition, windows) in partitions {
            let (mut portion, mut events) = (Vec::new(), 0);
            for window in windows {
                events += window.pending.members.len() + window.unreadable.len();
                if !portion.is_empty() && (portion.len() == WINDOWS_AT_ONCE || events > CLAIMED_EVENTS) {
                    portions.push((partition, std::mem::take(&mut portion)));
                    events = window.pending.members.len() + window.unreadable.len();
                }
                portion.push(window);
            }
            portions.push((partition, portion));
        }
        portions
    }

    /// `due`, then the pending and lock keys of each.
    fn keys_of(&self, partition: u16, windows: &[&ClaimedWindow]) -> Vec<Value> {
        let mut keys = vec![self.keys.due(partition).into()];
        for window in windows {
            keys.push(self.keys.pending(window.key()).into());
            keys.push(self.keys.lock(window.key()).into());
        }
        keys
    }

    fn pending_prefix_len(&self, partition: u16) -> Value {
        self.keys.pending_prefix(partition).len().to_string().into()
    }

    async fn open_in(&self, partition: u16, after: Option<&Place>, limit: usize) -> Result<Vec<OpenWindow>> {
        let (due_at, key) = match after {
            Some(place) => (place.due_at.as_millisecond().to_string(), place.key.to_string()),
            None => Default::default(),
        };
        let args = vec![
            self.keys.lock_prefix(partition).into(),
            self.keys.pending_prefix(partition).into(),
            limit.to_string().into(),
            due_at.into(),
            key.into(),
            SHOWN_EVENTS.to_string().into(),
            CLAIMED_EVENTS.to_string().into(),
            SHOWN_WHOLE.to_string().into(),
        ];
        let keys = vec![self.keys.due(partition).into()];
        let answer: Value = self.connection.script(&scripts::OPEN, keys, args, Repeat::Harmless).await?;
        let mut open = Vec::new();
        for window in rows(answer) {
            let [name, due_at, locked, events, failures, fields] = row(window)?;
            // Whatever is no window goes with the next claim.
            let (Some(key), Ok(due_at)) = (key_of(&name), Timestamp::from_millisecond(number(&due_at)?)) else {
                continue;
            };
            let mut read = Fields::new(key);
            read.add(fields);
            open.push(OpenWindow {
                pending: read.pending,
                events: u64::try_from(number(&events)?).unwrap_or_default(),
                due_at,
                locked: number(&locked)? == 1,
                failures: u32::try_from(number(&failures)?).unwrap_or_default(),
            });
        }
        Ok(open)
    }
}

#[async_trait]
impl SagaStateStore for RedisSagaStateStore {
    async fn merge(&self, events: &[PendingEvent]) -> Result<bool> {
        let mut partitions: BTreeMap<u16, Vec<&PendingEvent>> = BTreeMap::new();
        for event in events {
            partitions.entry(self.keys.partition(&event.key())).or_default().push(event);
        }
        let mut due_at_once = false;
        for (partition, events) in partitions {
            for portion in events.chunks(MERGED_AT_ONCE) {
                let mut keys = vec![Value::from(self.keys.due(partition))];
                let mut args = vec![
                    self.timing.window.as_millis().to_string().into(),
                    LEAK_GUARD_S.into(),
                    FULL_WINDOW.to_string().into(),
                    self.pending_prefix_len(partition),
                ];
                let mut numbers = BTreeMap::new();
                for event in portion {
                    let number = *numbers.entry(event.key()).or_insert_with_key(|key| {
                        keys.push(self.keys.pending(key).into());
                        keys.len() - 1
                    });
                    args.push(number.to_string().into());
                    args.push(event.member.event_id.to_string().into());
                    args.push(effect::write(&event.member).into());
                }
                let filled: i64 = self.connection.script(&scripts::MERGE, keys, args, Repeat::Harmless).await?;
                due_at_once |= filled == 1;
            }
        }
        Ok(due_at_once)
    }

    async fn hold(&self, events: &[PendingEvent]) -> Result<Vec<bool>> {
        let mut partitions: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (place, event) in events.iter().enumerate() {
            partitions.entry(self.keys.partition(&event.key())).or_default().push(place);
        }
        let mut held = vec![false; events.len()];
        for (partition, places) in partitions {
            for portion in places.chunks(MERGED_AT_ONCE) {
                let mut keys = vec![Value::from(self.keys.due(partition))];
                let mut args = vec![self.pending_prefix_len(partition)];
                let mut numbers = BTreeMap::new();
                for event in portion.iter().map(|place| &events[*place]) {
                    let number = *numbers.entry(event.key()).or_insert_with_key(|key| {
                        keys.push(self.keys.pending(key).into());
                        keys.len() - 1
                    });
                    args.push(number.to_string().into());
                    args.push(event.member.event_id.to_string().into());
                }
                let answers: Vec<i64> = self.connection.script(&scripts::HOLD, keys, args, Repeat::Harmless).await?;
                for (place, answer) in portion.iter().zip(answers) {
                    held[*place] = answer == 1;
                }
            }
        }
        Ok(held)
    }

    async fn claim_due(&self, limit: usize) -> Result<Vec<ClaimedWindow>> {
        self.claim(limit, "due").await
    }

    async fn claim_all(&self, limit: usize) -> Result<Vec<ClaimedWindow>> {
        self.claim(limit, "all").await
    }

    async fn commit(&self, windows: &[ClaimedWindow]) -> Result<()> {
        for (partition, portion) in self.portions(windows) {
            let mut args = vec![self.pending_prefix_len(partition), LEAK_GUARD_S.into()];
            for window in &portion {
                let last = self.remove_but_the_last(window).await?;
                args.push(window.token.to_string().into());
                args.push(last.len().to_string().into());
                args.extend(last);
            }
            let keys = self.keys_of(partition, &portion);
            self.connection.script::<Value>(&scripts::COMMIT, keys, args, Repeat::Harmless).await?;
        }
        Ok(())
    }

    async fn release(&self, windows: &[ClaimedWindow], reason: ReleaseReason) -> Result<()> {
        let (mode, wait) = match reason {
            ReleaseReason::Unavailable => ("unavailable", self.timing.pause),
            ReleaseReason::Failed => ("failed", self.timing.backoff),
        };
        for (partition, portion) in self.portions(windows) {
            let mut args = vec![self.pending_prefix_len(partition), mode.into(), wait.as_millis().to_string().into()];
            args.extend(portion.iter().map(|window| Value::from(window.token.to_string())));
            let keys = self.keys_of(partition, &portion);
            self.connection.script::<Value>(&scripts::RELEASE, keys, args, Repeat::Harmless).await?;
        }
        Ok(())
    }

    async fn open(&self, after: Option<&Place>, limit: usize) -> Result<Vec<OpenWindow>> {
        let mut open = Vec::new();
        for partition in 0..self.keys.partitions() {
            open.extend(self.open_in(partition, after, limit).await?);
        }
        open.sort_by_cached_key(OpenWindow::place);
        // Equal due times of another partition that come before `after`.
        open.retain(|window| after.is_none_or(|after| window.place() > *after));
        open.truncate(limit);
        Ok(open)
    }

    async fn open_count(&self) -> Result<u64> {
        let mut count = 0;
        for partition in 0..self.keys.partitions() {
            let due = vec![Value::from(self.keys.due(partition))];
            count += self.connection.command::<u64>("ZCARD", due, Repeat::Harmless).await?;
        }
        Ok(count)
    }

    async fn flush_now(&self, key: &SagaKey) -> Result<bool> {
        let due = self.keys.due(self.keys.partition(key));
        let keys = vec![due.into(), self.keys.pending(key).into(), self.keys.lock(key).into()];
        let args = vec![key.to_string().into()];
        let found: i64 = self.connection.script(&scripts::FLUSH_NOW, keys, args, Repeat::Harmless).await?;
        Ok(found == 1)
    }

    async fn next_due(&self) -> Result<Option<Duration>> {
        let mut next: Option<Duration> = None;
        for partition in 0..self.keys.partitions() {
            let keys = vec![self.keys.due(partition).into()];
            let answer: Value = self.connection.script(&scripts::NEXT_DUE, keys, Vec::new(), Repeat::Harmless).await?;
            if !answer.is_null() {
                let wait = Duration::from_millis(u64::try_from(number(&answer)?).unwrap_or_default());
                next = Some(next.map_or(wait, |next| next.min(wait)));
            }
        }
        Ok(next)
    }
}

/// The fields of one window.
struct Fields {
    pending: PendingActivity,
    failures: u32,
    unreadable: BTreeSet<Vec<u8>>,
}

impl Fields {
    const fn new(key: SagaKey) -> Self {
        Self { pending: PendingActivity::new(key), failures: 0, unreadable: BTreeSet::new() }
    }

    /// Fields that were added before change nothing.
    fn add(&mut self, fields: Value) {
        let mut fields = rows(fields).into_iter();
        while let (Some(name), Some(value)) = (fields.next(), fields.next())
            && !self.is_full()
        {
            let (name, value) = (name.as_bytes().unwrap_or_default(), value.as_bytes().unwrap_or_default());
            if name == FAILURES {
                self.failures = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
            } else if let Some(member) = effect::read(name, value) {
                self.pending.merge(member);
            } else {
                self.unreadable.insert(name.to_vec());
            }
        }
    }

    fn is_full(&self) -> bool {
        self.pending.members.len() + self.unreadable.len() >= CLAIMED_OF_ONE
    }
}

/// `None`: somebody else's, or not in the one form that we write.
fn key_of(name: &Value) -> Option<SagaKey> {
    let text = std::str::from_utf8(name.as_bytes()?).ok()?;
    text.parse().ok().filter(|key: &SagaKey| key.to_string() == text)
}

fn rows(answer: Value) -> Vec<Value> {
    match answer {
        Value::Array(rows) => rows,
        _ => Vec::new(),
    }
}

fn row<const N: usize>(row: Value) -> Result<[Value; N]> {
    rows(row).try_into().map_err(|row| Error::Corrupt(format!("a row of {N} was expected, not {row:?}")))
}

fn number(value: &Value) -> Result<i64> {
    value.as_i64().ok_or_else(|| Error::Corrupt(format!("a number was expected, not {value:?}")))
}

fn bytes(bytes: Vec<u8>) -> Value {
    Value::from(bytes.into_boxed_slice())
}
