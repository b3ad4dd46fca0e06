//! Sessions by passwords.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use cardwire_atproto::{CallError, Repos};
use cardwire_domain::UserId;
use parking_lot::Mutex;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::net::http_client;

/// Of everybody who signs up in a test.
pub const PASSWORD: &str = "correct horse battery";

/// Sessions of people who signed up on a server.
pub struct Passwords {
    service: String,
    client: reqwest::Client,
    tokens: Mutex<BTreeMap<UserId, String>>,
}

impl Passwords {
    pub fn on(service: &str) -> Self {
        Self { service: service.to_owned(), client: http_client(), tokens: Mutex::default() }
    }

    /// An account with this name. Its id is that of its repository.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn sign_up(&self, name: &str) -> anyhow::Result<UserId> {
        let body =
            json!({"handle": format!("{name}.test"), "email": format!("{name}@example.com"), "password": PASSWORD});
        let url = format!("{}/xrpc/com.atproto.server.createAccount", self.service);
        let answer = self.client.post(url).json(&body).send().await?;
        let status = answer.status();
        let answer: Value = answer.json().await?;
        ensure!(status.is_success(), "{answer}");
        let person = UserId::parse(answer["did"].as_str().context("a DID")?)?;
        let token = answer["accessJwt"].as_str().context("a token")?;
        self.tokens.lock().insert(person.clone(), token.to_owned());
        Ok(person)
    }

    /// The newest revision of a repository: another one after each commit.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn revision(&self, person: &UserId) -> Result<String, CallError> {
        let answer = self.query(person, "com.atproto.sync.getLatestCommit", &[("did", person.as_str())]).await?;
        Ok(answer["rev"].as_str().unwrap_or_default().to_owned())
    }

    async fn sign_in(&self, person: &UserId) -> Result<String, CallError> {
        let body = json!({"identifier": person.as_str(), "password": PASSWORD});
        let answer = self.call(Method::POST, "com.atproto.server.createSession", None, &[], Some(&body)).await?;
        let token = answer["accessJwt"].as_str().ok_or_else(|| CallError::Invalid("no token".to_owned()))?;
        self.tokens.lock().insert(person.clone(), token.to_owned());
        Ok(token.to_owned())
    }

    async fn authorized(
        &self,
        person: &UserId,
        method: Method,
        nsid: &str,
        parameters: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, CallError> {
        let token = self.tokens.lock().get(person).cloned().ok_or(CallError::NotConnected)?;
        match self.call(method.clone(), nsid, Some(&token), parameters, body).await {
            Err(CallError::Refused { error, .. }) if error == "ExpiredToken" => {
                let token = self.sign_in(person).await?;
                self.call(method, nsid, Some(&token), parameters, body).await
            }
            answer => answer,
        }
    }

    async fn call(
        &self,
        method: Method,
        nsid: &str,
        token: Option<&str>,
        parameters: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, CallError> {
        let mut url = reqwest::Url::parse(&format!("{}/xrpc/{nsid}", self.service))
            .map_err(|error| CallError::Invalid(error.to_string()))?;
        url.query_pairs_mut().extend_pairs(parameters);
        let mut request = self.client.request(method, url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let away = |error: reqwest::Error| CallError::Away(error.to_string());
        let answer = request.send().await.map_err(away)?;
        let status = answer.status();
        let wait = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = answer.bytes().await.map_err(away)?;
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(CallError::RateLimited { retry_after: wait.map(Duration::from_secs) });
        }
        if bytes.is_empty() && status.is_success() {
            return Ok(json!({}));
        }
        let answer: Value = serde_json::from_slice(&bytes).map_err(|error| CallError::Invalid(error.to_string()))?;
        if status.is_success() {
            return Ok(answer);
        }
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        Err(CallError::Refused { status: status.as_u16(), error: text("error"), message: text("message") })
    }
}

#[async_trait]
impl Repos for Passwords {
    async fn procedure(&self, person: &UserId, nsid: &str, body: Value) -> Result<Value, CallError> {
        self.authorized(person, Method::POST, nsid, &[], Some(&body)).await
    }

    async fn query(&self, person: &UserId, nsid: &str, parameters: &[(&str, &str)]) -> Result<Value, CallError> {
        self.authorized(person, Method::GET, nsid, parameters, None).await
    }
}
