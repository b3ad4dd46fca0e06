//! Signing in and up with an AT Protocol handle.

use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_atproto::Purpose;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use super::leave::leave;
use crate::fields::Complaint;
use crate::form::Posted;
use crate::links::own_path;
use crate::sign_in::offers_network;
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/sign-in/atproto").get(show).post(begin).register(config);
}

#[derive(Template)]
#[template(path = "network_sign_in.html")]
struct NetworkSignInPage<'a> {
    chrome: Chrome,
    is_set_up: bool,
    identifier: &'a str,
    invite: &'a str,
    next: &'a str,
    complaint: Complaint,
}

async fn show(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let [invite, next] = ["invite", "next"].map(|name| params.text(name).unwrap_or_default());
    visit.page(&NetworkSignInPage {
        chrome: visit.chrome(Section::Account),
        is_set_up: offers_network(&state),
        identifier: "",
        invite: &invite,
        next: own_path(&next),
        complaint: Complaint::default(),
    })
}

async fn begin(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    // Each asks several other servers.
    state.reads.admit(state.accounts.client_address(&request))?;
    let Posted { visit, fields } = &posted;
    let [identifier, invite, next] = ["identifier", "invite", "next"].map(|name| fields.text(name));
    let next = own_path(next);
    let invite = Some(invite.trim()).filter(|code| !code.is_empty());
    let purpose = Purpose::SignIn { invite: invite.map(str::to_owned), next: next.to_owned() };
    let problem = match leave(&state, &request, visit, identifier, purpose).await {
        Ok(page) => return Ok(page),
        Err(problem) => problem,
    };
    let (status, complaint) = Complaint::of(problem, &["identifier", "service"])?;
    let page = NetworkSignInPage {
        chrome: visit.chrome(Section::Account),
        is_set_up: offers_network(&state),
        identifier,
        invite: invite.unwrap_or_default(),
        next,
        complaint: complaint.of_field("service", "identifier"),
    };
    let status = if status == StatusCode::UNAUTHORIZED { StatusCode::UNPROCESSABLE_ENTITY } else { status };
    Ok(page.complaint.complete(visit.page_with(status, &page)?))
}
