//! Waits for a bell without taking it away from somebody who could use it.
//!
//! Waiting may be dropped at any time, but a BLPOP in flight may not: it would take the bell for nobody. So a separate
//! task blocks while somebody waits, and rings again if nobody waits any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::connection::{Connection, DedicatedConnection, Repeat};
use super::scripts;
use super::watchdog::OwnedTask;
use crate::error::Result;

/// Look anyway after this long.
const QUIET: Duration = Duration::from_secs(2);

pub(super) struct Bell {
    waiting: watch::Sender<usize>,
    rung: Arc<Notify>,
    _listeners: Vec<OwnedTask<()>>,
}

impl Bell {
    /// Listens to all these bells. In Cluster they may live on different nodes, and each gets a connection of its own.
    pub fn new(connection: &Connection, bells: Vec<String>) -> Result<Self> {
        let (waiting, watched) = watch::channel(0);
        let rung = Arc::new(Notify::new());
        let groups: Vec<Vec<String>> = match connection.is_cluster() {
            true => bells.into_iter().map(|bell| vec![bell]).collect(),
            false => vec![bells],
        };
        let mut listeners = Vec::new();
        for bells in groups {
            let listener = Listener {
                blocking: connection.dedicated()?,
                connection: connection.clone(),
                bells,
                waiting: watched.clone(),
                rung: Arc::clone(&rung),
            };
            listeners.push(OwnedTask(tokio::spawn(listener.listen())));
        }
        Ok(Self { waiting, rung, _listeners: listeners })
    }

    /// Returns when the bell rang, or after two quiet seconds. May be dropped at any time.
    pub async fn wait(&self) {
        let _counted = Counted::new(&self.waiting);
        // A bell and two quiet seconds both mean "look", so there is nothing to tell apart.
        let _ = timeout(QUIET, self.rung.notified()).await;
    }
}

/// Somebody who waits.
struct Counted<'a>(&'a watch::Sender<usize>);

impl<'a> Counted<'a> {
    fn new(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|count| *count += 1);
        Self(waiting)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

struct Listener {
    blocking: DedicatedConnection,
    connection: Connection,
    bells: Vec<String>,
    waiting: watch::Receiver<usize>,
    rung: Arc<Notify>,
}

impl Listener {
    async fn listen(mut self) {
        while self.waiting.wait_for(|count| *count > 0).await.is_ok() {
            match self.blocking.pop_any(&self.bells).await {
                Ok(true) if *self.waiting.borrow() > 0 => self.rung.notify_one(),
                Ok(true) => self.ring_again().await,
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(%error, "nobody listens to the bell for a moment; the queue is looked at anyway");
                    sleep(self.connection.timings().reconnect_step).await;
                }
            }
        }
    }

    /// The bell was for a worker that has become busy; another may be idle. If this fails, idle workers look anyway.
    async fn ring_again(&self) {
        for bell in &self.bells {
            let key = vec![bell.as_str().into()];
            if let Err(error) = self.connection.script::<i64>(&scripts::RING, key, Vec::new(), Repeat::Harmless).await {
                tracing::debug!(%error, "the bell could not be passed on");
            }
        }
    }
}
