//! Which deployment a Redis belongs to. Two that share one would take each other's events, find that nothing is owed
//! for them, and drop them.

use std::sync::Arc;

use tokio::sync::watch;

/// The id of this process's deployment, which its store keeps: known as soon as the store has answered. Clones share it.
#[derive(Clone, Debug)]
pub struct Deployment(Arc<watch::Sender<Option<String>>>);

impl Default for Deployment {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Deployment {
    /// Passes the id to those who wait for it.
    pub fn tell(&self, id: &str) {
        self.0.send_replace(Some(id.to_owned()));
    }

    /// Waits until it is known.
    pub(super) async fn id(&self) -> Option<String> {
        let mut told = self.0.subscribe();
        told.wait_for(Option::is_some).await.ok()?.clone()
    }
}
