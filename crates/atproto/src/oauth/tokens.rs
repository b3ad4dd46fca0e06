//! Tokens: granted, refreshed, revoked.

use cardwire_domain::UserId;
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::form::{self, Sender};
use crate::agents::Inner;
use crate::error::Error;
use crate::net::{error_of, json};
use crate::session::{OAuthSession, Outcome};

const WHAT: &str = "the sign-in server";
/// Where a server does not say how long a token is good.
const GOOD_FOR_S: i64 = 300;

/// What a server grants.
pub(super) struct Granted {
    pub(super) access: String,
    pub(super) refresh: Option<String>,
    pub(super) expires_at: i64,
    pub(super) sub: String,
    pub(super) has_scope: bool,
}

pub(super) async fn ask(
    agents: &Inner,
    sender: &Sender<'_>,
    endpoint: &Url,
    fields: &[(&str, &str)],
) -> Result<Granted, Error> {
    let answer = form::send(agents, sender, endpoint, fields).await?;
    if !answer.is_success() {
        return Err(form::refusal(&answer));
    }
    read(&json(WHAT, &answer)?)
}

fn read(body: &Value) -> Result<Granted, Error> {
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let is_bound = text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("dpop"));
    let (Some(access), Some(sub), true) = (text("access_token"), text("sub"), is_bound) else {
        return Err(Error::untrusted("The sign-in server did not answer with an AT Protocol token."));
    };
    let good_for = body["expires_in"].as_i64().filter(|seconds| (1..=86_400).contains(seconds)).unwrap_or(GOOD_FOR_S);
    Ok(Granted {
        access,
        sub,
        refresh: text("refresh_token"),
        expires_at: Timestamp::now().as_second() + good_for,
        has_scope: text("scope").is_some_and(|scope| scope.split(' ').any(|one| one == "atproto")),
    })
}

/// The session with new tokens.
pub(crate) async fn refresh(agents: &Inner, did: &UserId, session: &OAuthSession) -> Outcome<OAuthSession> {
    const OVER: &str = "Your server ended the session. Connect again.";
    let Some(token) = &session.refresh else { return Outcome::Ended(OVER.into()) };
    let (Ok(dpop), Ok(endpoint)) = (session.dpop.key(), Url::parse(&session.token_endpoint)) else {
        return Outcome::Ended("The stored session cannot be used. Connect again.".into());
    };
    let sender = Sender { issuer: &session.issuer, dpop: &dpop, kid: session.kid.as_deref() };
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    let answer = match form::send(agents, &sender, &endpoint, &fields).await {
        Ok(answer) => answer,
        Err(Error::Denied(why)) => {
            return Outcome::Ended(format!("The session cannot be continued. {why} Connect again."));
        }
        Err(error) => return Outcome::Away(error.to_string()),
    };
    if !answer.is_success() {
        return match error_of(&answer).as_str() {
            "invalid_grant" => Outcome::Ended(OVER.into()),
            _ => Outcome::Away(form::refusal(&answer).to_string()),
        };
    }
    let granted = json(WHAT, &answer).and_then(|body| read(&body));
    match granted {
        Ok(granted) if granted.sub == did.as_str() => Outcome::New(OAuthSession {
            access: granted.access,
            refresh: granted.refresh.or_else(|| session.refresh.clone()),
            expires_at: granted.expires_at,
            ..session.clone()
        }),
        Ok(_) => Outcome::Ended("Your server answered with somebody else's session. Connect again.".into()),
        Err(error) => Outcome::Away(error.to_string()),
    }
}

/// Tells the server that the session is over. What comes of it changes nothing here.
pub(crate) async fn revoke(agents: &Inner, session: &OAuthSession) -> Result<(), Error> {
    let Some(endpoint) = &session.revocation_endpoint else { return Ok(()) };
    let (Ok(dpop), Ok(endpoint)) = (session.dpop.key(), Url::parse(endpoint)) else { return Ok(()) };
    let sender = Sender { issuer: &session.issuer, dpop: &dpop, kid: session.kid.as_deref() };
    // With the refresh token, its access tokens end as well.
    let token = session.refresh.as_deref().unwrap_or(&session.access);
    let answer = form::send(agents, &sender, &endpoint, &[("token", token)]).await?;
    if answer.is_success() { Ok(()) } else { Err(form::refusal(&answer)) }
}
