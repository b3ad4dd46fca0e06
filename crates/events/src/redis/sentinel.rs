//! Listens to the sentinels for a new master.
//!
//! fred asks them only when a connection breaks. In a planned failover the old master stays up for a while: without this,
//! what is written to it meanwhile is lost (measured: 514 of 734 acknowledged writes in 11 s).

use std::sync::{Arc, Weak};
use std::time::Duration;

use fred::clients::SentinelClient;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::sleep;

use super::connection::Clients;
use super::watchdog::OwnedTask;

/// Has all clients look for the master when this sentinel says that it changed. Never returns.
pub(super) async fn follow(sentinel: SentinelClient, master: String, clients: Weak<Clients>, pause: Duration) {
    loop {
        let mut messages = sentinel.message_rx();
        let mut reconnects = sentinel.reconnect_rx();
        let mut connection = OwnedTask::from(sentinel.connect());
        loop {
            tokio::select! {
                ended = &mut connection.0 => {
                    tracing::warn!(?ended, "connection to a sentinel ended and is started anew");
                    break;
                }
                // A subscription does not outlive its connection.
                reconnected = reconnects.recv() => match reconnected {
                    Ok(_) | Err(RecvError::Lagged(_)) => {
                        if let Err(error) = sentinel.subscribe("+switch-master").await {
                            tracing::warn!(%error, "a sentinel does not tell of a new master");
                        }
                    }
                    Err(RecvError::Closed) => break,
                },
                message = messages.recv() => match message {
                    Ok(message) => {
                        let text = message.value.into_string().unwrap_or_default();
                        // `<master> <old host> <old port> <new host> <new port>`
                        if text.split(' ').next() == Some(master.as_str()) {
                            tracing::warn!(change = text, "Redis has a new master");
                            clients.upgrade().iter().for_each(|clients| clients.reconnect_all());
                        }
                    }
                    Err(RecvError::Lagged(_)) => clients.upgrade().iter().for_each(|clients| clients.reconnect_all()),
                    Err(RecvError::Closed) => break,
                },
            }
        }
        drop(connection);
        sleep(pause).await;
    }
}

pub(super) fn spawn(
    sentinels: Vec<SentinelClient>,
    master: &str,
    clients: &Arc<Clients>,
    pause: Duration,
) -> Vec<OwnedTask<()>> {
    sentinels
        .into_iter()
        .map(|sentinel| OwnedTask(tokio::spawn(follow(sentinel, master.to_owned(), Arc::downgrade(clients), pause))))
        .collect()
}
