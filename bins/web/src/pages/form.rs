//! Forms: what was sent, and what is wrong with it.

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use askama::Template;
use futures_util::future::LocalBoxFuture;
use percent_encoding::percent_decode;

use super::unsent::{self, Late, Unsent};
use super::{Chrome, Section, Visit};
use crate::body::{MAX_BYTES, is_plain, receive};
use crate::problem::{FORBIDDEN, MALFORMED_REQUEST, Problem, UNAUTHENTICATED, UNSUPPORTED_MEDIA_TYPE};
use crate::session;

/// More than any page of ours has.
const MAX_FIELDS: usize = 1_000;
/// The hidden field with the token.
pub(super) const TOKEN: &str = "csrf";

/// The fields of a form, in order; a name may occur more than once.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(body: &str) -> Result<Self, &'static str> {
        let decode = |text: &str| {
            let spaced = text.replace('+', " ");
            let text = percent_decode(spaced.as_bytes()).decode_utf8().ok()?;
            // Browsers send a line break as two characters, whatever was typed or stood in the field.
            Some(text.replace("\r\n", "\n"))
        };
        let pairs = body.split('&').filter(|pair| !pair.is_empty());
        let field = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        };
        // One more than may be, so that a body of nothing but `&a` is not spread out.
        let fields: Option<Vec<_>> = pairs.take(MAX_FIELDS + 1).map(field).collect();
        match fields {
            None => Err("the form is not UTF-8"),
            Some(fields) if fields.len() > MAX_FIELDS => Err("the form has more than 1,000 fields"),
            Some(fields) => Ok(Self(fields)),
        }
    }

    /// Empty when it was not sent.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// What was sent and is more than white space.
    pub fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.trim().is_empty())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    }
}

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
                return Err(Problem::new(&UNSUPPORTED_MEDIA_TYPE, "a form must be application/x-www-form-urlencoded"));
            }
            let malformed = |why| Problem::new(&MALFORMED_REQUEST, why);
            let body = std::str::from_utf8(&bytes).map_err(|_| malformed("the form is not UTF-8"))?;
            let fields = Fields::parse(body).map_err(malformed)?;
            // For the page about a failure on our side, wherever it happens from here on.
            request.extensions_mut().insert(Unsent::of(&request, &fields));
            let visit = sender(&request).await?;
            let admitted = match visit.viewer() {
                None if unsent::is_typed(&fields) => Err(Problem::new(&UNAUTHENTICATED, "sign in first")),
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
    if !session::is_same_origin(request) {
        return Err(Problem::new(&FORBIDDEN, "this form was not sent from a page of this site"));
    }
    Visit::of(request).await
}

/// Refuses a form whose token is not that of who sends it.
pub(super) fn admit(visit: &Visit, token: &str) -> Result<(), Problem> {
    if visit.may_send(token) {
        return Ok(());
    }
    Err(Problem::new(&FORBIDDEN, "this form is out of date: go back, reload the page and send it again"))
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
        let fields = self.fields.iter().filter(|(name, _)| *name != TOKEN).collect();
        let chrome = self.visit.chrome(Section::Other);
        self.visit.page(&SurePage { chrome, title, about, to: request.path(), fields, back })
    }
}

/// Why a form was refused, to be shown beside the field.
#[derive(Clone, Debug, Default)]
pub struct Complaint {
    /// `None`: it is about the whole form, or there is nothing to complain of.
    field: Option<String>,
    rule: String,
    retry_after_s: Option<u32>,
}

impl Complaint {
    pub fn about(field: &str, rule: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), rule: rule.into(), retry_after_s: None }
    }

    /// About the whole form, or what is wrong on our side.
    fn whole(problem: &Problem) -> Self {
        let retry_after_s = problem.retry_after_s();
        let rule = match retry_after_s {
            Some(1) => format!("{}; try again in 1 second", problem.detail()),
            Some(seconds) => format!("{}; try again in {seconds} seconds", problem.detail()),
            None => problem.detail(),
        };
        Self { field: None, rule, retry_after_s }
    }

    /// About this field, if it is about none so far.
    pub fn or_about(self, field: &str) -> Self {
        Self { field: self.field.or_else(|| Some(field.to_owned())), ..self }
    }

    /// With the status to answer. `fields` are those of the form: what breaks a rule elsewhere is about the whole form. A problem that
    /// is no fault of who sent the form is given back.
    pub fn of(problem: Problem, fields: &[&str]) -> Result<(StatusCode, Self), Problem> {
        let status = problem.status_code();
        if status.is_server_error() {
            return Err(problem);
        }
        let complaint = match problem.broken_rule() {
            Some((field, rule)) if fields.contains(&field) => Self::about(field, rule),
            _ => Self::whole(&problem),
        };
        Ok((status, complaint))
    }

    /// The page that shows it, with how long to wait for programs as well.
    pub fn complete(&self, mut page: HttpResponse) -> HttpResponse {
        if let Some(seconds) = self.retry_after_s {
            page.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        page
    }

    /// What is wrong with this field.
    pub fn on(&self, field: &str) -> Option<&str> {
        (self.field.as_deref() == Some(field)).then_some(&self.rule)
    }

    /// What is wrong with the form as a whole.
    pub fn on_form(&self) -> Option<&str> {
        (self.field.is_none() && !self.rule.is_empty()).then_some(&self.rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_may_repeat() {
        let fields = Fields::parse("a=1&b=+x%26y+&a=2&c").unwrap();
        assert_eq!((fields.text("b"), fields.text("c"), fields.text("d")), (" x&y ", "", ""));
        assert_eq!(fields.all("a"), ["1", "2"]);
        assert_eq!(fields.given("c"), None);
        assert_eq!(Fields::parse("a=%ff").unwrap_err(), "the form is not UTF-8");
        assert!(Fields::parse(&"&a".repeat(MAX_FIELDS)).is_ok());
        assert!(Fields::parse(&"&a".repeat(MAX_FIELDS + 1)).is_err());
    }
}
