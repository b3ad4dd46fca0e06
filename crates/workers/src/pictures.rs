//! Fetches the covers and icons of pages after their titles have been stored. Pictures delay no title, and a failed
//! picture costs nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{FetchFailure, FetchPolicy};
use cardwire_domain::pictures::{Fetched, PictureJob, PictureRepository, PicturesFetched};
use cardwire_pictures::{Form, Refused, shrink};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::leased::{self, Leased, Pace};
use crate::metadata::{FetchLimits, PageFetcher};

/// This many icons are remembered: all pages of a site have the same one.
const REMEMBERED: usize = 500;
const REMEMBER_FOR: Duration = Duration::from_secs(3_600);

/// How many pictures are fetched at once, and their limits.
#[derive(Clone, Copy, Debug)]
pub struct PictureSettings {
    /// Few at once: each job may hold a cover in memory.
    pub pace: Pace,
    pub cover: FetchLimits,
    pub icon: FetchLimits,
    pub policy: FetchPolicy,
}

impl Default for PictureSettings {
    fn default() -> Self {
        let megabyte = 1024 * 1024;
        Self {
            pace: Pace { at_once: 6, at_once_per_host: 2, poll: Duration::from_secs(2), pause: Duration::from_secs(2) },
            cover: FetchLimits { bytes: 10 * megabyte, time: Duration::from_secs(15), redirects: 5 },
            icon: FetchLimits { bytes: megabyte, time: Duration::from_secs(10), redirects: 5 },
            policy: FetchPolicy { attempts: 4, lease: Duration::from_secs(120), ..FetchPolicy::default() },
        }
    }
}

/// Leases due jobs, fetches their pictures, shrinks them and stores them.
pub struct PictureLoop {
    pictures: Arc<dyn PictureRepository>,
    maker: Maker,
    settings: PictureSettings,
}

impl PictureLoop {
    pub fn new(pictures: Arc<dyn PictureRepository>, fetcher: PageFetcher, settings: PictureSettings) -> Self {
        let maker = Maker { fetcher, settings, decoding: Arc::new(Semaphore::new(1)), icons: Arc::default() };
        Self { pictures, maker, settings }
    }

    /// Runs until `stop`; running fetches are then finished, which takes no longer than two fetches.
    pub async fn run(&self, stop: CancellationToken) {
        leased::run(self, self.settings.pace, stop).await;
    }
}

impl Leased for PictureLoop {
    type Job = PictureJob;
    const JOBS: &'static str = "picture fetches";

    async fn lease(&self, room: FetchRoom<PictureJob>) -> cardwire_domain::Result<Vec<PictureJob>> {
        self.pictures.lease_pictures(&room, self.settings.policy.lease).await
    }

    fn work(&self, job: PictureJob) -> impl Future<Output = ()> + Send + 'static {
        let (pictures, maker) = (self.pictures.clone(), self.maker.clone());
        async move {
            let outcome = maker.make(&job).await;
            match pictures.finish_pictures(&job, &outcome).await {
                Ok(true) => {}
                Ok(false) => tracing::debug!(url = job.url, "somebody else fetches the pictures of this page now"),
                Err(error) => {
                    tracing::warn!(%error, url = job.url, "pictures could not be stored; they are fetched again")
                }
            }
        }
    }
}

type Remembered = BTreeMap<String, (Instant, Fetched)>;

/// Turns addresses into pictures.
#[derive(Clone)]
struct Maker {
    fetcher: PageFetcher,
    settings: PictureSettings,
    /// Pictures are decoded one at a time, to limit memory.
    decoding: Arc<Semaphore>,
    icons: Arc<Mutex<Remembered>>,
}

/// Why there is no picture.
enum Missed {
    /// It did not arrive.
    Away(FetchFailure),
    Refused(Refused),
}

impl Maker {
    async fn make(&self, job: &PictureJob) -> PicturesFetched {
        let policy = self.settings.policy;
        if job.tries > policy.attempts {
            // It never came back, not even with an error.
            return PicturesFetched { cover: Fetched::Failed, icon: Fetched::Failed, again: None };
        }
        let (cover, failure) = self.one(job.cover.as_deref(), Form::Cover).await;
        let (icon, other) = self.icon(job.icon.as_deref()).await;
        let passing = [failure, other].into_iter().flatten().filter(|failure| failure.retryable);
        let waits = passing.map(|failure| policy.wait_after(&failure, job.tries, rand::random()));
        let again = waits.max().filter(|_| job.tries < policy.attempts);
        PicturesFetched { cover, icon, again }
    }

    /// At most an hour old.
    async fn icon(&self, address: Option<&str>) -> (Fetched, Option<FetchFailure>) {
        if let Some(icon) = address.and_then(|address| self.remembered(address)) {
            return (icon, None);
        }
        let (icon, failure) = self.one(address, Form::Icon).await;
        if let Some(address) = address.filter(|_| icon != Fetched::Failed) {
            self.remember(address, &icon);
        }
        (icon, failure)
    }

    /// The picture at this address, or why it did not arrive.
    async fn one(&self, address: Option<&str>, form: Form) -> (Fetched, Option<FetchFailure>) {
        let Some(address) = address else { return (Fetched::Nothing, None) };
        let made = self.fetch(address, form).await;
        let (told, reason) = match &made {
            Ok(_) => ("stored", "none"),
            Err(Missed::Away(failure)) if failure.retryable => ("failed", "passing"),
            Err(Missed::Away(_)) => ("failed", "lasting"),
            Err(Missed::Refused(refused)) => ("refused", refused.label()),
        };
        let form = if form == Form::Cover { "cover" } else { "icon" };
        metrics::counter!("cardwire_picture_fetches_total", "form" => form, "outcome" => told, "reason" => reason)
            .increment(1);
        match made {
            Ok(fetched) => (fetched, None),
            Err(Missed::Refused(refused)) => {
                tracing::debug!(address, form, reason = %refused, "picture refused");
                (Fetched::Nothing, None)
            }
            Err(Missed::Away(failure)) => {
                tracing::debug!(address, form, reason = failure.reason, "picture not fetched");
                // A picture that is gone for good is no longer shown.
                let fetched = if failure.retryable { Fetched::Failed } else { Fetched::Nothing };
                (fetched, Some(failure))
            }
        }
    }

    async fn fetch(&self, address: &str, form: Form) -> Result<Fetched, Missed> {
        let limits = if form == Form::Cover { self.settings.cover } else { self.settings.icon };
        let bytes = self.fetcher.picture(address, limits).await.map_err(Missed::Away)?;
        let broken = || Missed::Refused(Refused::Broken("it was not decoded".to_owned()));
        let place = self.decoding.clone().acquire_owned().await.map_err(|_| broken())?;
        let made = tokio::task::spawn_blocking(move || {
            // Until it is done, even if nobody waits for it any more.
            let _place = place;
            shrink(&bytes, form)
        });
        let picture = made.await.map_err(|_| broken())?.map_err(Missed::Refused)?;
        Ok(Fetched::Picture(picture))
    }

    fn remembered(&self, address: &str) -> Option<Fetched> {
        let icons = self.icons.lock();
        let (at, icon) = icons.get(address)?;
        (at.elapsed() < REMEMBER_FOR).then(|| icon.clone())
    }

    fn remember(&self, address: &str, icon: &Fetched) {
        let mut icons = self.icons.lock();
        if icons.len() >= REMEMBERED {
            icons.retain(|_, (at, _)| at.elapsed() < REMEMBER_FOR);
        }
        // If that was not enough, drop one to make room.
        if icons.len() >= REMEMBERED {
            icons.pop_first();
        }
        icons.insert(address.to_owned(), (Instant::now(), icon.clone()));
    }
}
