//! How many searches run at once. One costs far more than any other read, and anybody may search.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::problem::{Problem, UNAVAILABLE};

/// How long a search waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many wait, for each that runs.
const WAITING: usize = 8;

/// Clones share the places.
#[derive(Clone, Debug)]
pub struct Searches {
    running: Arc<Semaphore>,
    /// Running or waiting.
    admitted: Arc<Semaphore>,
}

impl Searches {
    pub fn at_once(most: usize) -> Self {
        let most = most.max(1);
        Self { running: Arc::new(Semaphore::new(most)), admitted: Arc::new(Semaphore::new(most * (1 + WAITING))) }
    }

    /// Runs it when it is its turn. If the future is dropped, its place is free again.
    pub async fn run<T>(&self, search: impl Future<Output = T>) -> Result<T, Problem> {
        let busy = || {
            metrics::counter!("cardwire_searches_refused_total").increment(1);
            Problem::new(&UNAVAILABLE, "too many searches are running; try again in a moment").retry_after(1)
        };
        let _admitted = self.admitted.try_acquire().map_err(|_| busy())?;
        let _running = timeout(PATIENCE, self.running.acquire()).await.map_err(|_| busy())?;
        Ok(search.await)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use actix_web::ResponseError;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn searches_wait_their_turn_and_are_refused_when_too_many_do() {
        let searches = Searches::at_once(1);
        let hanging = (0..=WAITING).map(|_| searches.run(pending::<()>()));
        let mut hanging = Box::pin(futures_util::future::join_all(hanging));
        assert!(futures_util::poll!(&mut hanging).is_pending());
        let refused = searches.run(ready(())).await.unwrap_err();
        assert_eq!((refused.status_code().as_u16(), refused.retry_after_s()), (503, Some(1)));
        drop(hanging);
        let begun = tokio::time::Instant::now();
        let waiting = async {
            assert!(searches.run(ready(())).await.is_err());
            assert_eq!(begun.elapsed(), PATIENCE);
        };
        tokio::select! {
            biased;
            _ = searches.run(pending::<()>()) => {}
            () = waiting => {}
        }
        assert!(searches.run(ready(())).await.is_ok(), "places are free again");
    }
}
