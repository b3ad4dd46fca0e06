//! Signing in and out.

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::accounts::Registration;
use cardwire_http::auth::{self, Credential};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::session::Jar;
use cardwire_http::state::AppState;
use secrecy::{ExposeSecret, SecretString};

use crate::fields::Complaint;
use crate::form::Posted;
use crate::links::{own_path, see_other, with_next, with_parameter};
use crate::unsent::Unsent;
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/sign-in").get(sign_in_page).post(sign_in).register(config);
    Endpoint::at("/sign-out").post(sign_out).register(config);
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    chrome: Chrome,
    told: Option<&'static str>,
    handle: String,
    /// Where to go then.
    next: String,
    /// The page for somebody without an account, which leads there, too.
    sign_up: String,
    /// What was typed into another form before.
    unsent: Option<Unsent>,
    needs_password: bool,
    /// Where people sign in with AT Protocol, if they can.
    network: Option<String>,
    /// Somebody without an account may get one.
    offers_sign_up: bool,
    complaint: Complaint,
}

impl SignInPage {
    fn empty(visit: &Visit, state: &AppState) -> Self {
        Self {
            chrome: visit.chrome(Section::Account),
            told: None,
            handle: String::new(),
            next: "/".to_owned(),
            sign_up: "/sign-up".to_owned(),
            unsent: None,
            needs_password: needs_password(state),
            network: None,
            offers_sign_up: needs_password(state) && state.accounts.registration() != Registration::Closed,
            complaint: Complaint::default(),
        }
    }

    /// The first person may always sign up. Everybody may sign in by the network, where that is set up.
    async fn for_the_first(mut self, state: &AppState) -> Result<Self, Problem> {
        self.network = network_path(state, ("next", &self.next));
        if self.needs_password && !self.offers_sign_up {
            self.offers_sign_up = state.accounts.welcome(None).await?.may_sign_up();
        }
        Ok(self)
    }
}

async fn sign_in_page(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let next = own_path(&params.text("next").unwrap_or_default()).to_owned();
    let told = match params.text("told").as_deref() {
        Some("password") => Some("Your password has been changed. Sign in with the new one."),
        Some("deleted") => {
            Some("Your account is being deleted. Everything you saved will be gone within a few minutes.")
        }
        _ => None,
    };
    let sign_up = with_next("/sign-up", &next);
    let page = SignInPage { told, next, sign_up, ..SignInPage::empty(&visit, &state) };
    visit.page(&page.for_the_first(&state).await?)
}

/// The sign-in page, in answer to a form of somebody whose session has expired.
pub fn with_unsent(request: &HttpRequest, visit: &Visit, unsent: &Unsent) -> Result<HttpResponse, Problem> {
    let state = request.app_data::<Data<AppState>>().ok_or_else(|| Problem::internal("no AppState in the app"))?;
    let page = SignInPage { unsent: Some(unsent.clone()), ..SignInPage::empty(visit, state) };
    let mut page = visit.page_with(StatusCode::UNAUTHORIZED, &page)?;
    page.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    Ok(page)
}

async fn sign_in(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    let handle = posted.fields.text("handle");
    let next = own_path(posted.fields.text("next"));
    let unsent = Unsent::carried(&posted.fields);
    let (status, complaint) = match token(&state, &request, &posted).await {
        Ok(token) => {
            end_session(&state, &request).await?;
            let Some(unsent) = unsent else {
                return Ok(begin_session(&request, token.expose_secret(), next));
            };
            let visit = posted.visit.signed_in(&state, token.expose_secret()).await?;
            let mut page = unsent.page(&visit, StatusCode::OK)?;
            let kept = page.add_cookie(&Jar::Session.write(&request, token.expose_secret()));
            return kept.map(|()| page).map_err(|error| Problem::internal(error.to_string()));
        }
        Err(problem) => Complaint::of(problem, &["handle"])?,
    };
    // A 401 would be answered with the way to this page.
    let status = if status == StatusCode::UNAUTHORIZED { StatusCode::UNPROCESSABLE_ENTITY } else { status };
    let page = SignInPage {
        handle: handle.to_owned(),
        next: next.to_owned(),
        sign_up: with_next("/sign-up", next),
        unsent,
        complaint,
        ..SignInPage::empty(&posted.visit, &state)
    };
    let page = page.for_the_first(&state).await?;
    Ok(page.complaint.complete(posted.visit.page_with(status, &page)?))
}

async fn token(state: &AppState, request: &HttpRequest, posted: &Posted) -> Result<SecretString, Problem> {
    let handle = posted.fields.text("handle");
    let Some(token) = state.authenticator.token_without_account(handle) else {
        let password = posted.fields.text("password").into();
        let client = state.accounts.client(request);
        return Ok(state.accounts.log_in_browser(handle, password, &client).await?);
    };
    match state.authenticator.authenticate(Some(Credential::Session(&token))).await {
        Ok(_) => Ok(token.into()),
        Err(auth::Error::Unavailable(why)) => Err(Problem::unavailable(why)),
        Err(auth::Error::Refused(_)) => {
            Err(Problem::invalid("handle", "Use letters, digits, dots, underscores and hyphens, or a DID."))
        }
    }
}

/// Ends this browser's session, here and in the browser.
async fn sign_out(state: Data<AppState>, request: HttpRequest, _: Posted) -> Result<HttpResponse, Problem> {
    end_session(&state, &request).await?;
    signed_out(&request, "/")
}

/// Leads to a page, with this browser signed out.
pub fn signed_out(request: &HttpRequest, to: &str) -> Result<HttpResponse, Problem> {
    let mut response = see_other(to);
    let cleared = [Jar::Session, Jar::Visitor].map(|jar| response.add_cookie(&jar.clear(request)));
    cleared.into_iter().collect::<Result<(), _>>().map_err(|error| Problem::internal(error.to_string()))?;
    Ok(response)
}

/// Ends this browser's session, if it has one.
pub async fn end_session(state: &AppState, request: &HttpRequest) -> Result<(), Problem> {
    if let Some(token) = Jar::Session.read(request) {
        state.accounts.log_out(token).await?;
    }
    Ok(())
}

pub fn begin_session(request: &HttpRequest, token: &str, next: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, next)).cookie(Jar::Session.write(request, token)).finish()
}

/// Whether people can sign in with AT Protocol.
pub fn offers_network(state: &AppState) -> bool {
    state.agents.as_ref().is_some_and(|agents| agents.signs_in())
}

/// The page on which people sign in with AT Protocol, with this parameter. `None`: they cannot.
pub fn network_path(state: &AppState, (name, value): (&str, &str)) -> Option<String> {
    offers_network(state).then(|| with_parameter("/sign-in/atproto", name, value))
}

/// Whether people sign in with a password, and not just by a name.
pub fn needs_password(state: &AppState) -> bool {
    state.authenticator.token_without_account("somebody").is_none()
}
