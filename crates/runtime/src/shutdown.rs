//! Being told to stop.
//!
//! The first SIGTERM or SIGINT makes readiness fail, then cancels the token: intake stops, and work in flight goes on
//! until the deadline. The second ends the process at once. Servers must not handle signals themselves
//! (`HttpServer::disable_signals`).

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;
use crate::readiness::Readiness;

/// Clones share one token.
#[derive(Clone, Debug)]
pub struct Shutdown {
    token: CancellationToken,
    readiness: Readiness,
    deadline: Duration,
}

impl Shutdown {
    pub fn new(readiness: Readiness, deadline: Duration) -> Self {
        Self { token: CancellationToken::new(), readiness, deadline }
    }

    /// Listens for signals from now on, in a task of the current runtime that lives as long as the runtime.
    ///
    /// # Errors
    /// If the system does not let this process handle the signals.
    pub fn listen(&self) -> io::Result<()> {
        let mut signals = Signals { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? };
        let shutdown = self.clone();
        tokio::spawn(async move {
            let name = signals.next().await;
            tracing::info!(
                signal = name,
                deadline_s = shutdown.deadline.as_secs(),
                "stopping: finishing what is in flight"
            );
            shutdown.begin();
            let name = signals.next().await;
            tracing::error!(signal = name, "told to stop again: ending at once");
            std::process::exit(Exit::Runtime as i32);
        });
        Ok(())
    }

    /// Starts stopping, like a signal. Calling it again changes nothing.
    pub fn begin(&self) {
        self.readiness.drain();
        self.token.cancel();
    }

    /// Cancelled when the process should take no more work.
    pub const fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Returns once the deadline has passed since stopping began, never earlier. The first call must come before that.
    pub async fn overdue(&self) {
        self.token.cancelled().await;
        tokio::time::sleep(self.deadline).await;
    }
}

struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readiness_fails_at_once_and_the_deadline_counts_from_the_beginning() {
        let readiness = Readiness::default();
        readiness.serve();
        let shutdown = Shutdown::new(readiness.clone(), Duration::from_secs(25));
        let token = shutdown.token().clone();
        let seen = tokio::spawn(async move {
            token.cancelled().await;
            readiness.report().await.is_ready()
        });
        tokio::time::sleep(Duration::from_secs(60)).await;
        let began = Instant::now();
        shutdown.begin();
        shutdown.begin();
        shutdown.overdue().await;
        assert_eq!(began.elapsed().as_secs(), 25);
        assert!(!seen.await.unwrap(), "ready although it takes no more work");
    }
}
