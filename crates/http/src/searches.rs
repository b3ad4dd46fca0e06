//! How many searches run at once. One costs far more than any other read, and anybody may search.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::UserId;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::address::network;
use crate::places::Places;
use crate::problem::{Problem, TOO_MANY_REQUESTS, UNAVAILABLE};

/// How long a search waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many wait, for each that runs.
const WAITING: usize = 8;
/// Running or waiting, for each reader.
const FOR_EACH: usize = 2;

/// Who searches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Searcher {
    Person(UserId),
    Network(IpAddr),
}

impl Searcher {
    /// `None`: nobody who could be told from others, as behind a proxy on this machine.
    pub fn of(person: Option<&UserId>, address: Option<IpAddr>) -> Option<Self> {
        let network = || Some(network(address.filter(|address| !address.to_canonical().is_loopback())?));
        person.cloned().map(Self::Person).or_else(|| network().map(Self::Network))
    }
}

/// Clones share the places.
#[derive(Clone, Debug)]
pub struct Searches {
    running: Arc<Semaphore>,
    /// Running or waiting.
    admitted: Arc<Semaphore>,
    by_searcher: Places<Searcher>,
}

impl Searches {
    pub fn at_once(most: usize) -> Self {
        let most = most.max(1);
        Self {
            running: Arc::new(Semaphore::new(most)),
            admitted: Arc::new(Semaphore::new(most * (1 + WAITING))),
            by_searcher: Places::new(FOR_EACH, usize::MAX),
        }
    }

    /// Runs it when it is its turn. If the future is dropped, its place is free again.
    pub async fn run<T>(&self, searcher: Option<Searcher>, search: impl Future<Output = T>) -> Result<T, Problem> {
        let busy = || {
            metrics::counter!("cardwire_searches_refused_total").increment(1);
            Problem::new(&UNAVAILABLE, "Too many searches are running.").retry_after(1)
        };
        let own = searcher.map(|searcher| self.by_searcher.take(&searcher).ok_or_else(busy_yourself)).transpose()?;
        let _admitted = self.admitted.try_acquire().map_err(|_| busy())?;
        let _running = timeout(PATIENCE, self.running.acquire()).await.map_err(|_| busy())?;
        let found = search.await;
        drop(own);
        Ok(found)
    }
}

fn busy_yourself() -> Problem {
    Problem::new(&TOO_MANY_REQUESTS, "Your last searches are still running. Wait until they are done.").retry_after(1)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use actix_web::ResponseError;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn searches_wait_their_turn_and_are_refused_when_too_many_do() {
        let searches = Searches::at_once(1);
        let hanging = (0..=WAITING).map(|_| searches.run(None, pending::<()>()));
        let mut hanging = Box::pin(futures_util::future::join_all(hanging));
        assert!(futures_util::poll!(&mut hanging).is_pending());
        let refused = searches.run(None, ready(())).await.unwrap_err();
        assert_eq!((refused.status_code().as_u16(), refused.retry_after_s()), (503, Some(1)));
        drop(hanging);
        let begun = tokio::time::Instant::now();
        let waiting = async {
            assert!(searches.run(None, ready(())).await.is_err());
            assert_eq!(begun.elapsed(), PATIENCE);
        };
        tokio::select! {
            biased;
            _ = searches.run(None, pending::<()>()) => {}
            () = waiting => {}
        }
        assert!(searches.run(None, ready(())).await.is_ok(), "places are free again");
    }

    #[tokio::test(start_paused = true)]
    async fn one_reader_has_two_places_and_leaves_the_others() {
        let searches = Searches::at_once(8);
        let address = |text: &str| Some(text.parse().unwrap());
        let reader = || Searcher::of(None, address("2001:db8::1"));
        let hanging = (0..2).map(|_| searches.run(reader(), pending::<()>()));
        let mut hanging = Box::pin(futures_util::future::join_all(hanging));
        assert!(futures_util::poll!(&mut hanging).is_pending());
        let neighbour = Searcher::of(None, address("2001:db8::2"));
        assert_eq!(searches.run(neighbour, ready(())).await.unwrap_err().status_code().as_u16(), 429);
        assert!(searches.run(Searcher::of(None, address("192.0.2.1")), ready(())).await.is_ok());
        assert!(searches.run(Searcher::of(None, address("::1")), ready(())).await.is_ok());
        drop(hanging);
        assert!(searches.run(reader(), ready(())).await.is_ok());
    }
}
