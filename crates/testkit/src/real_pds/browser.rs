//! A browser on the pages on which a real server signs people in: as much of one as they check.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use cardwire_atproto::Callback;
use parking_lot::Mutex;
use reqwest::header::{COOKIE, LOCATION, ORIGIN, REFERER, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use url::Url;

use super::passwords::PASSWORD;
use crate::net::http_client_that_stays;

/// With cookies of its own.
pub struct Browser {
    client: reqwest::Client,
    service: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// What the browser brings back to the site that it was sent from.
pub fn brought(back: &Url) -> Callback {
    let field = |name: &str| back.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    Callback { state: field("state"), iss: field("iss"), code: field("code"), error: field("error") }
}

impl Browser {
    pub fn on(service: &str) -> Self {
        Self { client: http_client_that_stays(), service: service.to_owned(), cookies: Mutex::default() }
    }

    /// On the page that a site has sent the browser to: makes an account with this name, and lets the site in. Where it is sent back to.
    ///
    /// # Errors
    /// When the server refuses any of it.
    pub async fn sign_up(&self, page: &Url, name: &str) -> anyhow::Result<Url> {
        let (handle, email) = (format!("{name}.test"), format!("{name}@example.com"));
        let who = json!({ "locale": "en", "handle": handle, "email": email, "password": PASSWORD });
        self.agree(page, "sign-up", &who).await
    }

    /// The same for somebody who already has this name.
    ///
    /// # Errors
    /// When the server refuses any of it.
    pub async fn sign_in(&self, page: &Url, name: &str) -> anyhow::Result<Url> {
        let username = format!("{name}.test");
        let who = json!({ "locale": "en", "username": username, "password": PASSWORD, "remember": false });
        self.agree(page, "sign-in", &who).await
    }

    /// Does not let the site in. Where the browser is sent back to.
    ///
    /// # Errors
    /// When the server refuses that.
    pub async fn refuse(&self, page: &Url) -> anyhow::Result<Url> {
        self.open(page, None).await?;
        let refused = self.post(page, "reject", &json!({}), None).await?;
        self.sent_back(page, &refused).await
    }

    /// On the server's own page: shuts out all sites that this person has let in. How many there were.
    ///
    /// # Errors
    /// When the server refuses any of it.
    pub async fn shut_sites_out(&self, name: &str) -> anyhow::Result<usize> {
        let page = Url::parse(&format!("{}/account", self.service))?;
        self.open(&page, None).await?;
        let who = json!({ "locale": "en", "username": format!("{name}.test"), "password": PASSWORD });
        let entered = self.post(&page, "sign-in", &who, None).await?;
        let did = entered["account"]["did"].as_str().context("a DID")?;
        let sessions = self.ask(&page, Method::GET, &format!("oauth-sessions?did={did}"), None, None).await?;
        let sessions = sessions.as_array().context("sessions")?;
        for session in sessions {
            let which = json!({ "did": did, "tokenId": session["tokenId"] });
            self.post(&page, "revoke-oauth-session", &which, None).await?;
        }
        Ok(sessions.len())
    }

    async fn agree(&self, page: &Url, how: &str, who: &Value) -> anyhow::Result<Url> {
        self.open(page, None).await?;
        let entered = self.post(page, how, who, None).await?;
        let token = entered["ephemeralToken"].as_str().context("a token")?;
        let consent = json!({ "did": entered["account"]["did"] });
        let agreed = self.post(page, "consent", &consent, Some(token)).await?;
        self.sent_back(page, &agreed).await
    }

    async fn sent_back(&self, page: &Url, answer: &Value) -> anyhow::Result<Url> {
        let url = Url::parse(answer["url"].as_str().context("an address")?)?;
        let answer = self.open(&url, Some(page)).await?;
        let location = answer.headers().get(LOCATION).context("a redirect")?;
        Ok(Url::parse(location.to_str()?)?)
    }

    /// `from`: the page of the same server that leads there.
    async fn open(&self, url: &Url, from: Option<&Url>) -> anyhow::Result<Response> {
        let site = if from.is_some() { "same-origin" } else { "none" };
        let request = self.client.get(url.clone()).header("sec-fetch-site", site);
        let mut request = request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
        if let Some(from) = from {
            request = request.header(REFERER, from.as_str());
        }
        let answer = self.send(request).await?;
        let status = answer.status();
        ensure!(status.is_success() || status.is_redirection(), "{url}: {status}");
        Ok(answer)
    }

    async fn post(&self, page: &Url, what: &str, body: &Value, token: Option<&str>) -> anyhow::Result<Value> {
        self.ask(page, Method::POST, what, Some(body), token).await
    }

    /// As the script of a page does.
    async fn ask(
        &self,
        page: &Url,
        method: Method,
        what: &str,
        body: Option<&Value>,
        token: Option<&str>,
    ) -> anyhow::Result<Value> {
        let url = format!("{}/@atproto/oauth-provider/~api/{what}", self.service);
        let csrf = self.cookies.lock().get("csrf-token").cloned().unwrap_or_default();
        let request = self.client.request(method, url).header("x-csrf-token", csrf);
        let request = request.header(ORIGIN, self.service.as_str()).header(REFERER, page.as_str());
        let request = request.header("sec-fetch-site", "same-origin").header("sec-fetch-mode", "same-origin");
        let mut request = request.header("sec-fetch-dest", "empty");
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = self.send(request).await?;
        let status = answer.status();
        let answer: Value = answer.json().await?;
        ensure!(status.is_success(), "{what}: {status} {answer}");
        Ok(answer)
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let cookies: Vec<String> = self.cookies.lock().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header(COOKIE, cookies.join("; ")).send().await?;
        for line in answer.headers().get_all(SET_COOKIE) {
            let pair = line.to_str()?.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.lock().insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(answer)
    }
}
