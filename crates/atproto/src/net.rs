//! Asking the network's servers: by HTTPS, bounded, and never inside a private network.

use cardwire_guard::{AddressPolicy, Answer, Asked, Client, FetchLimits, Lookup, Refusal};
use serde_json::Value;
use std::time::Duration;
use url::Url;

use crate::error::Error;

const USER_AGENT: &str = concat!("Cardwire/", env!("CARGO_PKG_VERSION"));
/// Documents and answers are small; a page of records is the largest.
pub(crate) const LIMITS: FetchLimits = FetchLimits { bytes: 1024 * 1024, time: Duration::from_secs(15), redirects: 3 };

#[derive(Clone)]
pub(crate) struct Net {
    client: Client,
    /// In development, servers have no TLS.
    plain_too: bool,
}

impl Net {
    pub(crate) fn new(
        policy: AddressPolicy,
        plain_too: bool,
        limits: FetchLimits,
        lookup: Lookup,
    ) -> Result<Self, Error> {
        let client = Client::new(USER_AGENT, policy, limits, lookup);
        let client = client.map_err(|error| Error::Away { what: "TLS", why: error.to_string() })?;
        Ok(Self { client, plain_too })
    }

    pub(crate) async fn send(&self, what: &'static str, asked: Asked) -> Result<Answer, Error> {
        self.check(what, &asked.url)?;
        self.client.send(asked).await.map_err(|error| failed(what, error))
    }

    /// A JSON document. `None`: there is none.
    pub(crate) async fn document(&self, what: &'static str, url: Url) -> Result<Option<Value>, Error> {
        let answer = self.send(what, Asked::get(url).header(reqwest::header::ACCEPT, "application/json")).await?;
        match answer.status {
            404 | 410 => Ok(None),
            _ if answer.is_success() => json(what, &answer).map(Some),
            status => Err(Error::Away { what, why: format!("it answered {status}") }),
        }
    }

    /// The first line of a small text, wherever redirects lead.
    pub(crate) async fn line(&self, what: &'static str, url: Url) -> Result<Option<String>, Error> {
        self.check(what, &url)?;
        let answer = self.client.get_following(url).await.map_err(|error| failed(what, error))?;
        let text = String::from_utf8_lossy(&answer.body);
        Ok(answer.is_success().then(|| text.lines().next().unwrap_or_default().trim().to_owned()))
    }

    fn check(&self, what: &'static str, url: &Url) -> Result<(), Error> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.plain_too => Ok(()),
            scheme => Err(Error::Refused { what, why: Refusal::Scheme(scheme.to_owned()) }),
        }
    }

    /// An address that a document names: scheme, host and port alone.
    pub(crate) fn origin(&self, what: &'static str, text: &str) -> Result<Url, Error> {
        let wrong = || Error::untrusted(format!("The address of {what} is not valid: {}.", shown(text)));
        let url = Url::parse(text).map_err(|_| wrong())?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !bare || url.host().is_none() || !url.username().is_empty() {
            return Err(wrong());
        }
        self.check(what, &url)?;
        Ok(url)
    }

    /// An address with a path that a document names.
    pub(crate) fn endpoint(&self, what: &'static str, document: &Value, name: &str) -> Result<Url, Error> {
        let text = document[name].as_str().unwrap_or_default();
        let url = Url::parse(text);
        let url = url.map_err(|_| Error::untrusted(format!("There is no {name} in what {what} says of itself.")))?;
        self.check(what, &url)?;
        Ok(url)
    }
}

/// What a document says may be anything, and long.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

pub(crate) fn json(what: &'static str, answer: &Answer) -> Result<Value, Error> {
    // The parser's message may quote what it read.
    serde_json::from_slice(&answer.body).map_err(|_| Error::Away { what, why: "its answer is no JSON".into() })
}

/// The server's name for what is wrong.
pub(crate) fn error_of(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    shown(body["error"].as_str().unwrap_or_default())
}

/// Of an origin, as it is compared and stored.
pub(crate) fn ascii(url: &Url) -> String {
    url.origin().ascii_serialization()
}

pub(crate) fn failed(what: &'static str, error: cardwire_guard::Error) -> Error {
    match error {
        cardwire_guard::Error::Refused(why) => Error::Refused { what, why },
        error => Error::Away { what, why: error.to_string() },
    }
}
