//! What was sent in a form, and what is wrong with it.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use cardwire_http::problem::Problem;
use percent_encoding::percent_decode;

/// More than any page of ours has. A card can be in 1,000 collections, each of which is a field.
const MAX_FIELDS: usize = 1_200;
/// The hidden field with the token.
pub const TOKEN: &str = "csrf";

/// The fields of a form, in order; a name may occur more than once.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    pub fn parse(body: &str) -> Result<Self, &'static str> {
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
            None => Err("The form is not UTF-8."),
            Some(fields) if fields.len() > MAX_FIELDS => Err("The form has more than 1,200 fields."),
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

/// Why a form was refused, to be shown beside the field.
#[derive(Clone, Debug, Default)]
pub struct Complaint {
    /// `None`: it is about the whole form, or there is nothing to complain of.
    field: Option<String>,
    rule: String,
    /// What is wrong with other fields, and with which.
    others: Vec<(String, String)>,
    retry_after_s: Option<u32>,
}

/// What is wrong, and how long to wait.
pub fn with_wait(problem: &Problem) -> String {
    let detail = problem.detail();
    let Some(seconds) = problem.retry_after_s() else { return detail };
    let (count, unit) = match seconds {
        ..120 => (seconds, "second"),
        120..7_200 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3_600), "hour"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{detail} Try again in {count} {unit}{plural}.")
}

impl Complaint {
    pub fn about(field: &str, rule: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), rule: rule.into(), ..Self::default() }
    }

    pub fn whole_form(rule: impl Into<String>) -> Self {
        Self { rule: rule.into(), ..Self::default() }
    }

    /// About the whole form, or what is wrong on our side.
    fn whole(problem: &Problem) -> Self {
        Self { rule: with_wait(problem), retry_after_s: problem.retry_after_s(), ..Self::default() }
    }

    /// About this field as well, if what it holds breaks a rule.
    pub fn and(mut self, problem: Option<&Problem>) -> Self {
        if let Some((field, rule)) = problem.and_then(Problem::broken_rule)
            && self.on(field).is_none()
        {
            self.others.push((field.to_owned(), rule));
        }
        self
    }

    /// About this field, if it is about none so far.
    pub fn or_about(self, field: &str) -> Self {
        Self { field: self.field.or_else(|| Some(field.to_owned())), ..self }
    }

    /// About `other`, if it is about the field of this name or about none.
    pub fn of_field(self, name: &str, other: &str) -> Self {
        match self.field.as_deref() {
            Some(field) if field != name => self,
            _ => Self { field: Some(other.to_owned()), ..self },
        }
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
        let other = || self.others.iter().find(|(known, _)| known == field).map(|(_, rule)| rule.as_str());
        if self.field.as_deref() == Some(field) { Some(&self.rule) } else { other() }
    }

    /// Whether the cursor belongs into this field: one of a page.
    pub fn is_focused(&self, field: &str) -> bool {
        self.field.as_deref() == Some(field)
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
    fn a_complaint_may_be_about_several_fields_and_one_has_the_focus() {
        let broken = Problem::invalid("password", "is too short");
        let complaint = Complaint::about("handle", "is too short").and(Some(&broken)).and(Some(&broken)).and(None);
        assert_eq!((complaint.on("handle"), complaint.on("password")), (Some("is too short"), Some("is too short")));
        assert!(complaint.is_focused("handle") && !complaint.is_focused("password"));
        assert_eq!((complaint.on("invite"), complaint.on_form()), (None, None));
    }

    #[test]
    fn fields_are_decoded_and_may_repeat() {
        let fields = Fields::parse("a=1&b=+x%26y+&a=2&c").unwrap();
        assert_eq!((fields.text("b"), fields.text("c"), fields.text("d")), (" x&y ", "", ""));
        assert_eq!(fields.all("a"), ["1", "2"]);
        assert_eq!(fields.given("c"), None);
        assert_eq!(Fields::parse("a=%ff").unwrap_err(), "The form is not UTF-8.");
        assert!(Fields::parse(&"&a".repeat(MAX_FIELDS)).is_ok());
        assert!(Fields::parse(&"&a".repeat(MAX_FIELDS + 1)).is_err());
    }
}
