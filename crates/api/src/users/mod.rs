//! People: signing up, in and out, and their accounts.
//!
//! These requests take no `Idempotency-Key`: we would have to store tokens in answers and digests of passwords.
//! Repeating a sign-up is a conflict. Signing up and in also works with mock authentication, where a DID is a token
//! too.

pub mod atproto;
pub mod export;
pub mod me;
pub mod password;
pub mod sessions;
pub mod tokens;

use actix_web::web::{Data, ServiceConfig};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use cardwire_domain::UserId;
use cardwire_http::accounts::{SignUp, Tokens};
use cardwire_http::auth::credential;
use cardwire_http::body::JsonBody;
use cardwire_http::caller::InPerson;
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
#[openapi(paths(sign_up, log_in, refresh, log_out))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/users").post(sign_up).register(config);
    Endpoint::at("/api/users/login").post(log_in).register(config);
    Endpoint::at("/api/users/oauth/refresh").post(refresh).register(config);
    Endpoint::at("/api/users/logout").post(log_out).register(config);
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SignUp)]
pub struct SignUpBody {
    /// 3 to 30 letters, digits, hyphens, underscores and dots, starting with a letter or digit. Case does not matter.
    #[schema(example = "alice")]
    handle: String,
    /// 8 to 256 characters, and none of the 10,000 most common passwords.
    #[schema(value_type = String, format = Password, example = "correct horse battery staple")]
    password: SecretString,
    /// The code of an invite. Required if registration is by invite.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    invite: Option<SecretString>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SignedUp {
    #[schema(value_type = String, example = "did:cardwire:01jd4a3w5t8q2v9x7y6z1b0c3d")]
    id: UserId,
}

/// Creates an account. 403 if registration is closed, even with an invite, or is by invite and `invite` is missing or no longer valid. The
/// first person to sign up on a new site needs no invite and becomes its administrator. 409 when the handle is taken; names such as `admin` are
/// reserved. At most 60 sign-ups a minute from each address, including those whose handle is taken. Each request also counts as a read without
/// signing in.
#[utoipa::path(
    operation_id = "signUp",
    post, path = "/api/users", tag = "users", request_body = SignUpBody,
    responses((status = 201, body = SignedUp))
)]
pub async fn sign_up(
    state: Data<AppState>,
    request: HttpRequest,
    _: NoParams,
    body: JsonBody<SignUpBody>,
) -> Result<HttpResponse, Problem> {
    let SignUpBody { handle, password, invite } = body.value;
    let invite = invite.as_ref().map(|code| code.expose_secret());
    let new = SignUp { handle: &handle, password, invite };
    let client = state.accounts.client(&request);
    state.reads.admit(client.address)?;
    let id = state.accounts.sign_up(new, &client).await?;
    Ok(HttpResponse::Created().json(SignedUp { id }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HandleAndPassword {
    /// In any case.
    #[schema(example = "alice")]
    handle: String,
    #[schema(value_type = String, format = Password, example = "correct horse battery staple")]
    password: SecretString,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedIn {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// Good for one refresh. Using it twice ends the session.
    refresh_token: String,
    /// How long the access token is valid, in seconds.
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

/// Opens a session. Failed attempts are limited by handle and network, and for each handle over all networks; see
/// Retry-After. Failures elsewhere never block the right password. 403 if the account is suspended.
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
    let HandleAndPassword { handle, password } = body.value;
    let tokens = state.accounts.log_in(&handle, password, &state.accounts.client(&request)).await?;
    Ok(HttpResponse::Ok().json(SignedIn::from(tokens)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refresh {
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// Replaces both tokens of a session and extends it by 30 days, up to 90 days after signing in.
#[utoipa::path(
    operation_id = "refreshSession",
    post, path = "/api/users/oauth/refresh", tag = "users", request_body = Refresh,
    responses((status = 200, body = SignedIn))
)]
pub async fn refresh(state: Data<AppState>, _: NoParams, body: JsonBody<Refresh>) -> Result<HttpResponse, Problem> {
    let tokens = state.accounts.refresh(&body.value.refresh_token).await?;
    Ok(HttpResponse::Ok().json(SignedIn::from(tokens)))
}

/// Ends the session of the bearer token or the session cookie, even if the token has expired.
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
        // An unknown session, or a caller who needs none. An API token is revoked, not signed out.
        InPerson::extract(&request).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}
