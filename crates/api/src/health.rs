//! Whether the process is alive, and whether it can serve.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::{Problem, UNAVAILABLE};
use cardwire_http::state::AppState;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::resource::Resource;

/// How long the check may take.
const CHECK: Duration = Duration::from_secs(2);

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(healthz, readyz))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/healthz").get(healthz).register(config);
    Endpoint::at("/readyz").get(readyz).register(config);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// The process is running.
#[utoipa::path(
    operation_id = "getHealth",
    get, path = "/healthz", tag = "health", responses((status = 200, body = Health))
)]
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok" })
}

/// The process can serve: the services it needs are available, and it is not shutting down.
#[utoipa::path(
    operation_id = "getReadiness",
    get, path = "/readyz", tag = "health", responses((status = 200, body = Health))
)]
pub async fn readyz(state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let away = |why: String| Err(Problem::new(&UNAVAILABLE, why).retry_after(1));
    if state.live.shutdown.is_cancelled() {
        return away("shutting down".into());
    }
    match tokio::time::timeout(CHECK, state.readiness.check()).await {
        Ok(Ok(())) => Ok(HttpResponse::Ok().json(Health { status: "ready" })),
        Ok(Err(why)) => away(why),
        Err(_) => away("the readiness check did not end in time".into()),
    }
}
