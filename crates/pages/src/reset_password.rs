//! Choosing a new password with a link from an administrator.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_http::accounts::Error;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::fields::Complaint;
use crate::form::Posted;
use crate::links::see_other;
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/reset-password").get(show).post(reset).register(config);
}

#[derive(Template)]
#[template(path = "reset_password.html")]
struct ResetPage<'a> {
    chrome: Chrome,
    /// `None`: the link does not work.
    token: Option<&'a str>,
    complaint: Complaint,
}

fn void(visit: &Visit) -> Result<HttpResponse, Problem> {
    let page = ResetPage { chrome: visit.chrome(Section::Account), token: None, complaint: Complaint::default() };
    visit.page_with(StatusCode::NOT_FOUND, &page)
}

async fn show(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let token = params.text("token").unwrap_or_default();
    if !state.accounts.reset_link_works(&token).await? {
        return void(&visit);
    }
    let chrome = visit.chrome(Section::Account);
    visit.page(&ResetPage { chrome, token: Some(&token), complaint: Complaint::default() })
}

async fn reset(state: Data<AppState>, posted: Posted) -> Result<HttpResponse, Problem> {
    let Posted { visit, fields } = posted;
    let token = fields.text("token");
    match state.accounts.reset_password(token, fields.text("newPassword").into()).await {
        Ok(()) => Ok(see_other("/sign-in?told=password")),
        Err(Error::LinkVoid) => void(&visit),
        Err(error) => {
            let (status, complaint) = Complaint::of(error.into(), &["newPassword"])?;
            let page = ResetPage { chrome: visit.chrome(Section::Account), token: Some(token), complaint };
            Ok(page.complaint.complete(visit.page_with(status, &page)?))
        }
    }
}
