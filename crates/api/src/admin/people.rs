//! Suspending and restoring accounts, and links for choosing a new password.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_http::caller::Admin;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use cardwire_http::{origin, people};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(suspend, restore, reset_password))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/users/{id}/suspend").post(suspend).register(config);
    Endpoint::at("/api/admin/users/{id}/restore").post(restore).register(config);
    Endpoint::at("/api/admin/users/{id}/reset-password").post(reset_password).register(config);
}

/// Suspends an account: its sessions and API tokens end at once, and its owner cannot sign in until it is restored. What they published
/// stays. Suspending again changes nothing. 403 if it is your own.
#[utoipa::path(
    operation_id = "suspendUser",
    post, path = "/api/admin/users/{id}/suspend", tag = "admin", security(("bearer" = [])),
    params(("id" = String, Path, example = "did:plc:alice")), responses((status = 204, description = "Suspended"))
)]
pub async fn suspend(
    state: Data<AppState>,
    admin: Admin,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    state.suspend(admin.id(), &people::named(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lets the owner of a suspended account sign in again. Restoring one that is not suspended changes nothing.
#[utoipa::path(
    operation_id = "restoreUser",
    post, path = "/api/admin/users/{id}/restore", tag = "admin", security(("bearer" = [])),
    params(("id" = String, Path, example = "did:plc:alice")), responses((status = 204, description = "Restored"))
)]
pub async fn restore(
    state: Data<AppState>,
    admin: Admin,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    state.restore(admin.id(), &people::named(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetLink {
    /// The page where they choose a new password.
    #[schema(example = "https://links.example/reset-password?token=Yk3v")]
    url: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Creates a link for the owner of an account to choose a new password. It works once, within 24 hours, and is not
/// shown again. Using it ends every session and API token of the account.
#[utoipa::path(
    operation_id = "resetUserPassword",
    post, path = "/api/admin/users/{id}/reset-password", tag = "admin", security(("bearer" = [])),
    params(("id" = String, Path, example = "did:plc:alice")), responses((status = 200, body = ResetLink))
)]
pub async fn reset_password(
    state: Data<AppState>,
    request: HttpRequest,
    admin: Admin,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let link = state.reset_link(admin.id(), &people::named(&id)?).await?;
    let url = origin::base(&request).unwrap_or_default() + &link.path();
    Ok(HttpResponse::Ok().json(ResetLink { url, expires_at: link.expires_at }))
}
