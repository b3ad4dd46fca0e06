//! What a request shows of its sender, and who turns that into people.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header;
use async_trait::async_trait;
use cardwire_domain::UserId;
use cardwire_domain::user::User;

use crate::origin;
use crate::problem::{FORBIDDEN, Problem, UNAUTHENTICATED};
use crate::session::{self, Jar};

/// What a request shows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// The token of `Authorization: Bearer`, never empty.
    Bearer(&'a str),
    /// The token of the pages' session cookie, never empty.
    Session(&'a str),
}

impl<'a> Credential<'a> {
    pub fn token(self) -> &'a str {
        match self {
            Self::Bearer(token) | Self::Session(token) => token,
        }
    }
}

/// Somebody whose credential was good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub user: User,
    pub admin: bool,
}

/// Why a credential was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The reason is told to the client.
    #[error("{0}")]
    Refused(&'static str),
    /// It cannot be checked now.
    #[error("credentials cannot be checked: {0}")]
    Unavailable(String),
}

/// Turns credentials into people.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// `Ok(None)`: nobody, as far as reads are concerned; only without a credential. Changes nothing when dropped.
    async fn authenticate(&self, credential: Option<Credential<'_>>) -> Result<Option<Identity>, Error>;

    /// The session token of whoever signs in under this name without an account. `None`: people need accounts.
    fn token_without_account(&self, _name: &str) -> Option<String> {
        None
    }

    /// Whether every DID is somebody, with or without an account.
    fn knows_everybody(&self) -> bool {
        false
    }

    /// Whether requests to this host (without its port) are answered.
    fn admits_host(&self, _name: &str) -> bool {
        true
    }
}

/// Mock authentication: the bearer token is the person's DID, and who shows nothing is [`MockAuthenticator::ADMIN`]. Accounts are there, too.
pub struct MockAuthenticator {
    /// Takes tokens that are no DID.
    pub accounts: Arc<dyn Authenticator>,
    /// The host that is answered besides loopback ones. A page of any other site can have its own name lead to this machine (DNS
    /// rebinding), and what it then asks for is done as the administrator.
    pub host: Option<String>,
}

impl MockAuthenticator {
    pub const ADMIN: &'static str = "did:plc:mock123";
}

#[async_trait]
impl Authenticator for MockAuthenticator {
    async fn authenticate(&self, credential: Option<Credential<'_>>) -> Result<Option<Identity>, Error> {
        let did = credential.map_or(Self::ADMIN, Credential::token);
        let Ok(id) = UserId::parse(did) else {
            return match self.accounts.authenticate(credential).await {
                Err(Error::Refused(_)) => {
                    Err(Error::Refused("the token must be a DID such as did:plc:alice, or of a session"))
                }
                found => found,
            };
        };
        let admin = id.as_str() == Self::ADMIN;
        Ok(Some(Identity { user: User::unregistered(id), admin }))
    }

    /// A DID, or the last part of one.
    fn token_without_account(&self, name: &str) -> Option<String> {
        let name = name.trim();
        Some(if name.starts_with("did:") { name.to_owned() } else { format!("did:plc:{name}") })
    }

    fn knows_everybody(&self) -> bool {
        true
    }

    fn admits_host(&self, name: &str) -> bool {
        origin::is_loopback(name) || self.host.as_deref().is_some_and(|host| host.eq_ignore_ascii_case(name))
    }
}

/// The bearer token, or else the session cookie, which counts for changes only when a page of ours asks for them. A page of another site
/// changes nothing even without a cookie: with mock authentication that would be done as the administrator.
pub fn credential(request: &HttpRequest) -> Result<Option<Credential<'_>>, Problem> {
    if let Some(bearer) = bearer(request)? {
        return Ok(Some(bearer));
    }
    let token = Jar::Session.read(request);
    let is_from_page = token.is_some() || request.headers().contains_key(header::ORIGIN);
    if is_from_page && !session::is_safe(request.method()) {
        let refuse = |why| {
            Problem::new(&FORBIDDEN, format!("without a bearer token, the Origin header must name this site: {why}"))
        };
        origin::check(request).map_err(refuse)?;
    }
    Ok(token.map(Credential::Session))
}

fn bearer(request: &HttpRequest) -> Result<Option<Credential<'_>>, Problem> {
    let refuse = || Problem::new(&UNAUTHENTICATED, "the Authorization header must be Bearer and a token, once");
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let Some(value) = headers.next() else { return Ok(None) };
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(refuse)?;
    let token = token.trim();
    if headers.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(refuse());
    }
    Ok(Some(Credential::Bearer(token)))
}
