//! A new password.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_http::body::JsonBody;
use cardwire_http::caller::InPerson;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(change))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/users/me/password").put(change).register(config);
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangePassword {
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    /// 8 to 256 characters, and none of the 10,000 most common passwords.
    #[schema(value_type = String, format = Password, example = "correct horse battery staple")]
    new_password: SecretString,
}

/// Changes your password. All your other sessions and all your API tokens end; the session you use stays. After ten
/// wrong current passwords in one session, one is checked every ten minutes; see Retry-After. Not with an API token.
#[utoipa::path(
    operation_id = "changePassword",
    put, path = "/api/users/me/password", tag = "users", security(("bearer" = [])),
    request_body = ChangePassword, responses((status = 204, description = "Changed"))
)]
pub async fn change(
    state: Data<AppState>,
    request: HttpRequest,
    caller: InPerson,
    _: NoParams,
    body: JsonBody<ChangePassword>,
) -> Result<HttpResponse, Problem> {
    let ChangePassword { current_password, new_password } = body.value;
    let client = state.accounts.client(&request);
    state.accounts.change_password(&caller, current_password, new_password, &client).await?;
    Ok(HttpResponse::NoContent().finish())
}
