//! The connection of an account, on the account's pages.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_atproto::Purpose;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::network::Connected;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use super::leave::leave;
use crate::fields::Complaint;
use crate::form::Posted;
use crate::links::see_other;
use crate::shown::When;
use crate::sign_in::offers_network;
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/account/atproto").get(show).register(config);
    Endpoint::at("/account/atproto/connect").post(connect).register(config);
    Endpoint::at("/account/atproto/app-password").post(connect_with_app_password).register(config);
    Endpoint::at("/account/atproto/retry").post(retry).register(config);
    Endpoint::at("/account/atproto/disconnect").post(disconnect).register(config);
}

#[derive(Template)]
#[template(path = "account_atproto.html")]
struct ConnectionPage {
    chrome: Chrome,
    told: Option<&'static str>,
    /// Connecting leads to the person's own server.
    can_connect: bool,
    can_use_app_password: bool,
    connected: Option<Shown>,
    typed: Typed,
    complaint: Complaint,
}

#[derive(Default)]
struct Typed {
    identifier: String,
    service: String,
}

struct Shown {
    name: String,
    did: String,
    service: String,
    state: &'static str,
    /// Why it has ended.
    ended: Option<String>,
    last_error: Option<String>,
    since: When,
    published: u64,
    waiting: u64,
    /// About how long the rest takes, if that is worth saying.
    rest: Option<String>,
    can_retry: bool,
}

async fn page(
    state: &AppState,
    visit: &Visit,
    told: Option<&'static str>,
    typed: Typed,
    complaint: Complaint,
) -> Result<ConnectionPage, Problem> {
    let caller = visit.in_person()?;
    let now = state.operations.clock.now();
    let shown = |connected: Connected| {
        let state = match connected.state() {
            "limited" => "Connected. The server takes no more for now.",
            "failing" => "Connected. Publishing fails at the moment.",
            "ended" => "Ended",
            _ => "Connected",
        };
        let can_retry = matches!(connected.state(), "limited" | "failing");
        let (published, waiting) = (connected.published(), connected.waiting());
        let last_error = connected.last_error().filter(|_| connected.connection.ended.is_none()).map(str::to_owned);
        let rest = connected.records.as_ref().filter(|_| waiting > 0).and_then(|records| about(records.rest));
        let connection = connected.connection;
        Shown {
            name: connection.handle.unwrap_or_else(|| connection.did.to_string()),
            did: connection.did.to_string(),
            service: connection.service,
            state,
            ended: connection.ended,
            last_error,
            since: When::of(connection.connected_at, now),
            published,
            waiting,
            rest,
            can_retry,
        }
    };
    Ok(ConnectionPage {
        chrome: visit.chrome(Section::Account),
        told,
        can_connect: offers_network(state),
        can_use_app_password: state.agents.as_ref().is_some_and(|agents| agents.allows_app_passwords()),
        connected: state.connected(caller.id()).await?.map(shown),
        typed,
        complaint,
    })
}

/// `None`: it is done before anybody has read it.
fn about(rest: Duration) -> Option<String> {
    let minutes = rest.as_secs().div_ceil(60);
    match minutes {
        0 | 1 => None,
        2..120 => Some(format!("about {minutes} minutes")),
        120..2_880 => Some(format!("about {} hours", minutes.div_ceil(60))),
        _ => Some(format!("about {} days", minutes.div_ceil(1_440))),
    }
}

async fn show(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let told = match params.text("told").as_deref() {
        Some("connected") => Some("Your AT Protocol account is connected."),
        Some("retrying") => Some("Cardwire is trying again now."),
        Some("disconnected") => Some("Your AT Protocol account is no longer connected."),
        _ => None,
    };
    visit.page(&page(&state, &visit, told, Typed::default(), Complaint::default()).await?)
}

async fn refused(
    state: &AppState,
    visit: &Visit,
    typed: Typed,
    (status, complaint): (StatusCode, Complaint),
) -> Result<HttpResponse, Problem> {
    let page = page(state, visit, None, typed, complaint).await?;
    Ok(page.complaint.complete(visit.page_with(status, &page)?))
}

async fn connect(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    let Posted { visit, fields } = &posted;
    let caller = visit.in_person()?;
    state.writes.admit(caller.id())?;
    let identifier = fields.text("identifier");
    let purpose = Purpose::Connect { person: caller.id().clone() };
    match leave(&state, &request, visit, identifier, purpose).await {
        Ok(page) => Ok(page),
        Err(problem) => {
            let (status, complaint) = Complaint::of(problem, &["identifier", "service"])?;
            let complaint = complaint.of_field("service", "identifier");
            let typed = Typed { identifier: identifier.to_owned(), service: String::new() };
            refused(&state, visit, typed, (status, complaint)).await
        }
    }
}

async fn connect_with_app_password(state: Data<AppState>, posted: Posted) -> Result<HttpResponse, Problem> {
    let Posted { visit, fields } = &posted;
    let caller = visit.in_person()?;
    state.writes.admit(caller.id())?;
    let [service, identifier] = ["service", "account"].map(|name| fields.text(name));
    let password = fields.text("appPassword").into();
    let connected = state.agents()?.connect_with_app_password(caller.id(), service, identifier, &password).await;
    match connected {
        Ok(()) => Ok(see_other("/account/atproto?told=connected")),
        Err(error) => {
            let (status, complaint) = Complaint::of(error.into(), &["identifier", "service"])?;
            let complaint = complaint.of_field("identifier", "account");
            let typed = Typed { identifier: identifier.to_owned(), service: service.to_owned() };
            refused(&state, visit, typed, (status, complaint)).await
        }
    }
}

/// Publishing goes on at once, whatever it waited for.
async fn retry(state: Data<AppState>, posted: Posted) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.in_person()?;
    state.writes.admit(caller.id())?;
    state.records.publish_again(caller.id()).await?;
    Ok(see_other("/account/atproto?told=retrying"))
}

async fn disconnect(state: Data<AppState>, posted: Posted) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.in_person()?;
    state.writes.admit(caller.id())?;
    state.agents()?.disconnect(caller.id()).await?;
    Ok(see_other("/account/atproto?told=disconnected"))
}
