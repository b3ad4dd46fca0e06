//! One client of Redis and its supervision.
//!
//! fred notices a closed connection, but not one that hangs: a frozen server went unnoticed in 30 s of traffic. So the
//! connection is dropped after two time-outs in a row, or if a blocking call is late.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fred::clients::Client;
use fred::error::{Error as FredError, ErrorKind};
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::{ClientState, ConnectHandle};
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::settings::{Address, Timings};

/// After this many time-outs in a row a connection counts as hanging.
const PATIENCE: u32 = 2;

/// Aborts its task when dropped.
#[derive(Debug)]
pub(super) struct OwnedTask<T>(pub JoinHandle<T>);

impl<T> Drop for OwnedTask<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub why: String,
    /// The server is up but will keep refusing until somebody changes a setting.
    pub refused: bool,
}

impl Trouble {
    pub fn of(error: &FredError) -> Self {
        // fred includes the `Debug` of I/O errors, and of rustls errors inside them.
        let details = error.details();
        let why = if let Some((_, reason)) = details.split_once("InvalidCertificate(") {
            format!("its certificate is not trusted: {}", reason.trim_end_matches([' ', '}']).trim_end_matches(')'))
        } else if let Some((_, message)) = details.split_once("message: \"") {
            message.trim_end_matches([' ', '}', '"']).to_owned()
        } else {
            details.to_owned()
        };
        let refused = refuses(&why);
        Self { why, refused }
    }

    fn away(why: impl Into<String>) -> Self {
        Self { why: why.into(), refused: false }
    }
}

/// Whether a server's words mean wrong credentials, missing permissions or a certificate that is not trusted.
pub(super) fn refuses(why: &str) -> bool {
    [
        "WRONGPASS",
        "NOAUTH",
        "NOPERM",
        "without any password configured",
        "invalid password",
        "its certificate is not trusted",
    ]
    .iter()
    .any(|word| why.contains(word))
}

/// A client that reconnects no matter what happens to its connection.
pub(super) struct Watched {
    pub client: Client,
    timeouts: AtomicU32,
    hangs: Notify,
    moved: Notify,
    connected_once: AtomicBool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// While there is no connection.
    trouble: Option<Trouble>,
    /// The servers it was last connected to; one of them in Cluster.
    server: Option<Address>,
}

impl Watched {
    /// Connects, and stays connected for as long as the task is kept.
    pub fn start(client: Client, timings: Timings) -> (Arc<Self>, OwnedTask<()>) {
        let watched = Arc::new(Self {
            client,
            timeouts: AtomicU32::new(0),
            hangs: Notify::new(),
            moved: Notify::new(),
            connected_once: AtomicBool::new(false),
            known: Mutex::default(),
        });
        let task = tokio::spawn(Arc::clone(&watched).watch(timings));
        (watched, OwnedTask(task))
    }

    pub fn is_connected(&self) -> bool {
        self.client.state() == ClientState::Connected
    }

    /// Learns from the result of a command.
    pub fn note<T>(&self, outcome: &Result<T, FredError>) {
        match outcome {
            Err(error) if *error.kind() == ErrorKind::Timeout => {
                metrics::counter!("cardwire_redis_timeouts_total").increment(1);
                if self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= PATIENCE {
                    self.reconnect();
                }
            }
            _ => self.timeouts.store(0, Ordering::Relaxed),
        }
    }

    /// Drops the connection and opens a new one, unless that is going on already.
    pub fn reconnect(&self) {
        if self.is_connected() {
            self.hangs.notify_one();
        }
    }

    /// Makes it look for the master again if it is connected to a server other than this.
    pub fn leave_others_than(&self, master: &Address) {
        if self.is_connected() && self.known().server.as_ref() != Some(master) {
            self.moved.notify_one();
        }
    }

    /// Like [`Self::leave_others_than`], even if it is not connected: it may be waiting for a server that does not
    /// answer.
    pub fn turn_to(&self, master: &Address) {
        if !self.is_connected() || self.known().server.as_ref() != Some(master) {
            self.moved.notify_one();
        }
    }

    /// Why there is no connection now.
    pub fn trouble(&self) -> Option<Trouble> {
        self.known().trouble.clone()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_trouble(&self, trouble: Option<Trouble>) {
        self.known().trouble = trouble;
    }

    async fn watch(self: Arc<Self>, timings: Timings) {
        loop {
            let mut errors = self.client.error_rx();
            let mut reconnects = self.client.reconnect_rx();
            let mut connection: OwnedTask<_> = OwnedTask::from(self.client.connect());
            loop {
                tokio::select! {
                    ended = &mut connection.0 => {
                        // It ends only because of a defect or a setting that can never work.
                        let why = format!("the connection's task ended: {ended:?}");
                        tracing::error!(why, "restarting the Redis connection");
                        self.set_trouble(Some(Trouble::away(why)));
                        break;
                    }
                    error = errors.recv() => match error {
                        Ok((error, _)) => {
                            let trouble = Trouble::of(&error);
                            // At the start, the code that waits for the connection says so.
                            if self.trouble().is_none() && self.connected_once.load(Ordering::Relaxed) {
                                tracing::warn!(why = trouble.why, "Redis connection lost");
                            }
                            self.set_trouble(Some(trouble));
                        }
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => break,
                    },
                    reconnected = reconnects.recv() => match reconnected {
                        Ok(server) => {
                            let again = self.connected_once.swap(true, Ordering::Relaxed);
                            let mut known = self.known();
                            known.server = Some((server.host.to_string(), server.port));
                            if known.trouble.take().is_some() && again {
                                tracing::info!(%server, "Redis connection is back");
                            }
                        }
                        Err(RecvError::Lagged(_)) => self.set_trouble(None),
                        Err(RecvError::Closed) => break,
                    },
                    () = self.moved.notified() => {
                        self.set_trouble(Some(Trouble::away("another server became the master")));
                        break;
                    }
                    () = self.hangs.notified() => {
                        if !self.is_connected() {
                            continue;
                        }
                        tracing::warn!("Redis connection hangs and is thrown away");
                        metrics::counter!("cardwire_redis_forced_reconnections_total").increment(1);
                        self.set_trouble(Some(Trouble::away("it does not answer")));
                        // fred's router may hang too, in a write to the connection that hangs.
                        match timeout(timings.connect * 2, self.client.force_reconnection()).await {
                            Ok(Ok(())) => {
                                self.timeouts.store(0, Ordering::Relaxed);
                                self.set_trouble(None);
                            }
                            Ok(Err(error)) => self.set_trouble(Some(Trouble::of(&error))),
                            Err(_) if self.is_connected() => break,
                            Err(_) => {}
                        }
                    }
                }
            }
            drop(connection);
            sleep(timings.reconnect_step).await;
        }
    }
}

impl From<ConnectHandle> for OwnedTask<Result<(), FredError>> {
    fn from(handle: ConnectHandle) -> Self {
        Self(handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_refuses_is_told_from_who_is_away() {
        let check = |details: &'static str, why: &str, refused: bool| {
            let trouble = Trouble::of(&FredError::new(ErrorKind::IO, details));
            assert_eq!((trouble.why.as_str(), trouble.refused), (why, refused));
        };
        let refused = "Os { code: 111, kind: ConnectionRefused, message: \"Connection refused\" }";
        check(refused, "Connection refused", false);
        check("NOAUTH Authentication required.", "NOAUTH Authentication required.", true);
        check(
            "Custom { kind: InvalidData, error: InvalidCertificate(UnknownIssuer) }",
            "its certificate is not trusted: UnknownIssuer",
            true,
        );
    }
}
