//! Who is asking. Handlers take a [`Caller`] where somebody must be signed in, and a [`Reader`] where nobody need be.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use async_trait::async_trait;
use cardwire_domain::UserId;
use cardwire_domain::user::User;
use futures_util::future::LocalBoxFuture;

use crate::problem::{FORBIDDEN, Problem, UNAUTHENTICATED};
use crate::session::{self, Jar};
use crate::state::AppState;

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
}

/// Mock authentication: the bearer token is the person's DID, and who shows nothing is [`MockAuthenticator::ADMIN`]. Accounts are there, too.
pub struct MockAuthenticator {
    /// Takes tokens that are no DID.
    pub accounts: Arc<dyn Authenticator>,
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
}

/// Somebody who is signed in; without one, the request is 401.
#[derive(Clone, Debug)]
pub struct Caller(pub Identity);

impl Caller {
    pub fn id(&self) -> &UserId {
        &self.0.user.id
    }
}

/// Somebody or nobody. A credential that is no good is 401 even so.
#[derive(Clone, Debug)]
pub struct Reader(pub Option<Identity>);

impl Reader {
    pub fn id(&self) -> Option<&UserId> {
        self.0.as_ref().map(|identity| &identity.user.id)
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let identity = identify(&request).await?;
            identity.map(Self).ok_or_else(|| Problem::new(&UNAUTHENTICATED, "sign in first"))
        })
    }
}

impl FromRequest for Reader {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Self(identify(&request).await?)) })
    }
}

/// Whoever the request's credential names. A session that is over counts as none, for a browser shows its cookie as long as it has it.
pub(crate) async fn identify(request: &HttpRequest) -> Result<Option<Identity>, Problem> {
    let state = request.app_data::<web::Data<AppState>>().ok_or_else(|| Problem::internal("no AppState in the app"))?;
    let credential = credential(request)?;
    let found = match (credential, state.authenticator.authenticate(credential).await) {
        (Some(Credential::Session(_)), Err(Error::Refused(_))) => state.authenticator.authenticate(None).await,
        (_, found) => found,
    };
    found.map_err(|error| match error {
        Error::Refused(why) => Problem::new(&UNAUTHENTICATED, why),
        Error::Unavailable(_) => Problem::unavailable(error.to_string()),
    })
}

/// The bearer token, or else the session cookie, which counts for changes only when a page of ours asks for them. A page of another site
/// changes nothing even without a cookie: with mock authentication that would be done as the administrator.
pub(crate) fn credential(request: &HttpRequest) -> Result<Option<Credential<'_>>, Problem> {
    if let Some(bearer) = bearer(request)? {
        return Ok(Some(bearer));
    }
    let token = Jar::Session.read(request);
    let is_from_page = token.is_some() || request.headers().contains_key(header::ORIGIN);
    if is_from_page && !session::is_safe(request.method()) && !session::is_same_origin(request) {
        return Err(Problem::new(&FORBIDDEN, "without a bearer token, the Origin header must name this site"));
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
