//! People: signing up, in and out.
//!
//! These requests take no `Idempotency-Key`: kept answers would be tokens, and kept digests would be of passwords. A sign-up
//! that is sent again is a conflict. With mock authentication people may sign up and in as well; there a DID is a token, too.

use std::net::IpAddr;

use actix_web::web::{Data, ServiceConfig};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use cardwire_domain::UserId;
use cardwire_http::accounts::Tokens;
use cardwire_http::auth::credential;
use cardwire_http::body::JsonBody;
use cardwire_http::caller::Caller;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(sign_up, log_in, refresh, log_out, me))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/users").post(sign_up).register(config);
    Endpoint::at("/api/users/login").post(log_in).register(config);
    Endpoint::at("/api/users/oauth/refresh").post(refresh).register(config);
    Endpoint::at("/api/users/logout").post(log_out).register(config);
    Endpoint::at("/api/users/me").get(me).register(config);
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HandleAndPassword {
    /// 3 to 30 letters, digits, hyphens, underscores and dots, starting with a letter or digit. Case does not matter.
    #[schema(example = "alice")]
    handle: String,
    /// 8 to 256 characters, and for a new account none of the 10,000 most common passwords.
    #[schema(value_type = String, format = Password, example = "correct horse battery staple")]
    password: SecretString,
}

impl HandleAndPassword {
    /// With the address it came from.
    fn from(self, state: &AppState, request: &HttpRequest) -> (String, SecretString, Option<IpAddr>) {
        (self.handle, self.password, state.accounts.client_address(request))
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SignedUp {
    #[schema(value_type = String, example = "did:cardwire:01jd4a3w5t8q2v9x7y6z1b0c3d")]
    id: UserId,
}

/// Makes an account. 409 when the handle is taken; names such as `admin` are reserved. At most 60 a minute from each address.
#[utoipa::path(
    operation_id = "signUp",
    post, path = "/api/users", tag = "users", request_body = HandleAndPassword,
    responses((status = 201, body = SignedUp))
)]
pub async fn sign_up(
    state: Data<AppState>,
    request: HttpRequest,
    _: NoParams,
    body: JsonBody<HandleAndPassword>,
) -> Result<HttpResponse, Problem> {
    let (handle, password, address) = body.value.from(&state, &request);
    let id = state.accounts.sign_up(&handle, password, address).await?;
    Ok(HttpResponse::Created().json(SignedUp { id }))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedIn {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// For one refresh. Showing it twice ends the session.
    refresh_token: String,
    /// For how many seconds the access token is good.
    #[schema(example = 3_600)]
    expires_in: u64,
}

impl From<Tokens> for SignedIn {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access.expose_secret().to_owned(),
            refresh_token: tokens.refresh.expose_secret().to_owned(),
            expires_in: tokens.access_for.as_secs(),
        }
    }
}

/// Opens a session. Failed attempts are limited by handle and network, and for each handle over all networks; see Retry-After.
#[utoipa::path(
    operation_id = "logIn",
    post, path = "/api/users/login", tag = "users", request_body = HandleAndPassword,
    responses((status = 200, body = SignedIn))
)]
pub async fn log_in(
    state: Data<AppState>,
    request: HttpRequest,
    _: NoParams,
    body: JsonBody<HandleAndPassword>,
) -> Result<HttpResponse, Problem> {
    let (handle, password, address) = body.value.from(&state, &request);
    let tokens = state.accounts.log_in(&handle, password, address).await?;
    Ok(HttpResponse::Ok().json(SignedIn::from(tokens)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refresh {
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// Replaces both tokens of a session, which is then good for another 30 days, but ends 90 days after signing in.
#[utoipa::path(
    operation_id = "refreshSession",
    post, path = "/api/users/oauth/refresh", tag = "users", request_body = Refresh,
    responses((status = 200, body = SignedIn))
)]
pub async fn refresh(state: Data<AppState>, _: NoParams, body: JsonBody<Refresh>) -> Result<HttpResponse, Problem> {
    let tokens = state.accounts.refresh(&body.value.refresh_token).await?;
    Ok(HttpResponse::Ok().json(SignedIn::from(tokens)))
}

/// Ends the session of the bearer token, or of the session cookie, also when the token has expired.
#[utoipa::path(
    operation_id = "logOut",
    post, path = "/api/users/logout", tag = "users", security(("bearer" = [])), responses((status = 204))
)]
pub async fn log_out(state: Data<AppState>, request: HttpRequest, _: NoParams) -> Result<HttpResponse, Problem> {
    let has_ended = match credential(&request)? {
        Some(credential) => state.accounts.log_out(credential.token()).await?,
        None => false,
    };
    if !has_ended {
        // A session that is not here, or somebody who needs none.
        Caller::extract(&request).await?;
    }
    Ok(HttpResponse::NoContent().finish())
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
    operation_id = "getMe",
    get, path = "/api/users/me", tag = "users", security(("bearer" = [])), responses((status = 200, body = Me))
)]
pub async fn me(caller: Caller, _: NoParams) -> Result<HttpResponse, Problem> {
    let user = caller.0.user;
    Ok(HttpResponse::Ok().json(Me { id: user.id, handle: user.handle, admin: caller.0.admin }))
}
