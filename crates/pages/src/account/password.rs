//! A new password.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use super::current_password::refusal;
use crate::fields::Complaint;
use crate::form::Posted;
use crate::links::see_other;
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/account/password").get(show).post(change).register(config);
}

#[derive(Template)]
#[template(path = "account_password.html")]
struct PasswordPage {
    chrome: Chrome,
    is_changed: bool,
    handle: String,
    has_account: bool,
    complaint: Complaint,
}

fn page(visit: &Visit, complaint: Complaint) -> Result<PasswordPage, Problem> {
    Ok(PasswordPage {
        chrome: visit.chrome(Section::Account),
        is_changed: false,
        handle: visit.caller()?.0.user.handle,
        has_account: visit.has_account(),
        complaint,
    })
}

async fn show(visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let is_changed = params.text("told").as_deref() == Some("changed");
    visit.page(&PasswordPage { is_changed, ..page(&visit, Complaint::default())? })
}

async fn change(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    let Posted { visit, fields } = posted;
    let (caller, client) = (visit.in_person()?, state.accounts.client(&request));
    let [current, new] = ["currentPassword", "newPassword"].map(|name| fields.text(name).into());
    let Err(error) = state.accounts.change_password(&caller, current, new, &client).await else {
        return Ok(see_other("/account/password?told=changed"));
    };
    let (status, complaint) = refusal(error, &["currentPassword", "newPassword"])?;
    let page = page(&visit, complaint)?;
    Ok(page.complaint.complete(visit.page_with(status, &page)?))
}
