//! Hiding cards from everyone but their owners, and showing them again.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::use_cases::{HideCard, ShowCard};
use cardwire_http::body::JsonBody;
use cardwire_http::caller::Admin;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::idempotency::{bodiless, idempotency};
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use crate::dto::IdempotencyHeader;
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(hide, show))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/cards/{id}/hide").post(hide).register(config);
    Endpoint::at("/api/admin/cards/{id}/show").post(show).register(config);
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HideCard)]
pub struct HideCardBody {
    /// For the audit log: 1 to 500 characters after trimming.
    #[schema(example = "Spam")]
    reason: String,
}

/// Hides a card from everyone but its owner, even if it is public. Once this is answered, nobody else can see it. Hiding it again changes
/// nothing. 404 if the card is in no library.
#[utoipa::path(
    operation_id = "hideCard",
    post, path = "/api/admin/cards/{id}/hide", tag = "admin", security(("bearer" = [])),
    params(("id" = String, Path), IdempotencyHeader),
    request_body = HideCardBody, responses((status = 204, description = "Hidden"))
)]
pub async fn hide(
    state: Data<AppState>,
    request: HttpRequest,
    admin: Admin,
    _: NoParams,
    id: Path<String>,
    body: JsonBody<HideCardBody>,
) -> Result<HttpResponse, Problem> {
    let asked = idempotency(&request, body.fingerprint)?;
    let command = HideCard { card_id: id.into_inner(), reason: body.value.reason };
    state.once(admin.id(), asked, async || state.hide_card(&request, admin.id(), &command).await).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Shows a hidden card again. If it is public, others see it as saved just now.
#[utoipa::path(
    operation_id = "showCard",
    post, path = "/api/admin/cards/{id}/show", tag = "admin", security(("bearer" = [])),
    params(("id" = String, Path), IdempotencyHeader),
    responses((status = 204, description = "No longer hidden"))
)]
pub async fn show(
    state: Data<AppState>,
    request: HttpRequest,
    admin: Admin,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let asked = idempotency(&request, bodiless(&request))?;
    let command = ShowCard { card_id: id.into_inner() };
    state.once(admin.id(), asked, async || state.show_card(&request, admin.id(), &command).await).await?;
    Ok(HttpResponse::NoContent().finish())
}
