//! The layer around every handler: problems get their trace id, answers their security headers, requests are counted.

use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode, Version};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpRequest};

use crate::origin;
use crate::problem::{MISDIRECTED, Page, Problem};
use crate::state::AppState;
use crate::trace::TraceContext;

/// Set where a handler has not set another.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

pub async fn finish(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let (method, version) = (method_label(request.method()), request.version());
    let response = match check_host(request.request()) {
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
        Err(problem) => request.error_response(problem),
    };
    let mut response = if response.status().as_u16() >= 400 { with_trace_id(response) } else { response };
    for (name, value) in HEADERS {
        if !response.headers().contains_key(&name) {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    vary_by_encoding(response.headers_mut());
    if version < Version::HTTP_11 && matches!(response.response().body().size(), BodySize::Stream) {
        // Such a client knows no chunks: the end of the connection is the end of the answer.
        let head = response.response_mut().head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    // Metrics for a path that is not ours share one label, lest a scanner fill the memory.
    let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".into());
    let status = response.status().as_u16().to_string();
    metrics::counter!("cardwire_http_requests_total", "method" => method, "route" => route.clone(), "status" => status)
        .increment(1);
    metrics::histogram!("cardwire_http_request_duration_seconds", "method" => method, "route" => route)
        .record(started.elapsed().as_secs_f64());
    Ok(response)
}

/// Browsers always say which host they ask for, so a request that does not was sent by no page.
fn check_host(request: &HttpRequest) -> Result<(), Problem> {
    let state = request.app_data::<Data<AppState>>().ok_or_else(|| Problem::internal("no AppState in the app"))?;
    if !request.headers().contains_key(header::HOST) || state.authenticator.admits_host(origin::host_name(request)) {
        return Ok(());
    }
    Err(Problem::new(
        &MISDIRECTED,
        "With mock authentication, Cardwire answers this machine only. Open http://localhost with the port instead.",
    ))
}

/// Caches must keep what is compressed and what is not apart, whichever they see first.
fn vary_by_encoding(headers: &mut HeaderMap) {
    let names_it = |value: &HeaderValue| {
        value
            .to_str()
            .is_ok_and(|names| names.split(',').any(|name| name.trim().eq_ignore_ascii_case("accept-encoding")))
    };
    if !headers.get_all(header::VARY).any(names_it) {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

fn with_trace_id(response: ServiceResponse) -> ServiceResponse {
    let (request, response) = response.into_parts();
    let trace = request.extensions().get::<TraceContext>().cloned();
    let trace_id = trace.map(|trace| trace.trace_id).unwrap_or_default();
    // A form that is shown again, with what is wrong in it.
    let is_html = |value: &HeaderValue| value.as_bytes().starts_with(b"text/html");
    if response.headers().get(header::CONTENT_TYPE).is_some_and(is_html) {
        return ServiceResponse::new(request, response);
    }
    let given = response.error().and_then(|error| error.as_error::<Problem>());
    let of_status = given.is_none().then(|| Problem::of_status(response.status()));
    let Some(problem) = given.or(of_status.as_ref()) else {
        return ServiceResponse::new(request, response);
    };
    if let Some(cause) = problem.cause() {
        match response.status() {
            StatusCode::SERVICE_UNAVAILABLE => tracing::warn!(cause, "refused: {problem}"),
            _ => tracing::error!(cause, "failed: {problem}"),
        }
    }
    let page = request.app_data::<Page>().and_then(|Page(draw)| draw(&request, problem, &trace_id));
    let rendered = page.unwrap_or_else(|| problem.render(trace_id));
    ServiceResponse::new(request, rendered)
}

/// Methods are the client's words, so only known ones become labels.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
