//! Where you are signed in.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_domain::sessions::Session;
use cardwire_domain::{Error, SessionId};
use cardwire_http::accounts;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::form::Posted;
use crate::links::see_other;
use crate::shown::When;
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/account/sessions").get(list).register(config);
    Endpoint::at("/account/sessions/end").post(end).register(config);
    Endpoint::at("/account/sessions/end-others").post(end_others).register(config);
}

#[derive(Template)]
#[template(path = "account_sessions.html")]
struct SessionsPage {
    chrome: Chrome,
    told: Option<&'static str>,
    sessions: Vec<SessionShown>,
    has_others: bool,
}

struct SessionShown {
    id: String,
    client: String,
    signed_in: When,
    seen: When,
    is_current: bool,
}

async fn list(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let caller = visit.in_person()?;
    let told = match params.text("told").as_deref() {
        Some("ended") => Some("That session has been signed out."),
        Some("others") => Some("You are signed out everywhere else."),
        _ => None,
    };
    let now = state.operations.clock.now();
    let current = caller.session();
    let shown = |session: Session| SessionShown {
        id: session.id.to_string(),
        client: if session.client.is_empty() { "Unknown browser or program".to_owned() } else { session.client },
        signed_in: When::of(session.created_at, now),
        seen: When::of(session.last_seen_at, now),
        is_current: current == Some(session.id),
    };
    let sessions: Vec<_> = state.accounts.sessions(caller.id()).await?.into_iter().map(shown).collect();
    let has_others = sessions.iter().any(|session| !session.is_current);
    visit.page(&SessionsPage { chrome: visit.chrome(Section::Account), told, sessions, has_others })
}

async fn end(state: Data<AppState>, posted: Posted) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.in_person()?;
    state.writes.admit(caller.id())?;
    let id: SessionId = posted.fields.text("id").parse()?;
    match state.accounts.end_session(caller.id(), id).await {
        // It has ended meanwhile.
        Ok(()) | Err(accounts::Error::Domain(Error::NotFound { .. })) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(see_other("/account/sessions?told=ended"))
}

async fn end_others(state: Data<AppState>, posted: Posted) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.in_person()?;
    state.writes.admit(caller.id())?;
    state.accounts.end_other_sessions(&caller).await?;
    Ok(see_other("/account/sessions?told=others"))
}
