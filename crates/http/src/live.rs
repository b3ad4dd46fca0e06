//! The live feed of a process: one look into the store for all its readers.
//!
//! While somebody reads, one task follows the stream and keeps the last activities, ready to be sent. A reader who stands
//! among them is served from there; one who comes back from further behind reads the store until it has caught up.
//! Each reader gets every activity behind its cursor, once and in order, since both sources have the stream's order.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Bytes, BytesMut};
use cardwire_domain::feed::{FeedItem, FeedRepository, StreamCursor};
use futures_util::poll;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::address::network;

/// Activities read from the store at once.
const BATCH: usize = 100;
/// Activities kept for readers, and how long. Readers who were away for longer read the store, so that they are not told what was
/// removed or made private in the meantime.
const KEEP: usize = 1_000;
const KEEP_FOR: Duration = Duration::from_millis(500);
/// How long one look into the store may take.
const LOOK: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
pub struct LiveSettings {
    pub max_connections: usize,
    /// From each address, or IPv6 customer. This machine's own do not count: behind a proxy here everybody has them.
    pub max_per_address: usize,
    /// A comment is sent when nothing else was for this long.
    pub heartbeat: Duration,
    /// How often to look for news without a hint.
    pub poll: Duration,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            max_connections: 1_000,
            max_per_address: 20,
            heartbeat: Duration::from_secs(15),
            poll: Duration::from_secs(2),
        }
    }
}

/// Writes an activity as a reader gets it.
pub type Write = fn(FeedItem) -> serde_json::Result<String>;

/// The live feed's share of the process. Clones share it.
#[derive(Clone)]
pub struct Live {
    pub shutdown: CancellationToken,
    pub settings: LiveSettings,
    slots: Arc<Semaphore>,
    readers: Readers,
    tail: Arc<Tail>,
}

/// How many read from each address; one that nobody reads from is forgotten.
type Readers = Arc<Mutex<BTreeMap<IpAddr, usize>>>;

impl Live {
    /// Starts the task that follows the stream, on the runtime it is called on: not on that of a server thread. `shutdown` ends it and
    /// every reader, and makes the process not ready.
    pub fn new(
        feed: Arc<dyn FeedRepository>,
        write: Write,
        settings: LiveSettings,
        shutdown: CancellationToken,
    ) -> Self {
        let (recent, joined) = (watch::Sender::default(), Notify::new());
        let tail = Arc::new(Tail { feed, write, poll: settings.poll, recent, joined });
        let (following, stop) = (tail.clone(), shutdown.clone());
        tokio::spawn(async move {
            // Looks are only cut short, nothing is half-done.
            stop.run_until_cancelled(following.run()).await;
        });
        let slots = Arc::new(Semaphore::new(settings.max_connections));
        Self { shutdown, settings, slots, readers: Readers::default(), tail }
    }

    /// For a reader at `address` who has seen everything up to `after`; `None` when there are as many as may be.
    pub fn read(&self, after: StreamCursor, address: Option<IpAddr>) -> Option<Follower> {
        let slot = self.slot(address)?;
        let recent = self.tail.recent.subscribe();
        self.tail.joined.notify_one();
        Some(Follower { tail: self.tail.clone(), recent, after, failing: false, _slot: slot })
    }

    fn slot(&self, address: Option<IpAddr>) -> Option<Slot> {
        let permit = self.slots.clone().try_acquire_owned().ok()?;
        let address = address.filter(|address| !address.to_canonical().is_loopback()).map(network);
        if let Some(address) = address {
            let mut readers = self.readers.lock();
            let count = readers.get(&address).copied().unwrap_or_default();
            if count >= self.settings.max_per_address {
                return None;
            }
            readers.insert(address, count + 1);
        }
        metrics::gauge!("cardwire_sse_connections").increment(1.0);
        Some(Slot { _permit: permit, counted: address.map(|address| (self.readers.clone(), address)) })
    }
}

/// A place among the live readers, counted while it is held.
struct Slot {
    _permit: OwnedSemaphorePermit,
    counted: Option<(Readers, IpAddr)>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some((readers, address)) = &self.counted {
            let mut readers = readers.lock();
            match readers.get(address).copied() {
                Some(count) if count > 1 => {
                    readers.insert(*address, count - 1);
                }
                _ => {
                    readers.remove(address);
                }
            }
        }
        metrics::gauge!("cardwire_sse_connections").decrement(1.0);
    }
}

/// What was told lately.
#[derive(Default)]
struct Recent {
    /// Behind here nothing is missing in `told`. `None`: nobody follows the stream.
    from: Option<StreamCursor>,
    told: VecDeque<Told>,
}

struct Told {
    cursor: StreamCursor,
    block: Bytes,
    at: Instant,
}

impl Told {
    fn is_old(&self) -> bool {
        self.at.elapsed() > KEEP_FOR
    }
}

impl Recent {
    fn tell(&mut self, activities: Vec<(StreamCursor, Bytes)>) {
        let at = Instant::now();
        self.told.extend(activities.into_iter().map(|(cursor, block)| Told { cursor, block, at }));
        self.forget();
    }

    /// Who stands further behind than what is left reads the store.
    fn forget(&mut self) {
        while self.told.len() > KEEP || self.told.front().is_some_and(Told::is_old) {
            self.from = self.told.pop_front().map(|told| told.cursor);
        }
    }

    /// How far the stream was read. `None`: nobody follows it.
    fn reaches(&self) -> Option<StreamCursor> {
        self.told.back().map(|told| told.cursor).or(self.from)
    }

    /// `None`: `after` lies too far back.
    fn behind(&self, after: StreamCursor) -> Option<(StreamCursor, Bytes)> {
        self.from.filter(|from| *from <= after)?;
        let first = self.told.partition_point(|told| told.cursor <= after);
        if self.told.get(first).is_some_and(Told::is_old) {
            return None;
        }
        let mut found = (after, BytesMut::new());
        for told in self.told.range(first..).take(BATCH) {
            found.0 = told.cursor;
            found.1.extend_from_slice(&told.block);
        }
        Some((found.0, found.1.freeze()))
    }
}

struct Tail {
    feed: Arc<dyn FeedRepository>,
    write: Write,
    poll: Duration,
    recent: watch::Sender<Recent>,
    /// Rung by who begins to read.
    joined: Notify,
}

impl Tail {
    async fn run(&self) {
        loop {
            if self.recent.receiver_count() == 0 {
                self.joined.notified().await;
            }
            if let Err(error) = self.follow().await {
                tracing::warn!(%error, "the live feed cannot be read; trying on");
                sleep(self.poll).await;
                while self.recent.receiver_count() > 0 && self.feed.stream_end().await.is_err() {
                    sleep(self.poll).await;
                }
            }
            self.recent.send_modify(|recent| *recent = Recent::default());
        }
    }

    /// Until nobody reads.
    async fn follow(&self) -> Result<(), Failure> {
        let mut after = self.feed.stream_end().await?;
        self.recent.send_modify(|recent| *recent = Recent { from: Some(after), ..Recent::default() });
        while self.recent.receiver_count() > 0 {
            // Listening starts before looking, so that what comes in between is not missed.
            let mut hint = self.feed.stream_hint();
            let hinted = poll!(hint.as_mut()).is_ready();
            let found = self.look(after).await?;
            if let Some((last, _)) = found.last() {
                after = *last;
                self.recent.send_modify(|recent| recent.tell(found));
                continue;
            }
            // Nobody is told of that: no reader waits for it.
            self.recent.send_if_modified(|recent| {
                recent.forget();
                false
            });
            if !hinted {
                tokio::select! {
                    () = hint => {}
                    () = sleep(self.poll) => {}
                }
            }
        }
        Ok(())
    }

    async fn look(&self, after: StreamCursor) -> Result<Vec<(StreamCursor, Bytes)>, Failure> {
        let found = timeout(LOOK, self.feed.stream(after, BATCH)).await.map_err(|_| Failure::NoAnswer)??;
        found.into_iter().map(|(cursor, item)| Ok((cursor, block(cursor, &(self.write)(item)?)))).collect()
    }
}

/// Why the stream could not be read.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] cardwire_domain::Error),
    #[error("no answer in time")]
    NoAnswer,
    #[error("an activity cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

fn block(cursor: StreamCursor, data: &str) -> Bytes {
    let mut block = String::with_capacity(data.len() + 80);
    // Writing to a string cannot fail.
    let _ = write!(block, "id: {cursor}\nevent: activity\ndata: {data}\n\n");
    block.into()
}

/// Somebody who reads, from one activity to the next.
pub struct Follower {
    tail: Arc<Tail>,
    recent: watch::Receiver<Recent>,
    after: StreamCursor,
    failing: bool,
    _slot: Slot,
}

impl Follower {
    pub const fn after(&self) -> StreamCursor {
        self.after
    }

    /// Some activities behind those that it gave before, as soon as there are any. While the store is away it waits. May be dropped at any time:
    /// nothing is skipped.
    pub async fn next(&mut self) -> Bytes {
        loop {
            let (reached, recent) = {
                let recent = self.recent.borrow_and_update();
                (recent.reaches(), recent.behind(self.after))
            };
            match recent {
                Some((_, found)) if found.is_empty() => self.changed().await,
                Some((last, found)) => {
                    self.after = last;
                    return found;
                }
                None => match self.tail.look(self.after).await {
                    Ok(found) => {
                        self.failing = false;
                        let whole = found.len() < BATCH;
                        self.after = found.last().map_or(self.after, |(last, _)| *last);
                        // All up to there was to be seen by this look, which began later.
                        self.after = reached.filter(|_| whole).map_or(self.after, |reached| reached.max(self.after));
                        if !found.is_empty() {
                            return found
                                .into_iter()
                                .fold(BytesMut::new(), |mut blocks, (_, block)| {
                                    blocks.extend_from_slice(&block);
                                    blocks
                                })
                                .freeze();
                        }
                        if reached.is_none() {
                            self.changed().await;
                        }
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut self.failing, true) {
                            tracing::warn!(%error, "a reader of the live feed cannot catch up; trying on");
                        }
                        sleep(self.tail.poll).await;
                    }
                },
            }
        }
    }

    async fn changed(&mut self) {
        // An error means that the tail is gone, and `self` holds it.
        let _ = timeout(self.tail.poll, self.recent.changed()).await;
    }
}
