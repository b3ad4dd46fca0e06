//! Problems as pages.

use actix_web::http::header;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{ServiceConfig, to};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError};
use askama::Template;
use cardwire_http::problem::{NOT_FOUND, Problem};

use crate::import::IMPORT;
use crate::links::{page_around, see_other, with_parameter};
use crate::sign_in;
use crate::unsent::{Late, Unsent};
use crate::visit::{Chrome, Known, Visit, html};

pub fn configure(config: &mut ServiceConfig) {
    config.app_data(cardwire_http::problem::Page(page));
    config.default_service(to(nothing_here));
}

/// Where there is no page. It says so to whoever is signed in, if a browser asks.
async fn nothing_here(request: HttpRequest) -> Result<HttpResponse, Problem> {
    if is_page(&request) {
        // Nobody in particular is told the same.
        let _viewer = Visit::of(&request).await;
    }
    Err(Problem::new(&NOT_FOUND, "There is no page at this address."))
}

#[derive(Template)]
#[template(path = "failure.html")]
struct Failure {
    chrome: Chrome,
    title: &'static str,
    detail: String,
    status: u16,
    trace_id: String,
    /// The page with the form that was sent, where its fields cannot be kept.
    form: Option<&'static str>,
}

/// The page of a problem, for a browser.
fn page(request: &HttpRequest, problem: &Problem, trace_id: &str) -> Option<HttpResponse> {
    is_page(request).then(|| drawn(request, problem, trace_id))
}

/// Whether a browser asks for a page, and not a program for an answer.
fn is_page(request: &HttpRequest) -> bool {
    let path = request.path();
    let for_programs = ["/api", "/healthz", "/readyz", "/problems/"].iter().any(|prefix| path.starts_with(prefix));
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    !for_programs && (accept.contains("text/html") || request.headers().contains_key("hx-request"))
}

/// The page of a problem. Who must sign in first is led there, and back to where they wanted to go; a script that asks for a part of a
/// page is told to lead there, as it would put the sign-in page into that part. What was typed into a form that came too late, or when
/// something was away, or when it was too much, is shown.
fn drawn(request: &HttpRequest, problem: &Problem, trace_id: &str) -> HttpResponse {
    let status = problem.status_code();
    if let Some(late) = request.extensions().get::<Late>() {
        return too_late(late, request, status).unwrap_or_else(|problem| problem.error_response());
    }
    if (status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS)
        && let Some(unsent) = request.extensions().get::<Unsent>()
    {
        return unsent.page_after(request, problem, trace_id).unwrap_or_else(|problem| problem.error_response());
    }
    if status == StatusCode::UNAUTHORIZED {
        let asked = match request.method().as_str() {
            "GET" | "HEAD" => request.uri().path_and_query().map_or("/", |whole| whole.as_str()),
            _ => page_around(request, "referer").unwrap_or("/"),
        };
        if !request.headers().contains_key("hx-request") {
            return see_other(&with_parameter("/sign-in", "next", asked));
        }
        let way = with_parameter("/sign-in", "next", page_around(request, "hx-current-url").unwrap_or(asked));
        return HttpResponse::Unauthorized()
            .insert_header((header::WWW_AUTHENTICATE, "Bearer"))
            .insert_header(("hx-redirect", way))
            .finish();
    }
    let page = Failure {
        chrome: request.extensions().get::<Known>().map_or_else(Chrome::default, |known| known.0.clone()),
        title: problem.kind().title,
        detail: problem.detail(),
        status: status.as_u16(),
        trace_id: trace_id.to_owned(),
        form: (request.method() == Method::POST && request.path() == IMPORT).then_some(IMPORT),
    };
    match page.render() {
        Ok(body) => {
            let mut response = html(status);
            for (name, value) in problem.headers() {
                response.insert_header((name, value));
            }
            response.body(body)
        }
        Err(_) => problem.error_response(),
    }
}

/// What was typed, to be sent again: at once, or after signing in.
fn too_late(late: &Late, request: &HttpRequest, status: StatusCode) -> Result<HttpResponse, Problem> {
    match late.visit.viewer() {
        Some(_) => late.unsent.page(&late.visit, status),
        None => sign_in::with_unsent(request, &late.visit, &late.unsent),
    }
}
