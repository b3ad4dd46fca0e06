//! Your repository in the AT Protocol network.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use cardwire_domain::UserId;
use cardwire_http::body::JsonBody;
use cardwire_http::caller::{Caller, InPerson};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::network::Connected;
use cardwire_http::problem::{NOT_FOUND, Problem};
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(connect, connection, disconnect))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/users/me/atproto").get(connection).post(connect).delete(disconnect).register(config);
}

/// Your connection to the AT Protocol network.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AtprotoConnection)]
pub struct ConnectionBody {
    #[schema(value_type = String, example = "did:plc:ewvi7nxzyoun6zhxrhs64oiz")]
    did: UserId,
    /// Left out if the account's handle could not be checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "alice.example.com")]
    handle: Option<String>,
    #[schema(example = "https://pds.example.com")]
    service: String,
    /// `connected`; `limited` while the server accepts no more writes; `failing` while it cannot be reached or refuses;
    /// `ended`: connect again.
    #[schema(example = "connected")]
    state: &'static str,
    /// Records in your repository.
    published: u64,
    /// Changes still waiting to be written there.
    waiting: u64,
    /// The last error, or why the connection ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

impl From<Connected> for ConnectionBody {
    fn from(connected: Connected) -> Self {
        let (state, last_error) = (connected.state(), connected.last_error().map(str::to_owned));
        let (published, waiting) = (connected.published(), connected.waiting());
        let connection = connected.connection;
        let (did, handle, service) = (connection.did, connection.handle, connection.service);
        Self { did, handle, service, state, published, waiting, last_error }
    }
}

/// Your connection to the AT Protocol network. 404 if you never connected, or disconnected.
#[utoipa::path(
    operation_id = "getMyAtproto",
    get, path = "/api/users/me/atproto", tag = "users", security(("bearer" = [])),
    responses((status = 200, body = ConnectionBody))
)]
pub async fn connection(state: Data<AppState>, caller: Caller, _: NoParams) -> Result<HttpResponse, Problem> {
    match state.connected(caller.id()).await? {
        Some(connected) => Ok(HttpResponse::Ok().json(ConnectionBody::from(connected))),
        None => Err(Problem::new(&NOT_FOUND, "You are not connected to the AT Protocol network.")),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectAtproto {
    /// The address of your server (PDS).
    #[schema(example = "http://localhost:2583")]
    service: String,
    /// Your handle there, or your DID.
    #[schema(example = "alice.test")]
    identifier: String,
    #[schema(value_type = String, format = Password)]
    app_password: SecretString,
}

/// Connects your account with an app password, which is not kept. Replaces an earlier connection. For development: 404 where the site does not
/// allow app passwords; there, connect on the account page. 409 if the AT Protocol account is connected to another account here. Not with an API
/// token.
#[utoipa::path(
    operation_id = "connectMyAtproto",
    post, path = "/api/users/me/atproto", tag = "users", security(("bearer" = [])),
    request_body = ConnectAtproto, responses((status = 200, body = ConnectionBody))
)]
pub async fn connect(
    state: Data<AppState>,
    caller: InPerson,
    _: NoParams,
    body: JsonBody<ConnectAtproto>,
) -> Result<HttpResponse, Problem> {
    state.writes.admit(caller.id())?;
    let ConnectAtproto { service, identifier, app_password } = body.value;
    let agents = state.agents()?;
    agents.connect_with_app_password(caller.id(), &service, &identifier, &app_password).await?;
    let connected = state.connected(caller.id()).await?;
    let connected = connected.ok_or_else(|| Problem::new(&NOT_FOUND, "You disconnected at the same time."))?;
    Ok(HttpResponse::Ok().json(ConnectionBody::from(connected)))
}

/// Ends the connection, here and at your server. Records that were published stay in your repository. Not with an API token. 404 if there is no
/// connection.
#[utoipa::path(
    operation_id = "disconnectMyAtproto",
    delete, path = "/api/users/me/atproto", tag = "users", security(("bearer" = [])),
    responses((status = 204, description = "Disconnected"))
)]
pub async fn disconnect(state: Data<AppState>, caller: InPerson, _: NoParams) -> Result<HttpResponse, Problem> {
    state.writes.admit(caller.id())?;
    match state.agents()?.disconnect(caller.id()).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::new(&NOT_FOUND, "You are not connected to the AT Protocol network.")),
    }
}
