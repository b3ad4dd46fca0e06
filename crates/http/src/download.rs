//! Files that are written while they are downloaded, part by part, but not for somebody who hardly reads.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Bytes;
use cardwire_domain::UserId;
use futures_util::{Stream, stream};
use tokio::time::Instant;

use crate::places::Place;
use crate::problem::{Problem, UNAVAILABLE};
use crate::state::AppState;

impl AppState {
    /// A place for one download of this person.
    pub fn begin_download(&self, person: &UserId) -> Result<Place, Problem> {
        let busy = "You already have a download running, or too many other people do.";
        self.exports.take(person).ok_or_else(|| Problem::new(&UNAVAILABLE, busy).retry_after(30))
    }
}

/// A file of this type and name. `write` makes the part at one step and names the next step; `None` ends the file.
///
/// An error ends it in the middle, which the browser reports as a failed download. A reader who takes nothing at all is not noticed here,
/// as nothing is asked for then: the system closes that connection (`crate::connection`).
pub fn file<S, W>(
    (content_type, name): (&'static str, &'static str),
    place: Place,
    first: S,
    write: impl FnMut(S) -> W + 'static,
) -> HttpResponse
where
    S: 'static,
    W: Future<Output = Result<Option<(String, S)>, Problem>> + 'static,
{
    HttpResponse::Ok()
        .content_type(content_type)
        // It is for keeping. If a browser shows it all the same, it shows text and links, and nothing runs.
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .streaming(parts(place, first, write))
}

fn parts<S, W>(
    place: Place,
    first: S,
    mut write: impl FnMut(S) -> W,
) -> impl Stream<Item = Result<Bytes, actix_web::Error>>
where
    W: Future<Output = Result<Option<(String, S)>, Problem>>,
{
    stream::try_unfold((first, Pace::begin(), place), move |(step, mut pace, place)| {
        let part = pace.resume().then(|| write(step));
        async move {
            let Some(part) = part else {
                tracing::info!(sent = pace.sent, "a download was read too slowly and broke off");
                return Err(Problem::new(&UNAVAILABLE, "The download was read too slowly.").into());
            };
            let part =
                part.await.inspect_err(|problem| tracing::warn!(cause = problem.cause(), "a download broke off"))?;
            let Some((text, then)) = part else { return Ok(None) };
            pace.pause(text.as_bytes());
            Ok(Some((Bytes::from(text), (then, pace, place))))
        }
    })
}

/// How fast a download is read. The server asks for the next part when there is room for it; the time until then is the reader's.
struct Pace {
    begun: Instant,
    sent: u64,
    idle: Duration,
    asked: Instant,
}

impl Pace {
    const GRACE: Duration = Duration::from_secs(30);
    const BYTES_PER_SECOND: u64 = 32 * 1024;
    const AT_MOST: Duration = Duration::from_secs(600);

    fn begin() -> Self {
        let now = Instant::now();
        Self { begun: now, sent: 0, idle: Duration::ZERO, asked: now }
    }

    /// Whether the next part may be made.
    fn resume(&mut self) -> bool {
        self.idle += self.asked.elapsed();
        let earned = Duration::from_millis(self.sent * 1_000 / Self::BYTES_PER_SECOND);
        self.idle <= Self::GRACE + earned && self.begun.elapsed() <= Self::AT_MOST
    }

    fn pause(&mut self, part: &[u8]) {
        self.sent += part.len() as u64;
        self.asked = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_download_is_cut_when_it_is_read_too_slowly() {
        let part = [0; 320 * 1024];
        let mut pace = Pace::begin();
        for _ in 0..50 {
            assert!(pace.resume());
            pace.pause(&part);
            // 32 KiB/s.
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(pace.resume());
        pace.pause(&[]);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!pace.resume());

        let mut pace = Pace::begin();
        pace.pause(&[0; 100 << 20]);
        tokio::time::advance(Pace::AT_MOST).await;
        assert!(pace.resume());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!pace.resume(), "however much was read");
    }
}
