//! API tokens, for programs that act for a person.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig};
use cardwire_domain::TokenId;
use cardwire_domain::tokens::{self, ApiToken};
use cardwire_http::accounts::TokenRequest;
use cardwire_http::body::JsonBody;
use cardwire_http::caller::InPerson;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::dto::PageBody;
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(list, create, revoke))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/users/me/tokens").get(list).post(create).register(config);
    Endpoint::at("/api/users/me/tokens/{id}").delete(revoke).register(config);
}

/// What a token allows. read: reading only. write: reading and changing.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = TokenScope)]
pub enum Scope {
    Read,
    Write,
}

impl From<Scope> for tokens::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Write => Self::Write,
        }
    }
}

impl From<tokens::Scope> for Scope {
    fn from(scope: tokens::Scope) -> Self {
        match scope {
            tokens::Scope::Read => Self::Read,
            tokens::Scope::Write => Self::Write,
        }
    }
}

/// A token without its secret, which is shown only once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiToken)]
pub struct TokenBody {
    #[schema(value_type = String, example = "01JD4A3W5T8Q2V9X7Y6Z1B0C3H")]
    id: TokenId,
    #[schema(example = "Backup")]
    name: String,
    scope: Scope,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Left out: it does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Left out: it has not been used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

impl From<ApiToken> for TokenBody {
    fn from(token: ApiToken) -> Self {
        let ApiToken { id, name, scope, created_at, expires_at, last_used_at } = token;
        Self { id, name, scope: scope.into(), created_at, expires_at, last_used_at }
    }
}

/// Your API tokens, newest first, expired ones included. Not with an API token.
#[utoipa::path(
    operation_id = "listMyTokens",
    get, path = "/api/users/me/tokens", tag = "users", security(("bearer" = [])),
    responses((status = 200, body = PageBody<TokenBody>))
)]
pub async fn list(state: Data<AppState>, caller: InPerson, _: NoParams) -> Result<HttpResponse, Problem> {
    let tokens = state.accounts.tokens(caller.id()).await?;
    let items = tokens.into_iter().map(TokenBody::from).collect();
    Ok(HttpResponse::Ok().json(PageBody::<TokenBody> { items, next_cursor: None }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateToken {
    /// A name to recognise it by: 1 to 100 characters.
    #[schema(example = "Backup")]
    name: String,
    scope: Scope,
    /// Left out: it does not expire.
    #[serde(default)]
    #[schema(example = 90)]
    expires_in_days: Option<u32>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedToken {
    #[schema(value_type = String, example = "01JD4A3W5T8Q2V9X7Y6Z1B0C3H")]
    id: TokenId,
    /// For `Authorization: Bearer`. Keep it: it is not shown again.
    #[schema(example = "cw_Yk3v")]
    token: String,
    #[schema(example = "Backup")]
    name: String,
    scope: Scope,
    /// Left out: it does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// Creates a token for a program that acts for you. With the scope read, every request that changes something gets 403.
/// No token can manage tokens, sessions, the password or the account, nor act as an administrator. At most 50: another
/// one gets 409. Changing the password ends all of them. Not with an API token.
#[utoipa::path(
    operation_id = "createToken",
    post, path = "/api/users/me/tokens", tag = "users", security(("bearer" = [])),
    request_body = CreateToken, responses((status = 201, body = CreatedToken))
)]
pub async fn create(
    state: Data<AppState>,
    caller: InPerson,
    _: NoParams,
    body: JsonBody<CreateToken>,
) -> Result<HttpResponse, Problem> {
    let CreateToken { name, scope, expires_in_days } = body.value;
    state.writes.admit(caller.id())?;
    let asked = TokenRequest { name: &name, scope: scope.into(), expires_in_days };
    let (token, secret) = state.accounts.create_token(&caller, &asked).await?;
    Ok(HttpResponse::Created().json(CreatedToken {
        id: token.id,
        token: secret.expose_secret().to_owned(),
        name: token.name,
        scope: token.scope.into(),
        expires_at: token.expires_at,
    }))
}

/// Revokes a token: it stops working at once. Not with an API token.
#[utoipa::path(
    operation_id = "revokeToken",
    delete, path = "/api/users/me/tokens/{id}", tag = "users", security(("bearer" = [])),
    params(("id" = String, Path)), responses((status = 204, description = "Revoked"))
)]
pub async fn revoke(
    state: Data<AppState>,
    caller: InPerson,
    _: NoParams,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    state.writes.admit(caller.id())?;
    let id = id.parse()?;
    state.accounts.revoke_token(caller.id(), id).await?;
    Ok(HttpResponse::NoContent().finish())
}
