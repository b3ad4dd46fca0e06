use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fred::types::Value;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use ulid::Ulid;

use super::bell::Bell;
use super::connection::{Connection, Repeat};
use super::{keys, scripts};
use crate::error::{Error, Result};
use crate::port::{Claim, Depth, EventSubscriber};
use crate::queue::Queue;

/// One claim takes at most this many entries.
pub const MAX_BATCH: usize = 128;
/// Batches whose fate is unknown. Beyond this, the oldest is left to its lease.
const UNCERTAIN: usize = 64;

/// Takes entries from the lists of one queue.
///
/// A claim that fails or is dropped may have taken a batch all the same, so the next claim asks for that very batch. If
/// there is no next claim, its lease runs out and its entries become suspects.
#[derive(Clone)]
pub struct RedisEventSubscriber {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    queue: Queue,
    partitions: u16,
    lease: Duration,
    agreed: AtomicBool,
    /// Where the next claim looks first, so that partitions take turns.
    turn: AtomicU16,
    uncertain: Mutex<Vec<(u16, Ulid)>>,
    /// Created by the first call that waits; asking for the depth needs no connection.
    bell: OnceCell<Bell>,
}

impl RedisEventSubscriber {
    /// Must be called on the main runtime. `partitions` must be the same in all processes. The first use checks that;
    /// [`RedisEventSubscriber::agree`] does so at once.
    ///
    /// # Errors
    /// `Misconfigured` when the connection's settings can never work.
    pub fn new(connection: Connection, queue: Queue, partitions: u16, lease: Duration) -> Result<Self> {
        let partitions = partitions.max(1);
        let inner = Inner {
            connection,
            queue,
            partitions,
            lease,
            agreed: AtomicBool::new(false),
            turn: AtomicU16::new(0),
            uncertain: Mutex::default(),
            bell: OnceCell::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Compares the number of partitions and the deployment with those of the other processes.
    ///
    /// # Errors
    /// `Misconfigured` when theirs differ.
    pub async fn agree(&self) -> Result<()> {
        let inner = &self.inner;
        agree(&inner.connection, inner.queue, inner.partitions).await?;
        inner.agreed.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// The first process decides how many partitions a queue has and which deployment the Redis belongs to.
pub async fn agree(connection: &Connection, queue: Queue, partitions: u16) -> Result<()> {
    own(connection).await?;
    let key = keys::partitions(queue);
    let (keys, args) = (vec![key.as_str().into()], vec![i64::from(partitions).into()]);
    let agreed: String = connection.script(&scripts::AGREE, keys, args, Repeat::Harmless).await?;
    match agreed == partitions.to_string() {
        true => Ok(()),
        false => Err(Error::Misconfigured(
            "Redis",
            format!(
                "queue {queue} has {agreed} partitions there and {partitions} in this process; use the same number \
                 everywhere, or stop all processes and delete {key} and the queue's other keys"
            ),
        )),
    }
}

/// The first deployment owns the Redis until its keys are lost or deleted.
///
/// # Errors
/// `Misconfigured` if another one owns it. `Unavailable` while the id of ours is not known.
async fn own(connection: &Connection) -> Result<()> {
    let Some(deployment) = connection.deployment() else { return Ok(()) };
    let Ok(Some(ours)) = timeout(connection.timings().command, deployment.id()).await else {
        return Err(Error::Unavailable("PostgreSQL", "it has not told which deployment this is".into()));
    };
    let (keys, args) = (vec![keys::DEPLOYMENT.into()], vec![ours.as_str().into()]);
    let owner: String = connection.script(&scripts::AGREE, keys, args, Repeat::Harmless).await?;
    match owner == ours {
        true => Ok(()),
        false => Err(Error::Misconfigured(
            "Redis",
            format!(
                "it belongs to another deployment ({owner}; the database of this one says {ours}); give each deployment a Redis of \
                 its own, or a database number of its own in REDIS_URL; if the other one is gone, delete its keys \
                 (docs/operate/REDIS.md, \"One deployment\")"
            ),
        )),
    }
}

impl Inner {
    fn listen(&self) -> Result<Bell> {
        let bells = (0..self.partitions).map(|partition| keys::bell(self.queue, partition)).collect();
        Bell::new(&self.connection, bells)
    }

    async fn claim_from(&self, partition: u16, max: usize) -> Result<Option<Claim>> {
        let ticket = Ticket::draw(&self.uncertain, partition);
        let batch = ticket.batch;
        let (queue, name) = (self.queue, batch.to_string());
        let keys: Vec<Value> = vec![
            keys::wait(queue, partition).into(),
            keys::suspect(queue, partition).into(),
            keys::leases(queue, partition).into(),
            keys::bell(queue, partition).into(),
            bytes(keys::claim(queue, partition, name.as_bytes())),
        ];
        let max = i64::try_from(max.clamp(1, MAX_BATCH)).expect("128 is small");
        let args = vec![name.into(), max.into(), self.lease_ms()];
        let answer = self.connection.script(&scripts::CLAIM, keys, args, Repeat::Harmless).await;
        if matches!(answer, Err(Error::Unavailable(..))) {
            return answer.map(|_: Value| None);
        }
        ticket.settle();
        let (suspect, entries) = match answer? {
            Value::Null => return Ok(None),
            value => {
                value.convert::<(i64, Vec<Value>)>().map_err(|error| Error::Corrupt("Redis", error.to_string()))?
            }
        };
        // What is not text is not an event either. The worker loop records it, changed or not.
        let entries = entries.iter().map(|entry| entry.as_str_lossy().unwrap_or_default().into_owned()).collect();
        Ok(Some(Claim { batch, partition, entries, suspect: suspect == 1 }))
    }

    async fn reclaim_from(&self, partition: u16) -> Result<usize> {
        let queue = self.queue;
        let fixed = || -> Vec<Value> {
            vec![
                keys::leases(queue, partition).into(),
                keys::suspect(queue, partition).into(),
                keys::bell(queue, partition).into(),
            ]
        };
        let run = |keys, args| self.connection.script::<Value>(&scripts::RECLAIM, keys, args, Repeat::Harmless);
        let corrupt = |error: fred::error::Error| Error::Corrupt("Redis", error.to_string());
        let expired: Vec<Value> = run(fixed(), Vec::new()).await?.convert().map_err(corrupt)?;
        if expired.is_empty() {
            return Ok(0);
        }
        let claims =
            expired.iter().map(|batch| bytes(keys::claim(queue, partition, batch.as_bytes().unwrap_or_default())));
        let keys = fixed().into_iter().chain(claims).collect();
        run(keys, expired).await?.convert().map_err(corrupt)
    }

    async fn depth_of(&self, partition: u16) -> Result<Depth> {
        let queue = self.queue;
        let range = vec![keys::leases(queue, partition).into(), Value::from(0), Value::from(-1)];
        let batches: Vec<Value> = self.connection.command("ZRANGE", range, Repeat::Harmless).await?;
        let mut keys: Vec<Value> = vec![keys::wait(queue, partition).into(), keys::suspect(queue, partition).into()];
        keys.extend(
            batches.iter().map(|batch| bytes(keys::claim(queue, partition, batch.as_bytes().unwrap_or_default()))),
        );
        let sizes: Vec<usize> = self.connection.script(&scripts::SIZES, keys, Vec::new(), Repeat::Harmless).await?;
        match sizes.as_slice() {
            [waiting, suspects, claimed @ ..] => {
                Ok(Depth { waiting: *waiting, suspects: *suspects, in_flight: claimed.iter().sum() })
            }
            _ => Err(Error::Corrupt("Redis", "fewer sizes than lists".into())),
        }
    }

    fn claim_key(&self, claim: &Claim) -> Value {
        bytes(keys::claim(self.queue, claim.partition, claim.batch.to_string().as_bytes()))
    }

    fn lease_ms(&self) -> Value {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX).into()
    }
}

#[async_trait]
impl EventSubscriber for RedisEventSubscriber {
    async fn claim(&self, max: usize) -> Result<Option<Claim>> {
        let inner = &self.inner;
        if !inner.agreed.load(Ordering::Relaxed) {
            self.agree().await?;
        }
        let first = inner.turn.fetch_add(1, Ordering::Relaxed) % inner.partitions;
        for partition in (first..inner.partitions).chain(0..first) {
            if let Some(claim) = inner.claim_from(partition, max).await? {
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    async fn ack(&self, claim: &Claim) -> Result<()> {
        let inner = &self.inner;
        let keys = vec![keys::leases(inner.queue, claim.partition).into(), inner.claim_key(claim)];
        let args = vec![claim.batch.to_string().into()];
        inner.connection.script::<i64>(&scripts::ACK, keys, args, Repeat::Harmless).await.map(|_| ())
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let (inner, queue, partition) = (&self.inner, self.inner.queue, claim.partition);
        let back = if claim.suspect { keys::suspect(queue, partition) } else { keys::wait(queue, partition) };
        let keys = vec![
            back.into(),
            keys::leases(queue, partition).into(),
            keys::bell(queue, partition).into(),
            inner.claim_key(claim),
        ];
        let args = vec![claim.batch.to_string().into()];
        inner.connection.script::<i64>(&scripts::RELEASE, keys, args, Repeat::Harmless).await.map(|_| ())
    }

    async fn renew(&self, claim: &Claim) -> Result<bool> {
        let inner = &self.inner;
        let keys = vec![keys::leases(inner.queue, claim.partition).into()];
        let args = vec![claim.batch.to_string().into(), inner.lease_ms()];
        let held: i64 = inner.connection.script(&scripts::RENEW, keys, args, Repeat::Harmless).await?;
        Ok(held == 1)
    }

    async fn reclaim(&self) -> Result<usize> {
        // Redis may have lost the agreement with everything else, and another process may have come first since.
        self.agree().await?;
        let mut moved = 0;
        for partition in 0..self.inner.partitions {
            moved += self.inner.reclaim_from(partition).await?;
        }
        Ok(moved)
    }

    async fn wait(&self) -> Result<()> {
        let bell = self.inner.bell.get_or_try_init(async || self.inner.listen()).await?;
        bell.wait().await;
        Ok(())
    }

    async fn depth(&self) -> Result<Depth> {
        let mut depth = Depth::default();
        for partition in 0..self.inner.partitions {
            let part = self.inner.depth_of(partition).await?;
            depth.waiting += part.waiting;
            depth.suspects += part.suspects;
            depth.in_flight += part.in_flight;
        }
        Ok(depth)
    }
}

fn bytes(key: Vec<u8>) -> Value {
    Value::Bytes(key.into())
}

/// The batch that a claim asks for. Until an answer comes, the next claim asks for it again.
struct Ticket<'a> {
    uncertain: &'a Mutex<Vec<(u16, Ulid)>>,
    partition: u16,
    batch: Ulid,
    settled: bool,
}

impl<'a> Ticket<'a> {
    fn draw(uncertain: &'a Mutex<Vec<(u16, Ulid)>>, partition: u16) -> Self {
        let mut batches = uncertain.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = match batches.iter().position(|(of, _)| *of == partition) {
            Some(index) => batches.remove(index).1,
            None => Ulid::generate(),
        };
        Self { uncertain, partition, batch, settled: false }
    }

    fn settle(mut self) {
        self.settled = true;
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.settled {
            let mut batches = self.uncertain.lock().unwrap_or_else(PoisonError::into_inner);
            if batches.len() == UNCERTAIN {
                batches.remove(0);
            }
            batches.push((self.partition, self.batch));
        }
    }
}
