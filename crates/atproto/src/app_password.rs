//! App passwords: an older way to let a program in. For development, where servers have no TLS.

use cardwire_domain::UserId;
use cardwire_domain::atproto::Connection;
use cardwire_guard::{Answer, Asked};
use reqwest::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use crate::agents::{Agents, Grant, Inner};
use crate::error::Error;
use crate::net::{ascii, json};
use crate::session::{AppPasswordSession, Outcome, Session};

const WHAT: &str = "the person's server";

impl Agents {
    /// Connects the account with an app password, which is not kept.
    ///
    /// Dropped, the account is connected or not.
    pub async fn connect_with_app_password(
        &self,
        person: &UserId,
        service: &str,
        identifier: &str,
        password: &SecretString,
    ) -> Result<(), Error> {
        let inner = &self.0;
        if !inner.allow_app_passwords {
            return Err(Error::NotSetUp);
        }
        let service = inner.net.origin(WHAT, service.trim())?;
        let body = json!({ "identifier": identifier.trim(), "password": password.expose_secret() });
        let url = method(&service, "com.atproto.server.createSession");
        let answer = inner.net.send(WHAT, Asked::post(url, "application/json", body.to_string().into_bytes())).await?;
        let body = match answer.status {
            400 | 401 => {
                return Err(Error::Denied("The server does not know this identifier and app password.".into()));
            }
            _ if answer.is_success() => json(WHAT, &answer)?,
            status => return Err(Error::Away { what: WHAT, why: format!("it answered {status}") }),
        };
        let session = read(&service, &body).ok_or_else(|| Error::untrusted("The server did not open a session."))?;
        let grant = |identity| Grant::new(identity, Session::AppPassword(session.clone()));
        // Else any server could make somebody anybody.
        let did = UserId::parse(body["did"].as_str().unwrap_or_default())
            .map_err(|_| Error::untrusted("The server did not say who this is."))?;
        let identity = inner.identities.by_did(&did).await?;
        if ascii(&identity.service) != ascii(&service) {
            let (service, other) = (ascii(&service), ascii(&identity.service));
            return Err(Error::untrusted(format!("{service} is not the server of this account, which is at {other}.")));
        }
        self.keep(person, grant(identity)).await
    }
}

/// The session with new tokens.
pub(crate) async fn refresh(
    agents: &Inner,
    connection: &Connection,
    session: &AppPasswordSession,
) -> Outcome<AppPasswordSession> {
    let answer = match ask(agents, session, "com.atproto.server.refreshSession").await {
        Ok(answer) => answer,
        Err(error) => return Outcome::Away(error.to_string()),
    };
    match answer.status {
        400 | 401 => Outcome::Ended("Your server ended the session. Connect again.".into()),
        _ if answer.is_success() => {
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let service = Url::parse(&session.service).ok();
            match service.and_then(|service| read(&service, &body)) {
                Some(new) if body["did"].as_str() == Some(connection.did.as_str()) => Outcome::New(new),
                Some(_) => Outcome::Ended("Your server answered with somebody else's session. Connect again.".into()),
                None => Outcome::Away("The server did not open a session.".into()),
            }
        }
        status => Outcome::Away(format!("The server answered {status}.")),
    }
}

/// Tells the server that the session is over.
pub(crate) async fn end(agents: &Inner, session: &AppPasswordSession) -> Result<(), Error> {
    let answer = ask(agents, session, "com.atproto.server.deleteSession").await?;
    if answer.is_success() { Ok(()) } else { Err(Error::Denied(format!("The server answered {}.", answer.status))) }
}

/// With the refresh token.
async fn ask(agents: &Inner, session: &AppPasswordSession, nsid: &str) -> Result<Answer, Error> {
    let service = agents.net.origin(WHAT, &session.service)?;
    let asked = Asked { method: reqwest::Method::POST, ..Asked::get(method(&service, nsid)) };
    agents.net.send(WHAT, asked.header(AUTHORIZATION, format!("Bearer {}", session.refresh))).await
}

fn method(service: &Url, nsid: &str) -> Url {
    let mut url = service.clone();
    url.set_path(&format!("/xrpc/{nsid}"));
    url
}

fn read(service: &Url, body: &Value) -> Option<AppPasswordSession> {
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    Some(AppPasswordSession { service: ascii(service), access: text("accessJwt")?, refresh: text("refreshJwt")? })
}
