//! What other servers read of this site before they sign somebody in.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, ServiceConfig};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::{NOT_FOUND, Problem};
use cardwire_http::state::AppState;
use serde_json::Value;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/oauth/client-metadata.json").get(client).register(config);
    Endpoint::at("/oauth/jwks.json").get(keys).register(config);
}

async fn client(state: Data<AppState>) -> Result<HttpResponse, Problem> {
    document(state.agents.as_ref().and_then(|agents| agents.client_metadata()))
}

async fn keys(state: Data<AppState>) -> Result<HttpResponse, Problem> {
    // There are none to be read where there is no client.
    let agents = state.agents.as_ref().filter(|agents| agents.client_metadata().is_some());
    document(agents.map(|agents| agents.public_keys()))
}

fn document(document: Option<Value>) -> Result<HttpResponse, Problem> {
    let nothing = || Problem::new(&NOT_FOUND, "This site does not sign people in with AT Protocol.");
    let document = document.ok_or_else(nothing)?;
    // Other servers keep them, too. New keys are seen within minutes.
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=300")).json(document))
}
