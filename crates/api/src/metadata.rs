//! Fetching the page behind a card again.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig};
use cardwire_http::caller::Caller;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use utoipa::OpenApi;

use crate::library::CardAnswer;
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(retry))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/cards/{id}/metadata/retry").post(retry).register(config);
}

/// Fetches the page behind your card again, whether or not it could be read last time. 404 if the card is not yours,
/// 409 while the page is already waiting to be fetched, 429 within a minute after a fetch. The card's `metadata` shows
/// the result.
#[utoipa::path(
    operation_id = "retryMetadata",
    post, path = "/api/cards/{id}/metadata/retry", tag = "library", security(("bearer" = [])),
    params(("id" = String, Path)), responses((status = 202, description = "It will be fetched", body = CardAnswer))
)]
pub async fn retry(
    state: Data<AppState>,
    caller: Caller,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let card_id = state.fetch_again(&caller, &id).await?;
    Ok(HttpResponse::Accepted().json(CardAnswer { card_id }))
}
