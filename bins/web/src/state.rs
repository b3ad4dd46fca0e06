//! What the handlers work with.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use async_trait::async_trait;
use cardwire_domain::analytics::Analytics;
use cardwire_domain::collection::CollectionRepository;
use cardwire_domain::feed::FeedRepository;
use cardwire_domain::imports::ImportRepository;
use cardwire_domain::library::LibraryRepository;
use cardwire_domain::search::SearchIndex;
use cardwire_domain::store::{Idempotency, Remember};
use cardwire_domain::use_cases::{Request, UseCase, execute};
use cardwire_domain::{Changes, Error, Store, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::auth::{Authenticator, Caller};
use crate::operations::Operations;
use crate::pages::Uploads;
use crate::problem::Problem;
use crate::trace::TraceContext;

/// Whether this process can serve.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// `Err` says what is away, in words for an operator.
    async fn check(&self) -> Result<(), String>;
}

/// One for the whole process: every server thread gets a clone.
#[derive(Clone)]
pub struct AppState {
    pub store: Arc<dyn Store>,
    pub library: Arc<dyn LibraryRepository>,
    pub collections: Arc<dyn CollectionRepository>,
    pub feed: Arc<dyn FeedRepository>,
    pub search: Arc<dyn SearchIndex>,
    pub analytics: Arc<dyn Analytics>,
    pub imports: Arc<dyn ImportRepository>,
    pub uploads: Uploads,
    pub accounts: Accounts,
    pub authenticator: Arc<dyn Authenticator>,
    pub readiness: Arc<dyn Readiness>,
    pub live: Live,
    pub operations: Operations,
}

impl AppState {
    /// Runs a command for the caller, once per idempotency key. If the future is dropped, either everything was
    /// committed or nothing.
    pub async fn execute<C: UseCase>(
        &self,
        request: &HttpRequest,
        caller: &Caller,
        idempotency: Option<Idempotency>,
        command: &C,
    ) -> Result<C::Answer, Problem> {
        let traceparent = TraceContext::of(request).map(|trace| trace.traceparent());
        let request = Request { by: caller.id().clone(), idempotency, traceparent };
        Ok(execute(&*self.store, &request, command).await?)
    }

    /// Runs an action that is not a command of the domain, and answers it the same again under its idempotency key. The answer is
    /// kept after the action: if the process dies in between, or two requests come at once, the action may run twice.
    pub async fn once<T: Serialize + DeserializeOwned>(
        &self,
        caller: &UserId,
        idempotency: Option<Idempotency>,
        action: impl AsyncFnOnce() -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let Some(idempotency) = idempotency else { return action().await };
        if let Some(kept) = self.store.begin().await?.recall(caller, &idempotency.key).await? {
            if kept.fingerprint != idempotency.fingerprint {
                return Err(Error::invalid("Idempotency-Key", "was used before with another request").into());
            }
            return serde_json::from_value(kept.answer).map_err(|error| Problem::internal(error.to_string()));
        }
        let answer = action().await?;
        let kept = serde_json::to_value(&answer).map_err(|error| Problem::internal(error.to_string()))?;
        let remember = Some(Remember { person: caller.clone(), idempotency, answer: kept });
        match self.store.begin().await?.commit(Changes { remember, ..Changes::default() }).await {
            // Somebody else's answer under this key is kept already.
            Ok(()) | Err(Error::Stale) => Ok(answer),
            Err(error) => Err(error.into()),
        }
    }
}

/// The live feed's share of the process.
#[derive(Clone, Debug)]
pub struct Live {
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) settings: LiveSettings,
}

#[derive(Clone, Copy, Debug)]
pub struct LiveSettings {
    pub max_connections: usize,
    /// A comment is sent when nothing else was for this long.
    pub heartbeat: Duration,
    /// How often a reader looks for news without a hint.
    pub poll: Duration,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self { max_connections: 1_000, heartbeat: Duration::from_secs(15), poll: Duration::from_secs(2) }
    }
}

impl Live {
    /// `shutdown` ends every stream, and makes the process not ready.
    pub fn new(settings: LiveSettings, shutdown: CancellationToken) -> Self {
        Self { slots: Arc::new(Semaphore::new(settings.max_connections)), shutdown, settings }
    }
}
