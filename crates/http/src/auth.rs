//! What a request shows of its sender, and who turns that into people.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header;
use async_trait::async_trait;
use cardwire_domain::profile::ProfileRepository;
use cardwire_domain::tokens::Scope;
use cardwire_domain::user::User;
use cardwire_domain::{SessionId, TokenId, UserId, Visibility};

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
    /// Never with an API token.
    pub admin: bool,
    /// Sees what administrators see, and changes nothing there. Never with an API token.
    pub observer: bool,
    /// Of a card that is new to their library, unless the save says otherwise.
    pub default_visibility: Visibility,
    /// What they may do with this credential. [`crate::caller::identify`] sees to it.
    pub scope: Scope,
    pub proof: Proof,
}

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Session(SessionId),
    /// An API token. It manages neither accounts nor sites.
    Token(TokenId),
    /// With mock authentication, somebody's DID, or nothing at all.
    Mock,
}

impl Proof {
    /// The session; none with an API token or mock authentication.
    pub const fn session(self) -> Option<SessionId> {
        match self {
            Self::Session(id) => Some(id),
            Self::Token(_) | Self::Mock => None,
        }
    }
}

impl Identity {
    /// Whether the console is open to them, if only to look.
    pub const fn sees_console(&self) -> bool {
        self.admin || self.observer
    }

    /// Why they may not act in the console.
    pub fn cannot_act(&self) -> Problem {
        let why = match self.observer {
            true => "You can see everything here, but only administrators can change it.",
            false => "Only administrators can do this.",
        };
        Problem::new(&FORBIDDEN, why)
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

/// Somebody who is signed in, and not with an API token: a leaked token must not be enough to take over the account. Without a sign-in
/// the request is 401, with a token 403.
#[derive(Clone, Debug)]
pub struct InPerson(pub Caller);

impl InPerson {
    /// Of a caller who is known already.
    pub fn of(caller: Caller) -> Result<Self, Problem> {
        match caller.0.proof {
            Proof::Session(_) | Proof::Mock => Ok(Self(caller)),
            Proof::Token(_) => Err(Problem::new(&FORBIDDEN, "You cannot do this with an API token. Sign in instead.")),
        }
    }

    pub fn id(&self) -> &UserId {
        self.0.id()
    }

    /// The session of this request; none with mock authentication.
    pub fn session(&self) -> Option<SessionId> {
        self.0.0.proof.session()
    }
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
    /// Of people without an account, too.
    pub profiles: Arc<dyn ProfileRepository>,
    /// See [`Identity::observer`].
    pub observers: BTreeSet<UserId>,
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
                    Err(Error::Refused("Use a DID such as did:plc:alice or the token of a session."))
                }
                found => found,
            };
        };
        let profile = self.profiles.profile(&id).await.map_err(|error| Error::Unavailable(error.to_string()))?;
        let (admin, observer) = (id.as_str() == Self::ADMIN, self.observers.contains(&id));
        Ok(Some(Identity {
            user: User::unregistered(id),
            admin,
            observer,
            default_visibility: profile.default_visibility,
            scope: Scope::Write,
            proof: Proof::Mock,
        }))
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
            Problem::new(&FORBIDDEN, format!("Without a bearer token, the Origin header must name this site: {why}."))
        };
        origin::check(request).map_err(refuse)?;
    }
    Ok(token.map(Credential::Session))
}

fn bearer(request: &HttpRequest) -> Result<Option<Credential<'_>>, Problem> {
    let refuse = || Problem::new(&UNAUTHENTICATED, "Send one Authorization header: Bearer, then the token.");
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let Some(value) = headers.next() else { return Ok(None) };
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(refuse)?;
    let token = token.trim();
    if headers.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(refuse());
    }
    Ok(Some(Credential::Bearer(token)))
}
