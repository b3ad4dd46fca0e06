//! Forms that came too late: whoever sent one is signed in no more, or anew. Nothing is done, and nothing that was typed is lost: it goes
//! along through signing in, and is shown to be sent again.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::account::own_path;
use super::form::TOKEN;
use super::{Chrome, Fields, Section, Visit, account};
use crate::problem::Problem;

/// What people type into forms that want somebody signed in: the names of the fields, and how they are called. Nobody types a password
/// into one of them.
const TYPED: [(&str, &str); 6] = [
    ("url", "Link"),
    ("name", "Name"),
    ("description", "What it is about"),
    ("note", "Note"),
    ("people", "Collaborators, one handle a line"),
    ("reason", "Reason"),
];
/// What is carried along through the sign-in page has names of its own there.
const TO: &str = "unsent-to";
const CARRIED: &str = "unsent.";

/// A form's fields, but for its token, and where it was sent.
#[derive(Clone, Debug)]
pub struct Unsent {
    to: String,
    fields: Vec<(String, String)>,
}

impl Unsent {
    /// `None` where nothing was typed.
    pub(super) fn of(request: &HttpRequest, fields: &Fields) -> Option<Self> {
        is_typed(fields).then_some(())?;
        let kept = fields.iter().filter(|(name, _)| *name != TOKEN && *name != "password");
        let kept = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some(Self { to: own_path(request.path()).to_owned(), fields: kept })
    }

    /// What the sign-in page carried along.
    pub(super) fn carried(fields: &Fields) -> Option<Self> {
        let to = own_path(fields.given(TO)?).to_owned();
        let own = |(name, value): (&str, &str)| Some((name.strip_prefix(CARRIED)?.to_owned(), value.to_owned()));
        Some(Self { to, fields: fields.iter().filter_map(own).collect() })
    }

    /// Names and values for the sign-in page.
    pub fn to_carry(&self) -> Vec<(String, &str)> {
        let fields = self.fields.iter().map(|(name, value)| (format!("{CARRIED}{name}"), value.as_str()));
        [(TO.to_owned(), self.to.as_str())].into_iter().chain(fields).collect()
    }

    /// What the fields that people type into are called, their names and values; in the order of the form.
    fn typed(&self) -> Vec<(&'static str, &str, &str)> {
        let known = |name: &str| TYPED.iter().find(|(known, _)| *known == name).map(|(_, label)| *label);
        self.fields.iter().filter_map(|(name, value)| Some((known(name)?, name.as_str(), value.as_str()))).collect()
    }

    fn rest(&self) -> Vec<(&str, &str)> {
        let is_typed = |name: &str| TYPED.iter().any(|(known, _)| *known == name);
        let rest = self.fields.iter().filter(|(name, _)| !is_typed(name));
        rest.map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// All of it once more, to be looked over and sent.
    pub(super) fn page(&self, visit: &Visit, status: StatusCode) -> Result<HttpResponse, Problem> {
        let chrome = visit.chrome(Section::Other);
        visit.page_with(status, &UnsentPage { chrome, to: &self.to, typed: self.typed(), rest: self.rest() })
    }
}

/// Whether people typed something into this form.
pub(super) fn is_typed(fields: &Fields) -> bool {
    TYPED.iter().any(|(name, _)| fields.given(name).is_some())
}

#[derive(Template)]
#[template(path = "unsent.html")]
struct UnsentPage<'a> {
    chrome: Chrome,
    to: &'a str,
    typed: Vec<(&'static str, &'a str, &'a str)>,
    rest: Vec<(&'a str, &'a str)>,
}

/// Left with a request for the page about its problem.
#[derive(Debug)]
pub(super) struct Late {
    pub visit: Visit,
    pub unsent: Unsent,
}

impl Late {
    pub fn page(&self, request: &HttpRequest, status: StatusCode) -> Result<HttpResponse, Problem> {
        match self.visit.viewer() {
            Some(_) => self.unsent.page(&self.visit, status),
            None => account::sign_in_with(request, &self.visit, &self.unsent),
        }
    }
}
