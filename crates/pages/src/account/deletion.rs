//! Deleting the account. The form is on the account's first page, too.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;

use super::current_password::refusal;
use crate::fields::Complaint;
use crate::form::Posted;
use crate::sign_in::signed_out;
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/account/delete").get(show).post(delete).register(config);
}

#[derive(Template)]
#[template(path = "account_delete.html")]
struct DeletionPage {
    chrome: Chrome,
    handle: String,
    has_account: bool,
    complaint: Complaint,
}

fn page(visit: &Visit, complaint: Complaint) -> Result<DeletionPage, Problem> {
    Ok(DeletionPage {
        chrome: visit.chrome(Section::Account),
        handle: visit.caller()?.0.user.handle,
        has_account: visit.has_account(),
        complaint,
    })
}

async fn show(visit: Visit) -> Result<HttpResponse, Problem> {
    visit.page(&page(&visit, Complaint::default())?)
}

/// The password is the question whether they are sure.
async fn delete(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    let Posted { visit, fields } = posted;
    let (caller, client) = (visit.in_person()?, state.accounts.client(&request));
    let Err(error) = state.accounts.delete_me(&caller, fields.text("password").into(), &client).await else {
        return signed_out(&request, "/sign-in?told=deleted");
    };
    let (status, complaint) = refusal(error, &["password"])?;
    let page = page(&visit, complaint)?;
    Ok(page.complaint.complete(visit.page_with(status, &page)?))
}
