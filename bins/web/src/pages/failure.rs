//! Problems as pages.

use actix_web::http::header;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError};
use askama::Template;

use super::import::IMPORT;
use super::unsent::{Late, Unsent};
use super::{Chrome, see_other, with_parameter};
use crate::pages::visit::html;
use crate::problem::Problem;

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

/// Whether a browser asks for a page, and not a program for an answer.
pub fn is_page(request: &HttpRequest) -> bool {
    let path = request.path();
    let for_programs = ["/api", "/healthz", "/readyz", "/problems/"].iter().any(|prefix| path.starts_with(prefix));
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    !for_programs && (accept.contains("text/html") || request.headers().contains_key("hx-request"))
}

/// The page of a problem. Who must sign in first is led there, and back to where they wanted to go; a script that asks for a part of a
/// page is told to lead there, as it would put the sign-in page into that part. What was typed into a form that came too late, or when
/// something was away, is shown.
pub fn show(request: &HttpRequest, problem: &Problem, trace_id: String) -> HttpResponse {
    let status = problem.status_code();
    if let Some(late) = request.extensions().get::<Late>() {
        return late.page(request, status).unwrap_or_else(|problem| problem.error_response());
    }
    if status.is_server_error()
        && let Some(unsent) = request.extensions().get::<Unsent>()
    {
        return unsent.page_after(request, problem, &trace_id).unwrap_or_else(|problem| problem.error_response());
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
        chrome: Chrome::default(),
        title: problem.kind().title,
        detail: problem.detail(),
        status: status.as_u16(),
        trace_id,
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

/// The path of the page that a form or a script is on, as this header tells it: neither a part of a page nor what a form is sent to is a
/// place to come back to.
fn page_around<'a>(request: &'a HttpRequest, header: &str) -> Option<&'a str> {
    let url = request.headers().get(header)?.to_str().ok()?;
    let (_, behind_scheme) = url.split_once("://")?;
    let path = &behind_scheme[behind_scheme.find('/')?..];
    Some(path.split_once('#').map_or(path, |(path, _)| path))
}
