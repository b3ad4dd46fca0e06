//! Coming back from one's own server.

use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use askama::Template;
use cardwire_atproto::{Agents, Callback, Finished, Grant, Purpose};
use cardwire_domain::UserId;
use cardwire_http::accounts::Newcomer;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use secrecy::{ExposeSecret, SecretString};

use crate::fields::with_wait;
use crate::links::{own_path, see_other};
use crate::sign_in::{begin_session, end_session};
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/oauth/callback").get(callback).register(config);
}

#[derive(Template)]
#[template(path = "network_failed.html")]
struct FailedPage {
    chrome: Chrome,
    why: String,
    /// Where to try again.
    again: &'static str,
}

async fn callback(
    state: Data<AppState>,
    request: HttpRequest,
    visit: Visit,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    // Whatever else a server sends along is passed over.
    let [state_text, iss, code, error] = ["state", "iss", "code", "error"].map(|name| params.text(name));
    let brought = Callback { state: state_text, iss, code, error };
    let agents = state.agents()?;
    let viewer = visit.viewer().map(|viewer| viewer.user.id.clone());
    let again = if viewer.is_some() { "/account/atproto" } else { "/sign-in/atproto" };
    let arrived = match agents.finish(brought, visit.browser(), viewer.as_ref()).await {
        Ok(Finished { purpose: Purpose::Connect { person }, grant }) => connect(agents, &person, grant).await,
        Ok(Finished { purpose: Purpose::SignIn { invite, next }, grant }) => {
            match enter(&state, &request, agents, grant, invite.as_deref()).await {
                Ok(token) => {
                    end_session(&state, &request).await?;
                    Ok(begin_session(&request, token.expose_secret(), own_path(&next)))
                }
                Err(problem) => Err(problem),
            }
        }
        Err(error) => Err(error.into()),
    };
    match arrived {
        Err(problem) if !problem.status_code().is_server_error() => {
            tracing::info!(why = problem.detail(), "a sign-in with AT Protocol failed");
            // A 401 would be answered with the way to another page.
            let status = Some(problem.status_code()).filter(|status| *status != StatusCode::UNAUTHORIZED);
            let why = problem.broken_rule().map_or_else(|| with_wait(&problem), |(_, rule)| rule);
            let page = FailedPage { chrome: visit.chrome(Section::Account), why, again };
            visit.page_with(status.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY), &page)
        }
        arrived => arrived,
    }
}

async fn connect(agents: &Agents, person: &UserId, grant: Grant) -> Result<HttpResponse, Problem> {
    agents.keep(person, grant).await?;
    Ok(see_other("/account/atproto?told=connected"))
}

/// The token of a new session: of the account that the DID belongs to, or of a new one.
async fn enter(
    state: &AppState,
    request: &HttpRequest,
    agents: &Agents,
    grant: Grant,
    invite: Option<&str>,
) -> Result<SecretString, Problem> {
    let client = state.accounts.client(request);
    let did = grant.identity.did.clone();
    let found = agents.repository().person_of(&did).await;
    let entered = async {
        let person = match found? {
            Some(person) => person,
            None => {
                let handle = grant.identity.handle.as_deref();
                state.accounts.join(Newcomer { did: &did, handle, invite }, &client).await?
            }
        };
        let token = state.accounts.enter_browser(&person, &client).await?;
        Ok::<_, Problem>((person, token))
    };
    match entered.await {
        Ok((person, token)) => {
            // They are who they are, whether their repository can be written to or not.
            if let Err(error) = agents.keep(&person, grant).await {
                tracing::warn!(%person, %error, "a repository was not connected");
            }
            Ok(token)
        }
        Err(problem) => {
            agents.discard(grant).await;
            Err(problem)
        }
    }
}
