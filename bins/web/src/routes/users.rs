//! People.

use actix_web::HttpResponse;
use actix_web::web::ServiceConfig;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::endpoint::Endpoint;
use crate::problem::Problem;
use crate::query::NoParams;
use cardwire_domain::UserId;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/users/me").get(me).register(config);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    #[schema(value_type = String, example = "did:plc:alice")]
    id: UserId,
    #[schema(example = "alice")]
    handle: String,
    admin: bool,
}

/// Who one is.
#[utoipa::path(
    get, path = "/api/users/me", tag = "users", security(("bearer" = [])), responses((status = 200, body = Me))
)]
pub async fn me(caller: Caller, _: NoParams) -> Result<HttpResponse, Problem> {
    let user = caller.0.user;
    Ok(HttpResponse::Ok().json(Me { id: user.id, handle: user.handle, admin: caller.0.admin }))
}
