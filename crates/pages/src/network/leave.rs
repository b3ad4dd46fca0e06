//! Sending somebody to their own server.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_atproto::Purpose;
use cardwire_http::origin;
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;

use crate::visit::{Chrome, Section, Visit};

const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// A form of ours may not lead to another site (`form-action`), not even by a redirect; a page may.
#[derive(Template)]
#[template(path = "network_leave.html")]
struct LeavePage {
    chrome: Chrome,
    host: String,
    url: String,
}

/// The page that leads to whoever signs this person in.
pub(super) async fn leave(
    state: &AppState,
    request: &HttpRequest,
    visit: &Visit,
    typed: &str,
    purpose: Purpose,
) -> Result<HttpResponse, Problem> {
    let agents = state.agents()?;
    // The browser comes back to this origin, where its cookies must be.
    if let Some(origin) = agents.origin()
        && origin::base(request).as_deref() != Some(origin)
    {
        return Err(Problem::invalid("identifier", format!("Open {origin} in your browser, and sign in from there.")));
    }
    let url = agents.begin(typed, visit.browser(), purpose).await?;
    let chrome = visit.chrome(Section::Account);
    let page = LeavePage { chrome, host: url.host_str().unwrap_or_default().to_owned(), url: url.to_string() };
    let mut page = visit.page_with(StatusCode::OK, &page)?;
    let refresh =
        HeaderValue::try_from(format!("0; url={url}")).map_err(|error| Problem::internal(error.to_string()))?;
    page.headers_mut().insert(REFRESH, refresh);
    Ok(page)
}
