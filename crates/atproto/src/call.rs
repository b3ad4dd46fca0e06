//! One request to somebody's repository.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::UserId;
use cardwire_domain::atproto::Connection;
use cardwire_guard::{Answer, Asked};
use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderName};
use serde_json::Value;
use url::Url;

use crate::agents::Agents;
use crate::error::Error;
use crate::net::{ascii, error_of, shown};
use crate::nonces::DPOP;
use crate::repo::{CallError, Repos};
use crate::session::Session;

const WHAT: &str = "the person's server";
/// The largest request. 200 writes are well below.
const MOST_BYTES: usize = 1024 * 1024;
/// A session that ends so soon is refreshed first.
const SOON_S: i64 = 30;

/// What is asked. It is sent once more if the session had to be refreshed.
enum Ask<'a> {
    Procedure(&'a Value),
    Query(&'a [(&'a str, &'a str)]),
}

#[async_trait]
impl Repos for Agents {
    async fn procedure(&self, person: &UserId, nsid: &str, body: Value) -> Result<Value, CallError> {
        self.call(person, nsid, &Ask::Procedure(&body)).await
    }

    async fn query(&self, person: &UserId, nsid: &str, parameters: &[(&str, &str)]) -> Result<Value, CallError> {
        self.call(person, nsid, &Ask::Query(parameters)).await
    }
}

impl Agents {
    async fn call(&self, person: &UserId, nsid: &str, ask: &Ask<'_>) -> Result<Value, CallError> {
        let connection = self.connected(person).await?;
        let outcome = self.call_as(connection.clone(), nsid, ask).await;
        let told = match &outcome {
            Ok(_) => None,
            Err(CallError::Away(why) | CallError::Invalid(why)) => Some(why.clone()),
            Err(error @ CallError::Refused { .. }) => Some(error.to_string()),
            // It has words of its own, or is none.
            Err(CallError::NotConnected | CallError::SessionEnded(_) | CallError::RateLimited { .. }) => {
                return outcome;
            }
        };
        if told != connection.last_error
            && let Err(error) = self.0.repository.note_connection(person, told.as_deref()).await
        {
            tracing::warn!(%person, %error, "what a repository answered could not be noted");
        }
        outcome
    }

    async fn call_as(&self, connection: Connection, nsid: &str, ask: &Ask<'_>) -> Result<Value, CallError> {
        let mut connection = connection;
        let mut session = self.session(&connection).await?;
        if is_ending(&session) {
            connection = self.refreshed(&connection).await?;
            session = self.session(&connection).await?;
        }
        let answer = self.ask(&connection, &session, nsid, ask).await?;
        if !says_expired(&answer) {
            return read(&answer);
        }
        // Even a session that was just refreshed: another process may have refreshed it since, which ends the tokens of before.
        connection = self.refreshed(&connection).await?;
        session = self.session(&connection).await?;
        read(&self.ask(&connection, &session, nsid, ask).await?)
    }

    /// Asks again once, with the nonce that the server wants.
    async fn ask(
        &self,
        connection: &Connection,
        session: &Session,
        nsid: &str,
        ask: &Ask<'_>,
    ) -> Result<Answer, CallError> {
        let invalid = || CallError::Invalid(format!("{} is not the name of a method.", shown(nsid)));
        if !nsid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-') {
            return Err(invalid());
        }
        let mut url = Url::parse(&connection.service).map_err(|_| invalid())?;
        url.set_path(&format!("/xrpc/{nsid}"));
        // A proof names the address without its query.
        let proven = url.to_string();
        let server = ascii(&url);
        let mut is_second = false;
        loop {
            let asked = match ask {
                Ask::Procedure(body) => {
                    let body = body.to_string().into_bytes();
                    if body.len() > MOST_BYTES {
                        return Err(CallError::Invalid(format!("The request has more than {MOST_BYTES} bytes.")));
                    }
                    Asked::post(url.clone(), "application/json", body)
                }
                Ask::Query(parameters) => {
                    let mut url = url.clone();
                    url.query_pairs_mut().extend_pairs(*parameters);
                    Asked::get(url)
                }
            };
            let method = asked.method.to_string();
            let asked = asked.header(ACCEPT, "application/json");
            let asked = match session {
                Session::AppPassword(session) => asked.header(AUTHORIZATION, format!("Bearer {}", session.access)),
                Session::OAuth(session) => {
                    let unusable =
                        |_| CallError::SessionEnded("The stored session cannot be used. Connect again.".into());
                    let key = session.dpop.key().map_err(unusable)?;
                    let nonce = self.0.nonces.of(&server);
                    let proof = key.proof(&method, &proven, nonce.as_deref(), Some(&session.access));
                    asked
                        .header(AUTHORIZATION, format!("DPoP {}", session.access))
                        .header(HeaderName::from_static(DPOP), proof)
                }
            };
            let answer =
                self.0.net.send(WHAT, asked).await.map_err(|error: Error| CallError::Away(error.to_string()))?;
            self.0.nonces.learn(&server, &answer);
            let wants_nonce = answer.status == 401
                && (error_of(&answer) == "use_dpop_nonce"
                    || answer.header("www-authenticate").is_some_and(|told| told.contains("use_dpop_nonce")));
            if wants_nonce && !is_second {
                is_second = true;
                continue;
            }
            return Ok(answer);
        }
    }
}

fn is_ending(session: &Session) -> bool {
    match session {
        Session::OAuth(session) => session.expires_at - SOON_S <= Timestamp::now().as_second(),
        // It says so when it has ended.
        Session::AppPassword(_) => false,
    }
}

fn says_expired(answer: &Answer) -> bool {
    answer.status == 401 || (answer.status == 400 && error_of(answer) == "ExpiredToken")
}

fn read(answer: &Answer) -> Result<Value, CallError> {
    match answer.status {
        200..=299 if answer.body.is_empty() => Ok(Value::Null),
        200..=299 => serde_json::from_slice(&answer.body)
            .map_err(|_| CallError::Invalid("The server did not answer with JSON.".into())),
        429 => Err(CallError::RateLimited { retry_after: wait(answer, Timestamp::now().as_second()) }),
        status @ 400..=499 => {
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let message = shown(body["message"].as_str().unwrap_or_default());
            Err(CallError::Refused { status, error: error_of(answer), message })
        }
        status => Err(CallError::Away(format!("The server answered {status}."))),
    }
}

/// How long the server asks to be left alone.
fn wait(answer: &Answer, now: i64) -> Option<Duration> {
    let number = |name: &str| answer.header(name).and_then(|text| text.trim().parse::<i64>().ok());
    let seconds = number("retry-after").or_else(|| Some(number("ratelimit-reset")? - now))?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};
    use serde_json::json;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let pairs =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        Answer { status, headers: HeaderMap::from_iter(pairs), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn answers_become_values_or_reasons() {
        assert_eq!(read(&answer(200, &[], r#"{"a":1}"#)), Ok(json!({ "a": 1 })));
        assert_eq!(read(&answer(200, &[], "")), Ok(Value::Null));
        assert!(matches!(read(&answer(200, &[], "<html>")), Err(CallError::Invalid(_))));
        assert!(matches!(read(&answer(503, &[], "")), Err(CallError::Away(_))));
        assert!(matches!(read(&answer(302, &[], "")), Err(CallError::Away(_))));
        let refused = read(&answer(400, &[], r#"{"error":"InvalidRequest","message":"no such record"}"#));
        let expected =
            CallError::Refused { status: 400, error: "InvalidRequest".into(), message: "no such record".into() };
        assert_eq!(refused, Err(expected));
    }

    #[test]
    fn a_server_says_how_long_to_wait() {
        assert_eq!(wait(&answer(429, &[("retry-after", "7")], ""), 100), Some(Duration::from_secs(7)));
        assert_eq!(wait(&answer(429, &[("ratelimit-reset", "160")], ""), 100), Some(Duration::from_secs(60)));
        assert_eq!(wait(&answer(429, &[("ratelimit-reset", "40")], ""), 100), None);
        assert_eq!(wait(&answer(429, &[], ""), 100), None);
    }
}
