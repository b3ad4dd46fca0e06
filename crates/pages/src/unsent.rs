//! Forms that could not be taken: the session of who sent one has ended or is another one, or something that it needs is away. Nothing that was
//! typed is lost: it goes along through signing in, and is shown to be sent again. Only a password must be typed again.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use askama::Template;
use cardwire_http::problem::Problem;

use crate::fields::{Fields, TOKEN};
use crate::links::own_path;
use crate::new_collection;
use crate::visit::{Chrome, Section, Visit};

/// What people type into forms that want somebody signed in: the names of the fields, and how they are called. Nobody types a password
/// into one of them.
const TYPED: [(&str, &str); 10] = [
    ("url", "Link"),
    ("name", "Name"),
    (new_collection::FIELD, "New collection"),
    ("handles", "Handles to invite"),
    ("description", "Description"),
    ("note", "Note"),
    ("people", "Collaborators, one handle a line"),
    ("reason", "Reason"),
    ("displayName", "Display name"),
    ("bio", "About you"),
];
/// What they type into the others.
const NAME_TO_SIGN_IN: (&str, &str) = ("handle", "Handle");
/// Passwords are never kept.
const SECRETS: [Secret; 3] = [
    Secret { name: "password", label: "Password", completes: "current-password" },
    Secret { name: "currentPassword", label: "Current password", completes: "current-password" },
    Secret { name: "newPassword", label: "New password", completes: "new-password" },
];
/// What is carried along through the sign-in page has names of its own there.
const TO: &str = "unsent-to";
const CARRIED: &str = "unsent.";

/// A field for a password: its name, how it is called, and how it completes itself.
#[derive(Clone, Copy, Debug)]
struct Secret {
    name: &'static str,
    label: &'static str,
    completes: &'static str,
}

/// A form's fields, but for its token and passwords, and where it was sent.
#[derive(Clone, Debug)]
pub struct Unsent {
    to: String,
    fields: Vec<(String, String)>,
    /// To be typed again.
    secrets: Vec<Secret>,
}

impl Unsent {
    pub fn of(request: &HttpRequest, fields: &Fields) -> Self {
        let kept = fields.iter().filter(|(name, _)| *name != TOKEN && secret(name).is_none());
        Self {
            to: own_path(request.path()).to_owned(),
            fields: kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            secrets: fields.iter().filter_map(|(name, _)| secret(name)).collect(),
        }
    }

    /// What the sign-in page carried along.
    pub fn carried(fields: &Fields) -> Option<Self> {
        let to = own_path(fields.given(TO)?).to_owned();
        let own = |(name, value): (&str, &str)| Some((name.strip_prefix(CARRIED)?.to_owned(), value.to_owned()));
        Some(Self { to, fields: fields.iter().filter_map(own).collect(), secrets: Vec::new() })
    }

    /// Names and values for the sign-in page.
    pub fn to_carry(&self) -> Vec<(String, &str)> {
        let fields = self.fields.iter().map(|(name, value)| (format!("{CARRIED}{name}"), value.as_str()));
        [(TO.to_owned(), self.to.as_str())].into_iter().chain(fields).collect()
    }

    /// What the fields that people type into are called, their names and values; in the order of the form.
    fn typed(&self) -> Vec<(&'static str, &str, &str)> {
        let field = |(name, value)| Some((label(name)?, name, value));
        self.pairs().filter_map(field).collect()
    }

    fn rest(&self) -> Vec<(&str, &str)> {
        self.pairs().filter(|(name, _)| label(name).is_none()).collect()
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All of it once more, to be looked over and sent.
    pub fn page(&self, visit: &Visit, status: StatusCode) -> Result<HttpResponse, Problem> {
        visit.page_with(status, &self.drawn(visit.chrome(Section::Other), Why::Late))
    }

    /// All of it once more, since something on our side went wrong.
    pub fn page_after(
        &self,
        request: &HttpRequest,
        problem: &Problem,
        trace_id: &str,
    ) -> Result<HttpResponse, Problem> {
        let visit = Visit::of_somebody(request);
        let chrome = Chrome { knows_viewer: false, ..visit.chrome(Section::Other) };
        let mut page = visit.page_with(problem.status_code(), &self.drawn(chrome, Why::Failed(problem, trace_id)))?;
        for (name, value) in problem.headers() {
            let value = HeaderValue::from_str(&value).map_err(|error| Problem::internal(error.to_string()))?;
            page.headers_mut().insert(name, value);
        }
        Ok(page)
    }

    fn drawn<'a>(&'a self, chrome: Chrome, why: Why<'a>) -> UnsentPage<'a> {
        // As the page that the form is from says it.
        let is_new = |secret: &Secret| secret.name == "password" && self.to == "/sign-up";
        let completed = |secret: &Secret| match is_new(secret) {
            true => Secret { completes: "new-password", ..*secret },
            false => *secret,
        };
        let secrets = self.secrets.iter().map(completed).collect();
        UnsentPage { chrome, why, to: &self.to, typed: self.typed(), rest: self.rest(), secrets }
    }
}

fn secret(name: &str) -> Option<Secret> {
    SECRETS.into_iter().find(|secret| secret.name == name)
}

/// How a field that people type into is called.
fn label(name: &str) -> Option<&'static str> {
    TYPED.iter().chain([&NAME_TO_SIGN_IN]).find(|(known, _)| *known == name).map(|(_, label)| *label)
}

/// Whether people typed something into this form.
pub fn is_typed(fields: &Fields) -> bool {
    TYPED.iter().any(|(name, _)| fields.given(name).is_some())
}

#[derive(Template)]
#[template(path = "unsent.html")]
struct UnsentPage<'a> {
    chrome: Chrome,
    why: Why<'a>,
    to: &'a str,
    typed: Vec<(&'static str, &'a str, &'a str)>,
    rest: Vec<(&'a str, &'a str)>,
    secrets: Vec<Secret>,
}

/// Why a form must be sent again.
enum Why<'a> {
    Late,
    /// With the trace's id.
    Failed(&'a Problem, &'a str),
}

/// Left with a request for the page about its problem.
#[derive(Debug)]
pub struct Late {
    pub visit: Visit,
    pub unsent: Unsent,
}
