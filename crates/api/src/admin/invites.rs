//! Invites to sign up.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_http::accounts::sign_up_path;
use cardwire_http::caller::Admin;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::origin;
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(create))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/invites").post(create).register(config);
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invite {
    /// The value for `invite` when signing up.
    code: String,
    /// The page to sign up on, with the code.
    #[schema(example = "https://links.example/sign-up?invite=Yk3v")]
    url: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Creates an invite for one person, valid for seven days. The code is not shown again. 409 while registration is
/// closed.
#[utoipa::path(
    operation_id = "createInvite",
    post, path = "/api/admin/invites", tag = "admin", security(("bearer" = [])),
    responses((status = 201, body = Invite))
)]
pub async fn create(
    state: Data<AppState>,
    request: HttpRequest,
    admin: Admin,
    _: NoParams,
) -> Result<HttpResponse, Problem> {
    let invite = state.create_invite(admin.id()).await?;
    let code = invite.code.expose_secret().to_owned();
    let url = origin::base(&request).unwrap_or_default() + &sign_up_path(&code);
    Ok(HttpResponse::Created().json(Invite { code, url, expires_at: invite.expires_at }))
}
