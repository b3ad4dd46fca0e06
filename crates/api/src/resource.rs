//! One resource of the API.

use actix_web::web::ServiceConfig;
use utoipa::openapi::OpenApi;

#[derive(Clone, Copy)]
pub struct Resource {
    /// Adds its endpoints.
    pub configure: fn(&mut ServiceConfig),
    /// Its part of the OpenAPI document.
    pub document: fn() -> OpenApi,
}
