//! What every HTTP request needs, whether it asks for JSON or for a page: state, who is asking, sessions, problems, bodies, cursors, limits,
//! the live feed, and what operators do.
//!
//! [`app`] builds the application around the resources of `cardwire-api` and `cardwire-pages`, which know this crate but not each other.
//!
//! Guarantees: what a client sends is never answered with a 5xx, and a refused request stores nothing and raises no event
//! (`crates/api/tests/api/refusals.rs`). Every error is an `application/problem+json` with a stable `type` and a `traceId`, or the page
//! that [`problem::Page`] draws of it. Under one `Idempotency-Key` a command is carried out once and answered the same
//! (`crates/api/tests/api/idempotency.rs`). The live feed resumes without gap (`crates/api/tests/api/stream.rs`).
//!
//! Not guaranteed: that a request which is not HTTP at all is answered with a problem; the server refuses it before.

pub mod accounts;
pub mod address;
pub mod answering;
pub mod auth;
pub mod body;
pub mod caller;
pub mod commands;
pub mod connection;
pub mod cursor;
pub mod download;
pub mod endpoint;
pub mod idempotency;
pub mod limit;
pub mod live;
pub mod network;
pub mod operations;
pub mod origin;
pub mod people;
pub mod places;
pub mod problem;
pub mod query;
pub mod refetch;
pub mod searches;
pub mod session;
pub mod state;
pub mod trace;
pub mod uploads;

use actix_cors::Cors;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Compress, Condition, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, Error, HttpResponse};
use tracing_actix_web::TracingLogger;

pub use accounts::{AccountSettings, Accounts, TokenAuthenticator};
pub use auth::{Authenticator, MockAuthenticator};
pub use limit::{Reads, Writes};
pub use live::{Live, LiveSettings};
pub use operations::{OperatedQueue, Operations};
pub use places::Places;
pub use searches::Searches;
pub use state::{AppState, Readiness};
pub use uploads::Uploads;

use problem::{NOT_FOUND, Problem};
use trace::RequestSpan;

/// The whole application with these resources.
pub fn app(
    state: AppState,
    resources: impl FnOnce(&mut ServiceConfig),
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let cors = cross_origin(&state.cors_origins);
    App::new()
        .app_data(state.public_url.clone())
        .app_data(web::Data::new(state))
        .default_service(web::to(nothing_here))
        // They may put another in the place of the default service.
        .configure(resources)
        .wrap(Compress::default())
        .wrap(cors)
        .wrap(from_fn(answering::finish))
        .wrap(TracingLogger::<RequestSpan>::new())
}

/// What scripts of other sites may do: nothing, unless their origin is named. Then they use the API with a bearer token; cookies are not
/// for them.
fn cross_origin(origins: &[String]) -> Condition<Cors> {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "DELETE"])
        .allowed_headers(["authorization", "content-type", "idempotency-key", "last-event-id"])
        .expose_headers(["location", "retry-after"])
        .max_age(3_600);
    let cors = origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin));
    Condition::new(!origins.is_empty(), cors)
}

async fn nothing_here() -> Result<HttpResponse, Problem> {
    Err(Problem::new(&NOT_FOUND, "There is nothing at this address."))
}
