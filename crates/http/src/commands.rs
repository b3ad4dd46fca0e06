//! Carrying out what a caller asks for, once under an idempotency key.

use actix_web::HttpRequest;
use cardwire_domain::changes::{Idempotency, Remember};
use cardwire_domain::use_cases::{Request, UseCase, execute};
use cardwire_domain::{Changes, Error, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::AppState;
use crate::trace::TraceContext;

impl AppState {
    /// Runs a command for the caller, once per idempotency key, unless they gave too many. If the future is dropped, either everything was
    /// committed or nothing.
    pub async fn execute<C: UseCase>(
        &self,
        request: &HttpRequest,
        caller: &Caller,
        idempotency: Option<Idempotency>,
        command: &C,
    ) -> Result<C::Answer, Problem> {
        self.writes.admit(caller.id())?;
        let traceparent = TraceContext::of(request).map(|trace| trace.traceparent());
        let request = Request { by: caller.id().clone(), idempotency, traceparent, quotas: self.quotas };
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
                return Err(Error::invalid(
                    "Idempotency-Key",
                    "This key was used before with another request. Use a new key.",
                )
                .into());
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
