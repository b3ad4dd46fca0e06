//! The beginning of a sign-in: finding the server, and telling it who will come.

use cardwire_domain::UserId;
use cardwire_domain::atproto::SignInRequest;
use url::Url;

use super::form::{self, Sender};
use super::request::{Purpose, Request, hash, owner, state_hash};
use super::server::{Server, issuer_of, server};
use crate::agents::Agents;
use crate::error::Error;
use crate::identity::Identity;
use crate::jwt::{SigningKey, challenge, random};
use crate::net::{ascii, json, shown};
use crate::session::{StoredKey, seal};

const WHAT: &str = "the sign-in server";

/// Whom somebody means by what they typed.
struct Meant {
    server: Server,
    identity: Option<Identity>,
}

impl Agents {
    /// Where to send the browser so that this person signs in there. `typed`: a handle, a DID, or the address of a server. `browser`: what
    /// the browser is known by; only there the sign-in ends.
    ///
    /// Dropped, there may be a request that nobody comes back with.
    pub async fn begin(&self, typed: &str, browser: &str, purpose: Purpose) -> Result<Url, Error> {
        let inner = &self.0;
        let client = inner.client.as_ref().ok_or(Error::NotSetUp)?;
        let Meant { server, identity } = self.meant(typed.trim()).await?;
        let (state, verifier, dpop) = (random(), random(), SigningKey::generate());
        let kid = client.is_confidential.then(|| inner.keys.signing()[0].thumbprint());
        let challenge = challenge(&verifier);
        let hint = identity.as_ref().map(|found| found.handle.as_deref().unwrap_or(found.did.as_str()));
        let mut fields = vec![
            ("response_type", "code"),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
            ("state", state.as_str()),
            ("redirect_uri", client.redirect.as_str()),
            ("scope", client.scope.as_str()),
        ];
        fields.extend(hint.map(|hint| ("login_hint", hint)));
        let sender = Sender { issuer: &server.issuer, dpop: &dpop, kid: kid.as_deref() };
        let answer = form::send(inner, &sender, &server.request, &fields).await?;
        if !answer.is_success() {
            return Err(form::refusal(&answer));
        }
        let pushed = json(WHAT, &answer)?;
        let pushed = pushed["request_uri"]
            .as_str()
            .ok_or_else(|| Error::untrusted("The sign-in server did not accept the request."))?;
        let state = state_hash(&state);
        let request = Request {
            browser: hash(browser),
            purpose,
            did: identity.as_ref().map(|found| found.did.clone()),
            handle: identity.as_ref().and_then(|found| found.handle.clone()),
            service: identity.as_ref().map(|found| ascii(&found.service)),
            issuer: server.issuer,
            token_endpoint: server.token.into(),
            revocation_endpoint: server.revocation.map(Into::into),
            verifier,
            dpop: StoredKey::of(&dpop),
            kid,
        };
        let sealed = seal(&inner.keys, &owner(&state), &request);
        inner.repository.keep_sign_in(&SignInRequest { state, sealed }).await?;
        let mut url = server.authorization;
        url.query_pairs_mut().append_pair("client_id", &client.id).append_pair("request_uri", pushed);
        Ok(url)
    }

    async fn meant(&self, typed: &str) -> Result<Meant, Error> {
        let inner = &self.0;
        if typed.starts_with("https://") || typed.starts_with("http://") {
            let service = inner.net.origin("this address", typed)?;
            let issuer = issuer_of(&inner.net, &service).await?.unwrap_or(service);
            return Ok(Meant { server: server(&inner.net, &issuer).await?, identity: None });
        }
        let identity = if typed.starts_with("did:") {
            let did = UserId::parse(typed).map_err(|_| no_name(typed))?;
            inner.identities.by_did(&did).await?
        } else {
            let handle = inner.identities.handle(typed).ok_or_else(|| no_name(typed))?;
            inner.identities.by_handle(&handle).await?
        };
        let server = self.server_of(&identity).await?;
        Ok(Meant { server, identity: Some(identity) })
    }

    /// The server that signs this person in.
    pub(super) async fn server_of(&self, identity: &Identity) -> Result<Server, Error> {
        let net = &self.0.net;
        let issuer = issuer_of(net, &identity.service).await?;
        let issuer = issuer.ok_or_else(|| {
            Error::Invalid(format!("{} does not let other sites sign people in.", ascii(&identity.service)))
        })?;
        server(net, &issuer).await
    }
}

fn no_name(typed: &str) -> Error {
    Error::Invalid(match typed {
        "" => "Enter your handle, such as alice.example.com.".to_owned(),
        _ => format!("“{}” is not an AT Protocol handle. Handles look like alice.example.com.", shown(typed)),
    })
}
