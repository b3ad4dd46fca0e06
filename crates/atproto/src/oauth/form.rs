//! Forms that are sent to a sign-in server, with a DPoP proof and, where this site has a key, a proof of that.

use cardwire_guard::{Answer, Asked};
use reqwest::header::{ACCEPT, HeaderName};
use url::{Url, form_urlencoded};

use crate::agents::Inner;
use crate::error::Error;
use crate::jwt::SigningKey;
use crate::net::{ascii, error_of};
use crate::nonces::DPOP;

const WHAT: &str = "the sign-in server";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Who asks whom.
pub(super) struct Sender<'a> {
    pub(super) issuer: &'a str,
    pub(super) dpop: &'a SigningKey,
    /// The key of this site that the session belongs to.
    pub(super) kid: Option<&'a str>,
}

/// Sends it again once, with the nonce that the server asks for.
pub(super) async fn send(
    agents: &Inner,
    sender: &Sender<'_>,
    url: &Url,
    fields: &[(&str, &str)],
) -> Result<Answer, Error> {
    let client = agents.client.as_ref().ok_or(Error::NotSetUp)?;
    let signer = match sender.kid {
        None => None,
        Some(kid) => {
            let key = agents.keys.signing().iter().find(|key| key.thumbprint() == kid);
            Some(key.ok_or_else(|| Error::Denied("The key of this site that the session belongs to is gone.".into()))?)
        }
    };
    let server = ascii(url);
    let mut is_second = false;
    loop {
        // It is good once, so each attempt has one of its own.
        let assertion = signer.map(|signer| signer.assertion(&client.id, sender.issuer));
        let form = encoded(fields, &client.id, assertion.as_deref());
        let proof = sender.dpop.proof("POST", url.as_str(), agents.nonces.of(&server).as_deref(), None);
        let asked = Asked::post(url.clone(), "application/x-www-form-urlencoded", form.into_bytes())
            .header(ACCEPT, "application/json")
            .header(HeaderName::from_static(DPOP), proof);
        let answer = agents.net.send(WHAT, asked).await?;
        agents.nonces.learn(&server, &answer);
        if !is_second && matches!(answer.status, 400 | 401) && error_of(&answer) == "use_dpop_nonce" {
            is_second = true;
            continue;
        }
        return Ok(answer);
    }
}

fn encoded(fields: &[(&str, &str)], client_id: &str, assertion: Option<&str>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).append_pair("client_id", client_id);
    if let Some(assertion) = assertion {
        form.append_pair("client_assertion_type", ASSERTION_TYPE).append_pair("client_assertion", assertion);
    }
    form.finish()
}

/// What a server says that does not do what it is asked.
pub(super) fn refusal(answer: &Answer) -> Error {
    if answer.status >= 500 || answer.status == 429 {
        return Error::Away { what: WHAT, why: format!("it answered {}", answer.status) };
    }
    // Never its description: what it quotes may be a token.
    Error::Denied(format!("The sign-in server answered {} {}.", answer.status, error_of(answer)))
}
