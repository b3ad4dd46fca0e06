//! The end of a sign-in: somebody comes back from their server.

use cardwire_domain::UserId;
use url::Url;

use super::form::Sender;
use super::request::{Purpose, Request, hash, owner, state_hash};
use super::tokens::{self, Granted};
use crate::agents::{Agents, Grant};
use crate::error::Error;
use crate::identity::Identity;
use crate::net::shown;
use crate::session::{OAuthSession, Session, StoredKey, open};

/// What the browser brings.
#[derive(Clone, Default)]
pub struct Callback {
    pub state: Option<String>,
    pub iss: Option<String>,
    pub code: Option<String>,
    pub error: Option<String>,
}

/// Somebody who has proved who they are.
pub struct Finished {
    pub purpose: Purpose,
    /// To be kept or given up.
    pub grant: Grant,
}

impl Agents {
    /// Who came back. `browser` and `viewer` are those of this request: a sign-in ends where it began, and a connection is made by who began
    /// it.
    ///
    /// Dropped, the sign-in is over, and its person begins again.
    pub async fn finish(&self, callback: Callback, browser: &str, viewer: Option<&UserId>) -> Result<Finished, Error> {
        let inner = &self.0;
        let state = state_hash(callback.state.as_deref().unwrap_or_default());
        // From here on nobody else comes back with it.
        let kept = inner.repository.take_sign_in(&state).await?.ok_or(Error::Stale)?;
        let request: Request = open(&inner.keys, &owner(&state), &kept.sealed).map_err(|_| Error::Stale)?;
        if request.browser != hash(browser) {
            return Err(Error::Stale);
        }
        if let Purpose::Connect { person } = &request.purpose
            && Some(person) != viewer
        {
            return Err(Error::Stale);
        }
        if callback.iss.as_deref() != Some(request.issuer.as_str()) {
            let iss = shown(callback.iss.as_deref().unwrap_or("nobody"));
            let issuer = &request.issuer;
            return Err(Error::untrusted(format!("{issuer} was asked to sign you in, but {iss} answered.")));
        }
        if let Some(error) = &callback.error {
            return Err(Error::Denied(match error.as_str() {
                "access_denied" => "You were not signed in: your server says that access was denied.".to_owned(),
                error => format!("You were not signed in: your server answered {}.", shown(error)),
            }));
        }
        let code = callback.code.as_deref().ok_or_else(|| Error::untrusted("The sign-in server sent no code."))?;
        let session = self.exchange(&request, code).await?;
        match self.whose(&request, &session).await {
            Ok(identity) => {
                Ok(Finished { purpose: request.purpose, grant: Grant::new(identity, Session::OAuth(session.session)) })
            }
            Err(error) => {
                self.give_up(Session::OAuth(session.session)).await;
                Err(error)
            }
        }
    }

    async fn exchange(&self, request: &Request, code: &str) -> Result<Exchanged, Error> {
        let client = self.0.client.as_ref().ok_or(Error::NotSetUp)?;
        let dpop = request.dpop.key().map_err(|_| Error::Stale)?;
        let sender = Sender { issuer: &request.issuer, dpop: &dpop, kid: request.kid.as_deref() };
        let endpoint = Url::parse(&request.token_endpoint).map_err(|_| Error::Stale)?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", client.redirect.as_str()),
            ("code_verifier", request.verifier.as_str()),
        ];
        let Granted { access, refresh, expires_at, sub, has_scope } =
            tokens::ask(&self.0, &sender, &endpoint, &fields).await?;
        let session = OAuthSession {
            issuer: request.issuer.clone(),
            token_endpoint: request.token_endpoint.clone(),
            revocation_endpoint: request.revocation_endpoint.clone(),
            access,
            refresh,
            expires_at,
            dpop: StoredKey::of(&dpop),
            kid: request.kid.clone(),
        };
        Ok(Exchanged { session, sub, has_scope })
    }

    /// The person of the session, who must be the one that was meant. A server may sign in its own people alone.
    async fn whose(&self, request: &Request, exchanged: &Exchanged) -> Result<Identity, Error> {
        if !exchanged.has_scope {
            return Err(Error::untrusted("The sign-in server did not say who you are in the AT Protocol network."));
        }
        let did = UserId::parse(&exchanged.sub)
            .map_err(|_| Error::untrusted("The sign-in server did not say who you are."))?;
        let identity = self.0.identities.by_did(&did).await?;
        if request.did.as_ref().is_some_and(|meant| *meant != did) {
            return Err(Error::untrusted("The sign-in server signed somebody else in than you asked for."));
        }
        let is_theirs = request.service == Some(crate::net::ascii(&identity.service))
            || self.server_of(&identity).await?.issuer == request.issuer;
        if !is_theirs {
            return Err(Error::untrusted("The sign-in server is not the one of this account."));
        }
        // What was checked when it began is as good.
        let handle = request.did.as_ref().and(request.handle.clone()).or(identity.handle);
        Ok(Identity { handle, ..identity })
    }
}

struct Exchanged {
    session: OAuthSession,
    sub: String,
    has_scope: bool,
}
