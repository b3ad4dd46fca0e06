//! Files on their way to us. One takes memory as its bytes arrive, and a turn at being read only when all are here, so that a sender who
//! dawdles keeps nobody waiting.

use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::places::{Place, Places};
use crate::problem::{Problem, REQUEST_TIMEOUT, UNAVAILABLE};

/// Of all files that are arriving or being read.
const BYTES_IN_ALL: usize = 32 << 20;
/// While less than half of that is free, what is here may be held for so long, in seconds, before as much again must have come.
const HELD_S: usize = 30;
/// How many files are read at once. Reading one takes several times its size.
const READ_AT_ONCE: usize = 1;
/// How long a file waits to be read.
const PATIENCE: Duration = Duration::from_secs(10);

/// One file per person. Clones share the limits.
#[derive(Clone, Debug)]
pub struct Uploads {
    places: Places,
    memory: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Default for Uploads {
    fn default() -> Self {
        Self {
            places: Places::new(1, usize::MAX),
            memory: Arc::new(Semaphore::new(BYTES_IN_ALL)),
            turns: Arc::new(Semaphore::new(READ_AT_ONCE)),
        }
    }
}

impl Uploads {
    /// A file of up to `max_bytes`.
    pub fn begin(&self, person: &UserId, max_bytes: usize) -> Result<Upload, Problem> {
        let place =
            self.places.take(person).ok_or_else(|| busy("you are sending another file; wait until it is done"))?;
        // Pages that nothing was written to take no memory; growing step by step would copy all of it each time.
        let bytes = Vec::with_capacity(max_bytes);
        Ok(Upload { uploads: self.clone(), bytes, memory: None, _place: place })
    }
}

fn busy(detail: &'static str) -> Problem {
    Problem::new(&UNAVAILABLE, detail).retry_after(5)
}

/// A file, as far as it is here. Everything it takes is given back when it is dropped.
#[derive(Debug)]
pub struct Upload {
    uploads: Uploads,
    bytes: Vec<u8>,
    memory: Option<OwnedSemaphorePermit>,
    _place: Place,
}

impl Upload {
    pub fn add(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        let size = u32::try_from(chunk.len()).map_err(|error| Problem::internal(error.to_string()))?;
        let more = self.uploads.memory.clone().try_acquire_many_owned(size);
        let more = more.map_err(|_| busy("too many files are being sent now; try again"))?;
        match &mut self.memory {
            Some(memory) => memory.merge(more),
            None => self.memory = Some(more),
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// The rate at which the rest must arrive. While memory is short, a sender who holds much of it must be quick to give it back.
    pub fn bytes_per_second(&self) -> usize {
        let is_short = self.uploads.memory.available_permits() < BYTES_IN_ALL / 2;
        if is_short { Pace::BYTES_PER_SECOND.max(self.bytes.len() / HELD_S) } else { Pace::BYTES_PER_SECOND }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Waits until it may be read.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = timeout(PATIENCE, self.uploads.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| busy("other files are being read now; try again"))?;
        Ok(turn.expect("nobody closes the semaphore"))
    }
}

/// How fast a file must arrive. A sender who was fast at first gains no time to stall later: they fall behind while nothing comes, and
/// catch up with bytes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    begun: Instant,
    last: Instant,
    behind: Duration,
}

impl Pace {
    /// How far behind a sender may fall.
    const GRACE: Duration = Duration::from_secs(10);
    /// The slowest.
    pub const BYTES_PER_SECOND: usize = 16 * 1024;
    const AT_MOST: Duration = Duration::from_secs(120);

    pub fn begin() -> Self {
        let now = Instant::now();
        Self { begun: now, last: now, behind: Duration::ZERO }
    }

    /// The next piece, if it comes in time.
    pub async fn in_time<T>(&self, arriving: impl Future<Output = T>) -> Result<T, Problem> {
        let deadline = (self.last + Self::GRACE.saturating_sub(self.behind)).min(self.begun + Self::AT_MOST);
        let late = || Problem::new(&REQUEST_TIMEOUT, "the file arrives too slowly; send it over a faster connection");
        timeout_at(deadline, arriving).await.map_err(|_| late())
    }

    /// So much came, where this rate is asked for.
    pub fn received(&mut self, bytes: usize, bytes_per_second: usize) {
        let now = Instant::now();
        let worth = Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64);
        self.behind = (self.behind + (now - self.last)).saturating_sub(worth);
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> UserId {
        UserId::parse(&format!("did:plc:{name}")).unwrap()
    }

    #[test]
    fn files_together_take_so_much_memory_and_give_it_back() {
        let uploads = Uploads::default();
        let chunk = vec![0; 8 << 20];
        let mut first: Vec<Upload> =
            (0..4).map(|n| uploads.begin(&person(&format!("person{n}")), 8 << 20).unwrap()).collect();
        for upload in &mut first {
            upload.add(&chunk).unwrap();
        }
        let mut next = uploads.begin(&person("next"), 8 << 20).unwrap();
        assert!(next.add(b"x").is_err());
        first.pop();
        next.add(&chunk).unwrap();
        assert_eq!(next.bytes().len(), chunk.len());
        assert!(uploads.begin(&person("next"), 8 << 20).is_err(), "one file of each person");
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_came_at_once_earn_no_time_to_dawdle() {
        let (mut pace, begun) = (Pace::begin(), Instant::now());
        pace.received(8 << 20, Pace::BYTES_PER_SECOND);
        assert!(pace.in_time(std::future::pending::<()>()).await.is_err());
        assert_eq!(begun.elapsed(), Pace::GRACE);

        let (mut pace, begun) = (Pace::begin(), Instant::now());
        let second = || tokio::time::sleep(Duration::from_secs(1));
        while pace.in_time(second()).await.is_ok() {
            pace.received(Pace::BYTES_PER_SECOND / 2, Pace::BYTES_PER_SECOND);
        }
        assert_eq!(begun.elapsed().as_secs(), 19, "half as fast as it must be");

        let (mut pace, begun) = (Pace::begin(), Instant::now());
        while pace.in_time(second()).await.is_ok() {
            pace.received(2 * Pace::BYTES_PER_SECOND, Pace::BYTES_PER_SECOND);
        }
        assert_eq!(begun.elapsed(), Pace::AT_MOST);
    }

    #[test]
    fn who_holds_much_memory_while_it_is_short_must_be_quick() {
        let uploads = Uploads::default();
        let mut files: Vec<Upload> =
            (0..4).map(|n| uploads.begin(&person(&format!("person{n}")), 8 << 20).unwrap()).collect();
        files[0].add(&vec![0; 6 << 20]).unwrap();
        assert_eq!(files[0].bytes_per_second(), 16 << 10, "nobody else needs it");
        for file in &mut files[1..3] {
            file.add(&vec![0; 6 << 20]).unwrap();
        }
        files[3].add(b"url").unwrap();
        assert_eq!(files[0].bytes_per_second(), (6 << 20) / 30);
        assert_eq!(files[3].bytes_per_second(), 16 << 10, "who holds little may be slow");
        files.remove(1);
        assert_eq!(files[0].bytes_per_second(), 16 << 10);
    }

    #[tokio::test(start_paused = true)]
    async fn one_file_is_read_at_once_and_others_wait_a_while() {
        let uploads = Uploads::default();
        let [first, second] = ["first", "second"].map(|name| uploads.begin(&person(name), 8 << 20).unwrap());
        let turn = first.turn().await.unwrap();
        assert!(second.turn().await.is_err());
        let (_, second) = tokio::join!(async { drop(turn) }, second.turn());
        assert!(second.is_ok());
    }
}
