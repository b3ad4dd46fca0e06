//! API tokens. A new one is shown in the answer to its form, and nowhere else.

use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::tokens::{ApiToken, MAX_TOKENS, Scope};
use cardwire_domain::{Error, TokenId};
use cardwire_http::accounts::{self, TokenRequest};
use cardwire_http::caller::InPerson;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::fields::{Complaint, Fields};
use crate::form::Posted;
use crate::links::see_other;
use crate::shown::When;
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/account/tokens").get(list).post(create).register(config);
    Endpoint::at("/account/tokens/revoke").post(revoke).register(config);
}

#[derive(Template)]
#[template(path = "account_tokens.html")]
struct TokensPage {
    chrome: Chrome,
    told: Option<&'static str>,
    has_account: bool,
    /// Just created, with its secret.
    created: Option<(String, String)>,
    tokens: Vec<TokenShown>,
    is_full: bool,
    fields: TokenFields,
}

struct TokenShown {
    id: String,
    name: String,
    can_write: bool,
    created: When,
    used: Option<When>,
    expires: Option<When>,
    has_expired: bool,
}

impl TokenShown {
    fn of(token: ApiToken, now: Timestamp) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            can_write: token.scope == Scope::Write,
            created: When::of(token.created_at, now),
            used: token.last_used_at.map(|at| When::of(at, now)),
            expires: token.expires_at.map(When::day),
            has_expired: token.expires_at.is_some_and(|at| at <= now),
        }
    }
}

/// What the form about a new token holds.
#[derive(Default)]
struct TokenFields {
    name: String,
    can_write: bool,
    days: String,
    complaint: Complaint,
}

impl TokenFields {
    const NAMES: [&str; 2] = ["name", "expiresInDays"];

    fn sent(fields: &Fields, complaint: Complaint) -> Self {
        Self {
            name: fields.text("name").to_owned(),
            can_write: scope(fields) == Scope::Write,
            days: fields.text("expiresInDays").to_owned(),
            complaint,
        }
    }
}

/// Read unless write was chosen.
fn scope(fields: &Fields) -> Scope {
    if fields.text("scope") == Scope::Write.name() { Scope::Write } else { Scope::Read }
}

async fn list(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let told = (params.text("told").as_deref() == Some("revoked")).then_some("The token has been revoked.");
    let page = page(&state, &visit, TokenFields::default()).await?;
    visit.page(&TokensPage { told, ..page })
}

async fn page(state: &AppState, visit: &Visit, fields: TokenFields) -> Result<TokensPage, Problem> {
    let caller = visit.in_person()?;
    let now = state.operations.clock.now();
    let tokens = state.accounts.tokens(caller.id()).await?;
    Ok(TokensPage {
        chrome: visit.chrome(Section::Account),
        told: None,
        has_account: visit.has_account(),
        created: None,
        is_full: tokens.len() >= MAX_TOKENS,
        tokens: tokens.into_iter().map(|token| TokenShown::of(token, now)).collect(),
        fields,
    })
}

async fn create(state: Data<AppState>, posted: Posted) -> Result<HttpResponse, Problem> {
    let Posted { visit, fields } = posted;
    let (token, secret) = match created(&state, &visit.in_person()?, &fields).await {
        Ok(created) => created,
        Err(problem) => {
            let (status, complaint) = Complaint::of(problem, &TokenFields::NAMES)?;
            let page = page(&state, &visit, TokenFields::sent(&fields, complaint)).await?;
            return Ok(page.fields.complaint.complete(visit.page_with(status, &page)?));
        }
    };
    let page = page(&state, &visit, TokenFields::default()).await?;
    let created = Some((token.name, secret.expose_secret().to_owned()));
    visit.page_with(StatusCode::CREATED, &TokensPage { created, ..page })
}

async fn created(state: &AppState, caller: &InPerson, fields: &Fields) -> Result<(ApiToken, SecretString), Problem> {
    let whole = |days: &str| {
        days.trim().parse::<u32>().map_err(|_| Problem::invalid("expiresInDays", "Enter a whole number of days."))
    };
    let expires_in_days = fields.given("expiresInDays").map(whole).transpose()?;
    state.writes.admit(caller.id())?;
    let asked = TokenRequest { name: fields.text("name"), scope: scope(fields), expires_in_days };
    Ok(state.accounts.create_token(caller, &asked).await?)
}

async fn revoke(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.in_person()?;
    let id: TokenId = posted.fields.text("id").parse()?;
    if !posted.is_sure() {
        let about = "Programs that use it can no longer sign in with it. This cannot be undone.";
        return posted.ask(&request, ("Revoke this token", about), "/account/tokens");
    }
    state.writes.admit(caller.id())?;
    match state.accounts.revoke_token(caller.id(), id).await {
        // It is gone already.
        Ok(()) | Err(accounts::Error::Domain(Error::NotFound { .. })) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(see_other("/account/tokens?told=revoked"))
}
