//! Forms: who sent one, and whether they may.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse};
use askama::Template;
use cardwire_http::body::{MAX_BYTES, is_plain, receive};
use cardwire_http::origin;
use cardwire_http::problem::{FORBIDDEN, MALFORMED_REQUEST, Problem, UNAUTHENTICATED, UNSUPPORTED_MEDIA_TYPE};
use futures_util::future::LocalBoxFuture;

use crate::fields::{Fields, TOKEN};
use crate::links::{way_back, with_back};
use crate::unsent::{self, Late, Unsent};
use crate::visit::{Chrome, Section, Visit};

/// A form that a page of ours sent for whoever looks at it.
#[derive(Debug)]
pub struct Posted {
    pub visit: Visit,
    pub fields: Fields,
}

impl FromRequest for Posted {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let bytes = receive(payload, MAX_BYTES).await?;
            let form = request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded");
            if !form || !is_plain(&request) {
                return Err(Problem::new(&UNSUPPORTED_MEDIA_TYPE, "A form must be application/x-www-form-urlencoded."));
            }
            let malformed = |why| Problem::new(&MALFORMED_REQUEST, why);
            let body = std::str::from_utf8(&bytes).map_err(|_| malformed("The form is not UTF-8."))?;
            let fields = Fields::parse(body).map_err(malformed)?;
            // For the page about a failure on our side, wherever it happens from here on.
            request.extensions_mut().insert(Unsent::of(&request, &fields));
            let visit = sender(&request).await?;
            let admitted = match visit.viewer() {
                None if unsent::is_typed(&fields) => Err(Problem::new(&UNAUTHENTICATED, "Sign in first.")),
                _ => admit(&visit, fields.text(TOKEN)),
            };
            match admitted {
                Ok(()) => Ok(Self { visit, fields }),
                Err(problem) => {
                    let typed = unsent::is_typed(&fields).then(|| Unsent::of(&request, &fields));
                    if let Some(unsent) = typed.or_else(|| Unsent::carried(&fields)) {
                        request.extensions_mut().insert(Late { visit, unsent });
                    }
                    Err(problem)
                }
            }
        })
    }
}

/// Whoever sends a form, if a page of this site sends it. Whether it was drawn for them is [`admit`]'s to say.
pub(super) async fn sender(request: &HttpRequest) -> Result<Visit, Problem> {
    origin::check(request)
        .map_err(|why| Problem::new(&FORBIDDEN, format!("This form was not sent from a page of this site: {why}.")))?;
    Visit::of(request).await
}

/// Refuses a form whose token is not that of who sends it.
pub(super) fn admit(visit: &Visit, token: &str) -> Result<(), Problem> {
    if visit.may_send(token) {
        return Ok(());
    }
    Err(Problem::new(&FORBIDDEN, "This form is out of date. Go back, reload the page and send it again."))
}

/// The page that asks once more, before something is lost. Scripts ask on the page itself, and send the form as sure.
#[derive(Template)]
#[template(path = "sure.html")]
struct SurePage<'a> {
    chrome: Chrome,
    title: &'a str,
    about: &'a str,
    to: &'a str,
    /// Sent again as they came.
    fields: Vec<(&'a str, &'a str)>,
    back: &'a str,
}

impl Posted {
    /// Whether whoever sent it was asked once more.
    pub(super) fn is_sure(&self) -> bool {
        self.fields.given("sure").is_some()
    }

    /// Asks whoever is not. `about` says what will happen; nothing does at `back`.
    pub(super) fn ask(
        &self,
        request: &HttpRequest,
        (title, about): (&str, &str),
        back: &str,
    ) -> Result<HttpResponse, Problem> {
        let mut fields: Vec<(&str, &str)> = self.fields.iter().filter(|(name, _)| *name != TOKEN).collect();
        let list = way_back(request, &self.fields, back);
        with_back(&mut fields, &list);
        let chrome = self.visit.chrome(Section::Other);
        self.visit.page(&SurePage { chrome, title, about, to: request.path(), fields, back: &list })
    }
}
