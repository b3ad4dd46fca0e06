//! Query parameters, read strictly: an unknown, repeated or unreadable one is refused rather than passed over.

use std::future::{Ready, ready};
use std::ops::RangeInclusive;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use cardwire_domain::search::pasted;
use cardwire_domain::{Limit, PageRequest};
use percent_encoding::percent_decode;

use crate::cursor::List;
use crate::problem::Problem;

/// The longest search text.
pub const MAX_WORDS_CHARS: usize = 200;

/// The parameters of one request. Take what is known, then [`Params::finish`].
#[derive(Debug)]
pub struct Params(Vec<(String, String)>);

impl Params {
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name =
                decode(name).ok_or_else(|| Problem::parameter(name, "The name of this parameter is not UTF-8."))?;
            let value = decode(value).ok_or_else(|| Problem::parameter(&name, "This is not UTF-8."))?;
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(Problem::parameter(name, "This is given twice."));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    pub fn text(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(index).1)
    }

    pub fn number(&mut self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        // Digits only: `parse` alone would take a plus sign.
        let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        match number.filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(Problem::parameter(name, format!("Use a number from {} to {}.", range.start(), range.end()))),
        }
    }

    /// `true`, `false`, `1` or `0`; absent is false.
    pub fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        match self.text(name).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(Problem::parameter(name, "Use true or false.")),
        }
    }

    pub fn limit(&mut self) -> Result<Limit, Problem> {
        match self.number("limit", 1..=u64::from(Limit::MAX))? {
            Some(limit) => Ok(Limit::new(limit)?),
            None => Ok(Limit::default()),
        }
    }

    /// `limit` and `cursor`; the last ones to be taken.
    pub fn page(mut self, list: &List) -> Result<PageRequest, Problem> {
        let limit = self.limit()?;
        let after = self.text("cursor").map(|cursor| list.decode(&cursor)).transpose()?;
        self.finish()?;
        Ok(PageRequest { limit, after })
    }

    pub fn finish(self) -> Result<(), Problem> {
        match self.0.into_iter().next() {
            Some((name, _)) => Err(Problem::parameter(name, "This address has no such parameter.")),
            None => Ok(()),
        }
    }
}

/// What is looked for: trimmed, without NUL, at most 200 characters unless it is a URL.
pub fn words(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.contains('\0') {
        return Err(Problem::invalid("q", "Remove the NUL character."));
    }
    if text.chars().count() > MAX_WORDS_CHARS && pasted(text).is_empty() {
        return Err(Problem::invalid("q", "Use at most 200 characters."));
    }
    Ok(text.to_owned())
}

/// The same of a box on a page: what is pasted there may be a long title, of which the first words will do.
pub fn first_words(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let end = text.char_indices().nth(MAX_WORDS_CHARS).filter(|_| pasted(text).is_empty()).map(|(end, _)| end);
    let cut = end.and_then(|end| text[..end].rsplit_once(char::is_whitespace)).map_or(text, |(words, _)| words);
    words(cut)
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8().ok().map(Into::into)
}

impl FromRequest for Params {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.query_string()))
    }
}

/// For resources without parameters.
#[derive(Debug)]
pub struct NoParams;

impl FromRequest for NoParams {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Params::parse(request.query_string()).and_then(Params::finish).map(|()| Self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_within_their_range() {
        let limit = |text: &str| Params::parse(&format!("limit={text}")).unwrap().limit();
        assert_eq!(limit("1").unwrap().get(), 1);
        assert_eq!(limit("100").unwrap().get(), 100);
        assert_eq!(Params::parse("").unwrap().limit().unwrap().get(), 20);
        for bad in ["0", "101", "abc", "", "-1", "%2B5", "1.0", "99999999999999999999"] {
            assert!(limit(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_longer_text_is_taken_if_it_is_a_url() {
        let long = "x".repeat(201);
        assert!(words(&"x".repeat(200)).is_ok() && words(&long).is_err());
        assert!(words(&format!("https://example.com/{long}")).is_ok() && words(&format!("example.com/{long}")).is_ok());
        assert!(words(&format!("https://example.com/{}", "x".repeat(2_048))).is_err());
        assert!(words(&format!("see https://example.com/{long}")).is_err());
    }

    #[test]
    fn of_a_long_title_the_first_words_are_looked_for() {
        let title = "word ".repeat(50);
        assert_eq!(first_words(&title).unwrap(), title[..199].trim_end().to_owned());
        assert_eq!(first_words("a b").unwrap(), "a b");
        assert!(first_words(&"x".repeat(201)).is_err(), "one word");
        let url = format!("https://example.com/{}", "x".repeat(300));
        assert_eq!(first_words(&url).unwrap(), url);
    }

    #[test]
    fn what_is_repeated_unreadable_or_unknown_is_refused() {
        assert!(Params::parse("a=1&a=2").is_err());
        assert!(Params::parse("a=%ff").is_err());
        assert!(Params::parse("%ff=a").is_err());
        assert!(Params::parse("a=1").unwrap().finish().is_err());
        let mut params = Params::parse("q=a+%C3%BC%2B&").unwrap();
        assert_eq!(params.text("q").as_deref(), Some("a ü+"));
        assert!(params.finish().is_ok());
    }
}
