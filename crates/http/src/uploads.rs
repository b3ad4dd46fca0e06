//! Files on their way to us. One takes room on the disk as its bytes arrive, never memory, and a turn at being read only when all are here,
//! so that a sender who dawdles keeps nobody waiting.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

use crate::places::{Place, Places};
use crate::problem::{Problem, REQUEST_TIMEOUT, UNAVAILABLE};

/// Of one file.
const MOST_BYTES: usize = 100 << 20;
/// Of all files that are arriving or being read.
const BYTES_IN_ALL: usize = 300 << 20;
/// While less than half of that is free, what is here may be held for so long, in seconds, before as much again must have come.
const HELD_S: usize = 30;
/// How many files are read at once.
const READ_AT_ONCE: usize = 1;
/// How long a file waits to be read.
const PATIENCE: Duration = Duration::from_secs(10);
/// So much is written to the disk together.
const PORTION: usize = 256 << 10;

/// One file per person. Clones share the limits.
#[derive(Clone, Debug)]
pub struct Uploads {
    places: Places,
    most_bytes: usize,
    in_all: usize,
    room: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Default for Uploads {
    fn default() -> Self {
        Self::with_room(MOST_BYTES, BYTES_IN_ALL)
    }
}

impl Uploads {
    /// For files of up to `most_bytes`, together `in_all`.
    pub fn with_room(most_bytes: usize, in_all: usize) -> Self {
        Self {
            places: Places::new(1, usize::MAX),
            most_bytes,
            in_all,
            room: Arc::new(Semaphore::new(in_all)),
            turns: Arc::new(Semaphore::new(READ_AT_ONCE)),
        }
    }

    /// Of one file.
    pub fn most_bytes(&self) -> usize {
        self.most_bytes
    }

    /// A file that nothing has come of yet.
    pub fn begin(&self, person: &UserId) -> Result<Upload, Problem> {
        let place =
            self.places.take(person).ok_or_else(|| busy("You are sending another file. Wait until it is done."))?;
        Ok(Upload { uploads: self.clone(), file: None, portion: Vec::new(), received: 0, room: None, _place: place })
    }
}

fn busy(detail: &'static str) -> Problem {
    Problem::new(&UNAVAILABLE, detail).retry_after(5)
}

/// A file, as far as it is here. Everything it takes is given back when it is dropped.
#[derive(Debug)]
pub struct Upload {
    uploads: Uploads,
    /// Without a name, so that nothing of it is left however this process ends.
    file: Option<File>,
    /// Not written yet.
    portion: Vec<u8>,
    received: usize,
    room: Option<OwnedSemaphorePermit>,
    _place: Place,
}

impl Upload {
    /// If the future is dropped, the upload is worth nothing any more.
    pub async fn add(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        let size = u32::try_from(chunk.len()).map_err(|error| Problem::internal(error.to_string()))?;
        let more = self.uploads.room.clone().try_acquire_many_owned(size);
        let more = more.map_err(|_| busy("Too many files are being sent at the moment. Try again."))?;
        match &mut self.room {
            Some(room) => room.merge(more),
            None => self.room = Some(more),
        }
        self.received += chunk.len();
        self.portion.extend_from_slice(chunk);
        if self.portion.len() >= PORTION { self.write().await } else { Ok(()) }
    }

    async fn write(&mut self) -> Result<(), Problem> {
        let (file, mut portion) = (self.file.take(), std::mem::take(&mut self.portion));
        let write = move || -> io::Result<(File, Vec<u8>)> {
            let mut file = file.map_or_else(tempfile::tempfile, Ok)?;
            file.write_all(&portion)?;
            portion.clear();
            Ok((file, portion))
        };
        let written = spawn_blocking(write).await.map_err(|error| Problem::internal(error.to_string()))?;
        let (file, portion) = written.map_err(|error| no_room(&error))?;
        (self.file, self.portion) = (Some(file), portion);
        Ok(())
    }

    /// The rate at which the rest must arrive. While room is short, a sender who holds much of it must be quick to give it back.
    pub fn bytes_per_second(&self) -> usize {
        let is_short = self.uploads.room.available_permits() < self.uploads.in_all / 2;
        if is_short { Pace::BYTES_PER_SECOND.max(self.received / HELD_S) } else { Pace::BYTES_PER_SECOND }
    }

    /// All that has come. Its room is given back when the upload is dropped, so that must be kept while the file is read.
    pub async fn file(&mut self) -> Result<File, Problem> {
        self.write().await?;
        Ok(self.file.take().expect("what was written is in a file"))
    }

    /// Waits until it may be read.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = timeout(PATIENCE, self.uploads.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| busy("Other files are being read at the moment. Try again."))?;
        Ok(turn.expect("nobody closes the semaphore"))
    }
}

fn no_room(error: &io::Error) -> Problem {
    tracing::error!(%error, directory = %std::env::temp_dir().display(), "a file that was sent could not be kept");
    Problem::new(&UNAVAILABLE, "There is no room for the file at the moment. Try again later.").retry_after(60)
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
    const AT_MOST: Duration = Duration::from_secs(20 * 60);

    pub fn begin() -> Self {
        let now = Instant::now();
        Self { begun: now, last: now, behind: Duration::ZERO }
    }

    /// The next piece, if it comes in time.
    pub async fn in_time<T>(&self, arriving: impl Future<Output = T>) -> Result<T, Problem> {
        let deadline = (self.last + Self::GRACE.saturating_sub(self.behind)).min(self.begun + Self::AT_MOST);
        let late = || Problem::new(&REQUEST_TIMEOUT, "The file arrives too slowly. Send it over a faster connection.");
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
    use std::io::{Read, Seek};

    use super::*;

    fn person(name: &str) -> UserId {
        UserId::parse(&format!("did:plc:{name}")).unwrap()
    }

    #[tokio::test]
    async fn what_was_sent_is_read_again() {
        let mut upload = Uploads::default().begin(&person("alice")).unwrap();
        let chunk: Vec<u8> = (0..=255).cycle().take(PORTION / 3).collect();
        for _ in 0..7 {
            upload.add(&chunk).await.unwrap();
        }
        let mut file = upload.file().await.unwrap();
        let mut whole = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut whole).unwrap();
        assert!(whole == chunk.repeat(7));
        let mut empty = Uploads::default().begin(&person("bob")).unwrap();
        assert_eq!(empty.file().await.unwrap().metadata().unwrap().len(), 0);
    }

    #[tokio::test]
    async fn files_together_take_so_much_room_and_give_it_back() {
        let uploads = Uploads::with_room(8, 32);
        let chunk = [0; 8];
        let mut first: Vec<Upload> = (0..4).map(|n| uploads.begin(&person(&format!("person{n}"))).unwrap()).collect();
        for upload in &mut first {
            upload.add(&chunk).await.unwrap();
        }
        let mut next = uploads.begin(&person("next")).unwrap();
        assert!(next.add(b"x").await.is_err());
        first.pop();
        next.add(&chunk).await.unwrap();
        assert_eq!(next.file().await.unwrap().metadata().unwrap().len(), 8);
        assert!(uploads.begin(&person("next")).is_err(), "one file of each person");
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

    #[tokio::test]
    async fn who_holds_much_room_while_it_is_short_must_be_quick() {
        let uploads = Uploads::with_room(8 << 20, 32 << 20);
        let mut files: Vec<Upload> = (0..4).map(|n| uploads.begin(&person(&format!("person{n}"))).unwrap()).collect();
        files[0].add(&vec![0; 6 << 20]).await.unwrap();
        assert_eq!(files[0].bytes_per_second(), 16 << 10, "nobody else needs it");
        for file in &mut files[1..3] {
            file.add(&vec![0; 6 << 20]).await.unwrap();
        }
        files[3].add(b"url").await.unwrap();
        assert_eq!(files[0].bytes_per_second(), (6 << 20) / 30);
        assert_eq!(files[3].bytes_per_second(), 16 << 10, "who holds little may be slow");
        files.remove(1);
        assert_eq!(files[0].bytes_per_second(), 16 << 10);
    }

    #[tokio::test(start_paused = true)]
    async fn one_file_is_read_at_once_and_others_wait_a_while() {
        let uploads = Uploads::default();
        let [first, second] = ["first", "second"].map(|name| uploads.begin(&person(name)).unwrap());
        let turn = first.turn().await.unwrap();
        assert!(second.turn().await.is_err());
        let (_, second) = tokio::join!(async { drop(turn) }, second.turn());
        assert!(second.is_ok());
    }
}
