//! For administrators: what is on its way, what failed, what is being gathered, and what can be done about it.

pub mod audit;
pub mod dead_letters;
pub mod history;
pub mod queues;
pub mod rebuild;
pub mod running;
pub mod sagas;
pub mod way;

use actix_web::dev::Payload;
use actix_web::web::ServiceConfig;
use actix_web::{FromRequest, HttpRequest};
use cardwire_domain::UserId;
use cardwire_events::Queue;
use futures_util::future::LocalBoxFuture;

use crate::auth::Caller;
use crate::problem::{FORBIDDEN, NOT_FOUND, Problem};

pub fn configure(config: &mut ServiceConfig) {
    queues::configure(config);
    running::configure(config);
    history::configure(config);
    dead_letters::configure(config);
    way::configure(config);
    sagas::configure(config);
    rebuild::configure(config);
    audit::configure(config);
}

/// Somebody who is signed in and may operate Cardwire: without anybody the request is 401, with anybody else 403.
#[derive(Clone, Debug)]
pub struct Admin(Caller);

impl Admin {
    pub fn id(&self) -> &UserId {
        self.0.id()
    }
}

impl FromRequest for Admin {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        Box::pin(async move {
            let caller = caller.await?;
            match caller.0.admin {
                true => Ok(Self(caller)),
                false => Err(Problem::new(&FORBIDDEN, "this is for administrators")),
            }
        })
    }
}

/// The queue that a path names.
pub(crate) fn queue_named(name: &str) -> Result<Queue, Problem> {
    name.parse().map_err(|why: String| Problem::new(&NOT_FOUND, why))
}

/// What a POST without a body is known by under its idempotency key.
fn bodiless(request: &HttpRequest) -> String {
    format!("{} {}", request.method(), request.path())
}

pub(crate) fn log_failed(error: cardwire_events::Error) -> Problem {
    match error {
        cardwire_events::Error::Unavailable(..) => Problem::unavailable(error.to_string()),
        _ => Problem::internal(error.to_string()),
    }
}

pub(crate) fn saga_failed(error: cardwire_saga::Error) -> Problem {
    match error {
        cardwire_saga::Error::Unavailable(_) => Problem::unavailable(error.to_string()),
        _ => Problem::internal(error.to_string()),
    }
}
